//! What is counted of connections, requests and frames on the public listener.
//!
//! Invariant: a path names a route of the table below or is `other`, so that what clients make up
//! adds no series.

use std::{
    sync::{Arc, LazyLock, OnceLock},
    time::Instant,
};

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use poem::{Endpoint, IntoResponse, Request, Response};

use crate::auth::TokenError;

/// Frames that were malformed or over the rate.
pub static FRAMES_REFUSED: LazyLock<Counter> =
    LazyLock::new(|| counter!("confab_frames_refused_total"));

static CONNECTIONS: LazyLock<Gauge> = LazyLock::new(|| gauge!("confab_connections"));

/// One open connection; it is counted until it is dropped.
pub struct Open(());

impl Open {
    /// A connection has opened.
    pub fn count() -> Self {
        CONNECTIONS.increment(1);
        Self(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        CONNECTIONS.decrement(1);
    }
}

/// The paths that are told apart; a segment in braces stands for any.
const ROUTES: [&str; 15] = [
    "/",
    "/register",
    "/login",
    "/refresh",
    "/logout",
    "/logout-all",
    "/password",
    "/users/me",
    "/users/{user}",
    "/conversations",
    "/conversations/{peer}/messages",
    "/ws/{user}",
    "/openapi.json",
    "/docs",
    "other",
];

/// The statuses that are told apart; others are `other`.
const STATUSES: [(u16, &str); 20] = [
    (101, "101"),
    (200, "200"),
    (201, "201"),
    (204, "204"),
    (304, "304"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (408, "408"),
    (409, "409"),
    (413, "413"),
    (415, "415"),
    (422, "422"),
    (426, "426"),
    (429, "429"),
    (500, "500"),
    (503, "503"),
    (0, "other"),
];

/// The place in [`ROUTES`] of the route that `path` takes.
fn route(path: &str) -> usize {
    let is = |route: &&str| {
        let (mut segments, mut parts) = (path.split('/'), route.split('/'));
        loop {
            match (segments.next(), parts.next()) {
                (None, None) => return true,
                (Some(segment), Some(part)) if segment == part => {}
                (Some(segment), Some(part)) if part.starts_with('{') && !segment.is_empty() => {}
                _ => return false,
            }
        }
    };
    ROUTES.iter().position(is).unwrap_or(ROUTES.len() - 1)
}

/// The handles of one route, registered when they are first needed.
#[derive(Default)]
struct Handles {
    seconds: OnceLock<Histogram>,
    statuses: [OnceLock<Counter>; STATUSES.len()],
}

impl Handles {
    fn seconds(&self, route: &'static str) -> &Histogram {
        let register = || histogram!("confab_http_request_duration_seconds", "route" => route);
        self.seconds.get_or_init(register)
    }

    /// The counter of the status at `place` in [`STATUSES`].
    fn requests(&self, route: &'static str, place: usize) -> Option<&Counter> {
        let (_, status) = STATUSES.get(place)?;
        let register =
            || counter!("confab_http_requests_total", "route" => route, "status" => *status);
        Some(self.statuses.get(place)?.get_or_init(register))
    }
}

/// Counts and times requests.
pub struct Requests([Handles; ROUTES.len()]);

impl Requests {
    /// With nothing counted. What is our own failure begins at 0, so that a first one is seen as a
    /// change.
    pub fn new() -> Self {
        let requests = Self(std::array::from_fn(|_| Handles::default()));
        for (handles, route) in requests.0.iter().zip(ROUTES) {
            for place in (0..STATUSES.len()).filter(|place| STATUSES[*place].0 >= 500) {
                let _ = handles.requests(route, place);
            }
        }
        requests
    }

    /// Lets `endpoint` answer, and counts the answer.
    pub async fn measure(
        &self,
        endpoint: Arc<impl Endpoint>,
        request: Request,
    ) -> poem::Result<Response> {
        let (route, started) = (route(request.uri().path()), Instant::now());
        let result = endpoint.call(request).await.map(IntoResponse::into_response);
        let status = match &result {
            Ok(response) => response.status(),
            Err(error) => error.status(),
        };
        self.count(route, status.as_u16(), started);
        result
    }

    fn count(&self, route: usize, status: u16, started: Instant) {
        let place = STATUSES.iter().position(|(known, _)| *known == status);
        let place = place.unwrap_or(STATUSES.len() - 1);
        let (Some(handles), Some(name)) = (self.0.get(route), ROUTES.get(route)) else { return };
        handles.seconds(name).record(started.elapsed());
        if let Some(counter) = handles.requests(name, place) {
            counter.increment(1);
        }
    }
}

/// What each metric means. Counters begin at 0, so that a first event is seen as a change.
pub fn describe_metrics() {
    describe_counter!(
        "confab_http_requests_total",
        Unit::Count,
        "Requests on the public listener, by route and status; 101 is a session that began."
    );
    describe_histogram!(
        "confab_http_request_duration_seconds",
        Unit::Seconds,
        "From a request's head to its answer's, by route."
    );
    describe_counter!(
        "confab_connections_refused_total",
        Unit::Count,
        "Connections refused because their address has limits.connections_per_address."
    );
    describe_counter!(
        "confab_connections_failed_total",
        Unit::Count,
        "Connections that could not be accepted, as when file descriptors run out."
    );
    describe_counter!(
        "confab_frames_refused_total",
        Unit::Count,
        "Frames that were malformed or over the rate."
    );
    describe_counter!(
        "confab_tokens_refused_total",
        Unit::Count,
        "Tokens that were not good, by reason."
    );
    describe_gauge!(
        "confab_connections",
        Unit::Count,
        "Open connections, sessions among them, on both listeners."
    );
    describe_gauge!(
        "confab_connections_max",
        Unit::Count,
        "The most connections on the public listener: limits.connections, or what file descriptors \
         leave of it. Further ones wait in the kernel."
    );
    CONNECTIONS.set(0);
    FRAMES_REFUSED.increment(0);
    for name in ["confab_connections_refused_total", "confab_connections_failed_total"] {
        counter!(name).increment(0);
    }
    for error in TokenError::ALL {
        counter!("confab_tokens_refused_total", "reason" => error.reason()).increment(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_finds_its_template_and_nothing_else_adds_one() {
        let found = |path| ROUTES[route(path)];
        assert_eq!(found("/"), "/");
        assert_eq!(found("/users/me"), "/users/me");
        assert_eq!(found("/users/@ann"), "/users/{user}");
        assert_eq!(found("/conversations"), "/conversations");
        assert_eq!(found("/conversations/@bob/messages"), "/conversations/{peer}/messages");
        assert_eq!(found("/ws/01hzx"), "/ws/{user}");
        for path in ["", "//", "/users", "/users/", "/users/a/b", "/other", "other", "/ws//x"] {
            assert_eq!(found(path), "other", "{path}");
        }
    }
}
