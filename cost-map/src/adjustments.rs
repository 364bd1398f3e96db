//! Discounts and margins on what calls cost.

use std::collections::BTreeMap;

use event::Class;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error, ser};
use serde_json::value::RawValue;

use crate::{
    bill::Bill,
    parse::{Pairs, figure},
};

/// The most names in one list.
const NAMES_MAX: usize = 10_000;
/// The name that stands for all providers in a list of margins.
const GLOBAL: &str = "global";

/// Discounts and margins, by provider or model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adjustments {
    /// What is taken off.
    pub discounts: Discounts,
    /// What is put on top.
    pub margins: Margins,
}

/// LiteLLM's `cost_discount_config`: `{"openai": 0.05}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Discount>")]
pub struct Discounts(BTreeMap<String, Discount>);

/// LiteLLM's `cost_margin_config`:
/// `{"global": 0.1, "openai": {"percentage": 0.08, "fixed_amount": 0.001}}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, Margin>")]
pub struct Margins(BTreeMap<String, Margin>);

/// A part of the bill, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Discount(#[serde(serialize_with = "number")] Decimal);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Margin {
    /// A part of the bill.
    #[serde(serialize_with = "number")]
    percentage: Decimal,
    /// USD for each call.
    #[serde(serialize_with = "number")]
    fixed_amount: Decimal,
}

const DISCOUNTS: &str = "cost_discount_config";
const MARGINS: &str = "cost_margin_config";

impl Adjustments {
    /// Reads both lists from JSON, every figure from its text. `null` is none.
    ///
    /// # Errors
    ///
    /// If one is not an object of at most 10,000 members, a discount is not between 0 and 1, or a
    /// margin is negative or cannot be read.
    pub fn parse(discounts: &str, margins: &str) -> Result<Self, serde_json::Error> {
        let discounts: Option<Discounts> = serde_json::from_str(discounts)?;
        let margins: Option<Margins> = serde_json::from_str(margins)?;
        Ok(Self {
            discounts: discounts.unwrap_or_default(),
            margins: margins.unwrap_or_default(),
        })
    }

    /// Whether nothing is taken off or put on top.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.discounts.0.is_empty() && self.margins.0.is_empty()
    }

    /// Adds the lines of the discount and the margin to a bill; the first of `names` that is
    /// listed decides.
    pub(crate) fn apply(&self, bill: &mut Bill, names: &[&str]) {
        let Discounts(discounts) = &self.discounts;
        let listed = names.iter().find_map(|name| discounts.get_key_value(*name));
        if let Some((name, Discount(part))) = listed {
            bill.factor_on_all(Class::Discount, -*part, &format!("{DISCOUNTS}.{name}"));
        }
        self.charge(bill, names);
    }

    /// Adds the lines of the margin alone.
    pub(crate) fn charge(&self, bill: &mut Bill, names: &[&str]) {
        let Margins(margins) = &self.margins;
        let mut names = names.iter().chain([&GLOBAL]);
        let Some((name, margin)) = names.find_map(|name| margins.get_key_value(*name)) else {
            return;
        };
        let key = format!("{MARGINS}.{name}");
        bill.factor_on_all(Class::Margin, margin.percentage, &key);
        if !margin.fixed_amount.is_zero() {
            let key = format!("{key}.fixed_amount");
            bill.line(Class::Margin, Decimal::ONE, margin.fixed_amount, key);
        }
    }
}

/// A figure as it is read again: a number of all its digits.
fn number<S: Serializer>(figure: &Decimal, to: S) -> Result<S::Ok, S::Error> {
    let text = RawValue::from_string(figure.normalize().to_string());
    text.map_err(ser::Error::custom)?.serialize(to)
}

impl TryFrom<BTreeMap<String, Discount>> for Discounts {
    type Error = &'static str;

    fn try_from(list: BTreeMap<String, Discount>) -> Result<Self, Self::Error> {
        bounded(list).map(Self)
    }
}

impl TryFrom<BTreeMap<String, Margin>> for Margins {
    type Error = &'static str;

    fn try_from(list: BTreeMap<String, Margin>) -> Result<Self, Self::Error> {
        bounded(list).map(Self)
    }
}

fn bounded<T>(list: BTreeMap<String, T>) -> Result<BTreeMap<String, T>, &'static str> {
    if list.len() > NAMES_MAX {
        return Err("expected at most 10,000 providers and models");
    }
    Ok(list)
}

impl<'de> Deserialize<'de> for Discount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Box::<RawValue>::deserialize(deserializer)?;
        let part = figure(value.get()).ok();
        part.filter(|part| *part <= Decimal::ONE)
            .map(Self)
            .ok_or_else(|| {
                let found = excerpt(&value);
                D::Error::custom(format!("expected a number from 0 to 1, found `{found}`"))
            })
    }
}

impl<'de> Deserialize<'de> for Margin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Box::<RawValue>::deserialize(deserializer)?;
        Self::read(&value).ok_or_else(|| {
            let found = excerpt(&value);
            D::Error::custom(format!(
                "expected a number from 0, or an object of `percentage` and `fixed_amount`, found \
                 `{found}`"
            ))
        })
    }
}

impl Margin {
    fn read(value: &RawValue) -> Option<Self> {
        if let Ok(percentage) = figure(value.get()) {
            return Some(Self {
                percentage,
                ..Self::default()
            });
        }
        let Pairs(members) = serde_json::from_str(value.get()).ok()?;
        let mut margin = Self::default();
        for (key, value) in &members {
            let part = match &**key {
                "percentage" => &mut margin.percentage,
                "fixed_amount" => &mut margin.fixed_amount,
                _ => return None,
            };
            *part = figure(value.get()).ok()?;
        }
        (!members.is_empty()).then_some(margin)
    }
}

fn excerpt(value: &RawValue) -> String {
    value.get().chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let margins = r#"{"global":0.1,"m":{"percentage":0.08,"fixed_amount":0.001}}"#;
        let read = Adjustments::parse(r#"{"openai":0.05}"#, margins).unwrap();
        let discounts = serde_json::to_string(&read.discounts).unwrap();
        assert_eq!(discounts, r#"{"openai":0.05}"#);
        let margins = serde_json::to_string(&read.margins).unwrap();
        assert_eq!(Adjustments::parse(&discounts, &margins).unwrap(), read);
    }
}
