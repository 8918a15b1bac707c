//! What is counted of sessions and deliveries.

use std::{
    collections::VecDeque,
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use confab_plugin::UserId;
use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

use super::CloseReason;
use crate::{bus::Way, latency::Latency, wire::Frame};

/// From a message's arrival until a recipient's session takes it to its socket.
static DELIVERY: Latency = Latency::new();

/// From a message's arrival until its sender's session takes the echo to its socket.
static ECHO: Latency = Latency::new();

/// Frames that were left out for slow clients.
pub static EPHEMERAL_DROPPED: LazyLock<Counter> =
    LazyLock::new(|| counter!("confab_ephemeral_dropped_total"));

/// Registered once, so that counting is an atomic add.
pub struct Meters {
    /// Sessions open here.
    pub connections: Gauge,
    delivered: [Counter; Way::ALL.len()],
    closed: [Counter; CloseReason::ALL.len()],
}

impl Meters {
    /// Handles from the recorder that is in place now. Counters begin at 0, so that a first event
    /// is seen as a change.
    pub fn new() -> Self {
        let connections = gauge!("confab_websocket_connections");
        connections.set(0);
        Self {
            connections,
            delivered: Way::ALL.map(|way| {
                zero(counter!("confab_messages_delivered_total", "path" => way.as_str()))
            }),
            closed: CloseReason::ALL.map(|reason| {
                zero(counter!("confab_websocket_closed_total", "reason" => reason.as_str()))
            }),
        }
    }

    /// Counts frames that were queued to so many sessions.
    pub fn delivered(&self, way: Way, sessions: u64) {
        let counter = Way::ALL.iter().zip(&self.delivered).find(|(known, _)| **known == way);
        if let Some((_, counter)) = counter {
            counter.increment(sessions);
        }
    }

    /// Counts a session that has ended.
    pub fn closed(&self, reason: CloseReason) {
        let counter =
            CloseReason::ALL.iter().zip(&self.closed).find(|(known, _)| **known == reason);
        if let Some((_, counter)) = counter {
            counter.increment(1);
        }
    }
}

fn zero(counter: Counter) -> Counter {
    counter.increment(0);
    counter
}

/// Times the messages that a session of `user` is about to write. By the clocks of the nodes that
/// received them, in milliseconds.
pub fn time_written(frames: &VecDeque<Frame>, user: UserId) {
    let mut places = frames.iter().filter_map(|frame| frame.place).peekable();
    if places.peek().is_none() {
        return;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for place in places {
        let at = Duration::from_millis(u64::try_from(place.at.0).unwrap_or(0));
        let histogram = if place.from == user { &ECHO } else { &DELIVERY };
        histogram.record(now.saturating_sub(at));
    }
}

/// Adds the times of messages to `text`, in Prometheus's text format.
pub fn write_times(text: &mut String) {
    DELIVERY.write(
        text,
        "confab_delivery_duration_seconds",
        "From a message's arrival at its node until a recipient's session takes it to its socket.",
    );
    ECHO.write(
        text,
        "confab_echo_duration_seconds",
        "From a message's arrival at its node until a session of its sender takes it to its socket.",
    );
}

/// What each metric means.
pub fn describe_metrics() {
    describe_gauge!("confab_websocket_connections", Unit::Count, "Sessions open on this node.");
    describe_counter!(
        "confab_websocket_closed_total",
        Unit::Count,
        "Sessions that ended, by reason."
    );
    describe_counter!(
        "confab_messages_delivered_total",
        Unit::Count,
        "Frames queued to sessions that must not be lost, by the way they came: from this node, from \
         another over the bus, or fetched from the store."
    );
    describe_counter!(
        "confab_ephemeral_dropped_total",
        Unit::Count,
        "Typing frames left out for slow clients."
    );
    describe_counter!(
        "confab_ephemeral_replaced_total",
        Unit::Count,
        "Typing frames that gave way, while they waited, to a newer one of the same sender."
    );
    EPHEMERAL_DROPPED.increment(0);
}
