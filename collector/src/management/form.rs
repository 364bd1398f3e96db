//! Reads the body of a request field by field, strictly: types, bounds, and no field too many.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
};
use event::{Enforcement, Exact, Json, Usd, WindowDuration};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{answer::Answer, given::Given, unsupported};
use crate::{
    api::answer::Refusal,
    entities::{BudgetLimit, Limits, ModelLimit, ModelRates},
};

/// How long names and ids may be, in bytes.
const TEXT_MAX: usize = 256;
/// How many there may be in a list.
const LIST_MAX: usize = 1000;
/// How large `metadata` may be, in bytes.
const METADATA_MAX: usize = 16 << 10;
/// No rate is higher.
const COUNT_MAX: u64 = 1_000_000_000_000_000;
/// How many unknown fields an error names.
const NAMED_MAX: usize = 10;

/// A body whose fields have not all been read yet. It may hold a key, so it cannot be printed.
pub(super) struct Form {
    fields: BTreeMap<String, Box<RawValue>>,
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|error| Refusal::bad_request("body", &error.body_text()))?;
        Self::parse(&body)
    }
}

impl Form {
    /// Reads a body; none at all is one without fields.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        if body.is_empty() {
            let fields = BTreeMap::new();
            return Ok(Self { fields });
        }
        let Fields(fields) = serde_json::from_slice(body).map_err(|error| {
            let message = format!("the body has to be a JSON object: {error}");
            Refusal::bad_request("body", &message)
        })?;
        Ok(Self { fields })
    }

    /// Whether a field is there that has not been read.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// Whether every field has been read.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Reads a field of any type; `wanted` says which.
    fn read<T: DeserializeOwned>(
        &mut self,
        field: &'static str,
        wanted: &str,
    ) -> Result<Given<T>, Refusal> {
        let Some(raw) = self.fields.remove(field) else {
            return Ok(Given::Absent);
        };
        if raw.get() == "null" {
            return Ok(Given::Null);
        }
        let read = serde_json::from_str(raw.get()).map_err(|_error| {
            Refusal::unprocessable(field, &format!("`{field}` has to be {wanted}"))
        })?;
        Ok(Given::Value(read))
    }

    /// A name or an id.
    pub(super) fn text(&mut self, field: &'static str) -> Result<Given<String>, Refusal> {
        let text: Given<String> = self.read(field, "a string")?;
        text.and_then(|text| checked(field, text))
    }

    /// A list of names or ids.
    pub(super) fn texts(&mut self, field: &'static str) -> Result<Given<Vec<String>>, Refusal> {
        let texts: Given<Vec<String>> = self.read(field, "a list of strings")?;
        texts.and_then(|texts| {
            short(field, texts.len())?;
            texts.into_iter().map(|text| checked(field, text)).collect()
        })
    }

    /// Names by names.
    pub(super) fn names(
        &mut self,
        field: &'static str,
    ) -> Result<Given<BTreeMap<String, String>>, Refusal> {
        let names: Given<BTreeMap<String, String>> = self.read(field, "an object of strings")?;
        names.and_then(|names| {
            short(field, names.len())?;
            let name = |(key, value)| Ok((checked(field, key)?, checked(field, value)?));
            names.into_iter().map(name).collect()
        })
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, field: &'static str) -> Result<Given<bool>, Refusal> {
        self.read(field, "true or false")
    }

    /// One of the names of an enum.
    pub(super) fn choice<T: DeserializeOwned>(
        &mut self,
        field: &'static str,
        names: &str,
    ) -> Result<Given<T>, Refusal> {
        self.read(field, names)
    }

    /// An amount in US dollars.
    pub(super) fn usd(&mut self, field: &'static str) -> Result<Given<Usd>, Refusal> {
        let raw: Given<Box<RawValue>> = self.read(field, "a number")?;
        raw.and_then(|raw| amount(field, raw.get()))
    }

    /// A whole number, not negative.
    pub(super) fn count(&mut self, field: &'static str) -> Result<Given<u64>, Refusal> {
        let count: Given<u64> = self.read(field, "a whole number that is not negative")?;
        count.and_then(|count| bounded(field, count))
    }

    fn counts(&mut self, field: &'static str) -> Result<Given<BTreeMap<String, u64>>, Refusal> {
        let wanted = "an object of whole numbers that are not negative";
        let counts: Given<BTreeMap<String, u64>> = self.read(field, wanted)?;
        counts.and_then(|counts| {
            short(field, counts.len())?;
            let count = |(name, count)| Ok((checked(field, name)?, bounded(field, count)?));
            counts.into_iter().map(count).collect()
        })
    }

    /// How long a budget's window is.
    pub(super) fn window(&mut self, field: &'static str) -> Result<Given<WindowDuration>, Refusal> {
        self.text(field)?.and_then(|text| {
            let duration = text.parse::<WindowDuration>();
            duration.map_err(|error| Refusal::bad_request(field, &error.to_string()))
        })
    }

    /// What goes along with an entity.
    pub(super) fn metadata(&mut self) -> Result<Given<Json>, Refusal> {
        const FIELD: &str = "metadata";
        let raw: Given<Box<RawValue>> = self.read(FIELD, "an object")?;
        raw.and_then(|raw| {
            if raw.get().len() > METADATA_MAX {
                let message = "`metadata` has to be at most 16 KiB";
                return Err(Refusal::bad_request(FIELD, message));
            }
            // Read whole, so that nothing is kept that is nested deeper than JSON is read.
            serde_json::from_str::<serde_json::Map<_, _>>(raw.get()).map_err(|error| {
                let message = format!("`metadata` has to be an object: {error}");
                Refusal::unprocessable(FIELD, &message)
            })?;
            Ok(Json::from(raw))
        })
    }

    /// The limits that keys, users, teams and budgets have in common.
    pub(super) fn limits(&mut self, limits: &mut Limits) -> Result<(), Refusal> {
        self.usd("max_budget")?.put(&mut limits.max_budget);
        self.usd("soft_budget")?.put(&mut limits.soft_budget);
        self.window("budget_duration")?
            .put(&mut limits.budget_duration);
        self.choice::<Enforcement>("enforcement", "`strict`, `balanced` or `alert`")?
            .put(&mut limits.enforcement);
        self.usd("unpriced_charge")?
            .put(&mut limits.unpriced_charge);
        self.count("max_parallel_requests")?
            .put(&mut limits.max_parallel_requests);
        self.count("tpm_limit")?.put(&mut limits.tpm_limit);
        self.count("rpm_limit")?.put(&mut limits.rpm_limit);
        self.model_budgets()?.replace(&mut limits.model_max_budget);
        match (limits.soft_budget, limits.max_budget) {
            (Some(soft), Some(max)) if soft >= max => {
                let message =
                    format!("soft_budget ({soft}) must be strictly lower than max_budget ({max})");
                Err(Refusal::bad_request("soft_budget", &message))
            }
            _ => Ok(()),
        }
    }

    fn model_budgets(&mut self) -> Result<Given<BTreeMap<String, ModelLimit>>, Refusal> {
        const FIELD: &str = "model_max_budget";
        let wanted = "an object of models with `budget_limit` in US dollars, `time_period` such as \
                      `30d`, `tpm_limit` and `rpm_limit`";
        let models: Given<BTreeMap<String, ModelLimit>> = self.read(FIELD, wanted)?;
        models.and_then(|models| {
            short(FIELD, models.len())?;
            let model = |(name, limit): (String, ModelLimit)| {
                not_negative(FIELD, limit.budget_limit.unwrap_or_default())?;
                for count in [limit.tpm_limit, limit.rpm_limit].into_iter().flatten() {
                    bounded(FIELD, count)?;
                }
                Ok((checked(FIELD, name)?, limit))
            };
            models.into_iter().map(model).collect()
        })
    }

    /// Further budgets over other windows.
    pub(super) fn windows(&mut self) -> Result<Given<Vec<BudgetLimit>>, Refusal> {
        const FIELD: &str = "budget_limits";
        let wanted =
            "a list of objects with `budget_duration` such as `30d` and `max_budget` in US dollars";
        let limits: Given<Vec<BudgetLimit>> = self.read(FIELD, wanted)?;
        limits.and_then(|limits| {
            short(FIELD, limits.len())?;
            for limit in &limits {
                not_negative(FIELD, limit.max_budget)?;
            }
            Ok(limits)
        })
    }

    /// How fast each model may be used.
    pub(super) fn rates(&mut self, mut rates: ModelRates) -> Result<ModelRates, Refusal> {
        self.counts("model_rpm_limit")?
            .replace(&mut rates.model_rpm_limit);
        self.counts("model_tpm_limit")?
            .replace(&mut rates.model_tpm_limit);
        Ok(rates)
    }

    /// Takes the fields of an object within.
    pub(super) fn parts(&mut self, field: &'static str) -> Result<Vec<Self>, Refusal> {
        let wanted = "an object or a list of objects";
        let raw: Given<Box<RawValue>> = self.read(field, wanted)?;
        let raw = raw.required(field)?;
        let wrong =
            |_error| Refusal::unprocessable(field, &format!("`{field}` has to be {wanted}"));
        let fields: Vec<Fields> = if raw.get().starts_with('[') {
            serde_json::from_str(raw.get()).map_err(wrong)?
        } else {
            vec![serde_json::from_str(raw.get()).map_err(wrong)?]
        };
        short(field, fields.len())?;
        Ok(fields
            .into_iter()
            .map(|Fields(fields)| Self { fields })
            .collect())
    }

    /// Ends the reading: what is left is something that is not known, or that has no effect here.
    pub(super) fn finish(self) -> Result<Answer, Refusal> {
        let mut ignored = Vec::new();
        let mut refused = Vec::new();
        let mut unknown = Vec::new();
        for (name, value) in self.fields {
            match unsupported::find(&name) {
                Some(_) if says_nothing(value.get()) => {}
                Some(field) if field.is_harmless() => ignored.push(field.name()),
                Some(field) => refused.push(field.name()),
                None => unknown.push(name.chars().take(64).collect::<String>()),
            }
        }
        if !unknown.is_empty() {
            let names = unknown.iter().take(NAMED_MAX);
            let names = list(names.map(|name| name.escape_debug()));
            let message = match unknown.len() {
                1 => format!("{names} is not a field of this request"),
                _ => format!("{names} are not fields of this request"),
            };
            return Err(Refusal::bad_request("body", &message));
        }
        if let Some(first) = refused.first() {
            let names = list(refused.iter());
            let message = format!(
                "{names} would have no effect here, and a limit without effect is worse than none: \
                 leave it out"
            );
            return Err(Refusal::bad_request(first, &message));
        }
        Ok(Answer::new(ignored))
    }
}

