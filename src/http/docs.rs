//! The API's description, and a page to try it.

use std::io;

use bytes::Bytes;
use futures_util::stream;
use poem::{Body, Response, Route, endpoint::make_sync, get, http::header};
use poem_openapi::{OpenApi, OpenApiService, Webhook};

/// The page carries its own scripts and styles, and may only speak with this server.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
     img-src 'self' data:; font-src data:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// What the description says before its first call.
pub const DESCRIPTION: &str = "\
confab is a chat daemon. Register or log in for a token; send it as `Authorization: Bearer`.

Events travel over a WebSocket, `GET /ws/{user_id}`, which this format cannot describe: the \
README has the frames. Give the token as `?token=`, as `Authorization: Bearer`, or as the \
subprotocol pair `confab.v1, bearer.<JWT>`.

Every error is `{\"code\",\"message\"}`; the codes are stable, and the same on the WebSocket.";

/// Adds `/openapi.json` and `/docs`.
pub fn add<T: OpenApi + 'static, W: Webhook + 'static>(
    routes: Route,
    service: &OpenApiService<T, W>,
) -> Route {
    let (spec, page) = (Bytes::from(service.spec()), Bytes::from(service.swagger_ui_html()));
    let spec = move |_| -> Response {
        Response::builder().content_type("application/json").body(spec.clone())
    };
    let page = move |_| -> Response {
        Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, POLICY)
            .body(in_pieces(page.clone()))
    };
    routes.at("/openapi.json", get(make_sync(spec))).at("/docs", get(make_sync(page)))
}

/// The page has 1.6 MB. The server would copy all of a body that it is given whole, for every
/// client that asks and takes nothing; of one that comes in pieces it copies 400 KiB at most.
fn in_pieces(text: Bytes) -> Body {
    const PIECE: usize = 16 * 1024;
    let pieces = (0..text.len()).step_by(PIECE);
    Body::from_bytes_stream(stream::iter(
        pieces.map(move |from| Ok::<_, io::Error>(text.slice(from..text.len().min(from + PIECE)))),
    ))
}
