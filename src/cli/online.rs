//! `confab check --online`: asks the store and the bus whether the daemon could use them.

use std::process::ExitCode;

use super::{FAILURE, output};
use crate::{
    bus,
    config::Config,
    probe::{Level, Report},
    store::{mongo, sqlite},
};

/// Looks at what the configuration names, and tells what was found. Exits with status 1 when the
/// daemon could not use it.
pub(super) fn run(config: &Config) -> ExitCode {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = match runtime.worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::to_stderr(&format!("error: cannot start: {error}"));
            return ExitCode::from(FAILURE);
        }
    };
    let reports = runtime.block_on(probe(config));
    // What still waits for an answer is not waited for.
    runtime.shutdown_background();
    let mut text = String::new();
    for report in &reports {
        text.push('\n');
        text += &report.to_string();
    }
    let count = |level| reports.iter().map(|report| report.count(level)).sum();
    let (failures, warnings) = (count(Level::Fail), count(Level::Warn));
    text += &format!("\n{}\n", verdict(failures, warnings));
    let told = output::to_stdout(&text);
    if failures > 0 { ExitCode::from(FAILURE) } else { told }
}

async fn probe(config: &Config) -> Vec<Report> {
    let store = async {
        if config.store.mongo.uri.is_some() {
            return mongo::probe(&config.store.mongo).await;
        }
        let store = config.store.clone();
        match tokio::task::spawn_blocking(move || sqlite::probe(&store)).await {
            Ok(report) => report,
            Err(error) => {
                let mut report = Report::on("Embedded store");
                report.fail("folder", error, "please tell the authors of confab");
                report
            }
        }
    };
    let bus = async {
        if config.bus.redis.url.is_some() {
            return Some(bus::redis::probe(&config.bus.redis).await);
        }
        config.store.mongo.uri.is_some().then(without_redis)
    };
    let (store, bus) = tokio::join!(store, bus);
    std::iter::once(store).chain(bus).collect()
}

/// MongoDB without Redis: good for one node.
fn without_redis() -> Report {
    let mut report = Report::on("No Redis");
    report.warn(
        "nodes",
        "a second node would tell its users nothing of what happens on this one until they sync",
        "give bus.redis.url before you start a second node",
    );
    report
}

fn verdict(failures: usize, warnings: usize) -> String {
    let count = |count: usize, what: &str| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {what}{plural}")
    };
    match (failures, warnings) {
        (0, 0) => "all is well".to_owned(),
        (0, warnings) => format!("usable, with {}", count(warnings, "warning")),
        (failures, 0) => format!("not usable: {}", count(failures, "failure")),
        (failures, warnings) => {
            format!("not usable: {}, {}", count(failures, "failure"), count(warnings, "warning"))
        }
    }
}
