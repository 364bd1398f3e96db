//! Reads entries: their prices, and the blocks of prices that hold in some circumstances.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use chrono::{DateTime, NaiveDate, Utc};
use event::Timestamp;
use serde_json::value::RawValue;

use super::{
    MapError, Problem,
    figure::{figure, limit},
    pairs::Pairs,
};
use crate::{
    entry::{Bracket, Entry, Price, Prices},
    keys::looks_like_price,
    off_peak::{Hours, OffPeak},
};

/// Reads entries; keeps one copy of each text that many of them share.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) keys: HashSet<Arc<str>>,
    words: HashSet<Arc<str>>,
    /// Blocks of `effective`, and brackets: each takes more room than the few bytes it is written in.
    pub(super) blocks: usize,
}

impl Reader {
    pub(super) fn entry(&mut self, name: &str, value: &RawValue) -> Result<Entry, MapError> {
        let fields: Pairs<'_> =
            serde_json::from_str(value.get()).map_err(|_error| MapError::NotAnObject {
                entry: name.to_owned(),
            })?;
        self.block("", &fields).map_err(|refused| refused.of(name))
    }

    /// How many different texts have been read.
    pub(super) fn texts(&self) -> usize {
        self.keys.len().max(self.words.len())
    }

    /// An entry, or a block of one that stands in its place; `path` leads to it.
    fn block(&mut self, path: &str, fields: &Pairs<'_>) -> Result<Entry, Refused> {
        once_each(path, fields)?;
        let mut entry = Entry::default();
        let mut prices = Vec::new();
        for (key, value) in &fields.0 {
            match &**key {
                "litellm_provider" => entry.provider = word(&mut self.words, value),
                "mode" => entry.mode = word(&mut self.words, value),
                "max_input_tokens" => entry.max_input_tokens = limit(value),
                "max_output_tokens" => entry.max_output_tokens = limit(value),
                "max_tokens" => entry.max_tokens = limit(value),
                "web_search_billing_unit" => {
                    entry.searches_per_prompt = Some(value.get() == r#""per_prompt""#);
                }
                "tiered_pricing" => {
                    let path = format!("{path}{key}");
                    entry.brackets = self.brackets(&path, "range", value)?;
                    entry.result_brackets = self.brackets(&path, "max_results_range", value)?;
                }
                "off_peak_pricing" => entry.off_peak = self.off_peak(path, value)?,
                "effective" if path.is_empty() => entry.effective = self.effective(value)?,
                _ => self.field(path, key, value, &mut prices)?,
            }
        }
        entry.prices = sorted(prices, path)?;
        for (_, later) in &mut entry.effective {
            later.provider.clone_from(&entry.provider);
            later.mode.clone_from(&entry.mode);
            later.searches_per_prompt = later.searches_per_prompt.or(entry.searches_per_prompt);
        }
        Ok(entry)
    }

    /// Adds the price, or the object of prices, that stands under `key`.
    fn field(
        &mut self,
        path: &str,
        key: &str,
        value: &RawValue,
        prices: &mut Vec<Price>,
    ) -> Result<(), Refused> {
        let text = value.get();
        let factors = key == "provider_specific_entry";
        if !looks_like_price(key) && !factors || text == "null" {
            return Ok(());
        }
        if let Ok(members) = serde_json::from_str::<Pairs<'_>>(text) {
            once_each(&format!("{path}{key}."), &members)?;
            return members
                .0
                .iter()
                // What providers call their own is seldom a factor.
                .filter(|(_, value)| !factors || figure(value.get()).is_ok())
                .filter(|(_, value)| value.get() != "null")
                .try_for_each(|(member, value)| {
                    self.price(&format!("{path}{key}.{member}"), value, prices)
                });
        }
        if factors {
            return Ok(());
        }
        self.price(&format!("{path}{key}"), value, prices)
    }

    fn price(
        &mut self,
        key: &str,
        value: &RawValue,
        prices: &mut Vec<Price>,
    ) -> Result<(), Refused> {
        let amount = figure(value.get()).map_err(|problem| refused(key, problem))?;
        prices.push(Price {
            key: intern(&mut self.keys, key),
            amount,
        });
        Ok(())
    }

