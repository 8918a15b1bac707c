//! One entry's share in a log: the lines it hands over, and the work of writing them.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use confab_plugin::{Background, Job, JobError, async_trait};
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::{
    fields,
    measures::Measures,
    shared::Handle,
    writer::{Policy, Writer},
};

/// One entry's share in a log.
///
/// Invariant: what is handed over is numbered in order, and a number that never gets to the file,
/// for whatever reason, is told by a `gap` before the next line of the entry, or at its end.
pub struct Entry {
    pub name: Arc<str>,
    pub log: Handle,
    pub policy: Policy,
    pub background: Background,
    pub measures: Measures,
    /// How many lines were handed over.
    pub pushed: Mutex<u64>,
    /// The number of the line that comes next in the file.
    pub next: AtomicU64,
}

impl Entry {
    /// Hands a line with these fields over. Never waits for the disk.
    pub fn push(self: &Arc<Self>, fields: String) {
        // Held over the push, so that lines are numbered in the order in which they wait.
        let mut pushed = self.pushed.lock().unwrap_or_else(PoisonError::into_inner);
        let line = Line { number: *pushed, fields, written: AtomicBool::new(false) };
        *pushed += 1;
        // Counted by the host; told by a gap.
        let _ = self.background.push(Write { entry: Arc::clone(self), line: Arc::new(line) });
    }

    /// Tells what is missing at the end, and leaves a whole log on the disk.
    pub async fn finish(self: &Arc<Self>) {
        let mut writer = self.log.writer().await;
        let entry = Arc::clone(self);
        let pushed = *self.pushed.lock().unwrap_or_else(PoisonError::into_inner);
        let finished = spawn_blocking(move || {
            // The guard goes before the share in the log.
            let finished = entry.append(&mut writer, pushed, None).and_then(|()| writer.finish());
            drop(writer);
            finished
        });
        let error = match finished.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(entry = %self.name, error, "the end of the audit log may be missing");
    }

    /// Appends the line `number` with these fields, if any, after a gap for what is missing.
    fn append(&self, writer: &mut Writer, number: u64, line: Option<&str>) -> std::io::Result<()> {
        let missing = number.saturating_sub(self.next.load(Ordering::Acquire));
        let gap = (missing > 0)
            .then(|| fields::of_log(&self.name, "gap", &[("dropped", json!(missing))]));
        let lines: Vec<&str> = gap.as_deref().into_iter().chain(line).collect();
        if !lines.is_empty() {
            self.measures.written(writer.append(&self.name, &lines, &self.policy)?);
        }
        self.next.fetch_max(number + u64::from(line.is_some()), Ordering::AcqRel);
        Ok(())
    }

    fn write(&self, writer: &mut Writer, line: &Line, last: bool) -> std::io::Result<()> {
        if !line.written.load(Ordering::Acquire) {
            self.append(writer, line.number, Some(&line.fields))?;
            line.written.store(true, Ordering::Release);
        }
        if self.policy.sync.is_due(writer.unsynced(), last) {
            self.measures.synced(|| writer.sync())?;
        }
        Ok(())
    }
}

struct Line {
    number: u64,
    fields: String,
    /// Changed by who has the writer. An attempt that the host gave up may still write the line:
    /// the next one must not write it again.
    written: AtomicBool,
}

/// The work of writing one line.
struct Write {
    entry: Arc<Entry>,
    line: Arc<Line>,
}

#[async_trait]
impl Job for Write {
    async fn run(&mut self, _attempt: u32) -> Result<(), JobError> {
        let mut writer = self.entry.log.writer().await;
        let (entry, line) = (Arc::clone(&self.entry), Arc::clone(&self.line));
        let last = entry.background.waiting() == 0;
        let written = spawn_blocking(move || {
            let written = entry.write(&mut writer, &line, last);
            drop(writer);
            written
        });
        match written.await {
            Ok(written) => written.map_err(JobError::retry),
            // The daemon ends, or the code is wrong.
            Err(error) => Err(JobError::give_up(error)),
        }
    }
}
