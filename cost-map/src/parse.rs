//! Reads the JSON of a price map and refuses one that is broken.
//!
//! Numbers are read from their digits. Whatever may be a price has to be a figure; everything else
//! that is not known is passed over.

mod error;

use std::{borrow::Cow, collections::HashSet, fmt, sync::Arc};

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

pub use self::error::{MapError, Problem};
use crate::{
    entry::{Bracket, Entry, Price, Prices},
    keys::{Rate, looks_like_price},
};

/// The largest map that is read. With the limits below, reading it takes a few times as much memory.
pub(crate) const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Entries of a map; the community's has fewer than 5,000.
const ENTRIES_MAX: usize = 100_000;
/// Bytes of one entry's JSON, whatever is nested in it.
const ENTRY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an entry's name.
const NAME_BYTES_MAX: usize = 512;
/// Different pricing keys of a map, and different providers and modes.
const KEYS_MAX: usize = 10_000;
/// Characters of a name that an error repeats.
const EXCERPT_CHARS_MAX: usize = 80;
/// Top-level keys that are no models: a description of the fields, and rules for names.
const NOT_MODELS: [&str; 2] = ["sample_spec", "fallback_generalizations"];

/// What [`read`] makes of a map.
pub(crate) struct Parsed {
    pub(crate) entries: Vec<(Box<str>, Entry)>,
    /// Every pricing key that occurs.
    pub(crate) keys: HashSet<Arc<str>>,
}

/// Reads a whole map.
pub(crate) fn read(bytes: &[u8]) -> Result<Parsed, MapError> {
    if bytes.len() > BYTES_MAX {
        return Err(MapError::TooLarge(bytes.len()));
    }
    let models: Pairs<'_> = serde_json::from_slice(bytes).map_err(MapError::NotJson)?;
    if let Some(entry) = models.twice() {
        return Err(MapError::Twice { entry });
    }
    let mut reader = Reader::default();
    let mut entries = Vec::with_capacity(models.0.len());
    for (name, value) in models.0 {
        if !NOT_MODELS.contains(&&*name) {
            let entry = reader.entry(&name, value)?;
            entries.push((name.into(), entry));
        }
    }
    if entries.is_empty() {
        return Err(MapError::Empty);
    }
    Ok(Parsed {
        entries,
        keys: reader.keys,
    })
}

/// Reads one object of pricing keys, which an error calls `name`.
pub(crate) fn read_one(json: &str, name: &str) -> Result<Entry, MapError> {
    let value: &RawValue = serde_json::from_str(json).map_err(MapError::NotJson)?;
    Reader::default().entry(name, value)
}

/// Reads entries; keeps one copy of each text that many of them share.
#[derive(Default)]
struct Reader {
    keys: HashSet<Arc<str>>,
    words: HashSet<Arc<str>>,
}

