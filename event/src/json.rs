//! JSON that is carried along and not looked into.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A piece of valid JSON kept as its text: what a client sent or a provider answered, passed on
/// without being taken apart. Equal when the text is equal. The default is `null`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(
    // `null` is by far the most frequent, and takes no allocation.
    Option<Box<RawValue>>,
);

impl Json {
    /// Writes `value` down. A value that cannot be JSON (a map with keys that are no strings)
    /// becomes `null`.
    #[must_use]
    pub fn of(value: &impl Serialize) -> Self {
        serde_json::value::to_raw_value(value).map_or_else(|_error| Self::default(), Self::from)
    }

    /// Takes a text if it is one valid JSON value.
    #[must_use]
    pub fn parse(text: String) -> Option<Self> {
        RawValue::from_string(text).ok().map(Self::from)
    }

    /// `{}`.
    #[must_use]
    pub fn empty_object() -> Self {
        Self::of(&serde_json::Map::new())
    }

    /// Whether it is `null`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        self.0.is_none()
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.as_deref().unwrap_or(RawValue::NULL).get()
    }

    /// Reads it as `T`, or `None` if it is not one.
    #[must_use]
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        serde_json::from_str(self.text()).ok()
    }
}

impl From<Box<RawValue>> for Json {
    fn from(raw: Box<RawValue>) -> Self {
        Self((raw.get() != "null").then_some(raw))
    }
}

impl From<&RawValue> for Json {
    fn from(raw: &RawValue) -> Self {
        Self((raw.get() != "null").then(|| raw.to_owned()))
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
