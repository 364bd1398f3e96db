//! Reads the JSON of a price map and refuses one that is broken.
//!
//! Numbers are read from their digits. Whatever may be a price has to be a figure; everything else
//! that is not known is passed over.

mod error;
mod figure;
mod pairs;
mod reader;

use std::{collections::HashSet, sync::Arc};

use serde_json::value::RawValue;

pub use self::error::{MapError, Problem};
use self::reader::Reader;
pub(crate) use self::{figure::figure, pairs::Pairs};
use crate::entry::Entry;

/// The largest map that is read. With the limits below and those of its parts, reading it takes a
/// few times as much memory.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of one entry's JSON, whatever is nested in it.
const ENTRY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an entry's name, and of a name that is looked for.
pub(crate) const NAME_BYTES_MAX: usize = 512;
/// Different pricing keys of a map, and different providers and modes.
const KEYS_MAX: usize = 10_000;
/// Dated blocks and brackets of a map.
const BLOCKS_MAX: usize = 100_000;
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
            in_bounds(&name, value)?;
            let entry = reader.entry(&name, value)?;
            if reader.texts() > KEYS_MAX || reader.blocks > BLOCKS_MAX {
                let entry = name.into_owned();
                return Err(MapError::TooMany { entry });
            }
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
    in_bounds(name, value)?;
    Reader::default().entry(name, value)
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

/// How a name begins.
pub(crate) fn excerpt(name: &str) -> String {
    name.chars().take(EXCERPT_CHARS_MAX).collect()
}
