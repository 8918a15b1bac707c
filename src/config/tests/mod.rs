//! Tests of the configuration as a whole.

mod errors;
mod layers;
mod mongo;
mod secrets;
mod support;
mod template;
