//! The metrics of an entry, registered once.

use std::{io, sync::Arc, time::Instant};

use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

use crate::writer::Written;

const LINES: &str = "confab_audit_lines_total";
const BYTES: &str = "confab_audit_written_bytes_total";
const ROTATIONS: &str = "confab_audit_rotations_total";
const SYNC: &str = "confab_audit_sync_duration_seconds";

/// What an entry measures.
pub struct Measures {
    lines: Counter,
    bytes: Counter,
    rotations: Counter,
    sync: Histogram,
}

impl Measures {
    /// Registers the metrics of the entry of this name.
    pub fn register(entry: &Arc<str>) -> Self {
        describe_counter!(LINES, Unit::Count, "Lines written to the audit log.");
        describe_counter!(BYTES, Unit::Bytes, "Bytes written to the audit log.");
        describe_counter!(ROTATIONS, Unit::Count, "Full files of the audit log put aside.");
        describe_histogram!(SYNC, Unit::Seconds, "Forcing lines of the audit log to the disk.");
        let register = |name: &'static str| {
            let counter = counter!(name, "plugin" => Arc::clone(entry));
            counter.increment(0);
            counter
        };
        Self {
            lines: register(LINES),
            bytes: register(BYTES),
            rotations: register(ROTATIONS),
            sync: histogram!(SYNC, "plugin" => Arc::clone(entry)),
        }
    }

    /// Counts what was written.
    pub fn written(&self, written: Written) {
        self.lines.increment(written.lines);
        self.bytes.increment(written.bytes);
        self.rotations.increment(u64::from(written.rotated));
    }

    /// Times a sync.
    pub fn synced(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let started = Instant::now();
        sync()?;
        self.sync.record(started.elapsed());
        Ok(())
    }
}
