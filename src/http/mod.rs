//! The HTTP and WebSocket API, one file an area.
//!
//! Invariant: nothing outside this module names poem.

mod acceptor;
mod access;
mod accounts;
mod addresses;
pub mod admin;
mod bearer;
mod client;
pub mod control;
mod conversations;
mod docs;
mod failure;
mod json;
mod logins;
mod meters;
mod methods;
mod origin;
mod profile;
mod proxies;
mod reload;
mod request_id;
mod server;
mod transport;
mod web;
mod ws;

use std::{net::IpAddr, sync::Arc, time::Duration};

use addresses::{Addresses, Place};
use confab_plugin::UserId;
use metrics::counter;
use poem::{
    Endpoint, EndpointExt, IntoEndpoint, IntoResponse, Request, Response, Route, get,
    http::{HeaderValue, Method, header},
};
use poem_openapi::OpenApiService;

use crate::{
    admission::Admission,
    auth::{Accounts, Tokens},
    code::{Code, Refusal},
    config::{Config, Limits},
    dispatch::Dispatch,
    hub::Hub,
    rate::{KeyedRate, Rate, whole_seconds},
    store::Store,
};
pub use access::Access;
pub use meters::describe_metrics;
pub use reload::{NotReloaded, Reload, Reloaded, Told};
pub use server::{Serving, bind, serve, serve_local};

/// How many addresses, and how many users, the rates of logins, sessions and frames remember.
const REMEMBERED: usize = 65_536;

/// All that the calls need.
pub struct State {
    dispatch: Arc<Dispatch>,
    hub: Arc<Hub>,
    store: Arc<dyn Store>,
    admission: Arc<Admission>,
    accounts: Accounts,
    tokens: Arc<Tokens>,
    limits: Limits,
    access: Arc<Access>,
    /// Who has how many sessions that came through a proxy.
    forwarded: Arc<Addresses>,
    attempts: KeyedRate<IpAddr>,
    refreshes: KeyedRate<IpAddr>,
    guesses: KeyedRate<UserId>,
    opened: KeyedRate<UserId>,
    frames: KeyedRate<UserId>,
    sessions: ws::Sessions,
}

impl State {
    /// The state of the calls, from the daemon's parts.
    pub fn new(
        config: &Config,
        dispatch: Arc<Dispatch>,
        hub: Arc<Hub>,
        store: Arc<dyn Store>,
        admission: Arc<Admission>,
        accounts: Accounts,
        access: Arc<Access>,
    ) -> Self {
        let limits = &config.limits;
        let a_minute = |count, burst| Rate::new(count, Duration::from_secs(60), burst);
        let logins = a_minute(limits.auth_rate, limits.auth_burst);
        let frames = Rate::new(limits.frame_rate, Duration::from_secs(1), limits.frame_burst);
        let opened = a_minute(limits.connect_rate, limits.connect_burst);
        Self {
            dispatch,
            hub,
            store,
            admission,
            tokens: Arc::clone(accounts.tokens()),
            accounts,
            limits: limits.clone(),
            access,
            forwarded: Arc::default(),
            attempts: KeyedRate::new(logins, REMEMBERED),
            refreshes: KeyedRate::new(logins, REMEMBERED),
            guesses: KeyedRate::new(logins, REMEMBERED),
            opened: KeyedRate::new(opened, REMEMBERED),
            frames: KeyedRate::new(frames, REMEMBERED),
            sessions: ws::Sessions::from(limits),
        }
    }

    /// Counts a login or registration against the client's address.
    fn allow_attempt(&self, request: &Request) -> Result<(), Refusal> {
        let address = client::customer(client::address(request, &self.access.proxies));
        let message = "Too many logins and registrations from your address: wait a little.";
        let taken = self.attempts.take(&address, std::time::Instant::now());
        taken.map_err(|wait| rate_limited(message, wait))
    }

