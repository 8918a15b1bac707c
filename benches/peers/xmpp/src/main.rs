//! A load generator for ejabberd, which measures what `confab bench` measures of the others: a
//! message counts as acknowledged when stream management (XEP-0198) says so.

#![allow(clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(test, allow(clippy::expect_used, clippy::indexing_slicing))]

mod load;
mod session;
mod stanza;

use std::{
    fs, io,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use serde_json::{Value, json};

/// The share of its processor from which the generator may be what limits the figure.
const BUSY: f64 = 0.9;

/// Measures an XMPP server. The users user0, user1, … must exist: two for each pair, and one
/// for 16 sessions.
#[derive(Debug, Parser)]
struct Args {
    /// host:port of the server's plain TCP listener.
    address: String,
    /// Pairs of users; each of both sends to the other.
    #[arg(long, default_value_t = 64)]
    pairs: usize,
    /// Messages that one sender has unacknowledged.
    #[arg(long, default_value_t = 1)]
    window: usize,
    /// Messages a second in all, instead of as many as the window allows.
    #[arg(long)]
    rate: Option<f64>,
    /// Bytes of a message's text.
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// Seconds that are counted.
    #[arg(long, default_value_t = 10.0)]
    duration: f64,
    /// Seconds before.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// Only open that many sessions, and say how many a second.
    #[arg(long)]
    connect_sessions: Option<usize>,
    /// Sessions that are being opened at the same time.
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
    /// Only open that many sessions, and say what memory they take; needs --pid.
    #[arg(long, requires = "pid")]
    idle: Option<usize>,
    /// The server's process.
    #[arg(long)]
    pid: Option<u32>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(run(&args))) {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench-xmpp: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> io::Result<Value> {
    if let (Some(sessions), Some(pid)) = (args.idle, args.pid) {
        return idle(args, sessions, pid).await;
    }
    if let Some(sessions) = args.connect_sessions {
        let start = Instant::now();
        let opened = load::connect(&args.address, sessions, args.concurrency).await?.len();
        let rate = opened as f64 / start.elapsed().as_secs_f64();
        return Ok(json!({ "connect": { "opened": opened, "per_second": rate } }));
    }
    let plan = load::Plan {
        pairs: args.pairs,
        window: args.window,
        rate: args.rate,
        size: args.size,
        warmup: seconds(args.warmup)?,
        duration: seconds(args.duration)?,
    };
    let (start, cpu) = (Instant::now(), cpu_time());
    let outcome = load::send(&args.address, plan).await?;
    let cpu_share = (cpu_time() - cpu).as_secs_f64() / start.elapsed().as_secs_f64();
    let at = |quantile| outcome.latency.value_at_quantile(quantile);
    let phase = if plan.rate.is_some() { "open_loop" } else { "saturation" };
    Ok(json!({ phase: {
        "acknowledged_per_second": outcome.measured as f64 / args.duration,
        "echo": { "p50_us": at(0.5), "p99_us": at(0.99), "p999_us": at(0.999) },
        "acknowledged": outcome.acknowledged,
        "delivered": outcome.delivered,
        "refused": outcome.refused,
        "generator": { "cpu_share": cpu_share, "was_bottleneck": cpu_share > BUSY },
    } }))
}

fn seconds(number: f64) -> io::Result<Duration> {
    Duration::try_from_secs_f64(number).map_err(io::Error::other)
}

/// Processor time of this process so far.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The growth of the server's memory by idle sessions.
async fn idle(args: &Args, sessions: usize, pid: u32) -> io::Result<Value> {
    let settle = Duration::from_secs(1);
    tokio::time::sleep(settle).await;
    let before = resident(pid)?;
    let idle = load::connect(&args.address, sessions, args.concurrency).await?;
    tokio::time::sleep(settle).await;
    let each = (resident(pid)? - before) / idle.len() as f64;
    Ok(json!({ "idle": { "sessions": idle.len(), "bytes_per_session": each } }))
}

/// The resident memory of a process, in bytes.
fn resident(pid: u32) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map(|kib| kib * 1024.0).ok_or_else(|| io::Error::other("no VmRSS"))
}
