//! A daemon whose plugins misbehave; nothing yet.
fn main() {}
