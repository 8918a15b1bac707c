//! What is counted on the way of an event.

use std::sync::LazyLock;

use metrics::{
    Counter, Gauge, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
};

/// Events refused because too much waits for the store.
pub static OVERLOADED: LazyLock<Counter> = LazyLock::new(|| counter!("confab_overloaded_total"));

/// Events that are being stored.
pub static QUEUE_EVENTS: LazyLock<Gauge> = LazyLock::new(|| gauge!("confab_store_queue_events"));

/// Their bytes.
pub static QUEUE_BYTES: LazyLock<Gauge> = LazyLock::new(|| gauge!("confab_store_queue_bytes"));

/// Bytes in all outboxes.
pub static OUTBOX_BYTES: LazyLock<Gauge> = LazyLock::new(|| gauge!("confab_outbox_bytes"));

/// Frames from other nodes that a user here had already.
pub static COPIES: LazyLock<Counter> = LazyLock::new(|| counter!("confab_bus_copies_total"));

/// Holes that were left to a client's `sync`.
pub static HOLES: LazyLock<Counter> = LazyLock::new(|| counter!("confab_bus_holes_total"));

/// What each metric means. Counters begin at 0, so that a first event is seen as a change.
pub fn describe_metrics() {
    describe_counter!(
        "confab_messages_accepted_total",
        Unit::Count,
        "Messages stored for the first time."
    );
    describe_counter!(
        "confab_messages_duplicate_total",
        Unit::Count,
        "Retries of messages stored before."
    );
    describe_counter!(
        "confab_overloaded_total",
        Unit::Count,
        "Messages and read marks refused because too much waits for the store."
    );
    describe_gauge!(
        "confab_outbox_bytes",
        Unit::Bytes,
        "What waits to be written to the sessions of this node."
    );
    describe_gauge!(
        "confab_store_queue_events",
        Unit::Count,
        "Messages and read marks that are being stored, or wait for it."
    );
    describe_gauge!(
        "confab_store_queue_bytes",
        Unit::Bytes,
        "Bytes of what confab_store_queue_events counts, as limits count them."
    );
    describe_histogram!(
        "confab_store_batch_messages",
        Unit::Count,
        "Messages handed to the store at once."
    );
    OVERLOADED.increment(0);
    QUEUE_EVENTS.set(0);
    QUEUE_BYTES.set(0);
    OUTBOX_BYTES.set(0);
    for name in ["confab_messages_accepted_total", "confab_messages_duplicate_total"] {
        counter!(name).increment(0);
    }
}

/// The same for what there is only where nodes deliver to each other.
pub fn describe_node_metrics() {
    describe_counter!(
        "confab_bus_copies_total",
        Unit::Count,
        "Frames from other nodes that were left out, because their user had them already."
    );
    describe_counter!(
        "confab_bus_holes_total",
        Unit::Count,
        "Holes in what a user was delivered that the store could not fill in time; the client's sync \
         closes them."
    );
    COPIES.increment(0);
    HOLES.increment(0);
}
