//! The metrics of one entry, looked up once by name and then kept.

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

use crate::{buckets::Kept, rule::Rule};

const KEYS: &str = "confab_ratelimit_keys";
const EVICTIONS: &str = "confab_ratelimit_evictions_total";
const REFUSALS: &str = "confab_ratelimit_refusals_total";

/// All metrics of one entry.
#[derive(Debug)]
pub struct Meters {
    keys: Gauge,
    evictions: Counter,
    /// By the rules' places in the options.
    refusals: Vec<Counter>,
}

impl Meters {
    /// Describes and registers the metrics of `entry`, whose options have `rules` rules.
    pub fn register(entry: &str, rules: usize) -> Self {
        describe_gauge!(KEYS, Unit::Count, "Token buckets in memory.");
        describe_counter!(
            EVICTIONS,
            Unit::Count,
            "Token buckets taken over by another owner before they were full: max_keys is too small."
        );
        describe_counter!(
            REFUSALS,
            Unit::Count,
            "Events for which a rule had no token, by the rule's place in the options."
        );
        let refusals = (0..rules).map(|rule| {
            let refusals =
                counter!(REFUSALS, "plugin" => entry.to_owned(), "rule" => rule.to_string());
            refusals.increment(0);
            refusals
        });
        let refusals = refusals.collect();
        let keys = gauge!(KEYS, "plugin" => entry.to_owned());
        keys.increment(0);
        let evictions = counter!(EVICTIONS, "plugin" => entry.to_owned());
        evictions.increment(0);
        Self { keys, evictions, refusals }
    }

    /// Counts what became of a table of buckets.
    pub fn kept(&self, kept: Kept) {
        match kept {
            Kept::InPlace => {}
            Kept::Added => self.keys.increment(1),
            Kept::Evicted => self.evictions.increment(1),
        }
    }

    /// Counts an event that `rule` refused.
    pub fn refused(&self, rule: &Rule) {
        if let Some(refusals) = self.refusals.get(rule.index) {
            refusals.increment(1);
        }
    }

    /// Takes back the `keys` buckets of an entry that ends. Others of the same name, from before
    /// or after a reload, go on counting theirs.
    pub fn forget(&self, keys: usize) {
        self.keys.decrement(u32::try_from(keys).unwrap_or(u32::MAX));
    }
}
