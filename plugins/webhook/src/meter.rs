//! The metrics of one entry's requests.

use std::time::Instant;

use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

const REQUESTS: &str = "confab_webhook_requests_total";
const DURATION: &str = "confab_webhook_request_duration_seconds";

/// The metrics, registered once.
pub struct Meter {
    ok: Counter,
    refused: Counter,
    error: Counter,
    timeout: Counter,
    seconds: Histogram,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The service gave an answer that could be used.
    Ok,
    /// The service answered with another status.
    Refused,
    /// There was no answer, or none that could be read.
    Error,
}

impl Meter {
    /// Registers the metrics of the entry named `entry`. The counters begin at 0, so that a first
    /// failure is seen as a change.
    pub fn register(entry: &str) -> Self {
        describe_counter!(
            REQUESTS,
            Unit::Count,
            "Requests to the services of webhooks, by entry and result."
        );
        describe_histogram!(
            DURATION,
            Unit::Seconds,
            "From the wish to send a request to the end of its answer, or until it was given up."
        );
        let requests = |result: &'static str| {
            let requests = counter!(REQUESTS, "plugin" => entry.to_owned(), "result" => result);
            requests.increment(0);
            requests
        };
        Self {
            ok: requests("ok"),
            refused: requests("refused"),
            error: requests("error"),
            timeout: requests("timeout"),
            seconds: histogram!(DURATION, "plugin" => entry.to_owned()),
        }
    }

    /// Begins to time a request. Dropped before its end, it counts as a timeout: the host gave
    /// the request up.
    pub fn begin(&self) -> Timing<'_> {
        Timing { meter: self, began: Instant::now(), ending: None }
    }
}

/// A request under way.
pub struct Timing<'a> {
    meter: &'a Meter,
    began: Instant,
    ending: Option<Ending>,
}

impl Timing<'_> {
    /// Ends it.
    pub fn end(mut self, ending: Ending) {
        self.ending = Some(ending);
    }
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        let counter = match self.ending {
            Some(Ending::Ok) => &self.meter.ok,
            Some(Ending::Refused) => &self.meter.refused,
            Some(Ending::Error) => &self.meter.error,
            None => &self.meter.timeout,
        };
        counter.increment(1);
        self.meter.seconds.record(self.began.elapsed());
    }
}
