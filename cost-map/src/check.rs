//! Whether a map that can be read should also be believed.

use std::{collections::BTreeMap, fmt};

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
    /// A figure moved too far.
    Moved {
        /// The model.
        model: String,
        /// The pricing key.
        key: String,
        /// What it is now, in USD.
        before: Decimal,
        /// What it would become.
        after: Decimal,
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

/// What speaks against pricing calls by `after` instead of `before`: models in use that lose their
/// prices, then figures that move by more than `factor`, those of models in use first. That a model
/// which nobody uses is free no more is no reason: new models often begin so.
#[must_use]
pub fn doubts(
    before: &PriceMap,
    after: &PriceMap,
    in_use: &[InUse],
    factor: Decimal,
) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let mut far = Far {
        factor,
        found: BTreeMap::new(),
    };
    for used in in_use {
        let resolve = |map| priced(map, used);
        match (resolve(before), resolve(after)) {
            (Some(_), None) => doubts.push(Doubt::Vanished(used.clone())),
            // Another entry may answer to the name from now on.
            (Some(old), Some(new)) => far.look(Rank::InUse, old, new),
            (None, _) => {}
        }
    }
    for Changed { model, .. } in Change::between(before, after).changed {
        if let (Some(old), Some(new)) = (before.entry(model), after.entry(model)) {
            far.look(Rank::Other, (model, old), (model, new));
        }
    }
    doubts.extend(far.found.into_iter().map(|(place, (before, after))| {
        let (_, model, key) = place;
        Doubt::Moved {
            model,
            key,
            before,
            after,
        }
    }));
    doubts
}

/// The entry that prices a model, if it has any price.
fn priced<'a>(map: &'a PriceMap, used: &InUse) -> Option<(&'a str, &'a Entry)> {
    let found = map.resolve(used.provider.as_deref(), &used.model)?;
    found.entry.prices().next()?;
    Some((found.name, found.entry))
}

/// What is said first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    InUse,
    Other,
}

/// Figures that moved by more than a factor, by model and key.
struct Far {
    factor: Decimal,
    found: BTreeMap<(Rank, String, String), (Decimal, Decimal)>,
}

impl Far {
    fn look(&mut self, rank: Rank, before: (&str, &Entry), after: (&str, &Entry)) {
        let model = after.0;
        for moved in change::moved(before.1, after.1) {
            let (Some(old), Some(new)) = (moved.before, moved.after) else {
                continue;
            };
            let key = moved.key.to_owned();
            let said = (Rank::InUse, model.to_owned(), key.clone());
            if rank == Rank::Other && old.is_zero() {
                continue;
            }
            if !moved.is_within(self.factor) && !self.found.contains_key(&said) {
                self.found.insert((rank, model.to_owned(), key), (old, new));
            }
        }
    }
}
