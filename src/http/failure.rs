//! The one shape of every HTTP error: `{"code","message"}` with the right status.

use poem::{
    Body, IntoResponse, Response,
    error::{MethodNotAllowedError, NotFoundError, ReadBodyError, ResponseError},
    http::{StatusCode, header},
};
use poem_openapi::{
    ApiResponse, Object,
    error::{
        AuthorizationError, ContentTypeError, ParseParamError, ParsePathError,
        ParseRequestPayloadError,
    },
    payload::{Json, Payload},
    registry::{MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::Type,
};
use serde::Serialize;

use crate::code::{Code, Refusal};

/// The body of every error.
#[derive(Serialize, Object)]
#[oai(rename = "Error")]
pub struct ErrorBody {
    /// A stable word for programs.
    code: String,
    /// A sentence for people.
    message: String,
    /// The entry of the chain that refused, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[oai(skip_serializing_if_is_none)]
    plugin: Option<String>,
}

/// A refused call.
#[derive(Debug)]
pub struct Failure(pub Refusal);

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl From<Failure> for poem::Error {
    fn from(failure: Failure) -> Self {
        poem::Error::from_response(failure.into_response())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let refusal = self.0;
        let status =
            StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = ErrorBody {
            code: refusal.code.into_owned(),
            message: refusal.message.into_owned(),
            plugin: refusal.plugin.map(|name| name.to_string()),
        };
        let mut response = Response::builder().status(status).content_type("application/json");
        if let Some(seconds) = refusal.retry_after {
            response = response.header(header::RETRY_AFTER, seconds);
        }
        if status == StatusCode::UNAUTHORIZED {
            response = response.header(header::WWW_AUTHENTICATE, "Bearer");
        }
        response.body(Body::from_json(&body).unwrap_or_default())
    }
}

/// Describes the error shape in the API description; the calls' own texts say what can happen.
impl ApiResponse for Failure {
    fn meta() -> MetaResponses {
        let content = MetaMediaType {
            content_type: Json::<ErrorBody>::CONTENT_TYPE,
            schema: ErrorBody::schema_ref(),
        };
        let response = MetaResponse {
            description: "The call was refused: `code` says why, in a stable word.",
            status: None,
            status_range: Some("default".to_owned()),
            content: vec![content],
            headers: Vec::new(),
        };
        MetaResponses { responses: vec![response] }
    }

    fn register(registry: &mut Registry) {
        ErrorBody::register(registry);
    }
}

/// The failure of something that cannot fail unless the program is wrong.
pub fn defect() -> poem::Error {
    Failure(Refusal::new(Code::Internal, "The server failed: its log says more.")).into()
}

/// Gives the errors of the framework the one shape.
pub fn shape(error: poem::Error) -> Response {
    if error.is_from_response() {
        return error.into_response();
    }
    let status = error.status();
    let refusal = if error.is::<NotFoundError>() {
        Refusal::new(Code::NotFound, "There is nothing here.")
    } else if error.is::<MethodNotAllowedError>() {
        Refusal::new(Code::MethodNotAllowed, "This path does not take this method.")
    } else if error.is::<AuthorizationError>() {
        Refusal::new(Code::BadToken, "A token is missing: send Authorization: Bearer.")
    } else if error.is::<ContentTypeError>() {
        let message = "Send JSON, with Content-Type: application/json.";
        Refusal::new(Code::UnsupportedMediaType, message)
    } else if let Some(error) = error.downcast_ref::<ParseRequestPayloadError>() {
        Refusal::new(Code::Malformed, format!("The body cannot be read: {}.", error.reason))
    } else if error.is::<ParsePathError>() {
        Refusal::new(Code::NotFound, "There is nothing here.")
    } else if let Some(error) = error.downcast_ref::<ParseParamError>() {
        let message = format!("The parameter \"{}\" is not good: {}.", error.name, error.reason);
        Refusal::new(Code::InvalidParameter, message)
    } else if let Some(error) = error.downcast_ref::<ReadBodyError>() {
        match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            _ => Refusal::new(Code::Malformed, "The body could not be read."),
        }
    } else if status == StatusCode::PAYLOAD_TOO_LARGE {
        too_large()
    } else if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        Refusal::new(Code::UnsupportedMediaType, "Send JSON, with Content-Type: application/json.")
    } else if status.is_client_error() {
        Refusal::new(Code::Malformed, "The request cannot be understood.")
    } else {
        tracing::error!(error = %error.to_string().escape_debug(), "a request failed");
        Refusal::new(Code::Internal, "The server failed: its log says more.")
    };
    Failure(refusal).into_response()
}

/// The body is larger than `limits.body`.
pub fn too_large() -> Refusal {
    Refusal::new(Code::BodyTooLarge, "The body is too large.")
}
