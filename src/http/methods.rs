//! Which methods a path takes, told to whoever asked with another.

use std::sync::Arc;

use poem::{
    Endpoint, IntoResponse, Request, Response,
    http::{HeaderValue, StatusCode, header},
};

/// The calls of the API that are made with POST. All other paths of the public listener take GET,
/// and so HEAD.
pub const POSTED: [&str; 6] =
    ["/register", "/login", "/refresh", "/logout", "/logout-all", "/password"];

/// The same of the admin listener and the control socket.
pub const RELOAD: &str = "/reload";

/// Gives an answer of 405 the header `Allow` that it must have: RFC 9110, section 15.5.6.
pub async fn tell<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    let path = request.uri().path();
    let posted = POSTED.contains(&path) || path == RELOAD;
    let mut response = endpoint.call(request).await?.into_response();
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let methods = if posted { "POST" } else { "GET, HEAD" };
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    }
    Ok(response)
}
