//! The arithmetic of a budget's money, the same on both sides; no I/O, no clock.
//!
//! The collector keeps [`Grants`] for each budget and window, and [`Generations`] of gateways; a
//! gateway keeps [`Holds`] for each budget and window. Between them go an [`Ask`] and a [`Lease`],
//! whose amounts are totals since the generation began: either may be lost, repeated or overtaken.
//!
//! What holds, while no call costs more than was held for it:
//!
//! - What the calls of a window have cost and may still cost is at most what the collector has
//!   [committed](Grants::committed) to it.
//! - A grant never lifts that above the limit. It is above only after the limit was lowered below
//!   it or a cost was corrected upwards, and then nothing is granted until it fits again.
//!
//! What a gateway must keep for that:
//!
//! - A generation begins where the journal stands when the calls of those before it have been
//!   closed, so that nothing of theirs is written after its start.
//! - What is held is in the journal before a provider is asked: what is admitted, and what is
//!   added for a further attempt.
//! - A call ends by its deadline, at what is held for it if nobody knows better.

mod generations;
mod grants;
mod holds;

use serde::{Deserialize, Serialize};

pub use generations::{GenerationClosed, Generations};
pub use grants::{Grants, Lent};
pub use holds::{Held, Holds, Record, Verdict};

use crate::{EntityId, Usd};

/// One life of a gateway: what it was lent is settled or given back as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Generation {
    /// The id of its journal.
    pub source: EntityId,
    /// The first position of the journal that is its own.
    pub start: u64,
}

/// What a gateway asks the collector for, for one budget and window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Rises with each ask of the generation.
    pub number: u64,
    /// How much it wants to have been given since it began, in all.
    pub wanted: Usd,
    /// How much of it it has given back since it began, in all.
    pub returned: Usd,
}

/// What the collector answers, for one budget and window: a state, not a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Rises with each change of the books: of two leases the one with the higher number holds.
    pub as_of: u64,
    /// How much the generation has been given since it began, in all.
    pub given: Usd,
    /// Every record of the gateway's journal below this position has been settled.
    pub settled_below: u64,
    /// What those of them that the generation admitted here cost when they were settled.
    pub used: Usd,
    /// The budget's limit.
    pub limit: Usd,
    /// What all calls of the window have cost, from all gateways, with corrections.
    pub settled: Usd,
    /// How much of what it has left over it should give back, because others lack it or the limit
    /// was lowered.
    pub recall: Usd,
    /// Whether it should do so even if it needs that itself, because another was first to lack
    /// something: else two that were each lent a part would wait for each other.
    pub yields: bool,
}

#[cfg(test)]
mod tests;
