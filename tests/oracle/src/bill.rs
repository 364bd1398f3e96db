//! A bill: its lines, its total, and the form in which two bills are compared.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_traits::Zero;

use crate::number::{self, Q};

/// One line: `quantity × unit_price`.
#[derive(Clone, Debug)]
pub struct Line {
    /// Where in the map the unit price was read.
    pub key: String,
    /// How much.
    pub quantity: Q,
    /// USD for one, or a factor minus one.
    pub unit_price: Q,
}

impl Line {
    /// A line of a bill.
    pub fn new(key: impl Into<String>, quantity: Q, unit_price: Q) -> Self {
        Self {
            key: key.into(),
            quantity,
            unit_price,
        }
    }

    /// What the line adds to the bill, in USD.
    #[must_use]
    pub fn amount(&self) -> Q {
        &self.quantity * &self.unit_price
    }
}

/// The sum of some lines, in USD.
#[must_use]
pub fn sum(lines: &[Line]) -> Q {
    lines.iter().map(Line::amount).sum()
}

/// What a call costs, or that nobody knows.
#[derive(Clone, Debug)]
pub enum Bill {
    /// Known.
    Priced(Vec<Line>),
    /// Something was consumed that has no price; the key that is missing.
    Unpriced(String),
    /// Nothing was consumed.
    Nothing,
}

/// An answer in the form in which it is compared: lines of the same key and unit price are one, so
/// that the order in which classes are listed says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `priced`, `unpriced` or `nothing_consumed`.
    pub status: String,
    /// The total in 10⁻¹² USD; `None` where nobody knows it.
    pub total: Option<BigInt>,
    /// Quantity by key and unit price.
    pub lines: BTreeMap<(String, Q), Q>,
    /// The entry that was used.
    pub entry: Option<String>,
}

impl Answer {
    /// Brings lines into the compared form.
    #[must_use]
    pub fn merge(lines: &[Line]) -> BTreeMap<(String, Q), Q> {
        let mut merged = BTreeMap::new();
        for line in lines {
            let place = (line.key.clone(), line.unit_price.clone());
            *merged.entry(place).or_insert_with(Q::zero) += &line.quantity;
        }
        merged.retain(|_, quantity: &mut Q| !quantity.is_zero());
        merged
    }

    /// The answer that a bill is.
    #[must_use]
    pub fn of(bill: &Bill, entry: Option<String>) -> Self {
        let (status, total, lines) = match bill {
            Bill::Priced(lines) => (
                "priced",
                Some(number::picos(&sum(lines))),
                Self::merge(lines),
            ),
            Bill::Unpriced(_) => ("unpriced", None, BTreeMap::new()),
            Bill::Nothing => ("nothing_consumed", Some(BigInt::zero()), BTreeMap::new()),
        };
        Self {
            status: status.to_owned(),
            total,
            lines,
            entry,
        }
    }

    /// The answer in words, for a report.
    #[must_use]
    pub fn show(&self) -> String {
        let total = self
            .total
            .as_ref()
            .map_or("null".to_owned(), ToString::to_string);
        let lines = self.lines.iter().map(|((key, price), quantity)| {
            format!(
                "\n      {} x {} [{key}]",
                number::show(quantity),
                number::show(price)
            )
        });
        let entry = self.entry.as_deref().unwrap_or("-");
        format!(
            "{} {total}e-12 USD, entry {entry}{}",
            self.status,
            lines.collect::<String>()
        )
    }
}
