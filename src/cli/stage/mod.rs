//! Where `confab test` and `confab explain` play events: a chain of its own, started for a
//! rehearsal, with the daemon's own checks before and after it. Nothing is sent or stored.

mod written;

use std::{collections::HashMap, future::Future, io, sync::Arc, time::Duration};

use confab_plugin::{Context, Decision, Event, Manifest, Outcome, User, UserId};

use crate::{
    chain::{Chain, Refused, Rehearsal},
    code::{Code, Refusal},
    config::{PluginEntry, suggest::did_you_mean},
    store::Conversation,
    values,
};
pub use written::{Clock, Written, user};

/// How long the plugins have to start, all together.
const START: Duration = Duration::from_secs(10);

/// A chain to play events on.
pub struct Stage {
    chain: Chain,
    max_content: usize,
    skip: Vec<String>,
    /// The newest message of each conversation.
    newest: HashMap<Conversation, u64>,
    /// Messages by their sender and id: a retry is known.
    ids: HashMap<(UserId, Arc<str>), u64>,
}

/// What became of an event.
pub struct Played {
    /// Its circumstances.
    pub cx: Context,
    /// The event as it came.
    pub came: Event,
    /// What each entry did; no entries if the daemon refused the event before the chain.
    pub rehearsal: Rehearsal,
    /// How it ended.
    pub ending: Ending,
}

/// How an event ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It takes effect, as the hooks left it.
    Passed,
    /// It is refused; the refusal names the entry, unless the daemon itself refuses.
    Denied(Refusal),
    /// It is refused without a word by the entry of this name.
    Dropped(Arc<str>),
}

impl Stage {
    /// A chain of these entries, fresh and started. Entries whose names are in `skip` are not
    /// asked. `max_content` is `limits.content`.
    ///
    /// # Errors
    /// A plugin that can't be built, or does not start.
    pub async fn open(
        plugins: &[PluginEntry],
        manifests: &[Manifest],
        skip: Vec<String>,
        max_content: usize,
    ) -> Result<Self, String> {
        let chain = Chain::build(plugins, manifests, 1, None).map_err(|errors| {
            let problems = errors.iter().flat_map(|error| &error.problems);
            let told: Vec<_> = problems.map(ToString::to_string).collect();
            format!("the plugins cannot be built: {}", told.join("; "))
        })?;
        match tokio::time::timeout(START, chain.start_rehearsal()).await {
            Ok(started) => started?,
            Err(_) => return Err(format!("the plugins did not start within {START:?}")),
        }
        Ok(Self { chain, max_content, skip, newest: HashMap::new(), ids: HashMap::new() })
    }

    /// Runs the daemon's checks and the `before` hooks.
    pub async fn play(&self, cx: Context, came: Event) -> Played {
        if let Err(refusal) = self.check(&came) {
            let rehearsal = Rehearsal {
                steps: Vec::new(),
                event: came.clone(),
                changed_by: Vec::new(),
                refused: None,
            };
            return Played { cx, came, rehearsal, ending: Ending::Denied(refusal) };
        }
        let rehearsal = self.chain.rehearse(&cx, came.clone(), &self.skip).await;
        let ending = match &rehearsal.refused {
            Some((_, Refused::Tell(refusal))) => Ending::Denied(refusal.clone()),
            Some((Decision::Dropped { by } | Decision::Denied { by, .. }, _)) => {
                Ending::Dropped(Arc::clone(by))
            }
            Some((_, Refused::Silently)) => Ending::Dropped("".into()),
            None => match self.check(&rehearsal.event) {
                Ok(()) => Ending::Passed,
                Err(refusal) => Ending::Denied(spoilt(&rehearsal.event, refusal)),
            },
        };
        Played { cx, came, rehearsal, ending }
    }

