//! Exact money: no float goes in, none comes out.

use std::{
    fmt::{self, Write as _},
    iter::Sum,
    ops::{Add, AddAssign, Neg, Sub},
    str::FromStr,
};

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

/// Digits after the point that [`Usd`] keeps.
const SCALE: u32 = 12;
/// Steps of [`Usd`] in one US dollar.
const PER_USD: i128 = 1_000_000_000_000;
/// No single amount is larger than this many dollars, so that no sum of amounts overflows.
const USD_MAX: i128 = 1_000_000_000_000;

/// An amount in US dollars, a whole number of 10⁻¹² USD.
///
/// A call's cost is rounded once, half to even, when it becomes a `Usd`; every sum of `Usd` after
/// that is exact. In JSON it is a number whose digits are exact (`0.0002725`); reading accepts any
/// JSON number or a string, and rounds what is finer than 10⁻¹² USD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Usd(i128);

impl Usd {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// An amount from whole steps of 10⁻¹² USD.
    #[must_use]
    pub const fn from_picos(picos: i128) -> Self {
        Self(picos)
    }

    /// The amount in steps of 10⁻¹² USD.
    #[must_use]
    pub const fn picos(self) -> i128 {
        self.0
    }

    /// The one place where a cost is rounded: half to even, to 10⁻¹² USD.
    ///
    /// # Errors
    ///
    /// If the amount is beyond a trillion dollars, which no sum of calls can be.
    pub fn round(amount: Decimal) -> Result<Self, MoneyError> {
        let rounded = amount.round_dp_with_strategy(SCALE, RoundingStrategy::MidpointNearestEven);
        let scale = rounded.scale();
        let step = 10_i128.pow(SCALE.saturating_sub(scale));
        let picos = rounded
            .mantissa()
            .checked_mul(step)
            .ok_or(MoneyError::TooLarge)?;
        if picos.unsigned_abs() > (USD_MAX * PER_USD).unsigned_abs() {
            return Err(MoneyError::TooLarge);
        }
        Ok(Self(picos))
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let picos = self.0.unsigned_abs();
        if let Ok(picos) = u64::try_from(picos) {
            return written(f, sign, (picos, SCALE), ".0");
        }
        let per_usd = PER_USD.unsigned_abs();
        let (whole, rest) = (picos / per_usd, picos % per_usd);
        if rest == 0 {
            return write!(f, "{sign}{whole}.0");
        }
        let digits = format!("{rest:012}");
        write!(f, "{sign}{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl FromStr for Usd {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        Self::round(text.parse::<Exact>()?.0)
    }
}

impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Usd {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Usd {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::add)
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        number(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Exact(amount) = Exact::deserialize(deserializer)?;
        Self::round(amount).map_err(D::Error::custom)
    }
}

/// A decimal that is written to JSON as a number with all its digits, and read from the digits of
/// a JSON number or string, never through a float. Quantities and unit prices are this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Exact(pub Decimal);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Exact {
    type Err = MoneyError;

    /// Reads `0.1`, `1e-06`, `2.5E-6`; more digits than 28 are refused rather than cut.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        exact(text)
            .map(Self)
            .ok_or_else(|| MoneyError::NotANumber(excerpt(text)))
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        number(&Shortest(self.0), serializer)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        let text = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .unwrap_or(text);
        text.parse().map_err(D::Error::custom)
    }
}

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoneyError {
    /// Not a decimal number, or one with more digits than can be kept exactly.
    #[error("`{0}` is not a decimal number of at most 28 digits")]
    NotANumber(String),
    /// Beyond a trillion dollars.
    #[error("amount is larger than a trillion dollars")]
    TooLarge,
}

/// Writes `value` as a JSON number, keeping every digit.
fn number<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    let mut digits = Digits::default();
    write!(digits, "{value}").map_err(serde::ser::Error::custom)?;
    let number: &RawValue =
        serde_json::from_str(digits.text()).map_err(serde::ser::Error::custom)?;
    number.serialize(serializer)
}

/// A number as text, without an allocation: an event has dozens.
struct Digits {
    bytes: [u8; Self::MAX],
    len: usize,
}

impl Digits {
    /// Longer than any [`Usd`] or [`Decimal`].
    const MAX: usize = 48;

    fn text(&self) -> &str {
        let written = self.bytes.get(..self.len).unwrap_or_default();
        str::from_utf8(written).unwrap_or_default()
    }
}

impl Default for Digits {
    fn default() -> Self {
        Self {
            bytes: [0; Self::MAX],
            len: 0,
        }
    }
}

impl fmt::Write for Digits {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let place = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// A decimal without zeros at its end.
struct Shortest(Decimal);

impl fmt::Display for Shortest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mantissa, scale) = (self.0.mantissa(), self.0.scale());
        let sign = if mantissa < 0 { "-" } else { "" };
        match u64::try_from(mantissa.unsigned_abs()) {
            Ok(small) => written(f, sign, (small, scale), ""),
            Err(_large) => self.0.normalize().fmt(f),
        }
    }
}

