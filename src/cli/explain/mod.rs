//! `confab explain`: plays one event on the chain of the configuration, and tells what each entry
//! does with it and why.

mod answer;
mod given;
mod report;

use std::{process::ExitCode, time::SystemTime};

use clap::Args;
use confab_plugin::Manifest;

use super::{
    FAILURE, output,
    stage::{self, Clock, Played, Stage, Written},
};
use crate::config::Loaded;
use answer::Answer;
use given::Given;

/// The exit status for wrong arguments, as of clap.
const USAGE: u8 = 2;

/// The long help.
pub(super) const ABOUT: &str = "\
Play one event on the chain of the configuration, and tell what each entry does with it and why

EVENT is what a client sends:

  '{\"event\":\"message\",\"to\":\"@bob\",\"content\":\"hi\"}'      also typing and seen
  '{\"event\":\"register\",\"username\":\"cat\",\"display_name\":\"Cat\"}'
  '{\"event\":\"login\",\"username\":\"cat\"}'
  '{\"event\":\"connect\",\"user_agent\":\"web\"}'
  '{\"event\":\"disconnect\",\"reason\":\"idle\"}'

The chain is a fresh one: what a running daemon remembers, such as rates, it does not know. Nothing \
is sent or stored, and no service is asked. Users need not exist; where an entry holds for a \
share of the users (percent), give their real user ids.";

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The event as JSON; @FILE reads it from a file, - from standard input
    #[arg(value_name = "EVENT")]
    event: String,
    /// Who acts: a username or a user id
    #[arg(long, value_name = "NAME", default_value = "ann")]
    from: String,
    /// The client's IP address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    address: String,
    /// Leave out the entry of this name; may be given several times
    #[arg(long, value_name = "ENTRY")]
    skip: Vec<String>,
    /// Tell the result as one JSON document
    #[arg(long)]
    json: bool,
}

/// Explains an event with the configuration as it was loaded.
pub(super) fn run(arguments: &Explain, loaded: &Loaded, manifests: &[Manifest]) -> ExitCode {
    let entries = &loaded.config.plugins;
    if let Some(why) = arguments.skip.iter().find_map(|name| stage::unknown_entry(name, entries)) {
        output::to_stderr(&format!("error: --skip: {why}"));
        return ExitCode::from(USAGE);
    }
    let written = match given::read(&arguments.event).and_then(|text| given::parse(&text)) {
        Ok(Given::Event(written)) => *written,
        Ok(Given::Refused(refusal, id)) => {
            let answer = Answer::of_frame(&refusal, id.as_deref());
            return output::to_stdout(&report::unread(&answer, arguments.json));
        }
        Err(why) => return fail(&why),
    };
    let to = written.to.clone();
    match stage::block_on(play(written, arguments, loaded, manifests)) {
        Ok(Ok(played)) => {
            let answer = Answer::to(&played);
            output::to_stdout(&if arguments.json {
                report::json(&played, entries, &answer)
            } else {
                report::text(&played, entries, &answer, to.as_deref())
            })
        }
        Ok(Err(why)) => fail(&why),
        Err(error) => fail(&format!("cannot start: {error}")),
    }
}

async fn play(
    mut written: Written,
    arguments: &Explain,
    loaded: &Loaded,
    manifests: &[Manifest],
) -> Result<Played, String> {
    use confab_plugin::EventKind::{Login, Register};
    if !matches!(written.kind, Register | Login) {
        written.from = Some(arguments.from.clone());
    }
    written.address = Some(arguments.address.clone());
    let (cx, event) = written.stage(Clock::starting(SystemTime::now())).map_err(|problems| {
        let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
        told.join("\n       ")
    })?;
    let max_content = loaded.config.limits.content.as_usize();
    let skip = arguments.skip.clone();
    let stage = Stage::open(&loaded.config.plugins, manifests, skip, max_content).await?;
    Ok(stage.play(cx, event).await)
}

fn fail(why: &str) -> ExitCode {
    output::to_stderr(&format!("error: {why}"));
    ExitCode::from(FAILURE)
}
