//! What is counted of MongoDB beside the calls of the store.

use metrics::{Unit, counter, describe_counter};

/// What documents can be odd: the collections, never a pair's name.
const KINDS: [&str; 4] = ["accounts", "client_ids", "conversations", "messages"];

/// Documents that were skipped, by [`KINDS`].
const ODD: &str = "confab_store_odd_documents_total";

/// Inserts that came too late.
const CONFLICTS: &str = "confab_store_seq_conflicts_total";

/// Counts a document that cannot be read. `kind` is the collection's, never a pair's name.
pub(super) fn odd(kind: &'static str) {
    counter!(ODD, "kind" => kind).increment(1);
    tracing::debug!(kind, "a document with missing or odd fields was skipped");
}

/// Counts an insert that another node's message came before.
pub(super) fn seq_conflict() {
    counter!(CONFLICTS).increment(1);
}

/// What each metric means. Counters begin at 0, so that a first event is seen as a change.
pub(super) fn describe() {
    describe_counter!(
        ODD,
        Unit::Count,
        "Documents in MongoDB that were skipped, by collection: their fields are missing or odd."
    );
    describe_counter!(
        CONFLICTS,
        Unit::Count,
        "Inserts into MongoDB that another node's message came before."
    );
    for kind in KINDS {
        counter!(ODD, "kind" => kind).increment(0);
    }
    counter!(CONFLICTS).increment(0);
}
