//! The series of a plugin entry go with it.

use crate::support::Daemon;

/// How many lines of the metrics are of an entry.
fn lines(daemon: &Daemon, entry: &str) -> usize {
    let label = format!("plugin=\"{entry}\"");
    daemon.metrics().lines().filter(|line| line.contains(&label)).count()
}

#[test]
fn an_entry_that_a_reload_removes_leaves_no_series() {
    let entry = |name: &str| {
        format!(
            "[[plugins]]\nuse = \"filter\"\nname = \"{name}\"\noptions = {{ deny = [\"x\"] }}\n"
        )
    };
    let daemon = Daemon::start(&(entry("old") + &entry("kept")));
    let (old, kept) = (lines(&daemon, "old"), lines(&daemon, "kept"));
    assert!(old > 10 && old == kept, "{old} {kept}");
    for (toml, expected) in
        [(entry("kept") + &entry("new"), [0, old, old]), (entry("old"), [old, 0, 0])]
    {
        daemon.configure(&toml);
        let (status, _, answer) = daemon.admin().post("/reload", "application/json", "");
        assert_eq!(status, 200, "{answer}");
        assert_eq!(["old", "kept", "new"].map(|name| lines(&daemon, name)), expected);
    }
}
