//! `POST /reload` on the admin listener: reads the configuration again, as SIGHUP does.

use async_trait::async_trait;
use poem::{
    Body, IntoResponse, Request, Response,
    http::{StatusCode, header},
};
use serde::Serialize;

use super::failure::Failure;
use crate::{
    code::{Code, Refusal},
    config::{Change, ConfigError, escape},
};

/// Who reloads the configuration.
#[async_trait]
pub trait Reload: Send + Sync {
    /// Reads the configuration again, and puts it in force. Bounded in time.
    ///
    /// # Errors
    /// Why the configuration of before goes on.
    async fn reload(&self) -> Result<Reloaded, NotReloaded>;
}

/// What a reload did.
#[derive(Clone, Debug, Serialize)]
pub struct Reloaded {
    /// The generation of the chain: 1 at the start, one more with each reload.
    pub generation: u64,
    /// The fingerprint of the configuration in force.
    pub config: String,
    /// The keys that changed, and that a restart would put in force.
    pub needs_restart: Vec<String>,
    /// All keys that changed.
    pub changes: Vec<Change>,
    /// What works, and is probably not meant.
    pub warnings: Vec<Told>,
}

/// Why the configuration of before goes on.
#[derive(Clone, Debug)]
pub enum NotReloaded {
    /// Something is wrong with the new one: all that is.
    Invalid(Vec<Told>),
    /// It was not tried, or not to its end.
    Refused(Refusal),
}

/// An error or a warning about the configuration, its texts on one line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// `file:line:column`, or the variable or flag.
    pub place: String,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl From<&ConfigError> for Told {
    fn from(error: &ConfigError) -> Self {
        Self {
            place: escape(&error.place()),
            message: escape(error.message()),
            help: error.advice().map(escape),
        }
    }
}

/// Answers the call.
pub async fn answer(request: &Request, reloads: &dyn Reload) -> Response {
    // A page in the operator's browser could send it, and no page has business here.
    if request.headers().contains_key(header::ORIGIN) {
        let message = "Pages in a browser may not reload the configuration.";
        return Failure(Refusal::new(Code::OriginNotAllowed, message)).into_response();
    }
    match reloads.reload().await {
        Ok(reloaded) => json(StatusCode::OK, &reloaded),
        Err(NotReloaded::Refused(refusal)) => Failure(refusal).into_response(),
        Err(NotReloaded::Invalid(errors)) => json(
            StatusCode::UNPROCESSABLE_ENTITY,
            &serde_json::json!({
                "code": Code::InvalidConfig.as_str(),
                "message": "The configuration is wrong: that of before goes on.",
                "errors": errors,
            }),
        ),
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = Body::from_json(body).unwrap_or_default();
    Response::builder().status(status).content_type("application/json").body(body)
}
