//! One entry of the map: the prices of one model, kept small.

use std::sync::Arc;

use event::Timestamp;
use rust_decimal::{Decimal, prelude::ToPrimitive};

use crate::{
    keys::{Base, Rate, Tier},
    off_peak::OffPeak,
};

/// The prices and limits of one model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    pub(crate) prices: Prices,
    /// By the length of the prompt, shortest first.
    pub(crate) brackets: Box<[Bracket]>,
    /// By the number of results that a search returns, fewest first.
    pub(crate) result_brackets: Box<[Bracket]>,
    pub(crate) off_peak: Option<Box<OffPeak>>,
    /// Prices in place of these from an instant on, earliest first.
    pub(crate) effective: Box<[(Timestamp, Entry)]>,
    /// Whether searches are charged once for each prompt, where the entry says it.
    pub(crate) searches_per_prompt: Option<bool>,
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
        self.prices.get(key).map(|price| price.amount)
    }

    /// Every figure with its key: those of the entry itself sorted by key, then those of its
    /// brackets, off-peak hours and later dates.
    pub fn prices(&self) -> impl Iterator<Item = (&str, Decimal)> {
        let mut all = Vec::new();
        self.collect(&mut all);
        all.into_iter()
    }

    fn collect<'a>(&'a self, all: &mut Vec<(&'a str, Decimal)>) {
        let brackets = self.brackets.iter().chain(&self.result_brackets);
        let lists = brackets.map(|bracket| &bracket.prices);
        let off_peak = self.off_peak.as_deref().map(|off_peak| &off_peak.prices);
        for prices in std::iter::once(&self.prices).chain(lists).chain(off_peak) {
            all.extend(prices.iter().map(|price| (&*price.key, price.amount)));
        }
        for (_, later) in &self.effective {
            later.collect(all);
        }
    }

    /// The standard price of the base that a key of tokens is a variant of: what holds where there
    /// is no such key. Of an entry with brackets and nothing else, the first bracket's.
    pub(crate) fn in_place_of(&self, key: &str) -> Option<Decimal> {
        let inner = innermost(key);
        let in_list = |prices: &Prices, name: &str| prices.get(name).map(|price| price.amount);
        let find = |name: &str| {
            let mut brackets = self.brackets.iter();
            in_list(&self.prices, name)
                .or_else(|| brackets.find_map(|bracket| in_list(&bracket.prices, name)))
        };
        find(inner).or_else(|| find(Rate::of(inner)?.base.key()))
    }

    /// Lengths of prompts beyond which some price changes.
    pub(crate) fn steps(&self) -> impl Iterator<Item = u64> {
        let thresholds = self.prices.rates.iter().map(|(rate, _)| rate.above);
        let brackets = self.brackets.iter();
        let brackets = brackets.filter_map(|bracket| bracket.up_to.trunc().to_u64());
        thresholds.chain(brackets)
    }

    /// Tiers of which some price is.
    pub(crate) fn tiers(&self) -> impl Iterator<Item = Tier> {
        let lists = self.brackets.iter().map(|bracket| &bracket.prices);
        let lists = std::iter::once(&self.prices).chain(lists);
        lists.flat_map(|prices| prices.rates.iter().map(|(rate, _)| rate.tier))
    }

    /// Instants from which other prices hold.
    pub(crate) fn dates(&self) -> impl Iterator<Item = Timestamp> {
        self.effective.iter().map(|(from, _)| *from)
    }

    /// The length of the prompt that each bracket of `tiered_pricing` is for, at most; the last
    /// one's is for whatever is longer, too.
    pub fn brackets_up_to(&self) -> impl Iterator<Item = Decimal> {
        self.brackets.iter().map(|bracket| bracket.up_to)
    }

    /// When the prices hold that hold at certain times only: the start of their keys, and the time.
    pub fn times(&self) -> impl Iterator<Item = (String, String)> {
        let mut times = Vec::new();
        self.collect_times("", &mut times);
        times.into_iter()
    }

    fn collect_times(&self, within: &str, times: &mut Vec<(String, String)>) {
        if let Some(off_peak) = &self.off_peak {
            let windows: Vec<_> = off_peak.windows.iter().map(ToString::to_string).collect();
            times.push((format!("{within}off_peak_pricing"), windows.join(", ")));
        }
        for (index, (from, later)) in self.effective.iter().enumerate() {
            let name = format!("{within}effective[{index}]");
            let from = from
                .to_utc()
                .format("from %Y-%m-%d %H:%M UTC on")
                .to_string();
            later.collect_times(&format!("{name}."), times);
            times.push((name, from));
        }
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

    /// The prices that hold at an instant.
    pub(crate) fn at(&self, instant: Timestamp) -> &Self {
        let begun = self.effective.iter().rev();
        let mut begun = begun.filter(|(from, _)| *from <= instant);
        begun.next().map_or(self, |(_, entry)| entry)
    }

    /// Whether there is any price in it.
    pub(crate) fn has_prices(&self) -> bool {
        let mut lists = self.brackets.iter().chain(&self.result_brackets);
        self.prices.iter().next().is_some()
            || lists.any(|bracket| bracket.prices.iter().next().is_some())
            || self.off_peak.is_some()
            || self.effective.iter().any(|(_, entry)| entry.has_prices())
    }
}