    /// Counts a refresh against the client's address: apart from logins, so that neither takes the
    /// other's place.
    fn allow_refresh(&self, request: &Request) -> Result<(), Refusal> {
        let address = client::customer(client::address(request, &self.access.proxies));
        let message = "Too many refreshes from your address: wait a little.";
        let taken = self.refreshes.take(&address, std::time::Instant::now());
        taken.map_err(|wait| rate_limited(message, wait))
    }

    /// A place for a session that a proxy brings, among those of its client's address. Other
    /// connections have one from the acceptor; `None` for them.
    fn place(&self, peer: IpAddr, client: IpAddr) -> Result<Option<Place>, Refusal> {
        let proxies = &self.access.proxies;
        if !proxies.trusts(peer) || proxies.trusts(client) {
            return Ok(None);
        }
        let place = self.forwarded.enter(client, self.limits.connections_per_address);
        if place.is_none() {
            counter!("confab_connections_refused_total").increment(1);
            let message = "Your address has too many connections: close one of them.";
            return Err(Refusal::new(Code::RateLimited, message));
        }
        Ok(place)
    }

    /// Counts a password that somebody gives with a user's token, against the user: whoever has
    /// stolen the token could guess from many addresses.
    fn allow_guess(&self, user: UserId) -> Result<(), Refusal> {
        let message = "Too many passwords were tried for your account: wait a little.";
        let taken = self.guesses.take(&user, std::time::Instant::now());
        taken.map_err(|wait| rate_limited(message, wait))
    }

    /// Counts a session that a user wants to open. Asks nobody else, so that whoever reconnects in
    /// a loop costs little.
    fn allow_session(&self, user: UserId) -> Result<(), Refusal> {
        let message = "You open too many sessions: wait a little.";
        let taken = self.opened.take(&user, std::time::Instant::now());
        taken.map_err(|wait| rate_limited(message, wait))
    }
}

fn rate_limited(message: &'static str, wait: Duration) -> Refusal {
    let mut refusal = Refusal::new(Code::RateLimited, message);
    refusal.retry_after = Some(whole_seconds(wait));
    refusal
}

/// Everything on the public listener.
pub fn public(config: &Config, state: Arc<State>) -> impl IntoEndpoint<Endpoint: 'static> + use<> {
    let api = (accounts::AccountsApi, logins::LoginsApi, conversations::ConversationsApi);
    let service = OpenApiService::new(api, "confab", env!("CARGO_PKG_VERSION"))
        .description(docs::DESCRIPTION);
    let mut routes = Route::new().at("/ws/:user_id", get(ws::upgrade));
    if config.server.docs {
        routes = docs::add(routes, &service);
    }
    if config.server.web {
        routes = web::add(routes);
    }
    let limit = config.limits.body.as_usize();
    let requests = Arc::new(meters::Requests::new());
    let access = Arc::clone(&state.access);
    // Not at "/", which would take the web chat's own paths.
    let service = Arc::new(service.into_endpoint());
    for path in methods::POSTED {
        routes = routes.at(path, Arc::clone(&service));
    }
    routes
        .nest_no_strip("/users", Arc::clone(&service))
        .nest_no_strip("/conversations", service)
        .data(state)
        .around(move |endpoint, request| limit_body(endpoint, request, limit))
        .catch_all_error(async |error| failure::shape(error))
        .around(methods::tell)
        .around(move |endpoint, request| {
            let access = Arc::clone(&access);
            async move { origin::guard(endpoint, request, &access.origins).await }
        })
        .after(async |response| Ok::<_, poem::Error>(secure(response?)))
        .around(move |endpoint, request| {
            let requests = Arc::clone(&requests);
            async move { requests.measure(endpoint, request).await }
        })
        .around(async |endpoint, request| Ok(request_id::told(&*endpoint, request).await))
}

/// Reads the body within `limits.body`, also when its length is not told beforehand.
async fn limit_body<E: Endpoint>(
    endpoint: Arc<E>,
    mut request: Request,
    limit: usize,
) -> poem::Result<Response> {
    if request.method() == Method::POST {
        let body = request.take_body().into_bytes_limit(limit).await?;
        request.set_body(body);
    }
    Ok(endpoint.call(request).await?.into_response())
}

/// What every answer tells a browser.
fn secure(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
