//! The house itself: who may see whom, what every file owes its reader, and that the documents
//! say what the program does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod documents;
mod files;
mod floors;
mod fuzz;
mod paths;
mod plugins;
mod source;
