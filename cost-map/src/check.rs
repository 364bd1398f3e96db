//! Whether a map that can be read should also be believed.

mod samples;

use std::{collections::HashSet, fmt};

use event::Timestamp;
use rust_decimal::Decimal;

use crate::{
    change::{self, Change, Changed},
    entry::Entry,
    map::PriceMap,
};

/// A model that calls have been made of lately.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InUse {
    /// Its provider, if it is known.
    pub provider: Option<String>,
    /// Its name, as a call names it.
    pub model: String,
}

/// A reason not to believe a map. A person can say that it is right all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// It has less than half of the entries.
    Shrunk {
        /// Entries of the map in force.
        before: usize,
        /// Entries of the new one.
        after: usize,
    },
    /// A model that is in use would have no price any more.
    Vanished(InUse),
    /// A figure, or what holds in its place, moved too far.
    Moved {
        /// The model.
        model: String,
        /// The pricing key.
        key: String,
        /// What holds now, in USD.
        before: Decimal,
        /// What would hold.
        after: Decimal,
    },
    /// A usual call of a model in use would cost far more or less, or nobody would know.
    Call {
        /// The model.
        model: InUse,
        /// What is called.
        call: String,
        /// What it costs now, in USD.
        before: Decimal,
        /// What it would cost; `None` if nobody would know.
        after: Option<Decimal>,
    },
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shrunk { before, after } => {
                write!(f, "it has {after} entries, the one in force has {before}")
            }
            Self::Vanished(InUse { provider, model }) => {
                let provider = provider.as_deref().unwrap_or("no provider");
                write!(
                    f,
                    "`{model}` ({provider}) is in use and would have no price"
                )
            }
            Self::Call {
                model,
                call,
                before,
                after,
            } => {
                let model = &model.model;
                match after {
                    Some(after) => write!(
                        f,
                        "a call of `{model}` with {call} goes from {before} to {after} USD"
                    ),
                    None => write!(
                        f,
                        "a call of `{model}` with {call} costs {before} USD and would have no price"
                    ),
                }
            }
            Self::Moved {
                model,
                key,
                before,
                after,
            } => write!(f, "`{key}` of `{model}` goes from {before} to {after} USD"),
        }
    }
}

/// Whether `after`, which is to replace `before`, is implausibly small.
#[must_use]
pub fn shrunk(before: &PriceMap, after: &PriceMap) -> Option<Doubt> {
    let (before, after) = (before.len(), after.len());
    (after < before.div_ceil(2)).then_some(Doubt::Shrunk { before, after })
}

/// Doubts that are kept; the rest are counted.
const DOUBTS_MAX: usize = 20;

/// What speaks against a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    /// The first of them, those about models in use before others.
    pub first: Vec<Doubt>,
    /// How many more there are.
    pub left_out: usize,
}

impl Doubts {
    /// Adds one.
    pub fn push(&mut self, doubt: Doubt) {
        if self.first.len() < DOUBTS_MAX {
            self.first.push(doubt);
        } else {
            self.left_out = self.left_out.saturating_add(1);
        }
    }

    /// Whether nothing speaks against the map.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_empty()
    }
}

/// What speaks against pricing calls by `after` instead of `before` from `now` on: models in use
/// that lose their prices, whose figures move by more than `factor`, or of which some usual call
/// would cost that much more or less; then figures of other models. That a model which nobody uses
/// is free no more is no reason: new models often begin so.
#[must_use]
pub fn doubts(
    before: &PriceMap,
    after: &PriceMap,
    in_use: &[InUse],
    (factor, now): (Decimal, Timestamp),
) -> Doubts {
    let mut far = Far {
        factor,
        doubts: Doubts::default(),
    };
    let (mut seen, mut gone) = (HashSet::new(), HashSet::new());
    for used in in_use {
        match (priced(before, used), priced(after, used)) {
            (Some(old), None) if gone.insert(old.0) => {
                far.doubts.push(Doubt::Vanished(used.clone()));
            }
            // Another entry may answer to the name from now on.
            (Some(old), Some(new)) if seen.insert((old.0, new.0)) && old.1 != new.1 => {
                if !far.look(Rank::InUse, old, new)
                    && let Some(doubt) = samples::compare((before, after), used, (factor, now))
                {
                    far.doubts.push(doubt);
                }
            }
            _ => {}
        }
    }
    for Changed { model, .. } in Change::between(before, after).changed {
        if let (Some(old), Some(new)) = (before.entry(model), after.entry(model))
            && !seen.contains(&(model, model))
        {
            far.look(Rank::Other, (model, old), (model, new));
        }
    }
    far.doubts
}

/// The entry that prices a model, if it has any price.
fn priced<'a>(map: &'a PriceMap, used: &InUse) -> Option<(&'a str, &'a Entry)> {
    let provider = used.provider.as_deref();
    let found = map
        .resolve(provider, &used.model)
        .or_else(|| map.size_class(provider, &used.model))?;
    found
        .entry
        .has_prices()
        .then_some((found.name, found.entry))
}

/// Whose figures they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rank {
    InUse,
    Other,
}

/// Looks for figures that move by more than a factor.
struct Far {
    factor: Decimal,
    doubts: Doubts,
}

impl Far {
    /// Says whether there are any. A variant that is new is measured by what held in its place,
    /// one that is gone by what holds now.
    fn look(&mut self, rank: Rank, before: (&str, &Entry), after: (&str, &Entry)) -> bool {
        let mut is_far = false;
        for moved in change::moved(before.1, after.1) {
            let in_place = |entry: &Entry| entry.in_place_of(moved.key);
            let old = moved.before.or_else(|| in_place(before.1));
            let new = moved.after.or_else(|| in_place(after.1));
            let (Some(old), Some(new)) = (old, new) else {
                continue;
            };
            if is_within(old, new, self.factor) || rank == Rank::Other && old.is_zero() {
                continue;
            }
            is_far = true;
            self.doubts.push(Doubt::Moved {
                model: after.0.to_owned(),
                key: moved.key.to_owned(),
                before: old,
                after: new,
            });
        }
        is_far
    }
}

/// Whether an amount rose or fell by at most `factor`. From or to 0 is further than any factor.
fn is_within(before: Decimal, after: Decimal, factor: Decimal) -> bool {
    let (low, high) = (before.min(after), before.max(after));
    // A product beyond every decimal is beyond every price.
    high.is_zero() || (!low.is_zero() && low.checked_mul(factor).is_none_or(|most| high <= most))
}
