//! The filter plugin.
