//! The metrics plugin.
