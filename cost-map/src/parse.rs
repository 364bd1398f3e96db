//! Reads the JSON of a price map and refuses one that is broken.
//!
//! Numbers are read from their digits. Whatever may be a price has to be a figure; everything else
//! that is not known is passed over.

mod figure;
mod pairs;
mod reader;

use std::{collections::HashSet, sync::Arc};

use serde_json::value::RawValue;

use self::reader::Reader;
pub(crate) use self::{figure::figure, pairs::Pairs};
use crate::entry::Entry;

/// The largest map that is read.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Top-level keys that are no models: a description of the fields, and rules for names.
const NOT_MODELS: [&str; 2] = ["sample_spec", "fallback_generalizations"];

/// Why a price map, or a deployment's own prices, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// Larger than any price map is.
    #[error("price map has {0} bytes, more than 64 MiB")]
    TooLarge(usize),
    /// No model in it.
    #[error("price map has no models")]
    Empty,
    /// Not a JSON object.
    #[error("price map is not a JSON object of models")]
    NotJson(#[source] serde_json::Error),
    /// A model's value is not an object.
    #[error("`{entry}` in the price map is not an object")]
    NotAnObject {
        /// The model.
        entry: String,
    },
    /// A price is not one.
    #[error("`{key}` of `{entry}` {problem}")]
    Figure {
        /// The model, or what else the prices are of.
        entry: String,
        /// The key.
        key: String,
        /// What is wrong with its value.
        problem: Problem,
    },
    /// A key that can only be meant as a price, and is none.
    #[error("`{key}` is not a key of the price map; did you mean `{nearest}`?")]
    UnknownKey {
        /// The key.
        key: String,
        /// The key that it resembles most.
        nearest: String,
    },
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not a number.
    #[error("is not a number of at most 28 digits: `{0}`")]
    NotANumber(String),
    /// Below zero.
    #[error("is negative: `{0}`")]
    Negative(String),
    /// `tiered_pricing` is not a list of objects with a range.
    #[error("is not a list of objects with a `range` of two numbers")]
    NotBrackets,
    /// `off_peak_pricing` does not say when it holds.
    #[error("has hours, weekdays or a time zone that cannot be read, or none (`HH:MM-HH:MM`)")]
    NotOffPeak,
    /// `effective` is not a list of objects with a date.
    #[error("is not a list of objects with a `from` in RFC 3339")]
    NotEffective,
}

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
