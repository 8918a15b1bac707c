//! `confab bench --verify`: proves that nothing is lost, doubled, out of order or missed.

use std::{io::IsTerminal as _, process::ExitCode, time::Duration};

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{FAILURE, output};
use crate::bench::verify::{
    device::Phase,
    report::Report,
    run::{Options, Status, run as run_options},
};

/// Messages a second, unless told otherwise.
pub(super) const RATE: f64 = 500.0;

/// The arguments beside those of `confab bench`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Verification")]
pub(super) struct Verify {
    /// Prove from outside that nothing acknowledged is lost, doubled, out of order or missed, while
    /// the server is cut off, killed and restarted as often as one likes
    #[arg(long)]
    pub(super) verify: bool,
    /// How long what was sent may take to be acknowledged, and then every device to have it all
    #[arg(long, value_name = "TIME", default_value = "60s", requires = "verify")]
    #[arg(value_parser = super::bench::duration)]
    pub(super) settle: Duration,
    /// Let each user tell what they have read before each N of their messages, and compare the
    /// read marks; 0 never does
    #[arg(long, value_name = "N", default_value_t = 0, requires = "verify")]
    pub(super) seen_every: u32,
    /// Let users have one device: without, a second one of each listens
    #[arg(long, requires = "verify")]
    pub(super) one_device: bool,
    /// The server is several nodes behind the one URL of a balancer; several URLs say so already.
    /// Then an echo may overtake what another node stored before it
    #[arg(long, requires = "verify")]
    pub(super) several_nodes: bool,
}

/// Verifies until the time is over or `stop` is cancelled, and tells the result.
pub(super) async fn run(options: &Options, stop: &CancellationToken, json: bool) -> ExitCode {
    let terminal = std::io::stderr().is_terminal();
    let mut last = 0;
    let mut watch = |status: Status| {
        // On a terminal one line that is written anew; elsewhere one each ten seconds.
        let turn = status.elapsed.as_secs() / 10;
        if terminal {
            use std::io::Write as _;
            let _ = write!(std::io::stderr().lock(), "\r\x1b[2K{}", line(&status));
        } else if turn > last {
            last = turn;
            output::to_stderr(&line(&status));
        }
    };
    let result = run_options(options, stop, &mut watch).await;
    if terminal {
        output::to_stderr("");
    }
    match result {
        Ok(report) => tell(&report, json),
        Err(error) => {
            output::to_stderr(&format!("error: nothing was verified: {error}"));
            ExitCode::from(FAILURE)
        }
    }
}

fn tell(report: &Report, json: bool) -> ExitCode {
    let text = match json {
        true => format!("{:#}\n", serde_json::json!({ "verify": report })),
        false => report.summary(),
    };
    let told = output::to_stdout(&text);
    if report.passed { told } else { ExitCode::from(FAILURE) }
}

fn line(status: &Status) -> String {
    let phase = match status.phase {
        Phase::Sending => "sending",
        Phase::Settling => "waiting for the last echoes",
        Phase::Final | Phase::Over => "the last sync, and the comparison",
    };
    format!(
        "{} s: {phase}; {} acknowledged, {} sessions, {} cuts",
        status.elapsed.as_secs(),
        status.acknowledged,
        status.connected,
        status.cuts
    )
}
