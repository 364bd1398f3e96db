//! JSON with its numbers as exact fractions, read from their text.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::number::{self, Q};

/// Fields by name.
pub type Object = BTreeMap<String, Json>;

/// A JSON value whose numbers have lost nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`, `true` or `false`: nothing is priced by them.
    Plain,
    /// A number, or a string that is one.
    Number(Q),
    /// Any other string.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// An object.
    Object(Object),
}

impl Json {
    /// Reads one value. The depth is bounded by that of `serde_json`.
    ///
    /// # Errors
    /// If the text is not JSON.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let text = text.trim();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
                let fields = fields.into_iter();
                let parsed = fields.map(|(name, raw)| Ok((name, Self::parse(raw.get())?)));
                Self::Object(parsed.collect::<Result<_, serde_json::Error>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text)?;
                let parsed = items.into_iter().map(|raw| Self::parse(raw.get()));
                Self::List(parsed.collect::<Result<_, _>>()?)
            }
            Some(b'"') => {
                let text: String = serde_json::from_str(text)?;
                number::parse(&text).map_or(Self::Text(text), Self::Number)
            }
            _ => {
                let value: &RawValue = serde_json::from_str(text)?;
                number::parse(value.get()).map_or(Self::Plain, Self::Number)
            }
        })
    }
}

/// Reading a field of a known kind; a field of another kind is as good as absent.
pub trait Fields {
    /// A number.
    fn number(&self, name: &str) -> Option<&Q>;
    /// A whole number that is not negative.
    fn count(&self, name: &str) -> Option<u64>;
    /// A string.
    fn text(&self, name: &str) -> Option<&str>;
    /// An object.
    fn object(&self, name: &str) -> Option<&Object>;
    /// A list.
    fn list(&self, name: &str) -> Option<&[Json]>;
}

impl Fields for Object {
    fn number(&self, name: &str) -> Option<&Q> {
        match self.get(name) {
            Some(Json::Number(number)) => Some(number),
            _ => None,
        }
    }

    fn count(&self, name: &str) -> Option<u64> {
        self.number(name).and_then(number::count)
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Json::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn object(&self, name: &str) -> Option<&Object> {
        match self.get(name) {
            Some(Json::Object(object)) => Some(object),
            _ => None,
        }
    }

    fn list(&self, name: &str) -> Option<&[Json]> {
        match self.get(name) {
            Some(Json::List(list)) => Some(list),
            _ => None,
        }
    }
}
