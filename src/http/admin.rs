//! The admin listener: `/metrics`, `/healthz`, `/readyz`, `/reload`. Never on the public listener.

use std::{sync::Arc, time::Duration};

use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use poem::{EndpointExt, IntoEndpoint, IntoResponse, Response, Route, endpoint::make, get, post};

use super::{
    failure::{self, Failure},
    reload::{self, Reload},
};
use crate::{
    code::{Code, Refusal},
    dispatch::Dispatch,
    hub::Hub,
    store::{Store, StoreError},
};

/// How long `/readyz` waits for the store.
const PING: Duration = Duration::from_secs(2);

/// Everything on the admin listener.
pub fn routes(
    metrics: PrometheusHandle,
    dispatch: Arc<Dispatch>,
    store: Arc<dyn Store>,
    hub: Arc<Hub>,
    reloads: Arc<dyn Reload>,
) -> impl IntoEndpoint<Endpoint: 'static> {
    let render = make(move |_| {
        let (metrics, dispatch) = (metrics.clone(), Arc::clone(&dispatch));
        async move {
            dispatch.publish();
            process_metrics();
            Response::builder().content_type("text/plain; version=0.0.4").body(metrics.render())
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
        .at("/reload", post(reload))
        .catch_all_error(async |error| failure::shape(error))
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

/// What the process itself costs, read when it is asked for.
fn process_metrics() {
    let Ok(statm) = std::fs::read_to_string("/proc/self/statm") else { return };
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u32>().ok());
    if let Some(pages) = pages {
        gauge!("process_resident_memory_bytes")
            .set(f64::from(pages) * rustix::param::page_size() as f64);
    }
    if let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") {
        gauge!("process_open_fds").set(descriptors.count() as f64);
    }
}
