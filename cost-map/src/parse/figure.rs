//! Figures: read from their digits, never through a float.

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde_json::value::RawValue;

use super::Problem;

/// A price: a number that is not negative, or a string with one inside.
pub(crate) fn figure(text: &str) -> Result<Decimal, Problem> {
    let digits = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    let excerpt = || text.chars().take(40).collect();
    let amount = decimal(digits).ok_or_else(|| Problem::NotANumber(excerpt()))?;
    if amount.mantissa() < 0 {
        return Err(Problem::Negative(excerpt()));
    }
    Ok(amount)
}

/// The number that the digits say, without zeros at its end; nothing if it has too many to keep.
fn decimal(digits: &str) -> Option<Decimal> {
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    // The parser of decimals passes over them; no JSON number has one.
    if digits.contains('_') {
        return None;
    }
    let mantissa = Decimal::from_str_exact(mantissa).ok()?.normalize();
    let exponent: i32 = exponent.parse().ok()?;
    if mantissa.is_zero() {
        return Some(Decimal::ZERO);
    }
    let scale = i64::from(mantissa.scale()) - i64::from(exponent);
    // A negative scale means zeros before the point.
    let zeros = u32::try_from(scale.min(0).unsigned_abs()).ok()?;
    let all = mantissa
        .mantissa()
        .checked_mul(10_i128.checked_pow(zeros)?)?;
    let scale = u32::try_from(scale.max(0)).ok()?;
    Decimal::try_from_i128_with_scale(all, scale).ok()
}

/// A number of tokens; nothing if it is not one, because a limit is no price.
pub(super) fn limit(value: &RawValue) -> Option<u64> {
    figure(value.get())
        .ok()
        .filter(Decimal::is_integer)?
        .to_u64()
}
