//! The web chat at `/`: static files, compiled in.

use poem::{
    Response, Route,
    endpoint::make_sync,
    get,
    http::{StatusCode, header},
};

/// Nothing inline, nothing from elsewhere, no frames: what a user writes can never run.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Browsers load modules with this type only.
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

macro_rules! files {
    ($($name:literal: $content_type:expr,)+) => {
        /// Name, type, text.
        const FILES: &[(&str, &str, &str)] =
            &[$(($name, $content_type, include_str!(concat!("web/", $name))),)+];
    };
}

files! {
    "index.html": "text/html; charset=utf-8",
    "app.css": CSS,
    "chat.css": CSS,
    "icon.svg": "image/svg+xml",
    "api.js": JAVASCRIPT,
    "app.js": JAVASCRIPT,
    "client.js": JAVASCRIPT,
    "composer.js": JAVASCRIPT,
    "conversation.js": JAVASCRIPT,
    "dom.js": JAVASCRIPT,
    "drafts.js": JAVASCRIPT,
    "format.js": JAVASCRIPT,
    "list.js": JAVASCRIPT,
    "listing.js": JAVASCRIPT,
    "outbox.js": JAVASCRIPT,
    "password.js": JAVASCRIPT,
    "room.js": JAVASCRIPT,
    "session.js": JAVASCRIPT,
    "signin.js": JAVASCRIPT,
    "socket.js": JAVASCRIPT,
    "store.js": JAVASCRIPT,
    "sync.js": JAVASCRIPT,
}

/// Adds the web chat's files.
pub fn add(mut routes: Route) -> Route {
    for &(name, content_type, text) in FILES {
        // A change of the program changes the tag, and so reaches browsers at once.
        let tag = format!("\"{}-{}\"", env!("CARGO_PKG_VERSION"), fingerprint(text));
        let file = move |request: poem::Request| {
            let known = request.headers().get(header::IF_NONE_MATCH);
            let response = Response::builder()
                .header(header::ETAG, &tag)
                .header(header::CACHE_CONTROL, "no-cache")
                .header(header::CONTENT_SECURITY_POLICY, POLICY);
            if known.is_some_and(|known| known == tag.as_str()) {
                return response.status(StatusCode::NOT_MODIFIED).finish();
            }
            response.content_type(content_type).body(text)
        };
        let path = match name {
            "index.html" => "/".to_owned(),
            _ => format!("/{name}"),
        };
        routes = routes.at(path, get(make_sync(file)));
    }
    routes
}

/// FNV-1a, 64 bits: tells two versions of a file apart, no more.
fn fingerprint(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}
