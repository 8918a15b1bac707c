//! Leaves out the series of plugin entries that a reload has removed.
//!
//! The recorder keeps every series until the daemon ends, and forgetting one would cut off the
//! handles of an entry that still ends its last events.

use std::collections::HashSet;

/// The label that holds an entry's name.
const LABEL: &str = "plugin=\"";

/// The lines of `text` but the samples of entries that are not among `names`.
pub fn without_removed(text: &str, names: &HashSet<&str>) -> String {
    let mut kept = String::with_capacity(text.len() + 8 * 1024);
    for line in text.split_inclusive('\n') {
        if entry(line).is_none_or(|entry| names.contains(entry)) {
            kept.push_str(line);
        }
    }
    kept
}

/// The entry that a sample is of. A name has no character that would be escaped.
fn entry(line: &str) -> Option<&str> {
    let labels = line.strip_prefix("confab_")?.split_once('{')?.1;
    let value = match labels.strip_prefix(LABEL) {
        Some(value) => value,
        None => labels.split_once(&format!(",{LABEL}"))?.1,
    };
    Some(value.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_samples_of_removed_entries_go() {
        let text = "# HELP confab_x_total Of plugin=\"gone\".\n# TYPE confab_x_total counter\n\
             confab_x_total{plugin=\"here\",verdict=\"pass\"} 1\n\
             confab_x_total{plugin=\"gone\",verdict=\"pass\"} 2\n\
             confab_y{rule=\"1\",plugin=\"gone\"} 3\n\
             confab_z{by=\"gone\",reason=\"its plugin\"} 4\nconfab_n 5\n\n";
        let expected: String = text
            .split_inclusive('\n')
            .filter(|line| !line.ends_with(" 2\n") && !line.ends_with(" 3\n"))
            .collect();
        assert_eq!(without_removed(text, &HashSet::from(["here"])), expected);
        assert_eq!(without_removed(text, &HashSet::from(["here", "gone"])), text);
    }
}
