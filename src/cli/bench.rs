//! `confab bench`: measures a running server from the outside.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{FAILURE, output, verify};
use crate::bench::{
    error::CallError,
    memory::Source,
    plan::{Plan, run as run_plan},
    progress::Progress,
    summary::Summary,
    target::Target,
    trust::Trust,
    verify::{device::Targets, run::Options},
};

/// The exit status of wrong arguments, which is clap's.
const USAGE: u8 = 2;

/// The server unless another is named, and its admin listener.
const DEFAULT: (&str, &str) = ("http://127.0.0.1:8080", "http://127.0.0.1:9090");

/// What `limits.sessions_per_user` leaves for a user beside the sessions of other phases.
const SESSIONS_PER_USER: usize = 15;

/// The long help.
pub(super) const ABOUT: &str = "\
Measure a running server from the outside, over its public protocol

It makes accounts (or logs in to those of an earlier run), and then measures in turn:
  idle        with --idle: the server's memory for each idle session
  connect     sessions opened a second, with a token
  saturation  messages acknowledged a second, when each session keeps --window unanswered
  open loop   latencies at a constant rate, that of --rate or half of saturation; they count from
              when a message was due, so that a stall of the server shows in full

The server's limits are measured too. For the most that confab does, set in its configuration:
  [limits]
  frame_rate = 0
  auth_rate = 0
Give the server and the generator a processor each, with taskset(1). docs/bench.md explains each \
figure. The accounts and their messages stay on the server: measure one made for it.";

const AFTER: &str = "\
Exit status:
  0   done, or interrupted by Ctrl-C: the summary tells what there was until then
  1   failed: the message says why
  2   wrong arguments";

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Bench {
    /// Where the server listens; several are nodes of one server, and sessions are spread over them
    #[arg(value_name = "URL", default_value = DEFAULT.0)]
    urls: Vec<Target>,
    /// Where /metrics is, for --idle; once a node [default: http://127.0.0.1:9090 without a URL]
    #[arg(long, value_name = "URL")]
    admin: Vec<Target>,
    /// Accounts [default: 20, or as many as --pairs, --idle and --connect-sessions need]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    users: Option<usize>,
    /// Pairs of users who write to each other; 0 sends no messages
    #[arg(long, value_name = "P", default_value_t = 10)]
    pairs: usize,
    /// Messages a session may have unanswered, at saturation
    #[arg(long, value_name = "W", default_value = "16", value_parser = at_least_one)]
    window: usize,
    /// Only an open loop with so many messages a second over all senders. With --verify: 500 unless
    /// given; 0 sends as fast as the echoes come
    #[arg(long, value_name = "R", value_parser = not_negative)]
    rate: Option<f64>,
    /// The text of each message, in bytes
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = at_least_one)]
    size: usize,
    /// How long each phase of messages is measured, or --verify sends: 5s, 2m
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    #[arg(default_value_if("verify", "true", "30s"))]
    duration: Duration,
    /// How long messages are sent before, in each phase
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    warmup: Duration,
    /// Sessions to open for the rate of connects; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 300)]
    connect_sessions: usize,
    /// Sessions that are being opened at the same time
    #[arg(long, value_name = "N", default_value = "64", value_parser = at_least_one)]
    concurrency: usize,
    /// Open so many idle sessions, and tell the server's memory for each
    #[arg(long, value_name = "N", default_value_t = 0)]
    idle: usize,
    /// Read the memory of this process instead of /metrics: for any server on this machine
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// The accounts are called PREFIX-1, PREFIX-2, …
    #[arg(long, value_name = "PREFIX", default_value = "bench")]
    name: String,
    /// The password of the accounts
    #[arg(
        long,
        value_name = "PASSWORD",
        default_value = "confab-bench-password",
        env = "CONFAB_BENCH_PASSWORD",
        hide_env_values = true
    )]
    password: String,
    /// Threads of the generator
    #[arg(long, value_name = "N", default_value = "1", value_parser = at_least_one)]
    threads: usize,
    /// Certificate authorities of https:// servers, a PEM file [default: those of this machine]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Write the summary as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    verify: verify::Verify,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a whole number from 1 on".to_owned()),
        Ok(number) => Ok(number),
    }
}

fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err("a number, not below 0".to_owned()),
    }
}

/// `5s`, `500ms`, `2m`, `1h`; a number alone is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a time such as 5s, 500ms or 2m".to_owned();
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let seconds = match unit.trim() {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let time = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
    if time > Duration::from_secs(24 * 3600) {
        return Err("at most 24h".to_owned());
    }
    Ok(time)
}

impl Bench {
    /// Says which certificates are taken.
    fn trust(&mut self) -> Result<(), String> {
        let targets = || self.urls.iter().chain(&self.admin);
        if !targets().any(Target::is_tls) {
            return match self.ca {
                Some(_) => Err("--ca is for https:// servers alone".to_owned()),
                None => Ok(()),
            };
        }
        let trust = match &self.ca {
            Some(file) => Trust::of_file(file)?,
            None => Trust::of_system()?,
        };
        for target in self.urls.iter_mut().chain(&mut self.admin) {
            *target = target.clone().trusting(&trust);
        }
        Ok(())
    }

