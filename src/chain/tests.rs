//! What the chain promises, tried with plugins that misbehave on purpose.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use confab_plugin::{
    Definition, HookError, Host, Plugin, User, UserId, Verdict, async_trait, testkit,
};

use super::*;
use crate::config::{Mode, OnError};

/// Does to a message what its text says.
struct Actor;

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoOptions {}

/// Panics when the hook that holds it is given up.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("on purpose");
    }
}

static AFTER: Mutex<Vec<(String, &'static str)>> = Mutex::new(Vec::new());
static STARTED: AtomicUsize = AtomicUsize::new(0);

#[async_trait]
impl Plugin for Actor {
    async fn before(&self, _: &Context, event: &mut Event) -> Result<Verdict, HookError> {
        let Event::Message(message) = event else {
            return Ok(Verdict::Pass);
        };
        let text = message.content().to_owned();
        message.set_content(format!("{text}!"));
        match text.trim_end_matches('!') {
            "panic" => panic!("on purpose"),
            "error" => Err(HookError::new("on purpose")),
            "sleep" => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                Ok(Verdict::Pass)
            }
            "bomb" => {
                let _bomb = Bomb;
                tokio::time::sleep(Duration::from_secs(3600)).await;
                Ok(Verdict::Pass)
            }
            "yield" => {
                tokio::task::yield_now().await;
                Ok(Verdict::Pass)
            }
            "block" => {
                std::thread::sleep(Duration::from_millis(60));
                Ok(Verdict::Pass)
            }
            "deny" => Ok(Verdict::deny("no", "No.")),
            "drop" => Ok(Verdict::Drop),
            _ => Ok(Verdict::Pass),
        }
    }

    fn after(&self, _: &Context, event: &Event, outcome: &Outcome) {
        if let Event::Message(message) = event {
            AFTER.lock().unwrap().push((message.content().to_owned(), outcome.decision.as_str()));
            assert!(!message.content().starts_with("after-panic"), "on purpose");
        }
    }

    async fn start(&self, _: &Host) -> Result<(), HookError> {
        STARTED.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl Definition for Actor {
    const NAME: &'static str = "actor";
    const SUMMARY: &'static str = "does what it is told";
    const MANUAL: &'static str = "";
    const ON: &'static [EventKind] = &[EventKind::Message];
    type Options = NoOptions;

    fn new(_: &str, _: NoOptions) -> Result<Self, Vec<Problem>> {
        Ok(Actor)
    }
}

/// Says that it judges logins alone, though it would refuse anything.
struct Looker;

#[async_trait]
impl Plugin for Looker {
    async fn before(&self, _: &Context, _: &mut Event) -> Result<Verdict, HookError> {
        Ok(Verdict::Drop)
    }

    fn judges(&self, kind: EventKind) -> bool {
        kind == EventKind::Login
    }

    fn after(&self, cx: &Context, event: &Event, outcome: &Outcome) {
        Actor.after(cx, event, outcome);
    }
}

impl Definition for Looker {
    const NAME: &'static str = "looker";
    const SUMMARY: &'static str = "looks on";
    const MANUAL: &'static str = "";
    const ON: &'static [EventKind] = &[EventKind::Message];
    type Options = NoOptions;

    fn new(_: &str, _: NoOptions) -> Result<Self, Vec<Problem>> {
        Ok(Looker)
    }
}

fn entry(name: &str, mode: Mode, on_error: OnError) -> PluginEntry {
    PluginEntry {
        name: Some(name.into()),
        mode,
        on_error,
        timeout: confab_plugin::Duration::from_millis(20),
        ..PluginEntry::of("actor")
    }
}

fn chain(entries: &[PluginEntry]) -> Arc<Chain> {
    Arc::new(Chain::build(entries, &[Manifest::of::<Actor>()], 1, None).unwrap())
}

/// What became of a message with this text: its new text, or who refused it and how.
async fn run(chain: &Arc<Chain>, text: &str) -> Result<String, (String, String)> {
    let passage = Passage::enter(
        Arc::clone(chain),
        testkit::context(),
        testkit::message(text),
        Instant::now(),
    );
    match passage.await {
        Ok(passage) => {
            let Event::Message(message) = passage.event() else { panic!("another event") };
            let text = message.content().to_owned();
            passage.finish(Decision::Accepted { seq: Some(1), duplicate: false });
            Ok(text)
        }
        Err(Refused::Tell(refusal)) => {
            Err((refusal.plugin.unwrap().to_string(), refusal.code.into_owned()))
        }
        Err(Refused::Silently) => Err((String::new(), "silently".into())),
    }
}

#[tokio::test]
async fn entries_run_in_order_and_the_first_refusal_ends_the_chain() {
    let two = chain(&[
        entry("one", Mode::Enforce, OnError::Deny),
        entry("two", Mode::Enforce, OnError::Deny),
    ]);
    assert_eq!(run(&two, "hello").await, Ok("hello!!".into()));
    assert_eq!(run(&two, "yield").await, Ok("yield!!".into()));
    assert_eq!(run(&two, "deny").await, Err(("one".into(), "no".into())));
    assert_eq!(run(&two, "drop").await, Err((String::new(), "silently".into())));
}

#[tokio::test]
async fn a_failing_hook_gets_what_on_error_says() {
    for what in ["panic", "error", "sleep", "block", "bomb"] {
        let deny = chain(&[entry("strict", Mode::Enforce, OnError::Deny)]);
        assert_eq!(run(&deny, what).await, Err(("strict".into(), "plugin_failed".into())));
        let pass = chain(&[entry("lax", Mode::Enforce, OnError::Pass)]);
        assert_eq!(run(&pass, what).await, Ok(what.into()), "a failed hook changes nothing");
    }
}

#[tokio::test]
async fn shadow_mode_changes_nothing() {
    let shadow = chain(&[entry("shadow", Mode::Shadow, OnError::Deny)]);
    for what in ["hello", "deny", "drop", "panic", "error", "sleep"] {
        assert_eq!(run(&shadow, what).await, Ok(what.into()));
    }
}

#[tokio::test]
async fn after_runs_once_for_every_entry_whatever_happened() {
    let two = chain(&[
        entry("one", Mode::Enforce, OnError::Deny),
        entry("two", Mode::Enforce, OnError::Deny),
    ]);
    let outcomes = |prefix: &str| {
        let all = AFTER.lock().unwrap();
        let mine = all.iter().filter(|(text, _)| text.starts_with(prefix));
        mine.map(|(_, outcome)| *outcome).collect::<Vec<_>>()
    };
    run(&two, "after-accepted").await.unwrap();
    assert_eq!(outcomes("after-accepted"), ["accepted", "accepted"]);
    run(&two, "after-panic").await.unwrap();
    assert_eq!(outcomes("after-panic"), ["accepted", "accepted"], "a panic there is contained");

    let event = testkit::message("after-abandoned");
    let passage = Passage::enter(Arc::clone(&two), testkit::context(), event, Instant::now()).await;
    drop(passage);
    assert_eq!(outcomes("after-abandoned"), ["failed", "failed"]);
}

#[tokio::test]
async fn all_entries_that_cannot_be_built_are_told() {
    let mut unknown = entry("x", Mode::Enforce, OnError::Deny);
    unknown.plugin = "actress".into();
    let mut options = entry("y", Mode::Enforce, OnError::Deny);
    options.options.insert("volume".into(), 11.into());
    let errors =
        Chain::build(&[unknown, options], &[Manifest::of::<Actor>()], 1, None).err().unwrap();
    let told: Vec<String> = errors.iter().map(|e| e.problems[0].to_string()).collect();
    assert_eq!(told[0], "use: no plugin named \"actress\" is compiled in");
    assert!(told[1].starts_with("options: unknown field `volume`"), "{}", told[1]);
}

#[tokio::test]
async fn start_reaches_every_plugin() {
    let before = STARTED.load(Ordering::SeqCst);
    let two = chain(&[
        entry("one", Mode::Enforce, OnError::Deny),
        entry("two", Mode::Shadow, OnError::Deny),
    ]);
    two.start(&(Arc::new(NoBots) as _)).await.unwrap();
    assert_eq!(STARTED.load(Ordering::SeqCst) - before, 2);
}

#[tokio::test]
async fn a_changed_event_says_who_changed_it() {
    let three = chain(&[
        entry("one", Mode::Enforce, OnError::Deny),
        entry("shadow", Mode::Shadow, OnError::Deny),
        entry("two", Mode::Enforce, OnError::Deny),
        entry("off", Mode::Off, OnError::Deny),
    ]);
    let enter = |text| {
        let (cx, event) = (testkit::context(), testkit::message(text));
        Passage::enter(Arc::clone(&three), cx, event, Instant::now())
    };
    let passage = enter("hello").await.unwrap();
    let changed_by: Vec<&str> = passage.changed_by().iter().map(|name| &**name).collect();
    assert_eq!(changed_by, ["one", "two"]);
    assert_eq!(passage.context().generation, 1);
}

#[tokio::test]
async fn a_refused_event_is_left_as_it_was() {
    let one = chain(&[entry("one", Mode::Enforce, OnError::Deny)]);
    let mut event = testkit::message("deny");
    let mut changed_by = Vec::new();
    let result = one.before(&testkit::context(), &mut event, &mut changed_by).await;
    assert!(matches!(result, Err((Decision::Denied { .. }, _))));
    assert_eq!((event, changed_by), (testkit::message("deny"), Vec::new()));
}

#[tokio::test]
async fn an_entry_that_is_off_is_not_there() {
    let off = chain(&[entry("off", Mode::Off, OnError::Deny)]);
    for what in ["hello", "deny", "panic"] {
        assert_eq!(run(&off, what).await, Ok(what.into()));
    }
    off.start(&(Arc::new(NoBots) as _)).await.unwrap();
    off.stop().await;
    assert!(!off.entries[0].instance().runs());
}

#[tokio::test]
async fn failures_of_several_users_take_an_entry_out() {
    for (on_error, out) in [
        (OnError::Deny, Err(("x".to_owned(), "plugin_failed".to_owned()))),
        (OnError::Pass, Ok("hello".to_owned())),
    ] {
        let mut config = entry("x", Mode::Enforce, on_error);
        config.breaker_failures = 2;
        let chain = chain(&[config]);
        let other = |n| {
            let mut cx = testkit::context();
            let name = "zoe".parse().unwrap();
            cx.user = Some(Arc::new(User { id: UserId::from_u128(n), name }));
            cx
        };
        for n in [10, 11] {
            let event = testkit::message("error");
            let _ = Passage::enter(Arc::clone(&chain), other(n), event, Instant::now()).await;
        }
        assert_eq!(run(&chain, "hello").await, out, "it is not asked");
    }
}

#[tokio::test]
async fn a_reload_keeps_what_did_not_change_and_stops_the_rest_after_the_last_event() {
    let bots: Arc<dyn Bots> = Arc::new(NoBots);
    let (one, two) =
        (entry("one", Mode::Enforce, OnError::Deny), entry("two", Mode::Enforce, OnError::Deny));
    let old = chain(&[one.clone(), two]);
    old.start(&bots).await.unwrap();
    let mut gentler = one;
    gentler.mode = Mode::Shadow;
    let entries = [gentler, entry("three", Mode::Enforce, OnError::Deny)];
    let new = Chain::build(&entries, &[Manifest::of::<Actor>()], 2, Some(&old));
    let new = Arc::new(new.unwrap());
    new.start(&bots).await.unwrap();
    let instance = |chain: &Chain, n: usize| Arc::clone(chain.entries[n].instance());
    assert!(Arc::ptr_eq(&instance(&old, 0), &instance(&new, 0)), "its policies are not its making");
    let [kept, gone] = [instance(&old, 0), instance(&old, 1)];

    let event = testkit::message("hello");
    let passage = Passage::enter(Arc::clone(&old), testkit::context(), event, Instant::now());
    let passage = passage.await.unwrap();
    let mut retiring = std::pin::pin!(old.retire(&new));
    assert!(futures_util::poll!(retiring.as_mut()).is_pending(), "an event is under way");
    assert!(!gone.stopped() && !kept.stopped());
    passage.finish(Decision::Accepted { seq: Some(1), duplicate: false });
    retiring.await;
    assert!(gone.stopped() && !kept.stopped());
    new.stop().await;
    assert!(kept.stopped());
}

#[tokio::test]
async fn a_hook_that_panics_when_its_event_is_given_up_is_contained() {
    let one = chain(&[entry("one", Mode::Enforce, OnError::Deny)]);
    let event = testkit::message("bomb");
    let enter = Passage::enter(Arc::clone(&one), testkit::context(), event, Instant::now());
    let mut enter = Box::pin(enter);
    assert!(futures_util::poll!(enter.as_mut()).is_pending());
    drop(enter);
    let seen = AFTER.lock().unwrap();
    assert!(seen.contains(&("bomb".into(), "failed")), "as it was before that hook: {seen:?}");
}

#[tokio::test]
async fn who_judges_nothing_is_not_asked_before() {
    let looks = |on: &[EventKind]| {
        let entry = PluginEntry { on: Some(on.to_vec()), ..PluginEntry::of(Looker::NAME) };
        let mut off = entry.clone();
        (off.mode, off.name) = (Mode::Off, Some("off".into()));
        Arc::new(Chain::build(&[entry, off], &[Manifest::of::<Looker>()], 1, None).unwrap())
    };
    let chain = looks(&[EventKind::Message, EventKind::Typing]);
    assert_eq!(EventKind::ALL.map(|kind| chain.judges(kind)), [false; EventKind::ALL.len()]);
    assert_eq!(run(&chain, "looked at").await, Ok("looked at".into()));
    let seen = AFTER.lock().unwrap().contains(&("looked at".into(), "accepted"));
    assert!(seen, "but it sees the outcome");
    let chain = looks(&[EventKind::Login]);
    assert!(chain.judges(EventKind::Login) && !chain.judges(EventKind::Message));
}

#[tokio::test]
async fn who_is_not_chosen_is_not_seen_after_the_event_either() {
    let mut few = entry("few", Mode::Shadow, OnError::Deny);
    few.percent = 1;
    let chain = chain(&[few]);
    let users = (0..200).map(|n| {
        let (mut cx, name) = (testkit::context(), "zoe".parse().unwrap());
        cx.user = Some(Arc::new(User { id: UserId::from_u128(n), name }));
        cx
    });
    for cx in users {
        let event = testkit::message("after-few");
        let passage = Passage::enter(Arc::clone(&chain), cx, event, Instant::now()).await;
        passage.unwrap().finish(Decision::Accepted { seq: Some(1), duplicate: false });
    }
    let seen = AFTER.lock().unwrap().iter().filter(|(text, _)| text == "after-few").count();
    assert!((1..20).contains(&seen), "{seen}");
}
