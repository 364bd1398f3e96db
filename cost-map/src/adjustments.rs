//! Discounts and margins on what calls cost.

use std::collections::HashMap;

use event::Class;
use rust_decimal::Decimal;
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
    discounts: HashMap<String, Decimal>,
    margins: HashMap<String, Margin>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Margin {
    /// A part of the bill.
    percentage: Decimal,
    /// USD for each call.
    fixed_amount: Decimal,
}

/// Why discounts or margins cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdjustmentError {
    /// Not an object.
    #[error("`{list}` is not an object of providers with at most 10,000 members")]
    NotAnObject {
        /// The configuration key.
        list: &'static str,
    },
    /// A discount that is not a part of the bill.
    #[error("`{list}.{name}` is not a number from 0 to 1: `{value}`")]
    NotADiscount {
        /// The configuration key.
        list: &'static str,
        /// The provider or model.
        name: String,
        /// What stands there.
        value: String,
    },
    /// A margin that is neither a part nor an amount.
    #[error(
        "`{list}.{name}` is not a number that is not negative, nor an object with \
         `percentage` or `fixed_amount`: `{value}`"
    )]
    NotAMargin {
        /// The configuration key.
        list: &'static str,
        /// The provider or model.
        name: String,
        /// What stands there.
        value: String,
    },
}

const DISCOUNTS: &str = "cost_discount_config";
const MARGINS: &str = "cost_margin_config";

impl Adjustments {
    /// Reads the values of LiteLLM's `cost_discount_config` (`{"openai": 0.05}`) and
    /// `cost_margin_config` (`{"global": 0.1, "openai": {"percentage": 0.08, "fixed_amount": 0.001}}`),
    /// as JSON. `null` is none.
    ///
    /// # Errors
    ///
    /// If one is not an object, a discount is not between 0 and 1, or a margin is negative or
    /// cannot be read.
    pub fn parse(discounts: &str, margins: &str) -> Result<Self, AdjustmentError> {
        let discounts = members(DISCOUNTS, discounts)?.into_iter();
        let discounts = discounts.map(|(name, value)| match figure(value.get()) {
            Ok(part) if part <= Decimal::ONE => Ok((name, part)),
            _ => Err(AdjustmentError::NotADiscount {
                list: DISCOUNTS,
                name,
                value: excerpt(value),
            }),
        });
        let margins = members(MARGINS, margins)?.into_iter();
        let margins = margins.map(|(name, value)| match Margin::parse(value) {
            Some(margin) => Ok((name, margin)),
            None => Err(AdjustmentError::NotAMargin {
                list: MARGINS,
                name,
                value: excerpt(value),
            }),
        });
        Ok(Self {
            discounts: discounts.collect::<Result<_, _>>()?,
            margins: margins.collect::<Result<_, _>>()?,
        })
    }

    /// Adds the lines of the discount and the margin to a bill; the first of `names` that is
    /// listed decides.
    pub(crate) fn apply(&self, bill: &mut Bill, names: &[&str]) {
        let listed = names
            .iter()
            .find(|name| self.discounts.contains_key(**name));
        if let Some((name, part)) = listed.and_then(|name| self.discounts.get_key_value(*name)) {
            bill.factor_on_all(Class::Discount, -*part, &format!("{DISCOUNTS}.{name}"));
        }
        let mut names = names.iter().chain([&GLOBAL]);
        let listed = names.find(|name| self.margins.contains_key(**name));
        let Some((name, margin)) = listed.and_then(|name| self.margins.get_key_value(*name)) else {
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

impl Margin {
    fn parse(value: &RawValue) -> Option<Self> {
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

fn members<'a>(
    list: &'static str,
    json: &'a str,
) -> Result<Vec<(String, &'a RawValue)>, AdjustmentError> {
    if json.trim() == "null" {
        return Ok(Vec::new());
    }
    let Pairs(members) = serde_json::from_str(json)
        .ok()
        .filter(|Pairs(members)| members.len() <= NAMES_MAX)
        .ok_or(AdjustmentError::NotAnObject { list })?;
    let owned = |(name, value): (std::borrow::Cow<'_, str>, _)| (name.into_owned(), value);
    Ok(members.into_iter().map(owned).collect())
}

fn excerpt(value: &RawValue) -> String {
    value.get().chars().take(40).collect()
}
