//! The server's version, its replica set, its clock, and how far away it is.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mongodb::bson::{Bson, Document, doc};
use tokio::time::sleep;

use super::{super::schema, Probe, Trouble, hello};
use crate::probe::humane;

/// Older ones get no security fixes any more: 6.0 had its last in July 2025.
const OLDEST_SUPPORTED: (u32, u32) = (7, 0);

/// The clocks of nodes and server set the times of messages, and when tokens end.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(1);

/// A message waits for two round trips and more.
const SLOW: Duration = Duration::from_millis(50);

/// How long a majority may take to get what the primary has.
const MAJORITY_WAIT: Duration = Duration::from_secs(5);

/// How long to wait before asking again whether it got it.
const MAJORITY_PAUSE: Duration = Duration::from_millis(50);

const PINGS: usize = 5;

impl Probe {
    pub(super) async fn version(&mut self) {
        const WHAT: &str = "version";
        let version = match self.ask(doc! { "buildInfo": 1 }).await {
            Ok(build) => build.get_str("version").unwrap_or("unknown").to_owned(),
            Err(trouble) => {
                let text = format!("not known: {}", trouble.text());
                self.report.warn(WHAT, text, "see that it is 7.0 or newer");
                return;
            }
        };
        if parts(&version).is_some_and(|found| found < OLDEST_SUPPORTED) {
            let text = format!("{version}, which gets no security fixes any more");
            self.report.warn(WHAT, text, "upgrade to MongoDB 7.0 or newer");
        } else {
            self.report.ok(WHAT, version);
        }
    }

    /// What kind of deployment it is, and whether a majority of it can confirm a write.
    pub(super) async fn members(&mut self, hello: &Document) {
        const WHAT: &str = "replica set";
        if schema::is_router(hello) {
            self.report.ok("cluster", "a router of a sharded cluster");
            self.report.ok("majority", "not looked at: the shards answer for themselves");
            return;
        }
        let Ok(name) = hello.get_str("setName") else {
            self.report.warn(
                WHAT,
                "none, a standalone: when it is down the chat is, and what its disk loses is lost",
                "production wants a replica set of three",
            );
            return;
        };
        let name = name.to_owned();
        let status = self.ask_admin(doc! { "replSetGetStatus": 1 }).await;
        let members = match &status {
            Ok(status) => Members::of_status(status),
            Err(_) => Members::of_hello(hello),
        };
        let (down, count) = (members.down.join(", "), members.count);
        if !members.down.is_empty() {
            let text = format!("{name} with {count} members, of which these are down: {down}");
            self.report.warn(WHAT, text, "rs.status() in mongosh says why");
        } else if count == 1 {
            let text = format!("{name} with one member: when it is down the chat is");
            self.report.warn(WHAT, text, "production wants three, on machines of their own");
        } else {
            self.report.ok(WHAT, format!("{name} with {count} members"));
        }
        let follows = self.majority_follows(hello).await;
        self.majority(follows, &members, status.err().as_ref());
    }

    /// Whether a majority gets what the primary had written when it said hello. The dates of the
    /// last writes do not tell: for a moment after a write the majority's is that of the write
    /// before, which may be long ago.
    async fn majority_follows(&self, said: &Document) -> bool {
        let Some(written) = write_time(said, "opTime") else { return true };
        let started = Instant::now();
        let mut has = write_time(said, "majorityOpTime");
        while has.is_some_and(|has| has < written) {
            if started.elapsed() >= MAJORITY_WAIT {
                return false;
            }
            sleep(MAJORITY_PAUSE).await;
            // A server that is gone is told of by what is asked next.
            let Ok(said) = self.ask(hello()).await else { return true };
            has = write_time(&said, "majorityOpTime");
        }
        true
    }

    fn majority(&mut self, follows: bool, members: &Members, unknown: Option<&Trouble>) {
        const WHAT: &str = "majority";
        let advice = "no message can be acknowledged until more members run; rs.status() in \
                      mongosh says more";
        if !follows {
            let wait = humane(MAJORITY_WAIT);
            self.report.fail(WHAT, format!("none has what the primary wrote {wait} ago"), advice);
            return;
        }
        let Some((have, need)) = members.majority else {
            let why = unknown.map_or("not known", Trouble::text);
            self.report.ok(
                WHAT,
                format!("follows the primary (which members are up was not looked at: {why})"),
            );
            return;
        };
        if have < need {
            let text = format!("a write needs {need} members with data, and {have} are up");
            self.report.fail(WHAT, text, advice);
        } else if have == need && members.count > 1 {
            self.report.warn(
                WHAT,
                format!("a write needs {need} members with data, and only {have} are up"),
                "one more loss and no message can be acknowledged",
            );
        } else {
            self.report.ok(WHAT, format!("a write needs {need} members with data, {have} are up"));
        }
    }

