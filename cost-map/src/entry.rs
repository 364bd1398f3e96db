//! One entry of the map: the prices of one model, kept small.

use std::sync::Arc;

use rust_decimal::Decimal;

use crate::keys::{Base, Rate, Tier};

/// The prices and limits of one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    pub(crate) prices: Prices,
    pub(crate) brackets: Box<[Bracket]>,
    pub(crate) provider: Option<Arc<str>>,
    pub(crate) mode: Option<Arc<str>>,
    pub(crate) max_input_tokens: Option<u64>,
    pub(crate) max_output_tokens: Option<u64>,
    pub(crate) max_tokens: Option<u64>,
}

impl Entry {
    /// The figure under a pricing key, in USD. A figure inside an object is asked for by both keys:
    /// `search_context_cost_per_query.search_context_size_low`.
    #[must_use]
    pub fn price(&self, key: &str) -> Option<Decimal> {
        self.prices.get(key)
    }

    /// Every figure with its key, sorted by key.
    pub fn prices(&self) -> impl Iterator<Item = (&str, Decimal)> {
        let listed = self
            .brackets
            .iter()
            .flat_map(|bracket| bracket.prices.iter());
        self.prices
            .iter()
            .chain(listed)
            .map(|price| (&*price.key, price.amount))
    }

    /// The length of the prompt that each bracket of `tiered_pricing` is for, at most; the last
    /// one's is for whatever is longer, too.
    pub fn brackets_up_to(&self) -> impl Iterator<Item = Decimal> {
        self.brackets.iter().map(|bracket| bracket.up_to)
    }

    /// The provider, by LiteLLM's name.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.provider.as_deref()
    }

    /// What the model does: `chat`, `embedding`, ….
    #[must_use]
    pub fn mode(&self) -> Option<&str> {
        self.mode.as_deref()
    }

    /// The longest input.
    #[must_use]
    pub const fn max_input_tokens(&self) -> Option<u64> {
        self.max_input_tokens
    }

    /// The longest output.
    #[must_use]
    pub const fn max_output_tokens(&self) -> Option<u64> {
        self.max_output_tokens
    }

    /// The older name of the longest output.
    #[must_use]
    pub const fn max_tokens(&self) -> Option<u64> {
        self.max_tokens
    }
}

/// Prices sorted by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Prices(Box<[Price]>);

/// One price.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Price {
    /// The key as it stands in the map.
    pub(crate) key: Arc<str>,
    /// What it is for; `None` if tokens and seconds are not billed by it.
    pub(crate) rate: Option<Rate>,
    pub(crate) amount: Decimal,
}

/// The prices for prompts of up to some length, from a `tiered_pricing` list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bracket {
    pub(crate) up_to: Decimal,
    pub(crate) prices: Prices,
}

/// The circumstances of a call that decide between the variants of a price.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    /// The length of the prompt.
    pub(crate) prompt: u64,
    /// The service tier.
    pub(crate) tier: Tier,
    /// Whether a threshold is crossed by reaching it.
    pub(crate) inclusive: bool,
}

impl At {
    fn covers(self, rate: Rate) -> bool {
        let crossed = rate.above == 0
            || self.prompt > rate.above
            || (self.inclusive && self.prompt == rate.above);
        crossed && (rate.tier == Tier::Standard || rate.tier == self.tier)
    }
}

impl Prices {
    /// Sorts them; of several with one key the last is kept, as JSON readers do.
    pub(crate) fn new(mut prices: Vec<Price>) -> Self {
        prices.reverse();
        prices.sort_by(|a, b| a.key.cmp(&b.key));
        prices.dedup_by(|later, kept| later.key == kept.key);
        Self(prices.into())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Price> {
        self.0.iter()
    }

    pub(crate) fn get(&self, key: &str) -> Option<Decimal> {
        let at = self
            .0
            .binary_search_by(|price| (*price.key).cmp(key))
            .ok()?;
        self.0.get(at).map(|price| price.amount)
    }

    /// The price for any of `bases`: the one with the highest threshold that is crossed, then the
    /// one for the service tier, then the one whose base is named first.
    pub(crate) fn best(&self, bases: &[Base], at: At) -> Option<&Price> {
        let order = |price: &Price| {
            let rate = price.rate.filter(|rate| at.covers(*rate))?;
            let rank = bases.iter().rev().position(|base| *base == rate.base)?;
            Some((rate.above, rate.tier != Tier::Standard, rank))
        };
        let ranked = self
            .0
            .iter()
            .filter_map(|price| Some((order(price)?, price)));
        ranked
            .max_by_key(|(order, _)| *order)
            .map(|(_, price)| price)
    }

    /// Whether tokens are priced, and at more than nothing.
    pub(crate) fn charge_tokens(&self) -> bool {
        self.tokens().any(|price| !price.amount.is_zero())
    }

    /// Whether tokens are priced.
    pub(crate) fn price_tokens(&self) -> bool {
        self.tokens().next().is_some()
    }

    fn tokens(&self) -> impl Iterator<Item = &Price> {
        self.0
            .iter()
            .filter(|price| price.rate.is_some_and(|rate| rate.base.is_token()))
    }
}
