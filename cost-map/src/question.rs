//! A call as a line of JSON, and the answer to it: what programs outside ask the calculator.

use std::{borrow::Cow, collections::HashSet, io::Write};

use chrono::{DateTime, Utc};
use event::{Class, Cost, CostStatus, Timestamp};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{
    adjustments::Adjustments,
    call::{Call, Place, Units},
    map::PriceMap,
    overrides::Overrides,
    parse::{Pairs, figure},
    reported::{self, ReportError},
};

/// The longest line that is read.
const LINE_BYTES_MAX: usize = 1024 * 1024;
/// The most units of a guardrail that are told apart.
const GUARDRAIL_UNITS_MAX: usize = 100;
const MILLISECONDS_SCALE: u32 = 3;

/// A call as `RULES.md`, section 10, writes it.
#[derive(Clone, Debug, Default)]
pub struct Question {
    model: String,
    provider: Option<String>,
    base_model: Option<String>,
    response_model: Option<String>,
    call_type: Option<String>,
    usage: Option<Box<RawValue>>,
    service_tier: Option<String>,
    units: Option<Units>,
    response_seconds: Option<Decimal>,
    data_residency: Option<String>,
    vertex_location: Option<String>,
    region: Option<String>,
    at: Option<Timestamp>,
    prices: Option<Overrides>,
}

/// Why a question cannot be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuestionError {
    /// Longer than any question is.
    #[error("a question has {0} bytes, more than 1 MiB")]
    TooLong(usize),
    /// Not a JSON object.
    #[error("a question is a JSON object: {0}")]
    NotJson(#[source] serde_json::Error),
    /// There is no model.
    #[error("`model` is missing")]
    NoModel,
    /// A field that is not listed.
    #[error("`{0}` is not a field of a question")]
    Unknown(String),
    /// A field that stands there twice.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// A field of another type.
    #[error("`{field}` is not {expected}: `{value}`")]
    Type {
        /// The field.
        field: String,
        /// What it ought to be.
        expected: &'static str,
        /// How its value begins.
        value: String,
    },
    /// The usage cannot be read.
    #[error("`usage`: {0}")]
    Usage(#[source] ReportError),
    /// The deployment's own prices cannot be read.
    #[error("`prices`: {0}")]
    Prices(#[source] crate::MapError),
}

impl Question {
    /// Reads a question.
    ///
    /// # Errors
    ///
    /// If it is longer than 1 MiB, not a JSON object, has no model, or a field that is not listed
    /// or is of another type.
    pub fn parse(json: &[u8]) -> Result<Self, QuestionError> {
        if json.len() > LINE_BYTES_MAX {
            return Err(QuestionError::TooLong(json.len()));
        }
        let Pairs(fields) = serde_json::from_slice(json).map_err(QuestionError::NotJson)?;
        let mut question = Self::default();
        let mut seen = HashSet::with_capacity(fields.len());
        for (key, value) in &fields {
            if !seen.insert(&**key) {
                return Err(QuestionError::Twice(shortened(key)));
            }
            if value.get() != "null" {
                question.set(key, value)?;
            }
        }
        if question.model.is_empty() {
            return Err(QuestionError::NoModel);
        }
        Ok(question)
    }

    fn set(&mut self, key: &str, value: &RawValue) -> Result<(), QuestionError> {
        let text = match key {
            "model" => {
                self.model = word(key, value)?;
                return Ok(());
            }
            "custom_llm_provider" => &mut self.provider,
            "base_model" => &mut self.base_model,
            "response_model" => &mut self.response_model,
            "call_type" => &mut self.call_type,
            "service_tier" => &mut self.service_tier,
            "data_residency" => &mut self.data_residency,
            "vertex_location" => &mut self.vertex_location,
            "region" => &mut self.region,
            _ => return self.set_other(key, value),
        };
        *text = Some(word(key, value)?);
        Ok(())
    }

    fn set_other(&mut self, key: &str, value: &RawValue) -> Result<(), QuestionError> {
        match key {
            "usage" => self.usage = Some(value.to_owned()),
            "response_seconds" => self.response_seconds = Some(count(key, value)?),
            "response_time_ms" => {
                let thousandth = Decimal::new(1, MILLISECONDS_SCALE);
                let seconds = crate::bill::product(count(key, value)?, thousandth);
                let seconds = seconds.ok_or_else(|| mistyped(key, "a number", value))?;
                self.response_seconds.get_or_insert(seconds);
            }
            "at" => self.at = Some(instant(key, value)?),
            "prices" => {
                self.prices = Some(Overrides::parse(value.get()).map_err(QuestionError::Prices)?);
            }
            "guardrail_units" => {
                let units = self.units.get_or_insert_default();
                units.guardrail_units = named_counts(key, value)?;
            }
            _ => {
                let units = self.units.get_or_insert_default();
                if let Some(slot) = units.count(key) {
                    *slot = Some(count(key, value)?);
                } else if let Some(slot) = units.word(key) {
                    *slot = Some(word(key, value)?);
                } else {
                    return Err(QuestionError::Unknown(shortened(key)));
                }
            }
        }
        Ok(())
    }

    /// The call's own time, if it says one.
    #[must_use]
    pub const fn at(&self) -> Option<Timestamp> {
        self.at
    }

    /// Prices the call. `now` is its time if it does not say one.
    ///
    /// # Errors
    ///
    /// If the usage cannot be read.
    pub fn price(
        &self,
        map: &PriceMap,
        adjustments: Option<&Adjustments>,
        now: Timestamp,
    ) -> Result<Cost, QuestionError> {
        let (provider, call_type) = (self.provider.as_deref(), self.call_type.as_deref());
        let usage = self.usage.as_deref();
        let usage = usage.map(|usage| reported::usage(provider, call_type, usage));
        let usage = usage.transpose().map_err(QuestionError::Usage)?;
        let usage = usage.unwrap_or_default();
        let call = Call {
            provider,
            base_model: self.base_model.as_deref(),
            response_model: self.response_model.as_deref(),
            call_type,
            overrides: self.prices.as_ref(),
            adjustments,
            units: self.units.as_ref(),
            service_tier: self
                .service_tier
                .as_deref()
                .or(usage.service_tier.as_deref()),
            place: Place {
                data_residency: self.data_residency.as_deref(),
                vertex_location: self.vertex_location.as_deref(),
                region: self.region.as_deref(),
            },
            response_seconds: self.response_seconds,
            ..Call::new(&self.model, &usage, self.at.unwrap_or(now))
        };
        Ok(crate::calculate::price(map, &call))
    }
}

/// Answers a question: writes one line of JSON to `out`. A question that cannot be read is
/// answered by an error; the return value says whether there was none.
pub fn answer(
    map: &PriceMap,
    adjustments: Option<&Adjustments>,
    now: Timestamp,
    question: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    let cost = Question::parse(question).and_then(|asked| asked.price(map, adjustments, now));
    write_answer(&cost, out)
}

/// Writes what a question came to, as [`answer`] does. The return value says whether it was
/// answered.
pub fn write_answer(cost: &Result<Cost, QuestionError>, out: &mut Vec<u8>) -> bool {
    let before = out.len();
    let written = match cost {
        Ok(cost) => write(out, &Answer::of(cost)),
        Err(error) => write(
            out,
            &Refusal {
                error: error.to_string(),
            },
        ),
    };
    if !written {
        // Neither has what JSON cannot hold.
        out.truncate(before);
    }
    out.push(b'\n');
    cost.is_ok() && written
}

fn write(out: &mut Vec<u8>, answer: &impl Serialize) -> bool {
    serde_json::to_writer(out.by_ref(), answer).is_ok()
}

#[derive(Serialize)]
struct Refusal {
    error: String,
}

/// An answer, decimals as text.
#[derive(Serialize)]
struct Answer<'a> {
    cost: Option<Text>,
    status: CostStatus,
    line_items: Vec<AnswerLine<'a>>,
    map_entry: Option<&'a str>,
    map_version: &'a str,
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unpriced: Option<&'a str>,
}

#[derive(Serialize)]
struct AnswerLine<'a> {
    class: Class,
    quantity: Text,
    unit_price: Text,
    amount: Text,
    key: &'a str,
}

