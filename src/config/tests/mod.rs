//! Tests of the configuration as a whole.

mod errors;
mod json_schema;
mod layers;
mod mongo;
mod previous_keys;
mod redis;
mod secrets;
mod support;
mod template;
