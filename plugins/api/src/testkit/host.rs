//! A host that keeps what a plugin hands over, for the test to look at and to run.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    Job, JobError, JobOrder, QueueFull, SendError, UserId, Username,
    host::{BotAccount, Queue, Services},
};

/// A message that a plugin's bot sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The bot's login name.
    pub bot: Username,
    /// To whom.
    pub to: UserId,
    /// The text.
    pub content: Arc<str>,
    /// What makes it safe to try again.
    pub id: Option<Arc<str>>,
}

#[derive(Clone, Default)]
pub(super) struct KitServices(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    jobs: VecDeque<Box<dyn Job>>,
    sent: Vec<Sent>,
    full: bool,
}

impl KitServices {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn jobs(&self) -> usize {
        self.kept().jobs.len()
    }

    pub(super) fn fill(&self) {
        self.kept().full = true;
    }

    pub(super) fn take_sent(&self) -> Vec<Sent> {
        std::mem::take(&mut self.kept().sent)
    }

    pub(super) async fn run_job(&self, attempt: u32) -> Option<Result<(), JobError>> {
        let mut job = self.kept().jobs.pop_front()?;
        let result = job.run(attempt).await;
        if let Err(JobError::Retry(_)) = &result {
            self.kept().jobs.push_front(job);
        }
        Some(result)
    }
}

impl Services for KitServices {
    fn queue(&self, _order: JobOrder) -> Arc<dyn Queue> {
        Arc::new(self.clone())
    }

    fn bot(&self, name: Username, _display_name: Option<&str>) -> Arc<dyn BotAccount> {
        Arc::new(KitBot { name, host: self.clone() })
    }
}

impl Queue for KitServices {
    fn push(&self, job: Box<dyn Job>) -> Result<(), QueueFull> {
        let mut kept = self.kept();
        if kept.full {
            return Err(QueueFull);
        }
        kept.jobs.push_back(job);
        Ok(())
    }

    fn waiting(&self) -> usize {
        self.jobs()
    }
}

struct KitBot {
    name: Username,
    host: KitServices,
}

impl BotAccount for KitBot {
    fn id(&self) -> Option<UserId> {
        Some(super::bot_id())
    }

    fn send(&self, to: UserId, content: Arc<str>, id: Option<Arc<str>>) -> Result<(), SendError> {
        let mut kept = self.host.kept();
        if kept.full {
            return Err(SendError::QueueFull);
        }
        kept.sent.push(Sent { bot: self.name.clone(), to, content, id });
        Ok(())
    }
}
