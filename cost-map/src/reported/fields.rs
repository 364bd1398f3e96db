//! The fields of a report, read strictly and by name.

use std::borrow::Cow;

use event::Exact;
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde_json::value::RawValue;

use crate::{
    parse::Pairs,
    reported::{COUNT_MAX, ReportError},
};

/// How much of a wrong value an error repeats, in characters.
const EXCERPT: usize = 40;
/// How many unknown names an error repeats.
const NAMES_MAX: usize = 12;

/// An object of a report.
pub(super) struct Fields<'a> {
    /// The object's own name.
    name: &'static str,
    pairs: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Fields<'a> {
    pub(super) fn read(name: &'static str, json: &'a RawValue) -> Result<Self, ReportError> {
        let Ok(Pairs(pairs)) = serde_json::from_str(json.get()) else {
            return Err(shape(name, "an object", json));
        };
        Ok(Self { name, pairs })
    }

    /// The first names, for an error.
    pub(super) fn names(&self) -> Vec<String> {
        let names = self.pairs.iter().take(NAMES_MAX);
        names
            .map(|(name, _)| name.chars().take(EXCERPT).collect())
            .collect()
    }

    pub(super) fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.get(name).is_some())
    }

    /// The last field of this name, if it is not `null`.
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        let found = self.pairs.iter().rev().find(|(known, _)| known == name);
        found
            .map(|(_, value)| *value)
            .filter(|value| value.get() != "null")
    }

    /// The count under the first of `names` that is there.
    pub(super) fn count(&self, names: &[&'static str]) -> Result<Option<u64>, ReportError> {
        let found = names.iter().find_map(|name| Some((name, self.get(name)?)));
        let Some((name, value)) = found else {
            return Ok(None);
        };
        match whole(value.get()) {
            Some(count) => Ok(Some(count)),
            None => Err(ReportError::NotACount {
                field: self.path(name),
                found: excerpt(value),
            }),
        }
    }

    /// An amount that is not negative.
    pub(super) fn amount(&self, name: &str) -> Result<Option<Exact>, ReportError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let amount = value.get().parse().ok();
        match amount.filter(|amount| *amount >= Exact::default()) {
            Some(amount) => Ok(Some(amount)),
            None => Err(shape(&self.path(name), "a number from 0", value)),
        }
    }

    /// A text. Nothing is counted by one, so another value is as if it were not there.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    /// What the provider asks for, bare or under `total_cost`. No cost can be below nothing.
    pub(super) fn cost(&self, name: &str) -> Option<Exact> {
        let value = self.get(name)?;
        let parts = Self::read("cost", value).ok();
        let total = parts.map_or(Some(value), |parts| parts.get("total_cost"));
        let cost: Exact = serde_json::from_str(total?.get()).ok()?;
        Some(cost).filter(|cost| *cost >= Exact::default())
    }

    /// The object under the first of `names` that is there.
    pub(super) fn object(&self, names: &[&'static str]) -> Result<Option<Self>, ReportError> {
        let found = names.iter().find_map(|name| Some((*name, self.get(name)?)));
        found
            .map(|(name, value)| Self::read(name, value))
            .transpose()
    }

    /// The object under the first of `names` that has one.
    pub(super) fn any_object(&self, names: &[&'static str]) -> Result<Option<Self>, ReportError> {
        let is_object = |name: &&&'static str| self.is_object(name);
        let found = names.iter().find(is_object);
        found.map_or(Ok(None), |name| self.object(&[name]))
    }

    pub(super) fn is_object(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value.get().starts_with('{'))
    }

    /// The objects of a list; none if there is no list.
    pub(super) fn list(&self, names: &[&'static str]) -> Result<Vec<Self>, ReportError> {
        let found = names.iter().find_map(|name| Some((*name, self.get(name)?)));
        let Some((name, value)) = found else {
            return Ok(Vec::new());
        };
        let items: Result<Vec<&RawValue>, _> = serde_json::from_str(value.get());
        let items = items.map_err(|_error| shape(&self.path(name), "a list", value))?;
        items
            .into_iter()
            .map(|item| Self::read(name, item))
            .collect()
    }

    fn path(&self, name: &str) -> String {
        [self.name, ".", name].concat()
    }
}

/// `12`, and `12.0` as it is written by those who count in floats.
fn whole(text: &str) -> Option<u64> {
    let count = match text.parse::<u64>() {
        Ok(count) => count,
        Err(_) => {
            let Exact(amount) = text.parse().ok().filter(|_| !text.starts_with('"'))?;
            Some(amount).filter(Decimal::is_integer)?.to_u64()?
        }
    };
    Some(count).filter(|count| *count <= COUNT_MAX)
}

fn shape(field: &str, wanted: &'static str, value: &RawValue) -> ReportError {
    ReportError::Shape {
        field: field.to_owned(),
        wanted,
        found: excerpt(value),
    }
}

fn excerpt(value: &RawValue) -> String {
    value.get().chars().take(EXCERPT).collect()
}
