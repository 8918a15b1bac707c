//! The service as one entry uses it: signed requests, counted and timed.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use confab_plugin::{Context, Event, Outcome, Verdict};
use hyper::StatusCode;
use tokio::sync::Semaphore;
use ulid::Ulid;

use crate::{
    answer,
    http::{Answer, Client, Failure, Post},
    meter::{Ending, Meter, Timing},
    payload::{self, Parts},
    secret::Key,
};

/// The service of one entry.
pub struct Service {
    /// The entry's name.
    pub entry: Arc<str>,
    /// What of events is sent.
    pub parts: Parts,
    /// What requests are signed with.
    pub key: Option<Key>,
    /// Sends them.
    pub client: Client,
    /// Counts them.
    pub meter: Meter,
    /// The places of the questions that run at a time.
    pub places: Semaphore,
}

/// A new value for `webhook-id`.
pub fn new_id() -> String {
    Ulid::generate().to_string().to_ascii_lowercase()
}

impl Service {
    /// Asks about an event, and applies the answer to it.
    ///
    /// # Errors
    /// When there is no answer that decides.
    pub async fn ask(&self, cx: &Context, event: &mut Event) -> Result<Verdict, Failure> {
        let timing = self.meter.begin();
        let asked = self.answer(cx, event).await;
        let verdict = asked.and_then(|answer| answer::apply(&answer, event));
        end(timing, &verdict);
        verdict
    }

    async fn answer(&self, cx: &Context, event: &Event) -> Result<Answer, Failure> {
        let stopping = |_| Failure::new("the daemon is stopping");
        let _place = self.places.acquire().await.map_err(stopping)?;
        let id = new_id();
        let body = self.body(&id, (cx, event), None)?;
        self.client.send(&self.post(&id, body), true).await
    }

    /// Tells of something: sends `body`, and wants a status of 200 to 299.
    ///
    /// # Errors
    /// When it is not known to have arrived.
    pub async fn tell(&self, id: &str, body: Bytes) -> Result<(), Failure> {
        let timing = self.meter.begin();
        let told = self.client.send(&self.post(id, body), false).await;
        let told = told.and_then(|answer| match answer.status {
            status if status.is_success() => Ok(()),
            status => Err(Failure::refused(status)),
        });
        end(timing, &told);
        told
    }

    /// The body of the request `id`.
    ///
    /// # Errors
    /// Never in practice.
    pub fn body(
        &self,
        id: &str,
        about: (&Context, &Event),
        outcome: Option<&Outcome>,
    ) -> Result<Bytes, Failure> {
        let body = payload::body(id, &self.entry, self.parts, about, outcome);
        body.map(Bytes::from).map_err(|error| Failure::because("no request", &error))
    }

    fn post<'a>(&self, id: &'a str, body: Bytes) -> Post<'a> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let timestamp = now.map_or(0, |since| since.as_secs());
        let signature = self.key.as_ref().map(|key| key.sign(id, timestamp, &body));
        Post { id, timestamp, signature, body }
    }
}

/// Whether what answered so may answer otherwise to another attempt.
pub fn is_passing(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        )
}

fn end<T>(timing: Timing<'_>, result: &Result<T, Failure>) {
    timing.end(match result {
        Ok(_) => Ending::Ok,
        Err(failure) if failure.status.is_some() => Ending::Refused,
        Err(_) => Ending::Error,
    });
}