impl Reader {
    fn entry(&mut self, name: &str, value: &RawValue) -> Result<Entry, MapError> {
        in_bounds(name, value)?;
        let fields: Pairs<'_> =
            serde_json::from_str(value.get()).map_err(|_error| MapError::NotAnObject {
                entry: name.to_owned(),
            })?;
        if let Some(key) = fields.twice() {
            let problem = Problem::Twice;
            return Err(Refused { key, problem }.of(name));
        }
        let mut entry = Entry::default();
        let mut prices = Vec::new();
        for (key, value) in &fields.0 {
            match &**key {
                "litellm_provider" => entry.provider = word(&mut self.words, value),
                "mode" => entry.mode = word(&mut self.words, value),
                "max_input_tokens" => entry.max_input_tokens = limit(value),
                "max_output_tokens" => entry.max_output_tokens = limit(value),
                "max_tokens" => entry.max_tokens = limit(value),
                "tiered_pricing" => {
                    entry.brackets = self.brackets(value).map_err(|e| e.of(name))?;
                }
                _ => self
                    .field("", key, value, &mut prices)
                    .map_err(|e| e.of(name))?,
            }
        }
        entry.prices = Prices::new(prices);
        if self.keys.len().max(self.words.len()) > KEYS_MAX {
            return Err(MapError::TooManyKeys {
                entry: name.to_owned(),
            });
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
        if !looks_like_price(path) && !looks_like_price(key) || text == "null" {
            return Ok(());
        }
        if path.is_empty()
            && let Ok(members) = serde_json::from_str::<Pairs<'_>>(text)
        {
            if let Some(inner) = members.twice() {
                return Err(Refused {
                    key: format!("{key}.{inner}"),
                    problem: Problem::Twice,
                });
            }
            let path = format!("{key}.");
            return members
                .0
                .iter()
                .try_for_each(|(k, v)| self.field(&path, k, v, prices));
        }
        let key = format!("{path}{key}");
        let amount = figure(text).map_err(|problem| Refused {
            key: key.clone(),
            problem,
        })?;
        prices.push(Price {
            rate: Rate::of(&key),
            key: intern(&mut self.keys, &key),
            amount,
        });
        Ok(())
    }

    /// The brackets of a `tiered_pricing` list, shortest first. Lists that go by something else
    /// than the length of the prompt give none.
    fn brackets(&mut self, value: &RawValue) -> Result<Box<[Bracket]>, Refused> {
        let refuse = || Refused {
            key: "tiered_pricing".to_owned(),
            problem: Problem::NotBrackets,
        };
        if value.get() == "null" {
            return Ok(Box::default());
        }
        let items: Vec<Pairs<'_>> = serde_json::from_str(value.get()).map_err(|_error| refuse())?;
        let mut brackets = Vec::with_capacity(items.len());
        for (index, Pairs(fields)) in items.iter().enumerate() {
            let mut prices = Vec::new();
            let mut range: Option<Vec<&RawValue>> = None;
            for (key, value) in fields {
                if key == "range" || key == "max_results_range" {
                    range = serde_json::from_str(value.get())
                        .ok()
                        .filter(|_| key == "range");
                    continue;
                }
                let before = prices.len();
                self.field("", key, value, &mut prices)?;
                for price in prices.iter_mut().skip(before) {
                    price.key = format!("tiered_pricing[{index}].{}", price.key).into();
                }
            }
            if let Some(range) = range {
                let [_, up_to] = range[..] else {
                    return Err(refuse());
                };
                let up_to = figure(up_to.get()).map_err(|_problem| refuse())?;
                brackets.push(Bracket {
                    up_to,
                    prices: Prices::new(prices),
                });
            } else if !fields.iter().any(|(key, _)| key == "max_results_range") {
                return Err(refuse());
            }
        }
        brackets.sort_by_key(|bracket| bracket.up_to);
        Ok(brackets.into())
    }
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

/// Whether an entry is of a size that may be read.
fn in_bounds(name: &str, value: &RawValue) -> Result<(), MapError> {
    if name.len() > NAME_BYTES_MAX {
        return Err(MapError::LongName {
            start: excerpt(name),
            bytes: name.len(),
        });
    }
    let bytes = value.get().len();
    if bytes > ENTRY_BYTES_MAX {
        return Err(MapError::LargeEntry {
            entry: name.to_owned(),
            bytes,
        });
    }
    Ok(())
}

/// A price: a number that is not negative, or a string with one inside.
fn figure(text: &str) -> Result<Decimal, Problem> {
    let digits = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    let excerpt = || text.chars().take(40).collect();
    let amount = decimal(digits).ok_or_else(|| Problem::NotANumber(excerpt()))?;
    if amount.mantissa() < 0 {
        return Err(Problem::Negative(excerpt()));
    }
    Ok(amount)
}

/// The number that the digits say, without zeros at its end; nothing if it has too many to keep.
fn decimal(digits: &str) -> Option<Decimal> {
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let mantissa = Decimal::from_str_exact(mantissa).ok()?.normalize();
    let exponent: i32 = exponent.parse().ok()?;
    if mantissa.is_zero() {
        return Some(Decimal::ZERO);
    }
    let scale = i64::from(mantissa.scale()) - i64::from(exponent);
    // A negative scale means zeros before the point.
    let zeros = u32::try_from(scale.min(0).unsigned_abs()).ok()?;
    let all = mantissa
        .mantissa()
        .checked_mul(10_i128.checked_pow(zeros)?)?;
    let scale = u32::try_from(scale.max(0)).ok()?;
    Decimal::try_from_i128_with_scale(all, scale).ok()
}

/// A number of tokens; nothing if it is not one, because a limit is no price.
fn limit(value: &RawValue) -> Option<u64> {
    figure(value.get())
        .ok()
        .filter(Decimal::is_integer)?
        .to_u64()
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

/// A JSON object in the order of its text, its values not yet read.
struct Pairs<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl Pairs<'_> {
    /// A key that has two different values.
    fn twice(&self) -> Option<String> {
        let mut sorted: Vec<_> = self
            .0
            .iter()
            .map(|(key, value)| (key, value.get()))
            .collect();
        sorted.sort_unstable();
        let twice = sorted.windows(2).find_map(|pair| match pair {
            [(a, x), (b, y)] if a == b && x != y => Some(a),
            _ => None,
        });
        twice.map(|key| excerpt(key))
    }
}

fn excerpt(name: &str) -> String {
    name.chars().take(EXCERPT_CHARS_MAX).collect()
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Key(key), value)) = map.next_entry()? {
                    if pairs.len() == ENTRIES_MAX {
                        return Err(A::Error::custom("more than 100,000 members"));
                    }
                    pairs.push((key, value));
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Object).map(Self)
    }
}
