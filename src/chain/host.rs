//! What the host does for entries besides running their hooks.

use std::sync::Arc;

use confab_plugin::{
    Job, JobOrder, QueueFull, SendError, UserId, Username,
    host::{BotAccount, Queue, Services},
};

/// A host that takes no work and sends no messages.
#[derive(Debug)]
pub struct NoServices;

impl Services for NoServices {
    fn queue(&self, _order: JobOrder) -> Arc<dyn Queue> {
        Arc::new(NoServices)
    }

    fn bot(&self, _name: Username, _display_name: Option<&str>) -> Arc<dyn BotAccount> {
        Arc::new(NoServices)
    }
}

impl Queue for NoServices {
    fn push(&self, _job: Box<dyn Job>) -> Result<(), QueueFull> {
        Err(QueueFull)
    }

    fn waiting(&self) -> usize {
        0
    }
}

impl BotAccount for NoServices {
    fn id(&self) -> Option<UserId> {
        None
    }

    fn send(&self, _: UserId, _: Arc<str>, _: Option<Arc<str>>) -> Result<(), SendError> {
        Err(SendError::NotReady)
    }
}
