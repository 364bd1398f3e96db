//! Reads the query of a request, strictly: no parameter too many.

use std::collections::BTreeMap;

use axum::{
    extract::{FromRequestParts, Query as Pairs},
    http::request::Parts,
};

use super::form::checked;
use crate::{api::answer::Refusal, books::Page};

/// Rows on a page, at most.
const SIZE_MAX: u32 = 100;
/// Pages that can be asked for.
const PAGE_MAX: u32 = 1_000_000;

/// A query whose parameters have not all been read yet. It may hold a key, so it cannot be printed.
pub(crate) struct Query {
    parameters: BTreeMap<String, String>,
}

/// A page as it was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// From 1 on.
    pub(crate) number: u32,
    /// Rows on each.
    pub(crate) size: u32,
}

impl Wanted {
    /// The part of the rows.
    pub(crate) const fn page(self) -> Page {
        Page {
            skip: self.number.saturating_sub(1).saturating_mul(self.size),
            take: self.size,
        }
    }

    /// How many pages so many rows fill.
    pub(crate) const fn pages(self, rows: u64) -> u64 {
        rows.div_ceil(self.size as u64)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let pairs = Pairs::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Pairs(pairs) =
            pairs.map_err(|error| Refusal::bad_request("query", &error.body_text()))?;
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs {
            if parameters.insert(name, value).is_some() {
                let message = "a parameter is given twice";
                return Err(Refusal::bad_request("query", message));
            }
        }
        Ok(Self { parameters })
    }
}

impl Query {
    /// A name or an id; an empty one counts as none.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, Refusal> {
        let text = self.parameters.remove(name).filter(|text| !text.is_empty());
        text.map(|text| checked(name, text)).transpose()
    }

    /// Names or ids with commas between them.
    pub(crate) fn list(&mut self, name: &'static str) -> Result<Option<Vec<String>>, Refusal> {
        const LENGTH_MAX: usize = 16 << 10;
        let Some(text) = self.parameters.remove(name) else {
            return Ok(None);
        };
        if text.len() > LENGTH_MAX {
            let message = format!("`{name}` has to be at most 16 KiB");
            return Err(Refusal::bad_request(name, &message));
        }
        let names = text
            .split(',')
            .map(|one| checked(name, one.trim().to_owned()));
        names.collect::<Result<_, _>>().map(Some)
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, Refusal> {
        match self.parameters.remove(name).as_deref() {
            None | Some("" | "false" | "False" | "0") => Ok(false),
            Some("true" | "True" | "1") => Ok(true),
            Some(_) => {
                let message = format!("`{name}` has to be true or false");
                Err(Refusal::unprocessable(name, &message))
            }
        }
    }

    /// Which page is asked for.
    pub(crate) fn wanted(&mut self, size: &'static str, usual: u32) -> Result<Wanted, Refusal> {
        let number = self.number("page", 1, PAGE_MAX)?;
        let size = self.number(size, usual, SIZE_MAX)?;
        Ok(Wanted { number, size })
    }

    /// A whole number from 1 on.
    pub(crate) fn number(
        &mut self,
        name: &'static str,
        usual: u32,
        max: u32,
    ) -> Result<u32, Refusal> {
        let Some(text) = self.parameters.remove(name) else {
            return Ok(usual);
        };
        let number = text
            .parse()
            .ok()
            .filter(|number| (1..=max).contains(number));
        let message = || format!("`{name}` has to be a whole number from 1 to {max}");
        number.ok_or_else(|| Refusal::unprocessable(name, &message()))
    }

    /// Ends the reading.
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        match self.parameters.keys().next() {
            None => Ok(()),
            Some(name) => {
                let name: String = name.chars().take(64).collect();
                let message = format!("`{}` is not a parameter of this route", name.escape_debug());
                Err(Refusal::bad_request("query", &message))
            }
        }
    }
}