    /// Runs the `after` hooks, with the outcome that a daemon without any other messages would
    /// have had.
    pub fn conclude(&mut self, played: &Played) {
        let Played { cx, rehearsal, ending, .. } = played;
        let decision = match (ending, &rehearsal.refused) {
            (_, Some((decision, _))) => decision.clone(),
            (Ending::Passed, None) => self.accept(&rehearsal.event),
            // The daemon refused it before the chain.
            _ if rehearsal.steps.is_empty() => return,
            (Ending::Denied(refusal), None) => {
                let known = Code::ALL.iter().find(|code| code.as_str() == refusal.code);
                Decision::Failed { code: known.copied().unwrap_or(Code::PluginFailed).as_str() }
            }
            (Ending::Dropped(_), None) => return,
        };
        let mut cx = cx.clone();
        if let (Decision::Accepted { .. }, None) = (&decision, &cx.user) {
            cx.user = named(&rehearsal.event).map(Arc::new);
        }
        let mut outcome = Outcome::new(decision, Duration::from_millis(1));
        outcome.changed_by.clone_from(&rehearsal.changed_by);
        self.chain.rehearse_after(&cx, &rehearsal.event, &outcome, &self.skip);
    }

    /// The place that an accepted event gets.
    fn accept(&mut self, event: &Event) -> Decision {
        let (mut seq, mut duplicate) = (None, false);
        match event {
            Event::Message(message) => {
                let conversation = Conversation::between(message.from(), message.to());
                let id = message.client_id().map(|id| (message.from(), Arc::from(id)));
                let known = id.as_ref().and_then(|id| self.ids.get(id).copied());
                duplicate = known.is_some();
                let place = known.unwrap_or_else(|| {
                    let newest = self.newest.entry(conversation).or_default();
                    *newest += 1;
                    *newest
                });
                if let Some(id) = id {
                    self.ids.insert(id, place);
                }
                seq = Some(place);
            }
            Event::Seen(seen) => {
                let conversation = Conversation::between(seen.from(), seen.to());
                let newest = self.newest.get(&conversation).copied().unwrap_or_default();
                seq = Some(seen.upto().map_or(newest, |upto| upto.min(newest)));
            }
            _ => {}
        }
        Decision::Accepted { seq, duplicate }
    }

    /// What the daemon checks by itself, before and after the chain.
    fn check(&self, event: &Event) -> Result<(), Refusal> {
        match event {
            Event::Message(message) => {
                values::check_content(message.content(), self.max_content)?;
                message.client_id().map_or(Ok(()), values::check_client_id)
            }
            Event::Register(register) => {
                register.display_name().map_or(Ok(()), values::check_display_name)
            }
            _ => Ok(()),
        }
    }
}

/// Only a hook can have made an event that was good one that is not.
fn spoilt(event: &Event, refusal: Refusal) -> Refusal {
    if !matches!(event, Event::Message(_)) {
        return refusal;
    }
    let why = format!("A plugin changed the text to one that cannot be sent. {}", refusal.message);
    Refusal::new(Code::PluginFailed, why)
}

/// Who registered or logged in.
fn named(event: &Event) -> Option<User> {
    match event {
        Event::Register(register) => user(&format!("@{}", register.username())).ok(),
        Event::Login(login) => user(&format!("@{}", login.username())).ok(),
        _ => None,
    }
}

/// What to say of a name that no entry of the chain has.
pub fn unknown_entry(name: &str, chain: &[PluginEntry]) -> Option<String> {
    let names: Vec<&str> = chain.iter().map(PluginEntry::label).collect();
    if names.contains(&name) {
        return None;
    }
    let hint = did_you_mean(name, names.iter().copied());
    let there = match names.as_slice() {
        _ if !hint.is_empty() => String::new(),
        [] => ": the chain is empty".to_owned(),
        names => format!(": the entries are {}", names.join(", ")),
    };
    Some(format!("no entry of the chain is called {name:?}{hint}{there}"))
}

/// Runs `future` to its end, on this thread.
///
/// # Errors
/// When the runtime cannot start.
pub fn block_on<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(future);
    // What a plugin still does is not waited for.
    runtime.shutdown_background();
    Ok(result)
}
