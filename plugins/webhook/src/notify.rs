//! A notification: a job that the host runs in the background, until the service took it.

use std::sync::Arc;

use bytes::Bytes;
use confab_plugin::{Context, Event, HookError, Job, JobError, Outcome, async_trait};

use crate::{
    http::Failure,
    service::{Service, is_passing, new_id},
};

/// What the service is to be told of.
pub struct Notification {
    service: Arc<Service>,
    /// The same in every attempt, so that the service knows one that it has already seen.
    id: String,
    content: Content,
}

enum Content {
    /// Texts are shared with the event: a full queue holds little.
    Event(Box<(Context, Event, Outcome)>),
    /// The same bytes in every attempt.
    Body(Bytes),
}

impl Notification {
    /// Of `event`, which ended as `outcome`.
    pub fn new(service: Arc<Service>, cx: &Context, event: &Event, outcome: &Outcome) -> Self {
        let content = Content::Event(Box::new((cx.clone(), event.clone(), outcome.clone())));
        Self { service, id: new_id(), content }
    }

    fn body(&mut self) -> Result<Bytes, Failure> {
        let body = match &self.content {
            Content::Body(body) => return Ok(body.clone()),
            Content::Event(about) => {
                let (cx, event, outcome) = &**about;
                self.service.body(&self.id, (cx, event), Some(outcome))?
            }
        };
        self.content = Content::Body(body.clone());
        Ok(body)
    }
}

#[async_trait]
impl Job for Notification {
    async fn run(&mut self, _attempt: u32) -> Result<(), JobError> {
        let body = self.body().map_err(JobError::give_up)?;
        self.service.tell(&self.id, body).await.map_err(|failure| {
            let passing = failure.status.is_none_or(is_passing);
            let why = HookError::from(failure);
            if passing { JobError::Retry(why) } else { JobError::GiveUp(why) }
        })
    }
}
