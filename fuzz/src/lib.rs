//! The targets, as tests/fuzz defines them, by their names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// How often they run is for the other to say.
#[allow(dead_code)]
#[path = "../../tests/fuzz/targets/mod.rs"]
mod targets;

/// Runs the target of this name.
///
/// # Panics
/// When there is none, or an invariant does not hold.
pub fn run(name: &str, data: &[u8]) {
    let target = targets::ALL.iter().find(|target| target.name == name);
    (target.expect("a target of this name").run)(data);
}
