//! One chain after another: what goes on, what starts, and what is stopped, when and how often.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use confab_plugin::{Definition, HookError, Host, Plugin, User, UserId, async_trait, testkit};

use super::*;

/// Starts and stops, by the entries' names; each test has names of its own.
static LIVES: Mutex<BTreeMap<String, (usize, usize)>> = Mutex::new(BTreeMap::new());

/// Panics when it is given up.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("on purpose");
    }
}

struct Mortal {
    entry: String,
    how: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Options {
    how: String,
}

#[async_trait]
impl Plugin for Mortal {
    async fn start(&self, _: &Host) -> Result<(), HookError> {
        match self.how.as_str() {
            "fails" => return Err(HookError::new("on purpose")),
            "hangs" => std::future::pending().await,
            "bomb" => {
                let _bomb = Bomb;
                std::future::pending::<()>().await;
            }
            _ => LIVES.lock().unwrap().entry(self.entry.clone()).or_default().0 += 1,
        }
        Ok(())
    }

    async fn before(&self, _: &Context, _: &mut Event) -> Result<Verdict, HookError> {
        match self.how.as_str() {
            "wrong" => Err(HookError::new("on purpose")),
            _ => Ok(Verdict::Pass),
        }
    }

    async fn stop(&self) {
        if self.how == "stays" {
            std::future::pending::<()>().await;
        }
        LIVES.lock().unwrap().entry(self.entry.clone()).or_default().1 += 1;
    }
}

impl Definition for Mortal {
    const NAME: &'static str = "mortal";
    const SUMMARY: &'static str = "lives and dies";
    const MANUAL: &'static str = "";
    const ON: &'static [EventKind] = &[EventKind::Message];
    type Options = Options;

    fn new(entry: &str, Options { how }: Options) -> Result<Self, Vec<Problem>> {
        Ok(Self { entry: entry.to_owned(), how })
    }
}

fn lives(entry: &str) -> (usize, usize) {
    LIVES.lock().unwrap().get(entry).copied().unwrap_or_default()
}

fn build(entries: &[(&str, &str)], previous: Option<&Chain>) -> Arc<Chain> {
    let entries = entries.iter().map(|(name, how)| {
        let mut entry = PluginEntry::of("mortal");
        entry.name = Some((*name).to_owned());
        entry.on_error = OnError::Pass;
        entry.options.insert("how".to_owned(), (*how).into());
        entry
    });
    let entries: Vec<_> = entries.collect();
    Arc::new(Chain::build(&entries, &[Manifest::of::<Mortal>()], 1, previous).unwrap())
}

async fn start(chain: &Chain) -> Result<(), StartError> {
    chain.start(&(Arc::new(NoBots) as _)).await
}

/// Lets all tasks run that can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn nothing_is_stopped_that_an_event_of_any_chain_may_meet() {
    let one = build(&[("kept-a", "well"), ("kept-b", "well")], None);
    start(&one).await.unwrap();
    let (cx, event) = (testkit::context(), testkit::message("hello"));
    let held = Passage::enter(Arc::clone(&one), cx, event, Instant::now()).await;
    let two = build(&[("kept-a", "well"), ("kept-b", "other")], Some(&one));
    start(&two).await.unwrap();
    assert_eq!((lives("kept-a"), lives("kept-b")), ((1, 0), (2, 0)));
    let three = build(&[("kept-b", "other")], Some(&two));
    start(&three).await.unwrap();

    let first = tokio::spawn({
        let two = Arc::clone(&two);
        async move { one.retire(&two).await }
    });
    let second = tokio::spawn({
        let three = Arc::clone(&three);
        async move { two.retire(&three).await }
    });
    settle().await;
    assert_eq!((lives("kept-a"), lives("kept-b")), ((1, 0), (2, 0)), "the event is in flight");
    held.unwrap_or_else(|_| panic!("refused")).finish(Decision::Dropped { by: "x".into() });
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!((lives("kept-a"), lives("kept-b")), ((1, 1), (2, 1)));
    three.stop().await;
    three.stop().await;
    assert_eq!(lives("kept-b"), (2, 2), "once");
}

#[tokio::test]
async fn a_chain_that_does_not_start_leaves_nothing_behind() {
    let one = build(&[("fail-a", "well")], None);
    start(&one).await.unwrap();
    let two = build(&[("fail-a", "well"), ("fail-b", "well"), ("fail-c", "fails")], Some(&one));
    let error = start(&two).await.unwrap_err();
    assert_eq!(error.to_string(), "plugin entry \"fail-c\" did not start: on purpose");
    assert_eq!(error.entry, 2);
    assert_eq!(lives("fail-b"), (1, 1));
    two.retire(&one).await;
    assert_eq!((lives("fail-a"), lives("fail-b"), lives("fail-c")), ((1, 0), (1, 1), (0, 0)));
}