    /// The brackets of a `tiered_pricing` list that go by `range`, shortest first.
    fn brackets(
        &mut self,
        path: &str,
        range: &str,
        value: &RawValue,
    ) -> Result<Box<[Bracket]>, Refused> {
        let refuse = || refused(path, Problem::NotBrackets);
        if value.get() == "null" {
            return Ok(Box::default());
        }
        let items: Vec<Pairs<'_>> = serde_json::from_str(value.get()).map_err(|_error| refuse())?;
        self.blocks += items.len();
        let mut brackets = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Pairs(fields) = item;
            let ranges = fields.iter();
            let mut ranges = ranges.filter(|(key, _)| key == "range" || key == "max_results_range");
            let (kind, bounds) = ranges.next().ok_or_else(refuse)?;
            if kind != range {
                continue;
            }
            let bounds: Vec<&RawValue> =
                serde_json::from_str(bounds.get()).map_err(|_error| refuse())?;
            let [_, up_to] = bounds[..] else {
                return Err(refuse());
            };
            let up_to = figure(up_to.get()).map_err(|_problem| refuse())?;
            let path = format!("{path}[{index}].");
            once_each(&path, item)?;
            let mut prices = Vec::new();
            for (key, value) in fields {
                self.field(&path, key, value, &mut prices)?;
            }
            brackets.push(Bracket {
                up_to,
                prices: sorted(prices, &path)?,
            });
        }
        brackets.sort_by_key(|bracket| bracket.up_to);
        Ok(brackets.into())
    }

    fn off_peak(&mut self, path: &str, value: &RawValue) -> Result<Option<Box<OffPeak>>, Refused> {
        let path = format!("{path}off_peak_pricing");
        let refuse = || refused(&path, Problem::NotOffPeak);
        if value.get() == "null" {
            return Ok(None);
        }
        let hours: Hours = serde_json::from_str(value.get()).map_err(|_error| refuse())?;
        let fields: Pairs<'_> = serde_json::from_str(value.get()).map_err(|_error| refuse())?;
        let inside = format!("{path}.");
        once_each(&inside, &fields)?;
        let mut prices = Vec::new();
        for (key, value) in &fields.0 {
            self.field(&inside, key, value, &mut prices)?;
        }
        Ok(Some(Box::new(OffPeak {
            prices: sorted(prices, &inside)?,
            windows: hours.windows().ok_or_else(refuse)?,
        })))
    }

    /// Prices that hold from some instant on, earliest first.
    fn effective(&mut self, value: &RawValue) -> Result<Box<[(Timestamp, Entry)]>, Refused> {
        let refuse = || refused("effective", Problem::NotEffective);
        let blocks: Vec<Pairs<'_>> =
            serde_json::from_str(value.get()).map_err(|_error| refuse())?;
        self.blocks += blocks.len();
        let mut dated = Vec::with_capacity(blocks.len());
        for (index, block) in blocks.iter().enumerate() {
            let mut from = block.0.iter().filter(|(key, _)| key == "from");
            let from = from.next().and_then(|(_, from)| instant(from.get()));
            let from = from.ok_or_else(refuse)?;
            dated.push((from, self.block(&format!("effective[{index}]."), block)?));
        }
        dated.sort_by_key(|(from, _)| *from);
        Ok(dated.into())
    }
}

/// An RFC 3339 instant, or a date: midnight in UTC.
fn instant(json: &str) -> Option<Timestamp> {
    let text: Cow<'_, str> = serde_json::from_str(json).ok()?;
    let instant = DateTime::parse_from_rfc3339(&text).map(|instant| instant.with_timezone(&Utc));
    let midnight = || {
        Some(
            text.parse::<NaiveDate>()
                .ok()?
                .and_hms_opt(0, 0, 0)?
                .and_utc(),
        )
    };
    instant.ok().or_else(midnight).map(Timestamp::from)
}

/// A value that is refused, before it is known which entry it stands in.
struct Refused {
    key: String,
    problem: Problem,
}

impl Refused {
    fn of(self, entry: &str) -> MapError {
        MapError::Figure {
            entry: entry.to_owned(),
            key: self.key,
            problem: self.problem,
        }
    }
}

fn refused(key: &str, problem: Problem) -> Refused {
    Refused {
        key: super::excerpt(key),
        problem,
    }
}

/// The prices of the block at `path`, of which none has two values.
fn sorted(prices: Vec<Price>, path: &str) -> Result<Prices, Refused> {
    Prices::new(prices, path.len()).map_err(|key| refused(&key, Problem::Twice))
}

/// That no key of the block at `path` has two different values.
fn once_each(path: &str, block: &Pairs<'_>) -> Result<(), Refused> {
    let twice = block.twice().map(|key| format!("{path}{key}"));
    twice.map_or(Ok(()), |key| Err(refused(&key, Problem::Twice)))
}

fn word(words: &mut HashSet<Arc<str>>, value: &RawValue) -> Option<Arc<str>> {
    let text: Cow<'_, str> = serde_json::from_str(value.get()).ok()?;
    Some(intern(words, &text))
}

fn intern(texts: &mut HashSet<Arc<str>>, text: &str) -> Arc<str> {
    if let Some(known) = texts.get(text) {
        return Arc::clone(known);
    }
    let new: Arc<str> = text.into();
    texts.insert(Arc::clone(&new));
    new
}