struct Text(Decimal);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.normalize())
    }
}

/// Digits after the point of a total.
const TOTAL_SCALE: u32 = 12;

impl<'a> Answer<'a> {
    fn of(cost: &'a Cost) -> Self {
        let lines = cost.items.iter().map(|item| AnswerLine {
            class: item.class,
            quantity: Text(item.quantity.0),
            unit_price: Text(item.unit_price.0),
            amount: Text(item.amount.0),
            key: &item.key,
        });
        let total = cost
            .total
            .and_then(|total| Decimal::try_from_i128_with_scale(total.picos(), TOTAL_SCALE).ok());
        let reason = cost.reason.as_deref();
        Self {
            cost: total.map(Text),
            status: cost.status,
            line_items: lines.collect(),
            map_entry: cost.entry.as_deref(),
            map_version: &cost.price_map,
            reason,
            unpriced: reason.filter(|_| cost.status == CostStatus::Unpriced),
        }
    }
}

fn word(field: &str, value: &RawValue) -> Result<String, QuestionError> {
    serde_json::from_str(value.get()).map_err(|_error| mistyped(field, "a text", value))
}

/// A number that is not negative.
fn count(field: &str, value: &RawValue) -> Result<Decimal, QuestionError> {
    let expected = "a number that is not negative, of at most 28 digits";
    figure(value.get()).map_err(|_problem| mistyped(field, expected, value))
}

fn named_counts(field: &str, value: &RawValue) -> Result<Vec<(String, Decimal)>, QuestionError> {
    let Pairs(counts) = serde_json::from_str(value.get())
        .ok()
        .filter(|Pairs(counts)| counts.len() <= GUARDRAIL_UNITS_MAX)
        .ok_or_else(|| mistyped(field, "an object of at most 100 numbers", value))?;
    counts
        .iter()
        .map(|(name, value)| Ok((name.to_string(), count(field, value)?)))
        .collect()
}

fn instant(field: &str, value: &RawValue) -> Result<Timestamp, QuestionError> {
    let text: Option<Cow<'_, str>> = serde_json::from_str(value.get()).ok();
    text.and_then(|text| DateTime::parse_from_rfc3339(&text).ok())
        .map(|instant| Timestamp::from(instant.with_timezone(&Utc)))
        .ok_or_else(|| mistyped(field, "an RFC 3339 instant", value))
}

fn mistyped(field: &str, expected: &'static str, value: &RawValue) -> QuestionError {
    QuestionError::Type {
        field: field.to_owned(),
        expected,
        value: shortened(value.get()),
    }
}

/// How a text begins.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
