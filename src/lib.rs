//! confab, a chat daemon that hosts plugins. The modules in reading order, from the floor that
//! knows nobody to the one that knows everyone.

pub mod config;
pub mod store;

pub mod registry;

pub mod cli;
