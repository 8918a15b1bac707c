//! What the service manager is told (sd_notify(3)): that the daemon is ready, reloads or stops,
//! and one line of status.

use std::{
    sync::{Mutex, PoisonError, mpsc},
    time::Duration,
};

use sd_notify::NotifyState;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Notices that may wait for the manager; further ones are left out.
const WAITING: usize = 64;

/// How long a reload waits until the manager knows of it.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the number of sessions is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// The way to the service manager. A thread of its own writes, so that a manager that hangs holds
/// up nobody.
pub struct Manager {
    /// None if there is no manager.
    notices: Option<mpsc::SyncSender<Notice>>,
    shown: Mutex<Shown>,
}

/// What the line of status is made of.
#[derive(Default)]
struct Shown {
    listening: String,
    sessions: usize,
    /// Why the last reload failed.
    trouble: Option<String>,
    stopping: bool,
}

enum Kind {
    Ready,
    Reloading,
    Stopping(Duration),
    Status,
}

struct Notice {
    kind: Kind,
    status: String,
    /// Answered when it is sent.
    sent: Option<oneshot::Sender<()>>,
}

impl Manager {
    /// Finds the manager by the variable `NOTIFY_SOCKET`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn find() -> std::io::Result<Self> {
        let mut notices = None;
        if std::env::var_os("NOTIFY_SOCKET").is_some() {
            let (sender, waiting) = mpsc::sync_channel(WAITING);
            std::thread::Builder::new()
                .name("confab-notify".into())
                .spawn(move || waiting.iter().for_each(send))?;
            notices = Some(sender);
        }
        Ok(Self { notices, shown: Mutex::default() })
    }

    /// The daemon answers from here on, at this place.
    pub fn ready(&self, listening: String) {
        let status = self.show(|shown| shown.listening = listening);
        self.tell(Kind::Ready, status, None);
    }

    /// Shows how many sessions are open, until `stop`.
    pub async fn follow(&self, sessions: impl Fn() -> usize, stop: &CancellationToken) {
        if self.notices.is_none() {
            return;
        }
        let mut tick = tokio::time::interval(LOOK);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            self.sessions(sessions());
        }
    }

    fn sessions(&self, sessions: usize) {
        let mut changed = false;
        let status = self.show(|shown| {
            changed = shown.sessions != sessions;
            shown.sessions = sessions;
        });
        if changed {
            self.tell(Kind::Status, status, None);
        }
    }

    /// A reload begins. Returns once the manager was told.
    pub async fn reloading(&self) {
        let status = self.show(|_| ());
        self.told(Kind::Reloading, format!("reloading; {status}")).await;
    }

    /// The reload has ended; `trouble` is why it failed. Returns once the manager was told, so
    /// that it knows before whoever asked for the reload does.
    pub async fn reloaded(&self, trouble: Option<String>) {
        let status = self.show(|shown| shown.trouble = trouble);
        self.told(Kind::Ready, status).await;
    }

    /// The daemon stops, which takes no longer than `within`.
    pub fn stopping(&self, sessions: usize, within: Duration) {
        let status = self.show(|shown| {
            shown.stopping = true;
            shown.sessions = sessions;
        });
        self.tell(Kind::Stopping(within), status, None);
    }

    /// Changes what is shown, and gives the line of status.
    fn show(&self, change: impl FnOnce(&mut Shown)) -> String {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut shown);
        shown.line()
    }

    async fn told(&self, kind: Kind, status: String) {
        let (sent, told) = oneshot::channel();
        self.tell(kind, status, Some(sent));
        // It is dropped when it could not be sent: the log says why.
        let _ = tokio::time::timeout(PATIENCE, told).await;
    }

    fn tell(&self, kind: Kind, status: String, sent: Option<oneshot::Sender<()>>) {
        let Some(notices) = &self.notices else { return };
        if notices.try_send(Notice { kind, status, sent }).is_err() {
            tracing::warn!("the service manager takes no notice");
        }
    }
}

impl Shown {
    fn line(&self) -> String {
        let Self { listening, sessions, trouble, stopping } = self;
        if *stopping {
            return format!("stopping; {} to close", count(*sessions));
        }
        let mut line = format!("{listening}; {}", count(*sessions));
        if let Some(trouble) = trouble {
            line += &format!("; not reloaded: {trouble}");
        }
        line
    }
}

fn count(sessions: usize) -> String {
    format!("{sessions} session{}", if sessions == 1 { "" } else { "s" })
}

fn send(notice: Notice) {
    let Notice { kind, status, sent } = notice;
    // A line's end would begin another message.
    let status = status.replace(char::is_control, " ");
    let mut states = Vec::with_capacity(3);
    match kind {
        Kind::Ready => states.push(NotifyState::Ready),
        Kind::Reloading => {
            states.push(NotifyState::Reloading);
            states.extend(NotifyState::monotonic_usec_now());
        }
        Kind::Stopping(within) => {
            let micros = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
            states.extend([NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(micros)]);
        }
        Kind::Status => {}
    }
    states.push(NotifyState::Status(&status));
    if let Err(error) = sd_notify::notify(&states) {
        tracing::warn!(%error, "the service manager cannot be told");
    } else if let Some(sent) = sent {
        // Whoever waited may have gone.
        let _ = sent.send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_one_line_for_people() {
        let mut shown = Shown { listening: "listening on a:1".into(), ..Shown::default() };
        assert_eq!(shown.line(), "listening on a:1; 0 sessions");
        shown.sessions = 1;
        shown.trouble = Some("confab.toml:3:1: unknown key \"x\"".into());
        let line = "listening on a:1; 1 session; not reloaded: confab.toml:3:1: unknown key \"x\"";
        assert_eq!(shown.line(), line);
    }
}
