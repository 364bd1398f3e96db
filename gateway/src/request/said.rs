//! What a request says, whichever way it came: for those who only want to know whether it does.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

use super::ClientRequest;

type Object<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

impl ClientRequest {
    /// The names of what it sets for whoever answers it. What is passed on as it is, and is no JSON
    /// object, sets nothing.
    pub(crate) fn parameter_names(&self) -> Vec<String> {
        if self.passed.is_none() {
            return self.set_names().map(str::to_owned).collect();
        }
        let object: Object<'_> = serde_json::from_slice(&self.body).unwrap_or_default();
        let set = object
            .into_iter()
            .filter(|(_, value)| value.get() != "null");
        set.map(|(name, _)| name.into_owned()).collect()
    }

    /// Whether it says something under a path: `user`, `metadata.project`.
    pub(crate) fn says(&self, path: &str) -> bool {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        let text = match &self.passed {
            None => self.text(first),
            Some(_) => {
                let object: Object<'_> = serde_json::from_slice(&self.body).unwrap_or_default();
                object.get(first).map(|value| value.get())
            }
        };
        text.is_some_and(|text| holds(text, rest))
    }
}

/// Whether JSON says something under a path; the empty path is itself.
fn holds(text: &str, path: &str) -> bool {
    if path.is_empty() {
        return text != "null";
    }
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let object: Object<'_> = serde_json::from_str(text).unwrap_or_default();
    object
        .get(first)
        .is_some_and(|value| holds(value.get(), rest))
}
