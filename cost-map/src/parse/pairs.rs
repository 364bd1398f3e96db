//! A JSON object, taken apart no further than its members.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// Members of an object; the community's map has fewer than 5,000.
const MEMBERS_MAX: usize = 100_000;

/// A JSON object in the order of its text, its values not yet read.
pub(crate) struct Pairs<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl Pairs<'_> {
    /// A key that has two different values: nobody can say which is meant.
    pub(super) fn twice(&self) -> Option<String> {
        let members = self.0.iter().map(|(key, value)| (key, value.get()));
        let mut sorted: Vec<_> = members.collect();
        sorted.sort_unstable();
        let twice = sorted.windows(2).find_map(|pair| match pair {
            [(a, x), (b, y)] if a == b && x != y => Some(a),
            _ => None,
        });
        twice.map(|key| super::excerpt(key))
    }
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
                    if pairs.len() == MEMBERS_MAX {
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
