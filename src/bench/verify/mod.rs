//! `confab bench --verify`: proves from outside that nothing acknowledged is lost, nothing
//! doubled, nothing out of order and nothing missed, however often the daemon is cut off.

pub mod asking;
pub mod backoff;
pub mod compare;
pub mod device;
pub mod findings;
pub mod frames;
pub mod have;
pub mod history;
pub mod ledger;
pub mod link;
pub mod marks;
pub mod report;
pub mod run;
mod session;
pub mod tally;
pub mod window;