/// Prices sorted by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Prices {
    all: Box<[Price]>,
    /// What those of tokens are for, and where they stand in `all`.
    rates: Box<[(Rate, usize)]>,
    /// Where the flat fee of every call stands in `all`.
    fee: Option<usize>,
    /// The length of what stands before every key: `tiered_pricing[0].`.
    prefix: usize,
}

/// One price.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Price {
    /// Where it stands in the entry.
    pub(crate) key: Arc<str>,
    pub(crate) amount: Decimal,
}

/// The prices for prompts of up to some length, or searches of up to some number of results.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bracket {
    pub(crate) up_to: Decimal,
    pub(crate) prices: Prices,
}

impl Bracket {
    /// The first that reaches as far as `quantity`, beyond the last the last.
    pub(crate) fn of(brackets: &[Self], quantity: Decimal) -> Option<&Self> {
        let mut reaching = brackets.iter().filter(|bracket| bracket.up_to >= quantity);
        reaching.next().or_else(|| brackets.last())
    }
}

impl Prices {
    /// Sorts them. `prefix` is the length of what stands before every key. A key with two amounts
    /// is an error: `{"a.b": 1}` and `{"a": {"b": 2}}` are the same key.
    pub(crate) fn new(mut prices: Vec<Price>, prefix: usize) -> Result<Self, Arc<str>> {
        prices.sort_by(|a, b| a.key.cmp(&b.key));
        let mut pairs = prices.windows(2);
        let twice = pairs.find_map(|pair| match pair {
            [a, b] if a.key == b.key && a.amount != b.amount => Some(Arc::clone(&a.key)),
            _ => None,
        });
        if let Some(key) = twice {
            return Err(key);
        }
        prices.dedup();
        let name = |price: &Price| Rate::of(price.key.get(prefix..)?);
        let rates = prices.iter().enumerate();
        let rates = rates.filter_map(|(at, price)| Some((name(price)?, at)));
        let mut rates: Vec<_> = rates.collect();
        rates.sort_unstable();
        let is_fee = |price: &Price| price.key.get(prefix..) == Some("input_cost_per_request");
        Ok(Self {
            fee: prices.iter().position(is_fee),
            rates: rates.into(),
            all: prices.into(),
            prefix,
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Price> {
        self.all.iter()
    }

    /// The price whose key is `name`, behind what stands before every key.
    pub(crate) fn get(&self, name: &str) -> Option<&Price> {
        let at = self
            .all
            .binary_search_by(|price| price.key.get(self.prefix..).unwrap_or_default().cmp(name))
            .ok()?;
        self.all.get(at)
    }

    /// The flat fee of every call, found without a search because every call asks for it.
    pub(crate) fn fee(&self) -> Option<&Price> {
        self.all.get(self.fee?)
    }

    /// The prices of a base, those for the shortest prompts first.
    pub(crate) fn of(&self, base: Base) -> impl Iterator<Item = (Rate, &Price)> {
        let from = self.rates.partition_point(|(rate, _)| rate.base < base);
        let rates = self.rates.get(from..).unwrap_or_default().iter();
        rates
            .take_while(move |(rate, _)| rate.base == base)
            .filter_map(|(rate, at)| Some((*rate, self.all.get(*at)?)))
    }

    /// Whether tokens are priced, and at more than nothing.
    pub(crate) fn charge_tokens(&self) -> bool {
        self.tokens().any(|price| !price.amount.is_zero())
    }

    /// Whether tokens are priced.
    pub(crate) fn price_tokens(&self) -> bool {
        !self.rates.is_empty()
    }

    fn tokens(&self) -> impl Iterator<Item = &Price> {
        self.rates.iter().filter_map(|(_, at)| self.all.get(*at))
    }
}

/// The key without the blocks that it stands in.
pub(crate) fn innermost(key: &str) -> &str {
    let inner = key.rsplit_once("].").map_or(key, |(_, inner)| inner);
    inner.strip_prefix("off_peak_pricing.").unwrap_or(inner)
}
