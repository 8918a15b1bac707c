//! The bus of a single node: a function call.

use std::sync::Arc;

use async_trait::async_trait;
use confab_plugin::UserId;

use super::{Bus, Deliver, Envelope};

/// Delivers at once to the sessions of this node; there are no others.
pub struct LocalBus {
    here: Arc<dyn Deliver>,
}

impl LocalBus {
    /// A bus that delivers to `here`.
    pub fn new(here: Arc<dyn Deliver>) -> Self {
        Self { here }
    }
}

#[async_trait]
impl Bus for LocalBus {
    fn publish(&self, envelope: Envelope) {
        self.here.deliver(envelope);
    }

    fn subscribe(&self, _: UserId) {}

    fn unsubscribe(&self, _: UserId) {}

    async fn close(&self) {}
}
