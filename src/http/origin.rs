//! Which web pages may use the server from a browser.

use std::sync::Arc;

use arc_swap::ArcSwap;
use poem::{
    Endpoint, IntoResponse, Request, Response,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};

use super::failure::Failure;
use crate::code::{Code, Refusal};

/// What a browser may remember of a preflight's answer, in seconds.
const PREFLIGHT_AGE: u32 = 600;

/// The sites of `server.allowed_origins`, which a reload can change.
#[derive(Debug)]
pub struct AllowedOrigins(ArcSwap<Vec<String>>);

impl AllowedOrigins {
    /// These sites.
    pub fn new(sites: &[String]) -> Self {
        Self(ArcSwap::from_pointee(sites.to_vec()))
    }

    /// From here on, these.
    pub fn replace(&self, sites: &[String]) {
        self.0.store(Arc::new(sites.to_vec()));
    }

    /// Checks the `Origin` that browsers send.
    ///
    /// # Errors
    /// `origin_not_allowed`.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        check(headers, &self.0.load())
    }
}

/// Keeps other sites' pages out, and tells a browser that listed ones may (the CORS protocol of
/// the Fetch standard).
pub async fn guard<E: Endpoint>(
    endpoint: Arc<E>,
    request: Request,
    allowed: &AllowedOrigins,
) -> poem::Result<Response> {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        return Ok(endpoint.call(request).await?.into_response());
    };
    if let Err(refusal) = allowed.check(request.headers()) {
        return Ok(Failure(refusal).into_response());
    }
    let preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight {
        Response::builder()
            .status(StatusCode::NO_CONTENT)
            .header(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST")
            .header(header::ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type")
            .header(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE)
            .finish()
    } else {
        endpoint.call(request).await?.into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    Ok(response)
}

/// Checks the `Origin` that browsers send. A client that is no browser sends none and may always
/// connect; so may the server's own pages.
///
/// # Errors
/// `origin_not_allowed`.
fn check(headers: &HeaderMap, allowed: &[String]) -> Result<(), Refusal> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    if allowed.iter().any(|site| site == "*" || site.eq_ignore_ascii_case(origin)) {
        return Ok(());
    }
    // Behind a proxy that ends TLS the scheme differs, so the hosts decide.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let own = origin.split_once("://").map(|(_, host)| host);
    if own.is_some() && own == host {
        return Ok(());
    }
    Err(Refusal::new(
        Code::OriginNotAllowed,
        "Pages of this site may not use this server: see server.allowed_origins.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_pages_and_listed_sites_may() {
        let headers = |origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "chat.example:8080".parse().unwrap());
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            headers
        };
        let list = ["https://app.example".to_owned()];
        assert!(check(&HeaderMap::new(), &[]).is_ok());
        assert!(check(&headers("http://chat.example:8080"), &[]).is_ok());
        assert!(check(&headers("https://app.example"), &list).is_ok());
        for bad in
            ["https://evil.example", "null", "http://chat.example", "https://app.example.evil"]
        {
            assert!(check(&headers(bad), &list).is_err(), "{bad}");
        }
        assert!(check(&headers("https://any.example"), &["*".to_owned()]).is_ok());
    }
}
