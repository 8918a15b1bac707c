//! confab with plugins that misbehave on purpose: they do to a message what its text says.

use std::{process::ExitCode, time::Duration};

use confab_plugin::{
    Context, Definition, Event, EventKind, HookError, Manifest, Outcome, Plugin, Problem, Verdict,
    async_trait,
};

fn main() -> ExitCode {
    let mut manifests = confab::registry::manifests();
    manifests.push(Manifest::of::<Clown>());
    confab::cli::run(&manifests)
}

struct Clown {
    word: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// It acts on messages that begin with this word. For `stays` it never stops.
    word: String,
}

#[async_trait]
impl Plugin for Clown {
    async fn before(&self, _: &Context, event: &mut Event) -> Result<Verdict, HookError> {
        let Event::Message(message) = event else { return Ok(Verdict::Pass) };
        let Some(act) = message.content().strip_prefix(&self.word).map(|act| act.trim().to_owned())
        else {
            return Ok(Verdict::Pass);
        };
        message.set_content("changed by the clown");
        match act.as_str() {
            "panic" => panics(),
            "error" => Err(HookError::new("an error on purpose\nwith a second line")),
            "sleep" => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                Ok(Verdict::Pass)
            }
            "empty" => {
                message.set_content("");
                Ok(Verdict::Pass)
            }
            "drop" => Ok(Verdict::Drop),
            _ => Ok(Verdict::deny("clown_says_no", "No.")),
        }
    }

    async fn stop(&self) {
        if self.word == "stays" {
            std::future::pending::<()>().await;
        }
    }

    fn after(&self, _: &Context, event: &Event, _: &Outcome) {
        if let Event::Message(message) = event
            && message.content().starts_with("after panic")
        {
            panics();
        }
    }
}

#[allow(clippy::panic)]
fn panics() -> ! {
    panic!("a panic on purpose")
}

impl Definition for Clown {
    const NAME: &'static str = "clown";
    const SUMMARY: &'static str = "misbehaves";
    const MANUAL: &'static str = "# clown\n";
    const ON: &'static [EventKind] = &[EventKind::Message];
    type Options = Options;

    fn new(_: &str, options: Options) -> Result<Self, Vec<Problem>> {
        Ok(Clown { word: options.word })
    }
}
