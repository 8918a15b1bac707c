//! `POST /refresh`, `POST /logout`.

use std::sync::Arc;

use poem::{Request, web::Data};
use poem_openapi::{ApiRequest, Object, OpenApi, payload::Json};
use serde::Deserialize;

use super::{
    State,
    accounts::{Granted, refusal},
    failure::Failure,
    json::StrictJson,
};
use crate::config::Secret;

/// The calls that follow a login.
pub struct LoginsApi;

/// A refresh token.
#[derive(Object, Deserialize)]
#[oai(deny_unknown_fields)]
#[serde(deny_unknown_fields)]
struct Refresh {
    /// As the last answer of `/register`, `/login` or `/refresh` gave it.
    refresh_token: String,
}

/// The body of both calls.
#[derive(ApiRequest)]
enum RefreshRequest {
    /// JSON.
    Json(StrictJson<Refresh>),
}

impl RefreshRequest {
    fn token(self) -> Secret {
        let Self::Json(StrictJson(body)) = self;
        body.refresh_token.into()
    }
}

/// An answer without a body.
#[derive(poem_openapi::ApiResponse)]
enum Done {
    /// The login is over.
    #[oai(status = 204)]
    Done,
}

#[OpenApi]
impl LoginsApi {
    /// Get the next token
    ///
    /// Takes a refresh token, once, and gives a new token and the next refresh token. A refresh
    /// token that comes again ends its login, but for `auth.refresh_grace` after its first use,
    /// while nobody has used its successor: then the answer is the same refresh token again.
    #[oai(path = "/refresh", method = "post")]
    async fn refresh(
        &self,
        request: &Request,
        state: Data<&Arc<State>>,
        body: RefreshRequest,
    ) -> Result<Json<Granted>, Failure> {
        state.allow_refresh(request)?;
        match state.accounts.refresh(&body.token()).await {
            Ok((account, token)) => Ok(Granted::new(&account, &token)),
            Err((error, ended)) => {
                ended.iter().for_each(|ended| state.admission.end_login(ended));
                Err(refusal(&error).into())
            }
        }
    }

    /// Log out
    ///
    /// Ends the login of a refresh token and closes its sessions, on every node. The token of the
    /// login, which nobody asks the store about, is good until it expires: forget it.
    #[oai(path = "/logout", method = "post")]
    async fn logout(
        &self,
        request: &Request,
        state: Data<&Arc<State>>,
        body: RefreshRequest,
    ) -> Result<Done, Failure> {
        state.allow_refresh(request)?;
        let ended = state.accounts.log_out(&body.token()).await;
        let ended = ended.map_err(|error| refusal(&error))?;
        ended.iter().for_each(|ended| state.admission.end_login(ended));
        Ok(Done::Done)
    }
}
