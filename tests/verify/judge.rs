//! What a run of `confab bench --verify` must have found when every promise was kept.

use std::{fmt::Display, str::FromStr};

use serde_json::Value;

use crate::support::Daemon;

/// No rates: a run is impatient.
pub const LIMITS: &str =
    "[limits]\nframe_rate = 0\nauth_rate = 0\nconnect_rate = 0\n[log]\nlevel = \"warn\"\n";

/// A variable that makes a test longer.
///
/// # Panics
/// When it is set to what is none of its values.
pub fn variable<T: FromStr<Err: Display>>(name: &str, default: T) -> T {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")),
        Err(_) => default,
    }
}

/// A count of the report.
pub fn number(found: &Value, key: &str) -> u64 {
    found[key].as_u64().unwrap_or_else(|| panic!("no {key}:\n{found:#}"))
}

/// Prints the figures of a run, and holds that nothing was lost, doubled, out of order, missed or
/// left without an answer.
pub fn all_kept(what: &str, (status, found): &(i32, Value)) {
    let counts = ["lost", "doubled", "out_of_order", "missed"];
    let counts = counts.map(|kind| found[kind]["count"].as_u64());
    let of = |key| number(found, key);
    let seconds = |key: &str| found[key].as_f64().expect("a time");
    println!(
        "{what}: {} acknowledged, {} resent, {} reconnects, {} holes, {} overtaken, longest gap {:.3} s, \
         longest wait for an echo {:.3} s; lost, doubled, out of order, missed: {counts:?}; \
         cuts {}, failed connects {}, errors {}",
        of("acknowledged"),
        of("resent"),
        of("reconnects"),
        of("holes"),
        of("overtaken"),
        seconds("longest_gap_seconds"),
        seconds("longest_acknowledgement_seconds"),
        found["cuts"],
        found["failed_connects"],
        found["errors"],
    );
    assert_eq!(counts, [Some(0); 4], "{found:#}");
    assert_eq!(of("unanswered"), 0, "{found:#}");
    // On a busy machine a plugin may need longer than it is given.
    assert_eq!(of("acknowledged") + of("refused"), of("sent"), "{found:#}");
    assert_eq!(of("kept"), of("acknowledged"), "{found:#}");
    assert_eq!((*status, &found["passed"]), (0, &true.into()), "{found:#}");
}

/// How many messages this daemon has stored since it started.
pub fn accepted(daemon: &Daemon) -> f64 {
    daemon.metric("confab_messages_accepted_total")
}
