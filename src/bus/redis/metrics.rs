//! What the bus counts.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

/// The metrics of one bus.
#[derive(Clone)]
pub struct Metrics {
    /// Whether the publisher reaches Redis: 1 or 0.
    pub publisher_connected: Gauge,
    /// Whether the subscriber is connected: 1 or 0.
    pub subscriber_connected: Gauge,
    /// Publishes that Redis took.
    pub published: Counter,
    /// Frames that other nodes published.
    pub received: Counter,
    /// Publishes that were given up.
    pub dropped: Counter,
    /// Payloads that are not ours.
    pub malformed: Counter,
    /// Connections made after one was lost.
    pub publisher_reconnects: Counter,
    /// Connections made after one was lost.
    pub subscriber_reconnects: Counter,
    /// How long Redis took for one pipeline.
    pub duration: Histogram,
    /// Publishes that wait.
    pub queue: Gauge,
}

impl Metrics {
    /// Handles from the recorder that is in place now.
    pub fn new() -> Self {
        let found = Self {
            publisher_connected: gauge!("confab_bus_connected", "role" => "publisher"),
            subscriber_connected: gauge!("confab_bus_connected", "role" => "subscriber"),
            published: counter!("confab_bus_published_total"),
            received: counter!("confab_bus_received_total"),
            dropped: counter!("confab_bus_dropped_total"),
            malformed: counter!("confab_bus_malformed_total"),
            publisher_reconnects: counter!("confab_bus_reconnects_total", "role" => "publisher"),
            subscriber_reconnects: counter!("confab_bus_reconnects_total", "role" => "subscriber"),
            duration: histogram!("confab_bus_publish_duration_seconds"),
            queue: gauge!("confab_bus_queue"),
        };
        found.publisher_connected.set(0);
        found.subscriber_connected.set(0);
        found.queue.set(0);
        for counter in [&found.published, &found.received, &found.dropped, &found.malformed] {
            counter.absolute(0);
        }
        found
    }
}

/// What each metric means.
pub fn describe_metrics() {
    describe_gauge!(
        "confab_bus_connected",
        Unit::Count,
        "Whether this node reaches Redis, by role: 1 or 0."
    );
    describe_counter!("confab_bus_published_total", Unit::Count, "Publishes that Redis took.");
    describe_counter!(
        "confab_bus_received_total",
        Unit::Count,
        "Frames for users here that other nodes published."
    );
    describe_counter!(
        "confab_bus_dropped_total",
        Unit::Count,
        "Publishes to other nodes that were given up, because Redis was away for too long."
    );
    describe_counter!(
        "confab_bus_malformed_total",
        Unit::Count,
        "What somebody else wrote to the channels of this deployment."
    );
    describe_counter!(
        "confab_bus_reconnects_total",
        Unit::Count,
        "Connections to Redis made after one was lost, by role."
    );
    describe_histogram!(
        "confab_bus_publish_duration_seconds",
        Unit::Seconds,
        "How long Redis took for the publishes that were sent at once."
    );
    describe_gauge!("confab_bus_queue", Unit::Count, "Publishes that wait for Redis.");
}
