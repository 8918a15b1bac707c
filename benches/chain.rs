//! What the chain costs an event: none, one or eight hooks that let it pass, with the daemon's own
//! counting and timing.
//!
//!     cargo bench --bench chain
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{sync::Arc, time::Instant};

use confab::{
    chain::{Chain, Passage},
    config::PluginEntry,
};
use confab_plugin::{
    Context, Decision, Definition, Event, EventKind, HookError, Manifest, Outcome, Plugin, Problem,
    Verdict, async_trait, testkit,
};
use divan::{Bencher, black_box};

/// Looks at the event and lets it pass.
struct PassThrough;

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoOptions {}

#[async_trait]
impl Plugin for PassThrough {
    async fn before(&self, _: &Context, event: &mut Event) -> Result<Verdict, HookError> {
        black_box(&event);
        Ok(Verdict::Pass)
    }

    fn after(&self, _: &Context, event: &Event, _: &Outcome) {
        black_box(event);
    }
}

impl Definition for PassThrough {
    const NAME: &'static str = "pass-through";
    const SUMMARY: &'static str = "lets everything pass";
    const MANUAL: &'static str = "";
    const ON: &'static [EventKind] = &[EventKind::Message];
    type Options = NoOptions;

    fn new(_: &str, _: NoOptions) -> Result<Self, Vec<Problem>> {
        Ok(PassThrough)
    }
}

fn main() {
    let metrics = confab::exposition::start().expect("the first recorder");
    // As the daemon does: without it histograms would grow.
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(std::time::Duration::from_millis(100));
            metrics.run_upkeep();
        }
    });
    divan::main();
}

/// The whole way of a message through the chain: `before`, then `after`.
#[divan::bench(args = [0, 1, 8], sample_count = 200, sample_size = 1000)]
fn hooks(bencher: Bencher<'_, '_>, hooks: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let entry = |number| PluginEntry {
        name: Some(format!("hook-{number}")),
        ..PluginEntry::of(PassThrough::NAME)
    };
    let entries: Vec<PluginEntry> = (0..hooks).map(entry).collect();
    let chain = Chain::build(&entries, &[Manifest::of::<PassThrough>()], 1, None);
    let chain = Arc::new(chain.expect("it builds"));
    let (cx, event) = (testkit::context(), testkit::message("hello, how are you?"));
    runtime.block_on(async {
        // Each way is awaited in place; no hook waits, so that the runtime has no part in it.
        bencher.bench_local(|| {
            let enter =
                Passage::enter(Arc::clone(&chain), cx.clone(), event.clone(), Instant::now());
            let passed = futures_util::FutureExt::now_or_never(enter);
            let passage = passed.expect("no hook waits").unwrap_or_else(|_| unreachable!());
            passage.finish(Decision::Accepted { seq: Some(1), duplicate: false });
        });
    });
}
