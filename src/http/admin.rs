//! The admin listener: `/metrics`, `/healthz`, `/readyz`, `/reload`. Never on the public listener.

use std::{sync::Arc, time::Duration};

use poem::{
    EndpointExt, IntoEndpoint, IntoResponse, Response, Route, endpoint::make, get,
    http::StatusCode, post,
};
use tokio::task::spawn_blocking;

use super::{
    failure::{self, Failure},
    methods,
    reload::{self, Reload},
};
use crate::{
    code::{Code, Refusal},
    hub::Hub,
    store::{Store, StoreError},
};

/// How long `/readyz` waits for the store.
const PING: Duration = Duration::from_secs(2);

/// Everything on the admin listener; `metrics` makes the text of a scrape.
pub fn routes(
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
    store: Arc<dyn Store>,
    hub: Arc<Hub>,
    reloads: Arc<dyn Reload>,
) -> impl IntoEndpoint<Endpoint: 'static> {
    let render = make(move |_| {
        let metrics = Arc::clone(&metrics);
        async move {
            match spawn_blocking(move || metrics()).await {
                Ok(text) => {
                    Response::builder().content_type("text/plain; version=0.0.4").body(text)
                }
                Err(_) => Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).finish(),
            }
        }
    });
    let ready = make(move |_| {
        let (store, hub) = (Arc::clone(&store), Arc::clone(&hub));
        async move {
            match readiness(&*store, &hub).await {
                Ok(()) => "ready\n".into_response(),
                Err(why) => Failure(Refusal::new(Code::Unavailable, why)).into_response(),
            }
        }
    });
    let reload = make(move |request| {
        let reloads = Arc::clone(&reloads);
        async move { reload::answer(&request, &*reloads).await }
    });
    Route::new()
        .at("/metrics", get(render))
        .at("/healthz", get(make(|_| async { "alive\n" })))
        .at("/readyz", get(ready))
        .at(methods::RELOAD, post(reload))
        .catch_all_error(async |error| failure::shape(error))
        .around(methods::tell)
}

async fn readiness(store: &dyn Store, hub: &Hub) -> Result<(), String> {
    if hub.is_draining() {
        return Err("the server is stopping".to_owned());
    }
    match tokio::time::timeout(PING, store.ping()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(StoreError::Unavailable(why))) => Err(format!("store: {why}")),
        Ok(Err(error)) => Err(format!("store: {error}")),
        Err(_) => Err(format!("store: no answer within {} s", PING.as_secs())),
    }
}
