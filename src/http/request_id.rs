//! The id of a request: in its answer, and in every line that is logged in its course.

use std::time::Instant;

use poem::{
    Endpoint, IntoResponse, Request, Response,
    http::{HeaderName, HeaderValue},
};
use tracing::Instrument as _;

use super::failure;
use crate::trace::{self, Kind, Parent, Span, Trace};

/// The header, of requests and of answers.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a client or a proxy, in bytes.
const LONGEST: usize = 64;

/// Answers a request under its id.
///
/// The id is what `X-Request-Id` says, where that is a plain word, else the request's trace id,
/// which is that of `traceparent` or a new one. The query is not logged: it may hold a token.
pub async fn told<E: Endpoint>(endpoint: &E, request: Request) -> Response {
    let header = |name: &HeaderName| request.headers().get(name)?.to_str().ok();
    let traceparent = HeaderName::from_static("traceparent");
    let parent = header(&traceparent).and_then(Parent::read);
    let trace = parent.map_or_else(Trace::new, |parent| parent.trace);
    let id = header(&HEADER).filter(|id| is_plain(id)).map(str::to_owned);
    let id = id.unwrap_or_else(|| trace.to_string());
    let (own, started) = (parent.map_or(trace.root(), |_| trace::random()), Instant::now());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::error_span!(
        "request",
        %id,
        trace = parent.map(|parent| tracing::field::display(parent.trace)),
        %method,
        path,
    );
    let answer = async {
        let mut response = match endpoint.call(request).await {
            Ok(response) => response.into_response(),
            Err(error) => failure::shape(error),
        };
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(HEADER, id);
        }
        let status = response.status();
        tracing::debug!(status = status.as_u16(), "answered");
        trace::export(trace, || Span {
            id: own,
            parent: parent.map(|parent| parent.span),
            name: method.to_string().into(),
            kind: Kind::Server,
            took: started.elapsed(),
            failed: status.is_server_error(),
            attributes: vec![
                ("http.request.method", method.to_string().into()),
                ("url.path", path.into()),
                ("http.response.status_code", u64::from(status.as_u16()).into()),
                ("confab.request_id", id.into()),
            ],
        });
        response
    };
    trace.within(own, answer).instrument(span).await
}

/// Whether an id of somebody else's is fit for a header and a log.
fn is_plain(id: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"._-".contains(&c);
    (1..=LONGEST).contains(&id.len()) && id.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn only_plain_words_are_taken_over() {
        for good in ["1", "a-b_c.D9", "4bf92f3577b34da6a3ce929d0e0e4736", &"x".repeat(64)] {
            assert!(is_plain(good), "{good}");
        }
        for bad in ["", "a b", "a\nb", "a=b", "é", "a\u{1b}", "<x>", "\"", &"x".repeat(65)] {
            assert!(!is_plain(bad), "{bad}");
        }
    }
}
