//! What `confab explain` says: a table for people, one JSON document for programs.

use std::{fmt::Write as _, time::Duration};

use confab_plugin::{Event, Verdict};
use serde_json::{Map, Value, json};

use super::answer::Answer;
use crate::{
    chain::{Did, Step},
    cli::{
        diff,
        stage::{Ending, Played},
    },
    config::{Mode, PluginEntry},
};

/// For people; `to` is the peer as the event named them.
pub fn text(played: &Played, entries: &[PluginEntry], answer: &Answer, to: Option<&str>) -> String {
    let mut out = head(played, to);
    let steps: Vec<_> = entries.iter().zip(&played.rehearsal.steps).collect();
    let rows: Vec<[String; 5]> = steps
        .iter()
        .map(|(entry, step)| {
            let asked = !matches!(step.did, Did::NotAsked(_) | Did::NotReached);
            let verdict = match &step.did {
                Did::NotAsked(why) => format!("not asked: {why}"),
                Did::NotReached => "not reached".to_owned(),
                did => did.as_str().to_owned(),
            };
            [
                step.entry.to_string(),
                entry.plugin.clone(),
                mode(entry),
                verdict,
                if asked { time(step.took) } else { String::new() },
            ]
        })
        .collect();
    let heads = ["entry", "plugin", "mode", "verdict", "time"].map(str::to_owned);
    let mut widths = heads.each_ref().map(|head| head.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    // Writing to a string does not fail.
    let line = |out: &mut String, row: &[String; 5]| {
        let [a, b, c, d, e] = row;
        let [wa, wb, wc, wd, we] = widths;
        let row = format!("  {a:wa$}  {b:wb$}  {c:wc$}  {d:wd$}  {e:>we$}");
        let _ = writeln!(out, "{}", row.trim_end());
    };
    if !rows.is_empty() {
        out.push('\n');
        line(&mut out, &heads);
    }
    for (row, (_, step)) in rows.iter().zip(&steps) {
        line(&mut out, row);
        details(&mut out, step);
    }
    let _ = writeln!(out, "\n{}", ending(played));
    let _ = write!(out, "{}", answer.sentence);
    match &answer.body {
        Some(body) => {
            let _ = writeln!(out, ":\n  {}", shown(body));
        }
        None => out.push('\n'),
    }
    out
}

/// A frame that never reaches the chain.
pub fn unread(answer: &Answer, json: bool) -> String {
    let body = answer.body.as_deref().unwrap_or_default();
    if json {
        let client = json!({ "what": answer.sentence, "body": parsed(body) });
        return format!("{:#}\n", json!({ "outcome": { "verdict": "unread" }, "client": client }));
    }
    let sentence = &answer.sentence;
    format!("the daemon refuses the frame before the chain\n{sentence}:\n  {}\n", shown(body))
}

/// A body without what a terminal can't be trusted with.
fn shown(body: &str) -> String {
    let mut out = String::new();
    for c in body.chars() {
        match c {
            '"' | '\\' | '\'' => out.push(c),
            c => out.extend(c.escape_debug()),
        }
    }
    out
}

fn head(played: &Played, to: Option<&str>) -> String {
    let Played { cx, came, .. } = played;
    let mut out = came.kind().to_string();
    if let Some(user) = &cx.user {
        let _ = write!(out, " of {} ({})", user.name, user.id);
    }
    let fields = fields(came);
    if let (Some(to), Some((_, id))) = (to, fields.iter().find(|(name, _)| *name == "to")) {
        let _ = write!(out, " to {} ({id})", to.escape_debug());
    }
    let _ = writeln!(out, ", from {}", cx.address);
    for (name, value) in fields.iter().filter(|(name, _)| *name != "to") {
        let _ = writeln!(out, "  {name} {value:?}");
    }
    out
}

fn details(out: &mut String, step: &Step) {
    if let Some(detail) = step.did.detail().filter(|_| !matches!(step.did, Did::NotAsked(_))) {
        let _ = writeln!(out, "      {detail}");
    }
    for note in &step.notes {
        let _ = writeln!(out, "      {}", note.escape_debug());
    }
    for (name, before, after) in changes(step) {
        let (before, after) = diff::compare(&before, &after);
        let indent = " ".repeat(6 + name.len());
        let _ = writeln!(out, "      {name} {}", before.text);
        if !before.carets.is_empty() {
            let _ = writeln!(out, "{indent} {}", before.carets);
        }
        let _ = writeln!(out, "{:>width$} {}", "->", after.text, width = indent.len());
        if !after.carets.is_empty() {
            let _ = writeln!(out, "{indent} {}", after.carets);
        }
    }
}

fn ending(played: &Played) -> String {
    let changed_by = &played.rehearsal.changed_by;
    match &played.ending {
        Ending::Passed if changed_by.is_empty() => "it passes as it is".to_owned(),
        Ending::Passed => format!("it passes, changed by {}", changed_by.join(", ")),
        Ending::Denied(refusal) => match &refusal.plugin {
            Some(by) => format!("it is refused by {by}, with the code {}", refusal.code),
            None => format!("the daemon itself refuses it, with the code {}", refusal.code),
        },
        Ending::Dropped(by) => format!("it is dropped by {by}"),
    }
}

/// For programs.
pub fn json(played: &Played, entries: &[PluginEntry], answer: &Answer) -> String {
    let steps = entries.iter().zip(&played.rehearsal.steps);
    let user = played.cx.user.as_ref();
    let document = json!({
        "event": played.came.kind(),
        "user": user.map(|user| json!({ "id": user.id, "name": user.name })),
        "address": played.cx.address,
        "fields": object(fields(&played.came)),
        "entries": steps.map(|(entry, step)| entry_json(entry, step)).collect::<Vec<_>>(),
        "outcome": outcome_json(played),
        "changed_by": played.rehearsal.changed_by,
        "client": { "what": answer.sentence, "body": answer.body.as_deref().map(parsed) },
    });
    format!("{document:#}\n")
}

fn entry_json(entry: &PluginEntry, step: &Step) -> Value {
    let changes = changes(step).into_iter().map(|(name, before, after)| {
        (name.to_owned(), json!({ "before": before, "after": after }))
    });
    let mut told = json!({
        "entry": step.entry,
        "plugin": entry.plugin,
        "mode": entry.mode,
        "percent": entry.percent,
        "on_error": entry.on_error,
        "verdict": step.did.as_str(),
        "changes": changes.collect::<Map<_, _>>(),
        "notes": step.notes,
        "took_us": step.took.as_nanos() as f64 / 1000.0,
    });
    match &step.did {
        Did::NotAsked(why) => told["why"] = json!(why),
        Did::Failed(why) => told["error"] = json!(why),
        Did::Answered { verdict: Verdict::Deny { code, message, retry_after }, .. } => {
            told["code"] = json!(code);
            told["message"] = json!(message);
            told["retry_after"] = json!(retry_after.map(|wait| wait.as_secs_f64()));
        }
        _ => {}
    }
    told
}

fn outcome_json(played: &Played) -> Value {
    match &played.ending {
        Ending::Passed => json!({ "verdict": "pass" }),
        Ending::Denied(refusal) => json!({
            "verdict": "deny",
            "by": refusal.plugin,
            "code": refusal.code,
            "message": refusal.message,
            "retry_after": refusal.retry_after,
        }),
        Ending::Dropped(by) => json!({ "verdict": "drop", "by": by }),
    }
}

fn parsed(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|_| body.into())
}