    pub(super) async fn clock(&mut self) {
        const WHAT: &str = "clock";
        let before = (Instant::now(), SystemTime::now());
        let Ok(answer) = self.ask(hello()).await else {
            return;
        };
        let here = before.1 + before.0.elapsed() / 2;
        let Ok(there) = answer.get_datetime("localTime") else {
            return;
        };
        let here = here.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let here = i64::try_from(here).unwrap_or(i64::MAX);
        let difference = there.timestamp_millis().abs_diff(here);
        let text = humane(Duration::from_millis(difference));
        if Duration::from_millis(difference) > CLOCK_DIFFERENCE {
            let text = format!("the server's is {text} away from this machine's");
            self.report.warn(WHAT, text, "let NTP set the clocks of all machines");
        } else {
            self.report.ok(WHAT, format!("{text} away from this machine's"));
        }
    }

    pub(super) async fn latency(&mut self) {
        const WHAT: &str = "latency";
        let mut times = Vec::new();
        for _ in 0..PINGS {
            let started = Instant::now();
            if let Err(trouble) = self.ask(doc! { "ping": 1 }).await {
                let advice = "look at the server's load and at the network";
                self.report.fail(WHAT, trouble.text(), advice);
                return;
            }
            times.push(started.elapsed());
        }
        let advice = "every message waits for several: put the nodes near the primary";
        self.report.latency(times, SLOW, advice);
    }
}

/// The members of a replica set, as far as they are known.
#[derive(Debug, PartialEq, Eq)]
struct Members {
    count: usize,
    down: Vec<String>,
    /// How many members with data are up, and how many a write needs.
    majority: Option<(i64, i64)>,
}

impl Members {
    /// From `replSetGetStatus`, which only some users may ask.
    fn of_status(status: &Document) -> Self {
        let members = status.get_array("members");
        let members: Vec<&Document> =
            members.into_iter().flatten().filter_map(Bson::as_document).collect();
        let is_up = |member: &&&Document| number(member, "health") == Some(1);
        // PRIMARY and SECONDARY.
        let has_data = |member: &&&Document| matches!(number(member, "state"), Some(1 | 2));
        let down = members.iter().filter(|member| !is_up(member));
        let down = down.map(|member| member.get_str("name").unwrap_or("?").to_owned()).collect();
        let have = members.iter().filter(is_up).filter(has_data).count();
        let need = number(status, "writeMajorityCount");
        let majority = need.map(|need| (i64::try_from(have).unwrap_or(i64::MAX), need));
        Self { count: members.len(), down, majority }
    }

    /// From what the primary tells everybody.
    fn of_hello(hello: &Document) -> Self {
        let count = |kind| hello.get_array(kind).map_or(0, Vec::len);
        let count = count("hosts") + count("passives") + count("arbiters");
        Self { count, down: Vec::new(), majority: None }
    }
}

/// When the last write of this kind was, in the order of the log of all writes.
fn write_time(hello: &Document, key: &str) -> Option<(u32, u32)> {
    let last = hello.get_document("lastWrite").ok()?.get_document(key).ok()?;
    let at = last.get_timestamp("ts").ok()?;
    Some((at.time, at.increment))
}

fn number(document: &Document, key: &str) -> Option<i64> {
    match document.get(key)? {
        Bson::Int32(number) => Some((*number).into()),
        Bson::Int64(number) => Some(*number),
        #[expect(clippy::cast_possible_truncation, reason = "a small whole number")]
        Bson::Double(number) => Some(*number as i64),
        _ => None,
    }
}

fn parts(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use mongodb::bson::Timestamp;

    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(parts("6.0.5").unwrap() < OLDEST_SUPPORTED);
        assert!(parts("7.0.0").unwrap() >= OLDEST_SUPPORTED);
        assert!(parts("10.1").unwrap() >= OLDEST_SUPPORTED);
        assert_eq!(parts("unknown"), None);
    }

    fn member(name: &str, health: f64, state: i32) -> Document {
        doc! { "name": name, "health": health, "state": state }
    }

    #[test]
    fn members_that_hold_data_count_for_a_majority() {
        let status = doc! {
            "members": [member("a", 1.0, 1), member("b", 0.0, 8), member("c", 1.0, 7)],
            "writeMajorityCount": 2,
        };
        let members = Members::of_status(&status);
        assert_eq!((members.count, members.majority), (3, Some((1, 2))));
        assert_eq!(members.down, ["b"]);
        let hello = doc! { "hosts": ["a", "b"], "arbiters": ["c"] };
        assert_eq!(Members::of_hello(&hello).count, 3);
    }

    #[test]
    fn writes_have_an_order_and_not_only_a_date() {
        let at = |time, increment| doc! { "ts": Timestamp { time, increment }, "t": 1_i64 };
        let write = doc! { "opTime": at(20, 3), "majorityOpTime": at(20, 2) };
        let hello = doc! { "lastWrite": write };
        assert_eq!(write_time(&hello, "opTime"), Some((20, 3)));
        assert!(write_time(&hello, "majorityOpTime") < write_time(&hello, "opTime"));
        assert_eq!(write_time(&doc! {}, "opTime"), None);
    }
}
