//! Follows the chain from line to line, and says where it breaks and why.

use std::{fmt, iter::Peekable};

use super::lines::{Found, Lines, Place, Source};
use crate::chain::{Hash, Head, Record, Seal};

/// What is checked.
pub struct Walk<'a> {
    pub seal: &'a Seal,
    /// In the order of their first lines.
    pub files: &'a [Source],
    /// A head that was told before.
    pub known: Option<Head>,
}

/// A log without a fault.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Whole {
    files: usize,
    lines: u64,
    first: u64,
    head: Head,
    gaps: u64,
    dropped: u64,
    recovered: u64,
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: u64, what: &str| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{count} {what}{plural}")
        };
        let files = count(self.files as u64, "file");
        if self.lines == 0 {
            return writeln!(f, "ok: no lines in {files}");
        }
        let (first, last) = (self.first, self.head.n);
        writeln!(f, "ok: {} in {files}, {first} to {last}", count(self.lines, "line"))?;
        if first > 1 {
            writeln!(f, "older lines, before line {first}, are not in these files")?;
        }
        if self.gaps > 0 {
            let (events, gaps) = (count(self.dropped, "event"), count(self.gaps, "gap"));
            writeln!(f, "not logged, as the log itself says: {events}, in {gaps}")?;
        }
        if self.recovered > 0 {
            let times = count(self.recovered, "time");
            writeln!(f, "a torn line was moved aside {times}, after a crash")?;
        }
        writeln!(f, "head {}", self.head)
    }
}

/// A line whose hash is right, or why there is none.
type Judged = Result<Record, String>;

impl Walk<'_> {
    /// Follows the chain to its end.
    ///
    /// # Errors
    /// A file that can't be read, or the first place where the log is not whole.
    pub fn whole(&self) -> Result<Whole, String> {
        let mut whole = Whole { files: self.files.len(), ..Whole::default() };
        let mut before: Option<Place> = None;
        let mut lines = Lines::new(self.files).peekable();
        while let Some(found) = lines.next() {
            let found = found?;
            let judged = self.judge(&found);
            let record = match judged {
                Ok(record) if before.is_none() && begins(&record) => record,
                Ok(record) if before.is_some() && follows(&record, whole.head) => record,
                judged => {
                    let fault = self.fault(&found, &judged, &whole, before.as_ref(), &mut lines)?;
                    return Err(self.told(&fault));
                }
            };
            if let Some(known) =
                self.known.filter(|known| known.n == record.n && known.hash != record.hash)
            {
                let place = found.place;
                return Err(format!(
                    "{place}: changed: line {} has the hash {}, and the known head says {}",
                    known.n, record.hash, known.hash
                ));
            }
            if before.is_none() {
                whole.first = record.n;
            }
            whole.lines += 1;
            whole.gaps += u64::from(record.kind == "gap");
            whole.dropped = whole.dropped.saturating_add(record.dropped);
            whole.recovered += u64::from(record.kind == "recovered");
            whole.head = record.head();
            before = Some(found.place);
        }
        self.reaches(&whole, before)?;
        Ok(whole)
    }

    /// Checks that the known head is not beyond the ends of the log.
    fn reaches(&self, whole: &Whole, last: Option<Place>) -> Result<(), String> {
        let Some(known) = self.known.filter(|known| known.n > 0) else { return Ok(()) };
        if known.n > whole.head.n {
            let place = last.map_or_else(String::new, |place| format!("{place}: "));
            let (n, end) = (known.n, whole.head.n);
            return Err(format!(
                "{place}truncated: the log ends with line {end}, and the known head is line {n}"
            ));
        }
        if known.n < whole.first {
            let (n, first) = (known.n, whole.first);
            return Err(format!(
                "the known head, line {n}, is not in these files, which begin with line {first}"
            ));
        }
        Ok(())
    }

    fn judge(&self, found: &Found) -> Judged {
        if !found.ended {
            return Err("torn: the line has no end (written at this moment, or by a crash)".into());
        }
        let record = Record::read(&found.bytes)
            .map_err(|why| format!("changed: this is no line of an audit log: {why}"))?;
        if record.fits(&found.bytes, self.seal) {
            return Ok(record);
        }
        let (n, hash) = (record.n, record.hash);
        let seal = self.seal.name();
        Err(format!("changed: the text of line {n} does not give its hash ({seal}) {hash}"))
    }

    /// Why the line that was found does not follow the log so far.
    fn fault<'l>(
        &self,
        found: &Found,
        judged: &Judged,
        whole: &Whole,
        before: Option<&Place>,
        lines: &mut Peekable<Lines<'l>>,
    ) -> Result<String, String> {
        let Found { place, .. } = found;
        let expected = whole.head.n.saturating_add(1);
        // A good line with a later number is at the wrong place: see below.
        let later = judged.as_ref().is_ok_and(|record| record.n > expected);
        let next = match lines.peek() {
            Some(Ok(next)) if before.is_some() && !later => self.judge(next).ok(),
            _ => None,
        };
        // Without this line the chain would go on.
        if found.ended && next.is_some_and(|next| follows(&next, whole.head)) {
            return Ok(format!("{place}: inserted: line {expected} comes after it"));
        }
        let record = match judged {
            Ok(record) => record,
            Err(why) => return Ok(format!("{place}: {why}")),
        };
        let n = record.n;
        let Some(before) = before else {
            return Ok(format!(
                "{place}: changed: line {n} is the first, and names a line before it"
            ));
        };
        if n == expected {
            let last = whole.head.n;
            return Ok(format!(
                "{before}: changed: line {n} was written after another line {last} than this"
            ));
        }
        if n < expected {
            return Ok(format!(
                "{place}: inserted: line {n} stands here after line {}",
                whole.head.n
            ));
        }
        let (mut at, mut again) = (None, false);
        for later in lines {
            let later = later?;
            let number = self.judge(&later).ok().map(|record| record.n);
            again |= number == Some(n);
            if number == Some(expected) && at.is_none() {
                at = Some(later.place);
            }
        }
        if let Some(at) = at {
            let what = if again { "inserted" } else { "reordered" };
            return Ok(format!(
                "{place}: {what}: line {n} stands here, and line {expected} at {at}"
            ));
        }
        let missing = match n - expected {
            1 => format!("line {expected} is"),
            _ => format!("lines {expected} to {} are", n - 1),
        };
        Ok(format!("{place}: missing: before line {n}, {missing} not there"))
    }

    /// A fault with a hint, when the whole log is merely looked at without its key.
    fn told(&self, fault: &str) -> String {
        let first = Lines::new(self.files).next().and_then(Result::ok);
        let unread = first.is_some_and(|first| {
            Record::read(&first.bytes).is_ok_and(|record| !record.fits(&first.bytes, self.seal))
        });
        match (unread, self.seal) {
            (false, _) => fault.to_owned(),
            (true, Seal::Plain) => {
                format!("{fault}\nif the log is written with a key: give --key-file")
            }
            (true, Seal::Keyed(_)) => {
                format!(
                    "{fault}\nif the log is written without a key, or with another: so verify it"
                )
            }
        }
    }
}

/// Whether the log can begin with this line.
fn begins(record: &Record) -> bool {
    record.n > 1 || (record.n == 1 && record.prev == Hash::default())
}

fn follows(record: &Record, head: Head) -> bool {
    head.n.checked_add(1) == Some(record.n) && record.prev == head.hash
}
