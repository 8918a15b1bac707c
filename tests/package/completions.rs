//! The completions of the shells.

use std::{fs, process::Command};

use crate::{confab, run};

/// A file with the completions for a shell.
fn script(shell: &str) -> tempfile::NamedTempFile {
    let output = confab(["completions", shell]);
    assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {output:?}");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), output.stdout).unwrap();
    file
}

#[test]
fn each_shell_can_read_its_own() {
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let script = script(shell);
        let said = run(Command::new(shell).arg(check).arg(script.path()));
        assert_eq!(said, "", "{shell}");
    }
}

/// What bash would complete the last word to.
fn completed(words: &[&str]) -> Vec<String> {
    let script = script("bash");
    let list = words.join(" ");
    let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
    let code = format!(
        "source {}; COMP_WORDS=({list}); COMP_CWORD={}; _confab confab '{last}' '{before}'; \
         echo \"${{COMPREPLY[@]}}\"",
        script.path().display(),
        words.len() - 1,
    );
    let said = run(Command::new("bash").args(["--norc", "-c", &code]));
    said.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_options() {
    assert_eq!(completed(&["confab", "ch"]), ["check"]);
    assert_eq!(completed(&["confab", "check", "--on"]), ["--online"]);
    assert_eq!(completed(&["confab", "completions", "f"]), ["fish"]);
    // The command of a plugin.
    assert_eq!(completed(&["confab", "audit", "v"]), ["verify"]);
}