/// Writes `mantissa` × 10⁻ˢᶜᵃˡᵉ without zeros at its end, and `of_whole` behind a whole number.
fn written(
    f: &mut fmt::Formatter<'_>,
    sign: &str,
    (mut mantissa, mut scale): (u64, u32),
    of_whole: &str,
) -> fmt::Result {
    if mantissa == 0 {
        return write!(f, "0{of_whole}");
    }
    while scale > 0 && mantissa.is_multiple_of(10) {
        mantissa /= 10;
        scale -= 1;
    }
    if scale == 0 {
        return write!(f, "{sign}{mantissa}{of_whole}");
    }
    let (whole, rest) = match 10_u64.checked_pow(scale) {
        Some(power) => (mantissa / power, mantissa % power),
        None => (0, mantissa),
    };
    let width = usize::try_from(scale).unwrap_or_default();
    write!(f, "{sign}{whole}.{rest:0width$}")
}

/// Reads a decimal without rounding: `Decimal::from_scientific` would cut digits that do not fit.
fn exact(text: &str) -> Option<Decimal> {
    let Some((digits, exponent)) = text.split_once(['e', 'E']) else {
        return Decimal::from_str_exact(text).ok();
    };
    let digits = Decimal::from_str_exact(digits).ok()?.normalize();
    let exponent: i32 = exponent.parse().ok()?;
    if digits.is_zero() {
        return Some(Decimal::ZERO);
    }
    let scale = i32::try_from(digits.scale()).ok()?.checked_sub(exponent)?;
    let mantissa = digits.mantissa();
    if scale >= 0 {
        return Decimal::try_from_i128_with_scale(mantissa, scale.unsigned_abs()).ok();
    }
    let factor = 10_i128.checked_pow(scale.unsigned_abs())?;
    Decimal::try_from_i128_with_scale(mantissa.checked_mul(factor)?, 0).ok()
}

fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usd(text: &str) -> Usd {
        text.parse().unwrap()
    }

    #[test]
    fn a_half_step_goes_to_the_even_neighbour() {
        assert_eq!(usd("0.0000000000005"), Usd::from_picos(0));
        assert_eq!(usd("0.0000000000015"), Usd::from_picos(2));
        assert_eq!(usd("0.0000000000025"), Usd::from_picos(2));
        assert_eq!(usd("-0.0000000000015"), Usd::from_picos(-2));
    }

    #[test]
    fn it_is_written_as_a_number_with_all_its_digits() {
        let text = serde_json::to_string(&[usd("0.1"), usd("1e-12"), usd("-3"), Usd::ZERO]);
        assert_eq!(text.unwrap(), "[0.1,0.000000000001,-3.0,0.0]");
    }

    #[test]
    fn floats_as_litellm_writes_them_are_read_from_their_digits() {
        let read: Vec<Usd> = serde_json::from_str("[4e-05, 0.0002725, \"1.5\", 2]").unwrap();
        assert_eq!(
            read,
            [usd("0.00004"), usd("0.0002725"), usd("1.5"), usd("2")]
        );
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for text in ["\"\"", "\"abc\"", "null", "[]", "1e400", "\"NaN\"", "1e30"] {
            assert!(serde_json::from_str::<Usd>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn digits_that_cannot_be_kept_are_refused_rather_than_cut() {
        for text in [
            "10000000000.0000000000000000001e0",
            "1.00000000000000000000000000001",
            "1e-40",
        ] {
            assert!(text.parse::<Exact>().is_err(), "{text}");
        }
        for (text, same) in [("1.50e-3", "0.0015"), ("-2E+3", "-2000"), ("0e-99", "0")] {
            assert_eq!(text.parse::<Exact>(), same.parse(), "{text}");
        }
    }

    #[test]
    fn ten_tenths_are_one() {
        assert_eq!((0..10).map(|_| usd("0.1")).sum::<Usd>(), usd("1"));
    }

    proptest! {
        #[test]
        fn an_exact_number_is_written_as_short_as_it_can_be(
            mantissa in prop_oneof![any::<i64>().prop_map(i128::from), -(1_i128 << 95)..(1_i128 << 95)],
            scale in 0..=28_u32,
        ) {
            let exact = Decimal::from_i128_with_scale(mantissa, scale);
            let json = serde_json::to_string(&Exact(exact)).unwrap();
            prop_assert_eq!(&json, &exact.normalize().to_string());
        }

        #[test]
        fn what_is_written_is_read_back(picos in -(1_i128 << 90)..(1_i128 << 90)) {
            let amount = Usd::from_picos(picos % (USD_MAX * PER_USD));
            prop_assert_eq!(amount.to_string().parse::<Usd>(), Ok(amount));
            let json = serde_json::to_string(&amount).unwrap();
            prop_assert_eq!(serde_json::from_str::<Usd>(&json).unwrap(), amount);
        }
    }
}