// Paused, so that the limit ends only what waits for it.
#[tokio::test(start_paused = true)]
async fn a_start_that_is_given_up_is_told_and_undone() {
    let one = build(&[("slow-a", "well")], None);
    start(&one).await.unwrap();
    let two = build(&[("slow-b", "well"), ("slow-a", "well"), ("slow-c", "hangs")], Some(&one));
    let limit = Duration::from_millis(1);
    assert!(tokio::time::timeout(limit, start(&two)).await.is_err());
    let error = two.start_timed_out(limit).unwrap();
    let told = "plugin entry \"slow-c\" did not start: it took longer than 1ms";
    assert_eq!((error.entry, error.to_string().as_str()), (2, told));
    two.retire(&one).await;
    assert_eq!((lives("slow-a"), lives("slow-b"), lives("slow-c")), ((1, 0), (1, 1), (0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_panics_when_it_is_given_up_is_contained() {
    let one = build(&[("bomb-a", "well"), ("bomb-b", "bomb")], None);
    assert!(tokio::time::timeout(Duration::from_millis(1), start(&one)).await.is_err());
    assert_eq!(lives("bomb-a"), (1, 0));
}

#[tokio::test]
async fn what_was_stopped_is_not_started_again() {
    let one = build(&[("stop-a", "well")], None);
    start(&one).await.unwrap();
    let two = build(&[("stop-a", "well"), ("stop-b", "well")], Some(&one));
    one.stop().await;
    start(&two).await.unwrap();
    assert_eq!((lives("stop-a"), lives("stop-b")), ((1, 1), (1, 0)));
}

/// Events of several users.
async fn fail(chain: &Arc<Chain>) {
    for n in 0..5 {
        let mut cx = testkit::context();
        let name = cx.user.as_ref().unwrap().name.clone();
        cx.user = Some(Arc::new(User { id: UserId::from_u128(n), name }));
        let event = testkit::message("hello");
        let _ = Passage::enter(Arc::clone(chain), cx, event, Instant::now()).await;
    }
}

#[tokio::test]
async fn an_entry_that_goes_on_stays_out() {
    let out = |chain: &Arc<Chain>| chain.entries[0].breaker().admits(Instant::now()).is_none();
    let one = build(&[("out", "wrong")], None);
    start(&one).await.unwrap();
    fail(&one).await;
    assert!(out(&one));
    let two = build(&[("out", "wrong"), ("other", "well")], Some(&one));
    assert!(out(&two), "nothing of it changed");
    let three = build(&[("out", "well")], Some(&two));
    assert!(!out(&three), "this is another");
}

#[tokio::test]
async fn a_plugin_that_never_stops_keeps_no_other_from_it() {
    let one = build(&[("stay-a", "stays"), ("stay-b", "well")], None);
    start(&one).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(1), one.stop()).await.is_err());
    assert_eq!((lives("stay-a"), lives("stay-b")), ((1, 0), (1, 1)));
}

#[tokio::test]
async fn the_last_events_of_a_chain_leave_no_gauge_wrong() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let build = |entries: &[_]| metrics::with_local_recorder(&recorder, || build(entries, None));
    let open = |entry: &str| {
        let line = format!("confab_plugin_breaker_open{{plugin=\"{entry}\"}} ");
        let text = recorder.handle().render();
        let line = text.lines().find_map(|told| told.strip_prefix(&line));
        line.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    let one = build(&[("pass-a", "wrong"), ("gone-a", "wrong")]);
    let two = build(&[("pass-a", "well")]);
    two.show();
    fail(&one).await;
    assert_eq!(open("pass-a"), "1", "an older chain's events");
    one.retire(&two).await;
    assert_eq!((open("pass-a"), open("gone-a")), ("0".to_owned(), "0".to_owned()));
}

#[tokio::test]
async fn an_entry_whose_secret_file_has_other_contents_is_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "one").unwrap();
    let mut entry = PluginEntry::of("mortal");
    entry.name = Some("keeper".to_owned());
    entry.options.insert("how".to_owned(), "well".into());
    entry.options.insert("secret_file".to_owned(), file.to_str().unwrap().into());
    let build = |previous| {
        let manifests = [Manifest::of::<Mortal>()];
        Arc::new(Chain::build(std::slice::from_ref(&entry), &manifests, 1, previous).unwrap())
    };
    let one = build(None);
    start(&one).await.unwrap();
    let two = build(Some(&*one));
    start(&two).await.unwrap();
    assert_eq!(lives("keeper"), (1, 0), "nothing changed");
    std::fs::write(&file, "two").unwrap();
    let three = build(Some(&*two));
    start(&three).await.unwrap();
    one.retire(&two).await;
    two.retire(&three).await;
    assert_eq!(lives("keeper"), (2, 1));
}
