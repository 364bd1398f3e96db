//! Sums over calls: how many, how many tokens, how much money; all exact. Pure.

use std::{collections::HashMap, hash::Hash};

use event::{CostStatus, PricedEvent, Status, Usage, Usd};

use super::money::Split;

/// Sums over some calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that were answered.
    pub successes: i64,
    /// Calls that were not.
    pub failures: i64,
    /// Calls whose cost is not known; counted above as well.
    pub unpriced: i64,
    /// Input tokens.
    pub prompt_tokens: i64,
    /// Output tokens.
    pub completion_tokens: i64,
    /// All tokens.
    pub total_tokens: i64,
    /// Of the input: read from the provider's cache.
    pub cache_read_tokens: i64,
    /// Of the input: written to the provider's cache.
    pub cache_write_tokens: i64,
    /// Of the output: reasoning.
    pub reasoning_tokens: i64,
    /// What they cost, as far as it is known.
    pub cost: Usd,
}

/// A priced event with its counts, which are needed more than once.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The event.
    pub event: PricedEvent,
    /// What it adds to the sums.
    pub counts: Counts,
    /// Where it stands in the priced log. Without it the call cannot be priced again.
    pub position: Option<u64>,
}

impl Entry {
    /// Counts `event` by the usage that was reported with it.
    #[must_use]
    pub fn new(event: PricedEvent) -> Self {
        let usage = crate::price::usage(event.payload());
        Self::with_usage(event, &usage)
    }

    /// The same event, which stands at `position` of the priced log.
    #[must_use]
    pub fn at(self, position: u64) -> Self {
        Self {
            position: Some(position),
            ..self
        }
    }

    /// The same, for who has read the usage already.
    pub(crate) fn with_usage(event: PricedEvent, usage: &Usage) -> Self {
        let counts = Counts::of(&event, usage);
        Self {
            event,
            counts,
            position: None,
        }
    }
}

/// The columns of [`Counts`], in the order of [`Counts::columns`].
pub(super) const COLUMNS: [&str; 11] = [
    "successes",
    "failures",
    "unpriced",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_micros",
    "cost_picos",
];

/// What adds the columns up.
pub(super) fn sums() -> String {
    COLUMNS
        .map(|column| format!("sum({column}) AS {column}"))
        .join(", ")
}

impl Counts {
    /// The counts of one call. [`super::fits`] has seen to it that nothing is cut here.
    fn of(event: &PricedEvent, usage: &Usage) -> Self {
        let payload = event.payload();
        let success = payload.status == Status::Success;
        let prompt = usage.prompt_tokens_details.clone().unwrap_or_default();
        let completion = usage.completion_tokens_details.clone().unwrap_or_default();
        let cache_read = prompt
            .cached_tokens
            .or(usage.cache_read_input_tokens)
            .or(usage.prompt_cache_hit_tokens)
            .unwrap_or_default();
        let cache_write = prompt
            .cache_write_tokens
            .or(usage.cache_creation_input_tokens)
            .unwrap_or_default();
        Self {
            successes: i64::from(success),
            failures: i64::from(!success),
            unpriced: i64::from(event.cost().status == CostStatus::Unpriced),
            prompt_tokens: tokens(payload.prompt_tokens),
            completion_tokens: tokens(payload.completion_tokens),
            total_tokens: tokens(payload.total_tokens),
            cache_read_tokens: tokens(cache_read),
            cache_write_tokens: tokens(cache_write),
            reasoning_tokens: tokens(completion.reasoning_tokens.unwrap_or_default()),
            cost: event.cost().total.unwrap_or_default(),
        }
    }

    /// What a correction adds: money, and a call that is priced now or is no longer.
    pub(super) fn of_correction(was: Option<Usd>, now: Option<Usd>) -> Self {
        Self {
            unpriced: i64::from(now.is_none()) - i64::from(was.is_none()),
            cost: now.unwrap_or_default() - was.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// All calls.
    #[must_use]
    pub const fn calls(&self) -> i64 {
        self.successes + self.failures
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.successes += other.successes;
        self.failures += other.failures;
        self.unpriced += other.unpriced;
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
        self.total_tokens += other.total_tokens;
        self.cache_read_tokens += other.cache_read_tokens;
        self.cache_write_tokens += other.cache_write_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
        self.cost += other.cost;
    }

    /// The values of the columns in [`COLUMNS`].
    pub(super) fn columns(&self) -> [i64; 11] {
        let Split { micros, picos } = Split::of(self.cost);
        [
            self.successes,
            self.failures,
            self.unpriced,
            self.prompt_tokens,
            self.completion_tokens,
            self.total_tokens,
            self.cache_read_tokens,
            self.cache_write_tokens,
            self.reasoning_tokens,
            micros,
            picos,
        ]
    }

    /// Reads them back.
    pub(super) fn from_columns(columns: [i64; 11]) -> Self {
        let [
            successes,
            failures,
            unpriced,
            prompt,
            completion,
            total,
            read,
            write,
            thought,
            ..,
        ] = columns;
        let [.., micros, picos] = columns;
        Self {
            successes,
            failures,
            unpriced,
            prompt_tokens: prompt,
            completion_tokens: completion,
            total_tokens: total,
            cache_read_tokens: read,
            cache_write_tokens: write,
            reasoning_tokens: thought,
            cost: Split { micros, picos }.usd(),
        }
    }
}

/// The most tokens one call may report: sums of nine million such calls still fit a column.
pub(super) const TOKENS_MAX: u64 = 1 << 40;

/// A part larger than the whole may be is nonsense from the provider; it is cut to what fits.
fn tokens(count: u64) -> i64 {
    i64::try_from(count.min(TOKENS_MAX)).unwrap_or_default()
}

/// Adds `counts` to what stands under `key`.
pub(super) fn add_to<K: Eq + Hash>(sums: &mut HashMap<K, Counts>, key: K, counts: &Counts) {
    sums.entry(key).or_default().add(counts);
}
