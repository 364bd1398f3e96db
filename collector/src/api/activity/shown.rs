//! Daily activity as LiteLLM shows it. Pure.

use std::collections::BTreeMap;

use event::Usd;
use serde::Serialize;

use crate::{api::dates, books::Counts};

/// The alias and the team of each key.
pub(super) type Names = BTreeMap<String, (Option<String>, Option<String>)>;

/// One part of a day, and what of it each key spent.
#[derive(Debug, Default)]
struct Part {
    counts: Counts,
    keys: BTreeMap<String, Counts>,
}

/// A day, taken apart in several ways.
#[derive(Debug, Default)]
struct Day {
    counts: Counts,
    models: BTreeMap<String, Part>,
    groups: BTreeMap<String, Part>,
    providers: BTreeMap<String, Part>,
    keys: BTreeMap<String, Part>,
    entities: BTreeMap<String, Part>,
}

/// Days by their number.
#[derive(Debug, Default)]
pub(super) struct Days(BTreeMap<i64, Day>);

impl Days {
    fn day(&mut self, number: &str) -> &mut Day {
        self.0
            .entry(number.parse().unwrap_or_default())
            .or_default()
    }

    /// Adds what is known of an entity alone.
    pub(super) fn entity(&mut self, day: &str, id: &str, counts: &Counts) {
        let day = self.day(day);
        day.counts.add(counts);
        add(&mut day.entities, id, "", counts);
    }

    /// Adds calls of a model, its group, its provider and a key, and whose they were.
    pub(super) fn call(&mut self, day: &str, (parts, id): (&[String], &str), counts: &Counts) {
        let [model, group, provider, key] = parts else {
            return;
        };
        let day = self.day(day);
        day.counts.add(counts);
        add(&mut day.models, model, key, counts);
        add(&mut day.groups, group, key, counts);
        add(&mut day.providers, provider, key, counts);
        add(&mut day.keys, key, "", counts);
        add(&mut day.entities, id, key, counts);
    }
}

/// What has no name is in the day's sum alone.
fn add(parts: &mut BTreeMap<String, Part>, name: &str, key: &str, counts: &Counts) {
    if name.is_empty() {
        return;
    }
    let part = parts.entry(name.to_owned()).or_default();
    part.counts.add(counts);
    if !key.is_empty() {
        part.keys.entry(key.to_owned()).or_default().add(counts);
    }
}

/// LiteLLM's sums.
#[derive(Debug, Serialize)]
pub(in crate::api) struct Metrics {
    spend: Usd,
    prompt_tokens: i64,
    completion_tokens: i64,
    cache_read_input_tokens: i64,
    cache_creation_input_tokens: i64,
    total_tokens: i64,
    successful_requests: i64,
    failed_requests: i64,
    api_requests: i64,
}

impl From<&Counts> for Metrics {
    fn from(counts: &Counts) -> Self {
        Self {
            spend: counts.cost,
            prompt_tokens: counts.prompt_tokens,
            completion_tokens: counts.completion_tokens,
            cache_read_input_tokens: counts.cache_read_tokens,
            cache_creation_input_tokens: counts.cache_write_tokens,
            total_tokens: counts.total_tokens,
            successful_requests: counts.successes,
            failed_requests: counts.failures,
            api_requests: counts.calls(),
        }
    }
}

#[derive(Debug, Default, Serialize)]
struct Nothing {}

#[derive(Debug, Default, Serialize)]
struct Named {
    key_alias: Option<String>,
    team_id: Option<String>,
}

#[derive(Debug, Serialize)]
struct KeyShown {
    metrics: Metrics,
    metadata: Named,
}

#[derive(Debug, Serialize)]
struct PartShown {
    metrics: Metrics,
    metadata: Named,
    api_key_breakdown: BTreeMap<String, KeyShown>,
}

#[derive(Debug, Serialize)]
struct Breakdown {
    mcp_servers: Nothing,
    endpoints: Nothing,
    models: BTreeMap<String, PartShown>,
    model_groups: BTreeMap<String, PartShown>,
    providers: BTreeMap<String, PartShown>,
    api_keys: BTreeMap<String, PartShown>,
    entities: BTreeMap<String, PartShown>,
}

#[derive(Debug, Serialize)]
struct DayShown {
    date: String,
    metrics: Metrics,
    breakdown: Breakdown,
}

#[derive(Debug, Serialize)]
struct Metadata {
    total_spend: Usd,
    total_prompt_tokens: i64,
    total_completion_tokens: i64,
    total_tokens: i64,
    total_api_requests: i64,
    total_successful_requests: i64,
    total_failed_requests: i64,
    total_cache_read_input_tokens: i64,
    total_cache_creation_input_tokens: i64,
    page: u32,
    total_pages: usize,
    has_more: bool,
}

/// A page of days, newest first, and the sums over all pages.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    results: Vec<DayShown>,
    metadata: Metadata,
}

impl Answer {
    /// The page of this number with so many days; all days without one.
    pub(super) fn of(days: &Days, page: Option<(u32, u32)>, names: &Names) -> Self {
        let mut total = Counts::default();
        days.0.values().for_each(|day| total.add(&day.counts));
        let count = days.0.len();
        let (page, size) = match page {
            Some((page, size)) => (page, usize::try_from(size).unwrap_or(usize::MAX)),
            None => (1, count.max(1)),
        };
        let total_pages = count.div_ceil(size);
        let skip = usize::try_from(page - 1).unwrap_or(usize::MAX);
        let shown = days.0.iter().rev();
        let shown = shown.skip(skip.saturating_mul(size)).take(size);
        Self {
            results: shown
                .map(|(number, day)| day.shown(*number, names))
                .collect(),
            metadata: Metadata {
                total_spend: total.cost,
                total_prompt_tokens: total.prompt_tokens,
                total_completion_tokens: total.completion_tokens,
                total_tokens: total.total_tokens,
                total_api_requests: total.calls(),
                total_successful_requests: total.successes,
                total_failed_requests: total.failures,
                total_cache_read_input_tokens: total.cache_read_tokens,
                total_cache_creation_input_tokens: total.cache_write_tokens,
                page,
                total_pages,
                has_more: skip.saturating_add(1) < total_pages,
            },
        }
    }
}

impl Day {
    fn shown(&self, number: i64, names: &Names) -> DayShown {
        let parts = |parts: &BTreeMap<String, Part>| {
            let part = |(name, part): (&String, &Part)| (name.clone(), part.shown(name, names));
            parts.iter().map(part).collect()
        };
        DayShown {
            date: dates::day(number).to_string(),
            metrics: Metrics::from(&self.counts),
            breakdown: Breakdown {
                mcp_servers: Nothing::default(),
                endpoints: Nothing::default(),
                models: parts(&self.models),
                model_groups: parts(&self.groups),
                providers: parts(&self.providers),
                api_keys: parts(&self.keys),
                entities: parts(&self.entities),
            },
        }
    }
}

impl Part {
    fn shown(&self, name: &str, names: &Names) -> PartShown {
        let key = |(key, counts): (&String, &Counts)| {
            let shown = KeyShown {
                metrics: Metrics::from(counts),
                metadata: named(key, names),
            };
            (key.clone(), shown)
        };
        PartShown {
            metrics: Metrics::from(&self.counts),
            metadata: named(name, names),
            api_key_breakdown: self.keys.iter().map(key).collect(),
        }
    }
}

fn named(key: &str, names: &Names) -> Named {
    let found = names.get(key).cloned();
    let (key_alias, team_id) = found.unwrap_or_default();
    Named { key_alias, team_id }
}
