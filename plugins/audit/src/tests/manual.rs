//! The options, and the manual that describes them.

use confab_plugin::{Definition, Problem, testkit::manual_faults};
use serde_json::json;

use super::*;

#[test]
fn the_manual_is_complete() {
    assert_eq!(manual_faults::<Audit>(), Vec::<String>::new());
    let metrics =
        ["lines_total", "written_bytes_total", "rotations_total", "sync_duration_seconds"];
    for metric in metrics {
        assert!(Audit::MANUAL.contains(&format!("`confab_audit_{metric}`")), "{metric}");
    }
    for command in Audit::COMMANDS {
        assert!(
            Audit::MANUAL.contains(&format!("confab audit {} {}", command.name, command.arguments))
        );
    }
}

#[test]
fn bad_options_are_told_at_once() {
    let told = |options| {
        let problems = Kit::<Audit>::new(options).err().unwrap_or_default();
        problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
    };
    let both = told(json!({"path": "audit/", "max_size": "1B", "key_file": "/"}));
    for why in ["path: name a file", "max_size: give at least 1KiB", "key_file: name a file"] {
        assert!(both.contains(why), "{both}");
    }
    assert!(told(json!({"path": "a", "key_file": "a"})).contains("cannot be in the log itself"));
    assert!(told(json!({"sync": "sometimes"})).contains("unknown variant `sometimes`"));
    assert!(told(json!({"contents": true})).contains("unknown field `contents`"));
    assert_eq!(told(json!({})), "");
}
