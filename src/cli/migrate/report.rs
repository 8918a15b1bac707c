//! What a migration came to, for people.

use std::fmt::Write as _;

use confab_plugin::Username;

use crate::{
    cli::output,
    migrate::{Comparison, Copied, Differences},
    store::mongo::Seed,
};

/// Names on one line.
const NAMES: usize = 8;

/// What would be done.
pub(super) fn rehearsed(would: &Copied) {
    listed("in the way:", &would.conflicts);
    let Copied { accounts, conversations, messages, marks, logins, .. } = would;
    output::to_stdout(&format!(
        "would add {accounts} accounts and {messages} messages in {conversations} conversations, \
         move {marks} read marks, and write {logins} logins; nothing was changed\n"
    ));
}

/// What was done, and how both sides compare.
pub(super) fn migrated(copied: &Copied, comparison: &Comparison) {
    listed("in the way, and left as it is:", &copied.conflicts);
    listed("different:", &comparison.differences);
    let Comparison { source, target, .. } = comparison;
    let rows = [
        ("accounts", source.accounts, target.accounts, copied.accounts),
        ("conversations", source.conversations, target.conversations, copied.conversations),
        ("messages", source.messages, target.messages, copied.messages),
        ("read marks", source.marks, target.marks, copied.marks),
        ("logins", source.logins, target.logins, copied.logins),
    ];
    let mut table = format!("{:<14} {:>18} {:>18} {:>12}\n", "", "source", "target", "written now");
    for (what, source, target, now) in rows {
        let _ = writeln!(table, "{what:<14} {source:>18} {target:>18} {now:>12}");
    }
    let (ours, theirs) = (source.digest.to_string(), target.digest.to_string());
    let _ = writeln!(table, "{:<14} {ours:>18} {theirs:>18}", "checksum");
    table.push_str(if copied.conflicts.is_empty() && comparison.is_equal() {
        "equal: the target holds what the source holds\n"
    } else {
        "NOT equal: see above; nothing that was in the target has been overwritten\n"
    });
    output::to_stdout(&table);
}

/// What an adoption left out, and who needs a new password.
pub(super) fn left_out(seed: &Seed) {
    let left_out = seed.left_out();
    if !left_out.is_empty() {
        let mut text = format!("left out ({}):\n", left_out.len());
        for line in left_out {
            // Names of another program's making: they must not steer a terminal.
            let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let _ = writeln!(text, "  {line}");
        }
        output::to_stdout(&text);
    }
    let names = seed.without_password();
    if !names.is_empty() {
        let mut text = format!("need a new password ({}):\n", names.len());
        for names in names.chunks(NAMES) {
            let names: Vec<&str> = names.iter().map(Username::as_str).collect();
            let _ = writeln!(text, "  {}", names.join(" "));
        }
        output::to_stdout(&text);
    }
}

fn listed(title: &str, differences: &Differences) {
    if differences.is_empty() {
        return;
    }
    let mut text = title.to_owned();
    for one in &differences.told {
        let _ = write!(text, "\n  {one}");
    }
    let more = differences.count - differences.told.len() as u64;
    if more > 0 {
        let _ = write!(text, "\n  and {more} more");
    }
    output::to_stderr(&text);
}
