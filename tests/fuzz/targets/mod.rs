//! The fuzz targets: each takes any bytes, does with them what the daemon would do, and panics
//! if something does not hold that always must.
//!
//! There is one definition of each, and two that run it: tests/fuzz mutates a corpus in every
//! test run, and the crate in fuzz/ hands them to libFuzzer. See docs/fuzzing.md.

mod config;
mod environment;
mod filter;
mod fixtures;
mod frames;
mod http;
mod names;
mod parcels;
mod patterns;
mod server;
mod session;
mod situation;
mod texts;
mod tokens;

/// A target.
pub struct Target {
    /// Its name; its corpus is the folder of that name.
    pub name: &'static str,
    /// Runs it on one input.
    ///
    /// # Panics
    /// When an invariant does not hold.
    pub run: fn(&[u8]),
    /// Inputs that a usual test run tries: about a second's worth, unoptimized.
    pub rounds: u64,
}

macro_rules! targets {
    ($($name:ident: $rounds:literal,)+) => {
        /// All of them.
        pub const ALL: &[Target] =
            &[$(Target { name: stringify!($name), run: $name::run, rounds: $rounds },)+];
    };
}

targets! {
    config: 300,
    environment: 300,
    filter: 1_500,
    fixtures: 300,
    frames: 10_000,
    http: 500,
    names: 20_000,
    parcels: 20_000,
    patterns: 100,
    session: 500,
    texts: 2_000,
    tokens: 5_000,
}

/// The input as text; what is not UTF-8 is replaced.
fn text(data: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(data)
}

/// The first line, and the rest.
fn first_line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}
