//! What is different between two maps.

use std::{cmp::Ordering, collections::BTreeMap};

use rust_decimal::Decimal;

use crate::{entry::Entry, map::PriceMap};

/// What leads from one map to another. Names and keys are sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change<'a> {
    /// Models that only the later map has.
    pub new: Vec<&'a str>,
    /// Models that only the earlier map has.
    pub vanished: Vec<&'a str>,
    /// Models whose entries differ.
    pub changed: Vec<Changed<'a>>,
}

/// An entry that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed<'a> {
    /// The model.
    pub model: &'a str,
    /// Its figures that differ; none where only limits, ranges, provider or mode do.
    pub figures: Vec<Moved<'a>>,
}

/// A figure that is not what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved<'a> {
    /// The pricing key.
    pub key: &'a str,
    /// What it was, in USD; `None` if there was none.
    pub before: Option<Decimal>,
    /// What it is.
    pub after: Option<Decimal>,
}

impl<'a> Change<'a> {
    /// What leads from `before` to `after`.
    #[must_use]
    pub fn between(before: &'a PriceMap, after: &'a PriceMap) -> Self {
        let mut change = Self::default();
        let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (Some((a, _)), Some((b, _))) => a.cmp(b),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return change,
            };
            match order {
                Ordering::Less => change.vanished.extend(old.next().map(|(name, _)| name)),
                Ordering::Greater => change.new.extend(new.next().map(|(name, _)| name)),
                Ordering::Equal => {
                    if let (Some((model, a)), Some((_, b))) = (old.next(), new.next())
                        && a != b
                    {
                        let figures = moved(a, b);
                        change.changed.push(Changed { model, figures });
                    }
                }
            }
        }
    }

    /// Whether the maps price every call alike.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.new.is_empty() && self.vanished.is_empty() && self.changed.is_empty()
    }
}

/// The figures in which two entries differ, sorted by key.
#[must_use]
pub fn moved<'a>(before: &'a Entry, after: &'a Entry) -> Vec<Moved<'a>> {
    let mut keys: BTreeMap<&str, (Option<Decimal>, Option<Decimal>)> = BTreeMap::new();
    for (key, amount) in before.prices() {
        keys.entry(key).or_default().0 = Some(amount);
    }
    for (key, amount) in after.prices() {
        keys.entry(key).or_default().1 = Some(amount);
    }
    keys.into_iter()
        .filter(|(_, (before, after))| before != after)
        .map(|(key, (before, after))| Moved { key, before, after })
        .collect()
}

impl Moved<'_> {
    /// By how many percent the figure rose, or fell if negative, to one digit after the point.
    /// `None` where there is nothing to compare with.
    #[must_use]
    pub fn percent(&self) -> Option<Decimal> {
        let (before, after) = (self.before?, self.after?);
        let ratio = after.checked_div(before)?;
        let percent = (ratio.checked_sub(Decimal::ONE)?).checked_mul(Decimal::ONE_HUNDRED)?;
        Some(percent.round_dp(1).normalize())
    }
}
