//! What each budget has settled and lent out, window by window, in the books.
//!
//! The arithmetic is `event::ledger`; here it is kept in tables. Whatever changes it is one
//! transaction: a run of events that is settled (`settle.rs`), or what a gateway asks for
//! (`lease.rs`), or the end of one that is not heard of any more (`silent.rs`). So at every moment the rows say what has been spent and who may still spend, and a
//! collector that dies has promised nothing that it does not remember.

mod lease;
mod reported;
mod settle;
mod silent;
mod store;

pub(crate) use self::{
    lease::{hello, lease, spent},
    reported::{charge, spent_in},
    settle::{Spent, settle},
    silent::{end_silent, open},
};

use event::Seconds;

/// How long a gateway may use what it was lent without a sign of life from the collector.
pub(crate) const LEASE: Seconds = Seconds::from_micros(60_000_000);
/// How long a call may last.
pub(crate) const LONGEST_CALL: Seconds = Seconds::from_micros(3_600_000_000);

#[cfg(test)]
mod tests;
