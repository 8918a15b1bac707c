//! confab: from arguments to a command.

fn main() {}
