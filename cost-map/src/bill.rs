//! A bill while it is made out: lines, exact sums, and what there is no price for.

use std::borrow::Cow;

use event::{Class, Exact, LineItem, Unpriced, Usd};
use rust_decimal::Decimal;

/// Lines, and what is in the way of a total.
#[derive(Debug, Default)]
pub(crate) struct Bill {
    items: Vec<LineItem>,
    missing: Vec<Cow<'static, str>>,
    seconds_unknown: bool,
    inexact: bool,
}

/// Why there is no bill although there is an entry.
#[derive(Debug)]
pub(crate) enum Gap {
    /// These prices are not there.
    Keys(Vec<Cow<'static, str>>),
    /// Priced by a duration that nobody knows.
    Duration,
    /// An amount with more digits than can be kept.
    Digits,
}

impl Gap {
    pub(crate) const fn kind(&self) -> Unpriced {
        match self {
            Self::Keys(_) => Unpriced::NoPriceForClass,
            Self::Duration => Unpriced::NoUsage,
            Self::Digits => Unpriced::Other,
        }
    }

    pub(crate) fn explain(&self, name: &str) -> String {
        match self {
            Self::Keys(keys) => {
                let keys = keys.join("`, `");
                format!("`{name}` has no `{keys}`; set it among the deployment's own prices")
            }
            Self::Duration => format!("`{name}` is priced by the second, and no duration is known"),
            Self::Digits => format!("the cost by `{name}` is beyond what can be added up exactly"),
        }
    }
}

impl Bill {
    /// With room for some lines.
    pub(crate) fn of_lines(count: usize) -> Self {
        Self {
            items: Vec::with_capacity(count),
            ..Self::default()
        }
    }

    /// Adds quantity × unit price.
    pub(crate) fn line(
        &mut self,
        class: Class,
        quantity: Decimal,
        unit_price: Decimal,
        key: impl Into<String>,
    ) {
        let Some(amount) = product(quantity, unit_price) else {
            self.inexact = true;
            return;
        };
        self.items.push(LineItem {
            class,
            quantity: Exact(quantity),
            unit_price: Exact(unit_price),
            amount: Exact(amount),
            key: key.into(),
        });
    }

    /// Multiplies the sum of the last `count` lines: a line for the difference. A factor of one, or
    /// on nothing, makes none.
    pub(crate) fn factor(&mut self, class: Class, count: usize, less_one: Decimal, key: &str) {
        let from = self.items.len().saturating_sub(count);
        match sum(self.items.get(from..).unwrap_or_default()) {
            Some(on) if !on.is_zero() && !less_one.is_zero() => {
                self.line(class, on.normalize(), less_one.normalize(), key);
            }
            Some(_) => {}
            None => self.inexact = true,
        }
    }

    /// Multiplies all there is.
    pub(crate) fn factor_on_all(&mut self, class: Class, less_one: Decimal, key: &str) {
        self.factor(class, self.items.len(), less_one, key);
    }

    /// Notes that there is no price under this key.
    pub(crate) fn missing(&mut self, key: impl Into<Cow<'static, str>>) {
        let key = key.into();
        if !self.missing.contains(&key) {
            self.missing.push(key);
        }
    }

    /// Notes that a duration is needed and not known.
    pub(crate) fn duration_missing(&mut self) {
        self.seconds_unknown = true;
    }

    /// Notes that a quantity has more digits than can be kept.
    pub(crate) fn inexact(&mut self) {
        self.inexact = true;
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether something was consumed that there is no price for.
    pub(crate) fn is_short(&self) -> bool {
        !self.missing.is_empty() || self.seconds_unknown
    }

    /// The total, rounded once, and the lines.
    pub(crate) fn total(self) -> Result<(Usd, Vec<LineItem>), Gap> {
        if self.seconds_unknown {
            return Err(Gap::Duration);
        }
        if !self.missing.is_empty() {
            return Err(Gap::Keys(self.missing));
        }
        if self.inexact {
            return Err(Gap::Digits);
        }
        let total = sum(&self.items).and_then(|sum| Usd::round(sum).ok());
        Ok((total.ok_or(Gap::Digits)?, self.items))
    }
}

/// The exact product, or nothing: multiplying two `Decimal`s would round what does not fit.
pub(crate) fn product(a: Decimal, b: Decimal) -> Option<Decimal> {
    let exact = |a: Decimal, b: Decimal| {
        let mantissa = a.mantissa().checked_mul(b.mantissa())?;
        Decimal::try_from_i128_with_scale(mantissa, a.scale().checked_add(b.scale())?).ok()
    };
    exact(a, b).or_else(|| exact(a.normalize(), b.normalize()))
}

/// The exact sum, or nothing.
pub(crate) fn sum(items: &[LineItem]) -> Option<Decimal> {
    let amounts = || items.iter().map(|item| item.amount.0);
    let scale = amounts()
        .map(|amount| amount.scale())
        .max()
        .unwrap_or_default();
    let mut mantissas = amounts().map(|amount| {
        10_i128
            .checked_pow(scale - amount.scale())?
            .checked_mul(amount.mantissa())
    });
    let sum = mantissas.try_fold(0_i128, |sum, mantissa| sum.checked_add(mantissa?))?;
    Decimal::try_from_i128_with_scale(sum, scale).ok()
}

/// `dividend / divisor` if it is exact with at most 12 digits after the point.
pub(crate) fn ratio(dividend: Decimal, divisor: Decimal) -> Option<Decimal> {
    const PLACES: u32 = 12;
    if divisor.is_zero() {
        return None;
    }
    // dividend / divisor × 10¹², in whole numbers.
    let shift = i64::from(PLACES) + i64::from(divisor.scale()) - i64::from(dividend.scale());
    let power = 10_i128.checked_pow(u32::try_from(shift.unsigned_abs()).ok()?)?;
    let (top, bottom) = if shift < 0 {
        (dividend.mantissa(), divisor.mantissa().checked_mul(power)?)
    } else {
        (dividend.mantissa().checked_mul(power)?, divisor.mantissa())
    };
    if top.checked_rem(bottom)? != 0 {
        return None;
    }
    Decimal::try_from_i128_with_scale(top.checked_div(bottom)?, PLACES)
        .ok()
        .map(|ratio| ratio.normalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn r3_3_a_ratio_is_exact_or_none() {
        for (t, s, expected) in [
            ("0.0000025", "0.00000125", Some("2")),
            ("0.00000125", "0.0000025", Some("0.5")),
            ("0.0000045", "0.0000025", Some("1.8")),
            ("0.000001", "0.000003", None),
            ("0", "0.000003", Some("0")),
            ("1", "0", None),
        ] {
            assert_eq!(
                ratio(decimal(t), decimal(s)),
                expected.map(decimal),
                "{t}/{s}"
            );
        }
    }

    #[test]
    fn r1_2_a_factor_is_a_line_on_the_sum_of_those_before() {
        let mut bill = Bill::default();
        bill.line(Class::Input, decimal("1000"), decimal("0.000001"), "a");
        bill.line(Class::Output, decimal("10"), decimal("0.0001"), "b");
        bill.factor(Class::Adjustment, 1, decimal("-0.5"), "batches");
        bill.factor_on_all(Class::Uplift, decimal("0.1"), "eu");
        bill.factor_on_all(Class::Uplift, Decimal::ZERO, "one");
        // 0.001 + 0.001 − 0.0005, and a tenth of that.
        let (total, items) = bill.total().unwrap();
        assert_eq!((total.to_string().as_str(), items.len()), ("0.00165", 4));
        assert_eq!(items[3].quantity.0, decimal("0.0015"));
    }
}