fn object(fields: Vec<(&'static str, String)>) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// What a hook can see of an event, besides who acts.
fn fields(event: &Event) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    match event {
        Event::Register(register) => {
            fields.push(("username", register.username().to_string()));
            fields.extend(register.display_name().map(|name| ("display_name", name.to_owned())));
        }
        Event::Login(login) => fields.push(("username", login.username().to_string())),
        Event::Connect(connect) => {
            fields.extend(connect.user_agent().map(|agent| ("user_agent", agent.to_owned())));
        }
        Event::Message(message) => {
            fields.push(("to", message.to().to_string()));
            fields.push(("content", message.content().to_owned()));
            fields.extend(message.client_id().map(|id| ("id", id.to_owned())));
        }
        Event::Typing(typing) => {
            fields.push(("to", typing.to().to_string()));
            fields.push(("on", typing.on().to_string()));
        }
        Event::Seen(seen) => {
            fields.push(("to", seen.to().to_string()));
            fields.extend(seen.upto().map(|upto| ("upto", upto.to_string())));
        }
        Event::Disconnect(disconnect) => fields.push(("reason", disconnect.reason().to_owned())),
        _ => {}
    }
    fields
}

/// The fields that the entry changed, or would have: before and after.
fn changes(step: &Step) -> Vec<(&'static str, String, String)> {
    let Some((before, after)) = &step.change else { return Vec::new() };
    let (before, after) = (fields(before), fields(after));
    let value = |fields: &[(&str, String)], name: &str| {
        let found = fields.iter().find(|(field, _)| *field == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let mut changed = Vec::new();
    for name in ["content", "display_name"] {
        let (before, after) = (value(&before, name), value(&after, name));
        if before != after {
            changed.push((name, before, after));
        }
    }
    changed
}

fn mode(entry: &PluginEntry) -> String {
    let mode = match entry.mode {
        Mode::Enforce => "enforce",
        Mode::Shadow => "shadow",
        Mode::Off => "off",
    };
    if entry.percent < 100 { format!("{mode} {}%", entry.percent) } else { mode.to_owned() }
}

/// With a unit that keeps the number short.
fn time(took: Duration) -> String {
    let micros = took.as_nanos() as f64 / 1000.0;
    if micros < 1000.0 { format!("{micros:.1} µs") } else { format!("{:.1} ms", micros / 1000.0) }
}