    fn plan(self) -> Result<Plan, String> {
        let sessions = self.connect_sessions.max(self.idle);
        let users = self.users.unwrap_or_else(|| {
            20.max(2 * self.pairs)
                .max(self.idle.div_ceil(SESSIONS_PER_USER))
                .max(self.connect_sessions.div_ceil(SESSIONS_PER_USER))
        });
        if users < 2 * self.pairs {
            return Err(format!(
                "--pairs {} needs {} users, not {users}: nobody is in two pairs",
                self.pairs,
                2 * self.pairs
            ));
        }
        if self.rate == Some(0.0) {
            return Err("--rate 0 is for --verify alone".to_owned());
        }
        if self.duration.is_zero() && self.pairs > 0 {
            return Err("--duration is zero; --pairs 0 sends no messages".to_owned());
        }
        if self.pairs == 0 && sessions == 0 {
            return Err("nothing is to be done: no pairs, no sessions".to_owned());
        }
        let mut admin = self.admin;
        if admin.is_empty() && self.urls.iter().map(ToString::to_string).eq([DEFAULT.0]) {
            admin.extend(DEFAULT.1.parse::<Target>());
        }
        let memory = match self.pid {
            Some(id) => Some(Source::Process(id)),
            None if admin.is_empty() => None,
            None => Some(Source::Metrics(admin)),
        };
        if self.idle > 0 && memory.is_none() {
            return Err("--idle needs to know the server's memory: give --admin URL or --pid PID"
                .to_owned());
        }
        Ok(Plan {
            targets: self.urls,
            memory,
            users,
            pairs: self.pairs,
            window: self.window,
            rate: self.rate,
            size: self.size,
            duration: self.duration,
            warmup: self.warmup,
            connect_sessions: self.connect_sessions,
            concurrency: self.concurrency,
            idle: self.idle,
            name: self.name,
            password: self.password,
            threads: self.threads,
        })
    }

    fn verification(self) -> Result<Options, String> {
        let several_nodes = self.verify.several_nodes || self.urls.len() > 1;
        let mut urls = self.urls.into_iter();
        let first = urls.next().ok_or("no URL")?;
        let pairs = u32::try_from(self.pairs).ok().filter(|pairs| (1..=50_000).contains(pairs));
        Ok(Options {
            targets: Targets { first, others: urls.collect() },
            pairs: pairs.ok_or("--verify takes from 1 to 50000 --pairs")?,
            window: self.window,
            rate: self.rate.unwrap_or(verify::RATE),
            size: self.size,
            duration: self.duration,
            settle: self.verify.settle,
            listeners: !self.verify.one_device,
            seen_every: self.verify.seen_every,
            several_nodes,
        })
    }
}

/// Runs the command.
pub(super) fn run(mut what: Bench) -> ExitCode {
    if let Err(why) = what.trust() {
        output::to_stderr(&format!("error: {why}"));
        return ExitCode::from(USAGE);
    }
    let json = what.json;
    if what.verify.verify {
        return match what.verification() {
            Ok(options) => run_verification(&options, json),
            Err(why) => {
                output::to_stderr(&format!("error: {why}"));
                ExitCode::from(USAGE)
            }
        };
    }
    let plan = match what.plan() {
        Ok(plan) => plan,
        Err(why) => {
            output::to_stderr(&format!("error: {why}"));
            return ExitCode::from(USAGE);
        }
    };
    raise_descriptors();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::to_stderr(&format!("error: cannot start: {error}"));
            return ExitCode::from(FAILURE);
        }
    };
    let mut summary = Summary {
        version: env!("CARGO_PKG_VERSION"),
        targets: plan.targets.iter().map(ToString::to_string).collect(),
        settings: plan.settings(),
        ..Summary::default()
    };
    let result = runtime.block_on(async {
        let mut progress = Progress::on_stderr();
        let stop = on_interrupt();
        run_plan(&plan, &stop, &mut progress, &mut summary).await
    });
    // What still waits for an answer is not waited for.
    runtime.shutdown_background();
    summary.add_hints();
    summary.error = result.as_ref().err().map(ToString::to_string);
    let measured = summary.accounts.is_some();
    let told = if json {
        output::to_stdout(&summary.json())
    } else if measured {
        output::to_stdout(&summary.text())
    } else {
        ExitCode::SUCCESS
    };
    match result {
        Ok(()) => told,
        Err(error) => {
            output::to_stderr(&format!("error: {error}{}", advice(&error)));
            ExitCode::from(FAILURE)
        }
    }
}

fn run_verification(options: &Options, json: bool) -> ExitCode {
    raise_descriptors();
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(async {
            let stop = on_interrupt();
            verify::run(options, &stop, json).await
        }),
        Err(error) => {
            output::to_stderr(&format!("error: cannot start: {error}"));
            ExitCode::from(FAILURE)
        }
    }
}

/// Cancelled by the first Ctrl-C; a second ends the process at once.
fn on_interrupt() -> CancellationToken {
    let token = CancellationToken::new();
    let stop = token.clone();
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if stop.is_cancelled() {
                std::process::exit(130);
            }
            stop.cancel();
        }
    });
    token
}

/// Each session is a descriptor: takes as many as the system gives without being asked.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // With fewer, sessions fail, and are counted.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Whether TLS was what failed.
fn is_tls(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::InvalidData
}

/// What to do about a failure.
fn advice(error: &CallError) -> &'static str {
    match error {
        CallError::Unreachable { source, target } if target.is_tls() && is_tls(source) => {
            "\n  the connection is there, but no TLS that can be trusted: name the server as its \
             certificate does, and with --ca who vouches for it"
        }
        CallError::Unreachable { .. } => {
            "\n  is it running, and is this its public listener? `confab serve` starts one on \
             http://127.0.0.1:8080"
        }
        CallError::Refused(refused) if refused.status == 401 => {
            "\n  the accounts of an earlier run may have another password: give it with \
             --password, or other names with --name"
        }
        CallError::Refused(refused) if refused.status == 429 => {
            "\n  confab bounds this by limits.sessions_per_user, limits.connections_per_address \
             and limits.auth_rate"
        }
        _ => "",
    }
}
