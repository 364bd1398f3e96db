//! The prices of one entry under the circumstances of one call.

use rust_decimal::Decimal;

use super::{At, Found};
use crate::{
    bill::ratio,
    entry::{Bracket, Entry, Price, Prices},
    keys::{Base, Rate, Tier},
};

/// An entry, and the blocks of it that hold for a call.
#[derive(Clone, Copy)]
pub(crate) struct Layer<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) bracket: Option<&'a Prices>,
    off_peak: Option<&'a Prices>,
    /// In a batch: whether there is a price of input for batches.
    pub(super) batch_is_priced: bool,
}

impl<'a> Layer<'a> {
    pub(super) fn new(entry: &'a Entry, at: &At) -> Self {
        let entry = entry.at(at.instant);
        let is_batch = at.tier == Tier::Batch;
        let mut input = entry.prices.of(Base::Input);
        let off_peak = entry.off_peak.as_deref();
        let off_peak = off_peak.filter(|block| !is_batch && block.is_open(at.instant));
        Self {
            entry,
            bracket: Bracket::of(&entry.brackets, at.prompt.into()).map(|bracket| &bracket.prices),
            off_peak: off_peak.map(|block| &block.prices),
            batch_is_priced: is_batch && input.any(|(rate, _)| rate.tier == Tier::Batch),
        }
    }

    /// Whether seconds in this entry are those of the call, not of a video or of speech.
    pub(super) fn is_timed(self) -> bool {
        let modes = [
            "chat",
            "completion",
            "embedding",
            "responses",
            "audio_transcription",
            "realtime",
        ];
        self.entry.mode().is_none_or(|mode| modes.contains(&mode))
    }

    /// A stand-in that says: this deployment charges nothing. Then a price of the map for a part
    /// of the prompt does not apply.
    pub(super) fn free(self, others: &[Base], at: &At) -> Option<Found<'a>> {
        let stand_in = others.iter().find_map(|base| self.any(*base, at));
        stand_in.filter(|found| found.price.amount.is_zero())
    }

    /// The price of a base, in the bracket or else in the entry.
    pub(super) fn any(self, base: Base, at: &At) -> Option<Found<'a>> {
        let bracket = self.bracket.and_then(|_| self.in_bracket(base, at));
        bracket.or_else(|| self.in_entry(base, at))
    }

    pub(super) fn in_bracket(self, base: Base, at: &At) -> Option<Found<'a>> {
        if let Some(found) = self.off_peak(base) {
            return Some(found);
        }
        if at.tier == Tier::Batch && self.batch_is_priced {
            return None;
        }
        let (_, price) = self.bracket?.of(base).next()?;
        let found = Found::plain(price);
        Some(if at.tier == Tier::Batch {
            found.half("batches")
        } else {
            found
        })
    }

    pub(super) fn in_entry(self, base: Base, at: &At) -> Option<Found<'a>> {
        if at.tier == Tier::Batch {
            return self.in_batch(base, at);
        }
        if let Some(found) = self.off_peak(base) {
            return Some(found);
        }
        let found = self.best(base, at);
        if base != Base::Reasoning || at.tier == Tier::Standard {
            return found.map(|(found, _)| found);
        }
        // At a tier, its price of output comes before the standard one of reasoning: then there is
        // none here, and output stands in.
        let output = || self.best(Base::Output, at);
        found
            .filter(|(_, is_of_tier)| *is_of_tier || !output().is_some_and(|(_, of_tier)| of_tier))
            .map(|(found, _)| found)
    }

    fn off_peak(self, base: Base) -> Option<Found<'a>> {
        let (_, price) = self.off_peak?.of(base).next()?;
        Some(Found::plain(price))
    }

    /// The price with the highest threshold that is crossed, of the tier or else the standard one;
    /// and whether it is of the tier.
    fn best(self, base: Base, at: &At) -> Option<(Found<'a>, bool)> {
        let prices = &self.entry.prices;
        let covered = |(rate, _): &(Rate, _)| {
            is_crossed(*rate, at) && (rate.tier == Tier::Standard || rate.tier == at.tier)
        };
        let (rate, price) = prices.of(base).filter(covered).last()?;
        let found = Found::plain(price);
        if rate.above == 0 || rate.tier == at.tier {
            return Some((found, rate.tier != Tier::Standard));
        }
        // Beyond the threshold only the standard price is known: the tier keeps its factor.
        let factor = self.factor_of_tier(base, at);
        let is_of_tier = factor.is_some();
        let factors = [factor.filter(|(less_one, _)| !less_one.is_zero()), None];
        Some((Found { factors, ..found }, is_of_tier))
    }

    fn factor_of_tier(self, base: Base, at: &At) -> Option<(Decimal, &'a str)> {
        let short = |tier: Tier| {
            let mut prices = self.entry.prices.of(base);
            let (_, price) = prices.find(|(rate, _)| rate.above == 0 && rate.tier == tier)?;
            Some(price)
        };
        let of_tier: &Price = short(at.tier)?;
        let factor = ratio(of_tier.amount, short(Tier::Standard)?.amount)?;
        Some((factor - Decimal::ONE, &of_tier.key))
    }

    fn in_batch(self, base: Base, at: &At) -> Option<Found<'a>> {
        let highest = |tier: Tier| {
            let prices = self.entry.prices.of(base);
            prices
                .filter(|(rate, _)| rate.tier == tier && is_crossed(*rate, at))
                .last()
        };
        let half = |(_, price): (Rate, &'a Price)| Found::plain(price).half("batches");
        let standard = highest(Tier::Standard);
        if !self.batch_is_priced {
            return standard.map(half);
        }
        let mut all = self.entry.prices.of(base);
        if all.any(|(rate, _)| rate.tier == Tier::Batch) {
            let of_batch = highest(Tier::Batch);
            let is_longer = |(rate, _): &(Rate, &Price)| {
                of_batch.is_none_or(|(of_batch, _)| rate.above > of_batch.above)
            };
            return standard
                .filter(is_longer)
                .map(half)
                .or(of_batch.map(|(_, price)| Found::plain(price)));
        }
        let halves = [
            Base::CacheWriteHour,
            Base::CacheWriteHalfDay,
            Base::Output,
            Base::OutputImage,
        ];
        standard.filter(|_| halves.contains(&base)).map(half)
    }
}

fn is_crossed(rate: Rate, at: &At) -> bool {
    rate.above == 0 || at.prompt > rate.above || (at.inclusive && at.prompt == rate.above)
}
