//! What a backup or a restoration came to, for people and for programs.

use std::{fmt::Write as _, path::Path, process::ExitCode, time::Duration};

use serde_json::{Value, json};

use crate::{
    auth::SECRET_KEY_FILE,
    cli::output,
    store::sqlite::backup::{Contents, Phase, Restored},
};

/// How far the work is, in one line.
pub(super) fn line(phase: Phase, (done, total): (u64, u64), elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match phase {
        Phase::Copy => {
            let percent = (done.min(total) * 100).checked_div(total).unwrap_or(0);
            format!("copying   {percent:>3} %  {} of {}, {seconds} s", size(done), size(total))
        }
        Phase::Check => format!("checking  {seconds} s"),
    }
}

/// What was backed up.
pub(super) fn backed_up(
    file: &Path,
    folder: &Path,
    contents: &Contents,
    seconds: f64,
    as_json: bool,
) -> ExitCode {
    let has_key = contents.files.iter().any(|name| name == SECRET_KEY_FILE);
    if as_json {
        return tell_json(file, contents, seconds, json!({"secret_key": has_key}));
    }
    let key = if has_key { "with" } else { "without" };
    output::to_stdout(&format!(
        "backed up {} to {}\n{}, {key} a secret key, {}, checked, in {seconds:.1} s\n",
        folder.display(),
        file.display(),
        counts(contents),
        size(contents.bytes),
    ))
}

/// What was restored.
pub(super) fn restored(
    file: &Path,
    folder: &Path,
    restored: &Restored,
    seconds: f64,
    as_json: bool,
) -> ExitCode {
    let Restored { contents, schema, files, aside } = restored;
    let has_key = files.iter().any(|name| name == SECRET_KEY_FILE);
    if as_json {
        let more = json!({
            "schema": schema,
            "schema_before": contents.schema,
            "secret_key": has_key,
            "aside": aside.as_ref().map(|path| path.display().to_string()),
        });
        return tell_json(file, contents, seconds, more);
    }
    let key = if has_key { "with" } else { "without" };
    let mut text = format!(
        "restored {} to {}\n{}, {key} a secret key, in {seconds:.1} s\n",
        file.display(),
        folder.display(),
        counts(contents),
    );
    if contents.schema < *schema {
        let before = contents.schema;
        let _ = writeln!(text, "brought up to date: schema {before} to {schema}");
    }
    if let Some(aside) = aside {
        let _ = writeln!(text, "what was there before is in {}", aside.display());
    }
    output::to_stdout(&text)
}

fn tell_json(file: &Path, contents: &Contents, seconds: f64, more: Value) -> ExitCode {
    let Contents { schema, accounts, conversations, messages, bytes, .. } = contents;
    let mut told = json!({
        "file": file.display().to_string(),
        "bytes": bytes,
        "schema": schema,
        "accounts": accounts,
        "conversations": conversations,
        "messages": messages,
        "seconds": (seconds * 1000.0).round() / 1000.0,
    });
    if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
        told.extend(more);
    }
    output::to_stdout(&format!("{told}\n"))
}

fn counts(contents: &Contents) -> String {
    let Contents { schema, accounts, conversations, messages, .. } = contents;
    format!(
        "{messages} messages in {conversations} conversations of {accounts} accounts, schema \
         {schema}"
    )
}

fn size(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "one digit is shown")]
    let mib = bytes as f64 / f64::from(1 << 20);
    format!("{mib:.1} MiB")
}
