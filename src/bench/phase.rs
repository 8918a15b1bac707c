//! What a phase of messages has shown: the figures, ready to be written.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::Serialize;

use super::{
    latency::Quantiles,
    load::{Drive, Live, Load, Tally},
};

/// A generator that is later than this against its own schedule, in microseconds, for one
/// message of a hundred, says more of itself than of the server.
const MUCH_LAG: f64 = 1000.0;

/// The share of its processor from which a generator may be what limits the figure.
const BUSY: f64 = 0.9;

/// What a phase of messages has shown.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// Messages a session might have without an answer; only in a closed loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<usize>,
    /// Messages a second that were to be sent; only in an open loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// How long it was measured: less than asked for when it was interrupted.
    pub seconds: f64,
    /// Messages a second that were acknowledged, in the measured time.
    pub acknowledged_per_second: f64,
    /// Messages a second that recipients received, in the measured time.
    pub delivered_per_second: f64,
    /// From when a message was due until its echo.
    pub echo: Quantiles,
    /// From when a message was due until the recipient had it.
    pub delivery: Quantiles,
    /// Sessions that were opened.
    pub sessions: u64,
    /// Messages written, in all, the time before measuring and the wait for answers included.
    pub sent: u64,
    /// Messages acknowledged, in all.
    pub acknowledged: u64,
    /// Messages received by their recipients, in all.
    pub delivered: u64,
    /// Messages refused, in all, by code.
    pub refused: BTreeMap<String, u64>,
    /// Messages without an answer at the end.
    pub unanswered: u64,
    /// Sessions that the server ended, by reason.
    pub sessions_ended: BTreeMap<String, u64>,
    /// Frames that were not understood.
    pub not_understood: u64,
    /// Of the generator itself.
    pub generator: Generator,
}

/// Whether the generator was up to it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Generator {
    /// Threads that sent and received.
    pub threads: usize,
    /// Processor time that it used, of all its threads.
    pub cpu_seconds: f64,
    /// The same as a share of the time that its threads had.
    pub cpu_share: f64,
    /// How late it wrote messages against its schedule, in an open loop; not counted is what the
    /// server did not read in time.
    pub lag: Quantiles,
    /// Messages that it could not write in time because the server did not read.
    pub held_back: u64,
    /// Whether it, and not the server, may have made the figure.
    pub was_bottleneck: bool,
}

impl Phase {
    /// The figures; `measured` is how long messages were sent after the warm-up.
    pub fn new(
        load: Load,
        tally: Tally,
        lives: &[Arc<Live>],
        measured: Duration,
        elapsed: Duration,
        cpu: Duration,
    ) -> Self {
        let sum = |of: fn(&Live) -> u64| lives.iter().map(|live| of(live)).sum();
        let seconds = measured.as_secs_f64();
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let available = elapsed.as_secs_f64() * lives.len() as f64;
        let cpu_share = if available > 0.0 { cpu.as_secs_f64() / available } else { 0.0 };
        let lag = tally.lag.quantiles();
        let (window, rate) = match load.drive {
            Drive::Window(window) => (Some(window), None),
            Drive::Rate(rate) => (None, Some(rate)),
        };
        Self {
            window,
            rate,
            seconds,
            acknowledged_per_second: per_second(tally.acknowledged_measured),
            delivered_per_second: per_second(tally.delivered_measured),
            echo: tally.echo.quantiles(),
            delivery: tally.delivery.quantiles(),
            sessions: 2 * load.pairs as u64,
            sent: sum(|live| live.sent.get()),
            acknowledged: sum(|live| live.acknowledged.get()),
            delivered: sum(|live| live.delivered.get()),
            refused: tally.refused,
            unanswered: tally.unanswered,
            sessions_ended: tally.ended,
            not_understood: tally.not_understood,
            generator: Generator {
                threads: lives.len(),
                cpu_seconds: cpu.as_secs_f64(),
                cpu_share,
                lag,
                held_back: tally.held_back,
                was_bottleneck: cpu_share >= BUSY || lag.p99_us >= MUCH_LAG,
            },
        }
    }
}
