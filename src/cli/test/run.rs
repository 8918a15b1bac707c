//! Runs the tests of a file, each on a fresh chain, and compares what is expected with what
//! happens.

use std::{fmt::Write as _, time::Duration};

use confab_plugin::{Event, Manifest};

use super::fixtures::{Expect, Step, Test, Verdict};
use crate::{
    chain::Did,
    cli::stage::{Ending, Played, Stage},
    config::PluginEntry,
};

/// The chain that the tests of a file run on.
pub struct Ground<'a> {
    pub plugins: &'a [PluginEntry],
    pub manifests: &'a [Manifest],
    /// `limits.content`.
    pub max_content: usize,
    /// The entries that every test leaves out.
    pub skip: &'a [String],
}

/// Where a test failed. Its further steps do not run: they build upon this one.
#[derive(Debug)]
pub struct Failure {
    /// The step, counted from 0.
    pub step: usize,
    /// Which time it came, and how often it should have; `None` if only once.
    pub time: Option<(u32, u32)>,
    pub differences: Vec<Difference>,
    /// What the entries did, a line each.
    pub entries: Vec<String>,
}

impl Failure {
    /// The step could not be played.
    fn cannot(step: usize, expected: &str, why: impl Into<String>) -> Self {
        let differences = vec![Difference::of("chain", expected, why)];
        Self { step, time: None, differences, entries: Vec::new() }
    }
}

/// Something that is not as expected.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key of `expect`.
    pub what: String,
    pub expected: String,
    pub got: String,
    /// Whether both are texts to compare word by word.
    pub text: bool,
}

impl Difference {
    fn of(what: &str, expected: impl Into<String>, got: impl Into<String>) -> Self {
        let (expected, got) = (expected.into(), got.into());
        Self { what: what.to_owned(), expected, got, text: false }
    }

    fn of_text(what: &str, expected: &str, got: &str) -> Self {
        Self { text: true, ..Self::of(what, expected, got) }
    }
}

/// Runs one test; `None` if all is as expected.
pub async fn run(test: &Test, ground: &Ground<'_>) -> Option<Failure> {
    let skip = ground.skip.iter().chain(&test.skip).cloned().collect();
    let stage = Stage::open(ground.plugins, ground.manifests, skip, ground.max_content).await;
    let mut stage = match stage {
        Ok(stage) => stage,
        Err(why) => return Some(Failure::cannot(0, "the chain starts", why)),
    };
    let mut clock = test.clock();
    for (number, step) in test.steps().iter().enumerate() {
        let times = step.repeat.unwrap_or(1);
        for time in 1..=times {
            let after = step.after.map_or(Duration::ZERO, |after| after.0);
            let Some(later) = clock.after(after) else {
                return Some(Failure::cannot(number, "time passes", "there is not so much of it"));
            };
            clock = later;
            let (cx, event) = match step.event.stage(clock) {
                Ok(staged) => staged,
                Err(problems) => {
                    let why: Vec<_> = problems.iter().map(ToString::to_string).collect();
                    return Some(Failure::cannot(number, "an event", why.join("; ")));
                }
            };
            let played = stage.play(cx, event).await;
            let differences = differences(step, &played);
            if !differences.is_empty() {
                let time = (times > 1).then_some((time, times));
                let entries = entries(&played);
                return Some(Failure { step: number, time, differences, entries });
            }
            stage.conclude(&played);
        }
    }
    None
}

fn differences(step: &Step, played: &Played) -> Vec<Difference> {
    let Some(expect) = &step.expect else { return Vec::new() };
    let mut found = Vec::new();
    let verdict = match &played.ending {
        Ending::Passed => Verdict::Pass,
        Ending::Denied(_) => Verdict::Deny,
        Ending::Dropped(_) => Verdict::Drop,
    };
    if verdict == expect.verdict {
        refusal(expect, &played.ending, &mut found);
        changes(expect, played, &mut found);
    } else {
        found.push(Difference::of("verdict", expect.verdict.as_str(), verdict.as_str()));
    }
    for (name, does) in &expect.entries {
        let step = played.rehearsal.steps.iter().find(|step| *step.entry == **name);
        // Without steps, the daemon refused the event before the chain.
        let did = step.map_or("not_reached", |step| step.did.as_str());
        if did != does.as_str() {
            found.push(Difference::of(&format!("entries.{name}"), does.as_str(), did));
        }
    }
    found
}

fn refusal(expect: &Expect, ending: &Ending, found: &mut Vec<Difference>) {
    let by = match ending {
        Ending::Passed => return,
        Ending::Denied(refusal) => refusal.plugin.as_deref(),
        Ending::Dropped(by) => Some(&**by),
    };
    if expect.by.is_some() && expect.by.as_deref() != by {
        let expected = expect.by.clone().unwrap_or_default();
        found.push(Difference::of("by", expected, by.unwrap_or("the daemon itself")));
    }
    let Ending::Denied(refusal) = ending else { return };
    if let Some(code) = expect.code.as_deref().filter(|code| *code != refusal.code) {
        found.push(Difference::of("code", code, &*refusal.code));
    }
    if let Some(message) = expect.message.as_deref().filter(|told| *told != refusal.message) {
        found.push(Difference::of_text("message", message, &refusal.message));
    }
    if let Some(expected) = expect.retry_after {
        let got = refusal.retry_after.map(|seconds| Duration::from_secs(seconds.into()));
        if got != Some(expected.0) {
            let got = got.map(|got| confab_plugin::Duration(got).to_string());
            let got = got.unwrap_or_else(|| "nothing".to_owned());
            found.push(Difference::of("retry_after", expected.to_string(), got));
        }
    }
}

fn changes(expect: &Expect, played: &Played, found: &mut Vec<Difference>) {
    let (content, name) = match &played.rehearsal.event {
        Event::Message(message) => (Some(message.content()), None),
        Event::Register(register) => (None, register.display_name()),
        _ => (None, None),
    };
    for (what, expected, got) in
        [("content", &expect.content, content), ("display_name", &expect.display_name, name)]
    {
        if let Some(expected) = expected.as_deref().filter(|expected| Some(*expected) != got) {
            found.push(Difference::of_text(what, expected, got.unwrap_or_default()));
        }
    }
    if let Some(expected) = &expect.changed_by {
        let list = |names: &[&str]| match names {
            [] => "nobody".to_owned(),
            names => names.join(", "),
        };
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        let got: Vec<&str> = played.rehearsal.changed_by.iter().map(|name| &**name).collect();
        if expected != got {
            found.push(Difference::of("changed_by", list(&expected), list(&got)));
        }
    }
}

/// What the entries did, but for those that were not asked.
fn entries(played: &Played) -> Vec<String> {
    if played.rehearsal.steps.is_empty() {
        let Ending::Denied(refusal) = &played.ending else { return Vec::new() };
        return vec![format!("the daemon refused it: {} {:?}", refusal.code, refusal.message)];
    }
    let asked = played.rehearsal.steps.iter().filter(|step| !matches!(step.did, Did::NotAsked(_)));
    let told = asked.map(|step| {
        let mut line = format!("{} {}", step.entry, step.did.as_str());
        if let Some(detail) = step.did.detail() {
            let _ = write!(line, " {detail}");
        }
        for note in &step.notes {
            let _ = write!(line, "; {}", note.escape_debug());
        }
        line
    });
    told.collect()
}
