//! Fractions of whole numbers of any size, read from the text of a number.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};

/// An exact fraction.
pub type Q = BigRational;

/// The longest number that is read, and the largest power of ten in one.
const LENGTH_MAX: usize = 80;
const POWER_MAX: i32 = 100;

/// The fraction that a decimal number with or without an exponent stands for.
#[must_use]
pub fn parse(text: &str) -> Option<Q> {
    if text.len() > LENGTH_MAX {
        return None;
    }
    let (mantissa, power) = match text.split_once(['e', 'E']) {
        Some((mantissa, power)) => (mantissa, power.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: BigInt = format!("{whole}{part}").parse().ok()?;
    let power = power.checked_sub(i32::try_from(part.len()).ok()?)?;
    if power.abs() > POWER_MAX {
        return None;
    }
    let ten = Q::from_integer(BigInt::from(10));
    Some(Q::from_integer(digits) * ten.pow(power))
}

/// A whole number as a fraction.
#[must_use]
pub fn whole(number: u64) -> Q {
    Q::from_integer(BigInt::from(number))
}

/// The whole number that a fraction is, if it is one and not negative.
#[must_use]
pub fn count(number: &Q) -> Option<u64> {
    number.is_integer().then(|| number.to_integer().to_u64())?
}

/// `numerator / denominator`.
#[must_use]
pub fn fraction(numerator: i64, denominator: i64) -> Q {
    Q::new(BigInt::from(numerator), BigInt::from(denominator))
}

/// How many 10⁻¹² USD, rounded half to even.
#[must_use]
pub fn picos(usd: &Q) -> BigInt {
    let scaled = usd * Q::from_integer(BigInt::from(10_u64.pow(12)));
    let below = scaled.floor().to_integer();
    let rest = scaled - Q::from_integer(below.clone());
    let half = fraction(1, 2);
    let odd = !(&below % BigInt::from(2)).is_zero();
    if rest > half || (rest == half && odd) {
        below + BigInt::from(1)
    } else {
        below
    }
}

/// How many decimal digits a fraction needs, if it is a decimal number of at most `max` digits.
#[must_use]
pub fn is_decimal(number: &Q, max: u32) -> bool {
    let ten = BigInt::from(10);
    (ten.pow(max) % number.denom()).is_zero()
}

/// A fraction as a decimal number, or as `a/b` where it is none.
#[must_use]
pub fn show(number: &Q) -> String {
    const DIGITS: u32 = 60;
    if !is_decimal(number, DIGITS) {
        return number.to_string();
    }
    let scaled = (number * Q::from_integer(BigInt::from(10).pow(DIGITS))).to_integer();
    let sign = if scaled.is_negative() { "-" } else { "" };
    let digits = format!("{:0>61}", scaled.abs().to_string());
    let (whole, part) = digits.split_at(digits.len() - 60);
    let part = part.trim_end_matches('0');
    let point = if part.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{part}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_what_its_text_says() {
        for (text, numerator, denominator) in [
            ("3e-09", 3, 1_000_000_000),
            ("0.1", 1, 10),
            ("1.25E2", 125, 1),
            ("-0.5", -1, 2),
            ("256000.0", 256_000, 1),
        ] {
            assert_eq!(
                parse(text),
                Some(fraction(numerator, denominator)),
                "{text}"
            );
        }
        for text in ["", "x", "1e999", "0x10", "1.2.3"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_half_goes_to_the_even_neighbour() {
        for (text, expected) in [
            ("0.0000000000005", 0),
            ("0.0000000000015", 2),
            ("0.0000000000025", 2),
            ("0.00000000000251", 3),
            ("-0.0000000000005", 0),
        ] {
            assert_eq!(
                picos(&parse(text).unwrap()),
                BigInt::from(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn a_fraction_is_shown_with_all_its_digits() {
        for text in ["0.000000000001", "12", "-0.5", "1000000.25"] {
            assert_eq!(show(&parse(text).unwrap()), text);
        }
        assert_eq!(show(&fraction(1, 3)), "1/3");
    }
}