fn list(names: impl Iterator<Item = impl fmt::Display>) -> String {
    names
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Whether a value is what a field that was never set has.
fn says_nothing(value: &str) -> bool {
    matches!(value, "null" | "false" | "0" | "0.0" | "\"\"" | "[]" | "{}")
}

/// Text that can be a name or an id.
pub(super) fn checked(field: &'static str, text: String) -> Result<String, Refusal> {
    if text.is_empty() || text.len() > TEXT_MAX || text.chars().any(char::is_control) {
        let message =
            format!("`{field}` has to be 1 to {TEXT_MAX} bytes without control characters");
        return Err(Refusal::bad_request(field, &message));
    }
    Ok(text)
}

fn short(field: &'static str, length: usize) -> Result<(), Refusal> {
    if length > LIST_MAX {
        let message = format!("`{field}` has to be at most {LIST_MAX} long");
        return Err(Refusal::bad_request(field, &message));
    }
    Ok(())
}

fn bounded(field: &'static str, count: u64) -> Result<u64, Refusal> {
    if count > COUNT_MAX {
        let message = format!("`{field}` has to be at most {COUNT_MAX}");
        return Err(Refusal::bad_request(field, &message));
    }
    Ok(count)
}

fn amount(field: &'static str, text: &str) -> Result<Usd, Refusal> {
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        let message = format!("`{field}` has to be a number, in US dollars");
        return Err(Refusal::unprocessable(field, &message));
    }
    let wrong = |error: event::MoneyError| {
        Refusal::bad_request(
            field,
            &format!("`{field}` is no amount in US dollars: {error}"),
        )
    };
    let Exact(exact) = text.parse().map_err(wrong)?;
    let usd = Usd::round(exact).map_err(wrong)?;
    if exact.normalize().scale() > 12 {
        let message = format!("`{field}` has more than 12 digits after the point");
        return Err(Refusal::bad_request(field, &message));
    }
    not_negative(field, usd)
}

fn not_negative(field: &'static str, usd: Usd) -> Result<Usd, Refusal> {
    if usd < Usd::ZERO {
        let message = format!("`{field}` cannot be negative");
        return Err(Refusal::bad_request(field, &message));
    }
    Ok(usd)
}

/// The fields of an object, none of them twice.
struct Fields(BTreeMap<String, Box<RawValue>>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<Cow<'de, str>, Box<RawValue>>()? {
                    if fields.insert(name.into_owned(), value).is_some() {
                        return Err(A::Error::custom("a field is given twice"));
                    }
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Once)
    }
}
