//! Fuzzing in every test run: each target gets its corpus, and mutations of it.
//!
//! CONFAB_FUZZ_SECONDS=60 fuzzes each target so long, from another seed each time;
//! CONFAB_FUZZ_SEED=N repeats that of N. docs/fuzzing.md tells more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod mutate;
mod runner;
mod targets;

macro_rules! tests {
    ($($name:ident)+) => {
        $(#[test] fn $name() { runner::fuzz(stringify!($name)); })+

        /// The names of these tests.
        const TESTS: &[&str] = &[$(stringify!($name),)+];
    };
}

tests! {
    config environment filter fixtures frames http names parcels patterns session texts tokens
}

#[test]
fn every_target_is_run() {
    let targets: Vec<_> = targets::ALL.iter().map(|target| target.name).collect();
    assert_eq!(targets, TESTS);
}
