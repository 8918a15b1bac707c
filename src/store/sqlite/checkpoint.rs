//! Moving the log's content into the database beside the writer, so that no commit waits for it.
//!
//! A log starts over only when all of it was moved and nobody writes meanwhile. So a thread with
//! its own connection moves nearly all of it while commits go on, and then the writer, between
//! two commits, moves the little that was added since. Where commits outrun the thread, the
//! writer waits for it once the log has [`MOST`] pages: the log's bound.

use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    thread::JoinHandle,
};

use rusqlite::Connection;

use super::connection;

/// The log is moved when it has this many pages: 16 MiB.
const ENOUGH: i64 = 4096;

/// Commits wait for the log to be moved when it has this many pages: 256 MiB.
const MOST: i64 = 65_536;

/// So few pages the writer moves itself.
const FEW: i64 = 512;

/// The writer's side of the thread that moves the log.
pub(super) struct Checkpoints {
    wake: SyncSender<()>,
    done: Receiver<()>,
    busy: bool,
    warned: bool,
    thread: JoinHandle<()>,
}

impl Checkpoints {
    /// Starts the thread.
    pub(super) fn start(connection: Connection) -> io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let (finished, done) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("store-log".into())
            .spawn(move || move_log(&connection, &woken, &finished))?;
        Ok(Self { wake, done, busy: false, warned: false, thread })
    }

    /// To be called after each commit.
    pub(super) fn tend(&mut self, db: &Connection) {
        let Ok(log) = connection::log_size(db) else {
            return;
        };
        if self.busy && self.has_finished(log.pages >= MOST) {
            self.busy = false;
            // Errors are for the next commit to tell; the log is kept.
            let left = connection::checkpoint(db).map_or(0, connection::Log::left);
            self.judge(log.pages, left);
        } else if !self.busy && log.pages >= ENOUGH {
            match self.wake.try_send(()) {
                Ok(()) => self.busy = true,
                Err(_) => drop(connection::checkpoint(db)),
            }
        }
    }

    fn has_finished(&self, wait: bool) -> bool {
        if wait {
            let _ = self.done.recv();
            return true;
        }
        !matches!(self.done.try_recv(), Err(TryRecvError::Empty))
    }

    fn judge(&mut self, pages: i64, left: i64) {
        let stuck = left > 0 && pages >= MOST;
        if stuck && !self.warned {
            tracing::warn!(
                pages,
                "the database's log cannot start over: some program keeps a read transaction open"
            );
        }
        self.warned = stuck;
    }

    /// Ends the thread.
    pub(super) fn stop(self) {
        drop(self.wake);
        let _ = self.thread.join();
    }
}

fn move_log(connection: &Connection, woken: &Receiver<()>, finished: &SyncSender<()>) {
    while woken.recv().is_ok() {
        // Each pass leaves what was added while it ran, so each is shorter than the last.
        for _ in 0..3 {
            match connection::checkpoint(connection) {
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "moving the database's log failed");
                    break;
                }
            }
            if connection::log_size(connection).map_or(0, connection::Log::left) < FEW {
                break;
            }
        }
        if finished.send(()).is_err() {
            break;
        }
    }
}
