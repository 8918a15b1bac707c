//! The service manager: what it is told, what it watches, and what it hands over. Without one,
//! nothing of this does anything.

pub mod control;
mod inherited;
mod notify;
mod parts;
pub mod watchdog;

pub use inherited::Inherited;
pub use notify::Manager;
pub use parts::{Parts, Pulses};
