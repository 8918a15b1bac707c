//! What is wrong with a file of fixtures, told before anything is run.

use std::{path::Path, time::SystemTime};

use confab_plugin::{
    EventKind::{Message, Register},
    Manifest, Problem, Segment,
};

use super::fixtures::{Expect, Fixtures, Step, Test, Verdict, parse_time};
use crate::{
    cli::stage::{Clock, Written, unknown_entry},
    config::{ConfigErrors, PluginEntry, strict::StrictFile},
};

/// What the file is called in messages.
const WHAT: &str = "the fixtures";

/// An event is repeated at most so often.
const MAX_REPEAT: u32 = 100_000;

impl Fixtures {
    /// Reads a file.
    ///
    /// # Errors
    /// All that is wrong with it that can be seen without knowing the chain.
    pub fn read(path: &Path, manifests: &[Manifest]) -> Result<(StrictFile, Self), ConfigErrors> {
        let (file, fixtures) = StrictFile::read::<Self>(path, WHAT, manifests)?;
        let problems = fixtures.check();
        if problems.is_empty() { Ok((file, fixtures)) } else { Err(file.errors(problems)) }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.config.is_some() && self.plugins.is_some() {
            let message = "the file has a chain of its own: leave the one or the other out";
            problems.push(Problem::at("config", message));
        }
        if self.tests.is_empty() {
            problems.push(Problem::at("tests", "there is no test in it"));
        }
        for (number, test) in self.tests.iter().enumerate() {
            let mut found = test.check();
            if self.tests.iter().take(number).any(|other| other.name == test.name) {
                found.push(Problem::at("name", "a second test of this file has this name"));
            }
            problems.extend(below(&["tests".into(), number.into()], found));
        }
        problems
    }

    /// What is wrong with the names of entries, in a chain of these.
    pub fn check_names(&self, chain: &[PluginEntry]) -> Vec<Problem> {
        let mut problems = unknown_names("skip", &self.skip, chain);
        for (number, test) in self.tests.iter().enumerate() {
            let path = ["tests".into(), number.into()];
            problems.extend(below(&path, unknown_names("skip", &test.skip, chain)));
            for (number, step) in test.steps().iter().enumerate() {
                let Some(expect) = &step.expect else { continue };
                let found = below(&["expect".into()], expect.unknown_names(chain));
                let found = below(&test.step_path(number), found);
                problems.extend(below(&path, found));
            }
        }
        problems
    }
}

impl Test {
    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.name.trim().is_empty() || self.name.chars().any(char::is_control) {
            problems.push(Problem::at("name", "say in a line what the test shows"));
        }
        if self.at.as_deref().is_some_and(|at| parse_time(at).is_none()) {
            problems.push(Problem::at("at", "not a time, such as \"2026-01-01T00:00:00Z\""));
        }
        match (&self.event, self.steps.as_slice()) {
            (None, []) => {
                let message = "the test has no event: give it an \"event\" or [[tests.steps]]";
                problems.push(Problem::at("event", message));
            }
            (Some(_), [_, ..]) => {
                let message = "the test has steps: its event stands in one of them";
                problems.push(Problem::at("event", message));
            }
            (None, _) => {
                let stray = [("repeat", self.repeat.is_some()), ("expect", self.expect.is_some())];
                for (key, _) in stray.into_iter().filter(|(_, given)| *given) {
                    let message = format!("\"{key}\" belongs into a step");
                    problems.push(Problem::at(key, message));
                }
            }
            (Some(_), []) => {}
        }
        let steps = self.steps();
        if !steps.is_empty() && steps.iter().all(|step| step.expect.is_none()) {
            problems.push(Problem::at("expect", "the test expects nothing"));
        }
        for (number, step) in steps.iter().enumerate() {
            problems.extend(below(&self.step_path(number), step.check()));
        }
        problems
    }
}

impl Step {
    fn check(&self) -> Vec<Problem> {
        let staged = self.event.stage(Clock::starting(SystemTime::UNIX_EPOCH));
        let mut problems = below(&["event".into()], staged.err().unwrap_or_default());
        if self.repeat.is_some_and(|repeat| !(1..=MAX_REPEAT).contains(&repeat)) {
            problems.push(Problem::at("repeat", format!("give a number from 1 to {MAX_REPEAT}")));
        }
        if let Some(expect) = &self.expect {
            problems.extend(below(&["expect".into()], expect.check(&self.event)));
        }
        problems
    }
}

impl Expect {
    fn check(&self, event: &Written) -> Vec<Problem> {
        let (denied, passes) = (self.verdict == Verdict::Deny, self.verdict == Verdict::Pass);
        let verdict = self.verdict.as_str();
        let of_verdict =
            |good: bool| (!good).then(|| format!("says nothing of the verdict {verdict}"));
        let of_kind = |good: bool| (!good).then(|| format!("says nothing of a {}", event.kind));
        let wrong = [
            ("by", self.by.is_some(), of_verdict(!passes)),
            ("code", self.code.is_some(), of_verdict(denied)),
            ("message", self.message.is_some(), of_verdict(denied)),
            ("retry_after", self.retry_after.is_some(), of_verdict(denied)),
            (
                "content",
                self.content.is_some(),
                of_verdict(passes).or(of_kind(event.kind == Message)),
            ),
            (
                "display_name",
                self.display_name.is_some(),
                of_verdict(passes).or(of_kind(event.kind == Register)),
            ),
        ];
        let given = wrong.into_iter().filter(|(_, given, _)| *given);
        given
            .filter_map(|(key, _, why)| Some(Problem::at(key, format!("\"{key}\" {}", why?))))
            .collect()
    }

    fn unknown_names(&self, chain: &[PluginEntry]) -> Vec<Problem> {
        let by: Vec<_> = self.by.iter().cloned().collect();
        let mut problems = unknown_names("by", &by, chain);
        for problem in &mut problems {
            problem.path.truncate(1);
        }
        let changed_by = self.changed_by.as_deref().unwrap_or_default();
        problems.extend(unknown_names("changed_by", changed_by, chain));
        for name in self.entries.keys() {
            let unknown = unknown_entry(name, chain).map(|message| Problem {
                path: vec!["entries".into(), name.as_str().into()],
                message,
            });
            problems.extend(unknown);
        }
        problems
    }
}

fn unknown_names(key: &str, names: &[String], chain: &[PluginEntry]) -> Vec<Problem> {
    let unknown = |(index, name): (usize, &String)| {
        Some(Problem::at_item(key, index, unknown_entry(name, chain)?))
    };
    names.iter().enumerate().filter_map(unknown).collect()
}

fn below(path: &[Segment], problems: Vec<Problem>) -> Vec<Problem> {
    let mut problems = problems;
    for problem in &mut problems {
        problem.path.splice(0..0, path.iter().cloned());
    }
    problems
}
