//! Which parts of the daemon the watchdog asks.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::watchdog::Part;
use crate::{dispatch::Dispatch, store::Store, turns::Pulse};

/// What a lane's round takes beyond the store's own time limit: answering and publishing.
const MARGIN: Duration = Duration::from_secs(5);

/// What each listener answers.
#[derive(Clone, Debug, Default)]
pub struct Pulses {
    /// The public one.
    pub public: Arc<Pulse>,
    /// The admin one.
    pub admin: Arc<Pulse>,
}

/// The parts.
pub struct Parts {
    /// The listeners.
    pub pulses: Pulses,
    /// The lanes to the store.
    pub dispatch: Arc<Dispatch>,
    /// The store's own threads.
    pub store: Arc<dyn Store>,
}

impl Parts {
    /// What to watch. From `stop` on the parts end one after the other, each within its own time,
    /// and only the runtime is watched.
    pub fn watched(self, stop: &CancellationToken) -> Vec<Part> {
        let Self { pulses, dispatch, store } = self;
        let longest = store.longest() + MARGIN;
        let until_stop = |part: &'static str, ask: Ask| {
            let stop = stop.clone();
            Part::new(part, move || {
                let (asked, stop) = (ask(), stop.clone());
                Box::pin(async move {
                    let _ = stop.run_until_cancelled(asked).await;
                })
            })
        };
        let pulse = |pulse: Arc<Pulse>| -> Ask {
            Box::new(move || {
                let pulse = Arc::clone(&pulse);
                Box::pin(async move { pulse.turned().await })
            })
        };
        vec![
            until_stop("the public listener", pulse(pulses.public)),
            until_stop("the admin listener", pulse(pulses.admin)),
            until_stop(
                "the lanes to the store",
                Box::new(move || {
                    let dispatch = Arc::clone(&dispatch);
                    Box::pin(async move { dispatch.turned(longest).await })
                }),
            ),
            until_stop(
                "the store's writer",
                Box::new(move || {
                    let store = Arc::clone(&store);
                    Box::pin(async move { store.turned().await })
                }),
            ),
        ]
    }
}

type Ask = Box<dyn Fn() -> BoxFuture<'static, ()> + Send>;
