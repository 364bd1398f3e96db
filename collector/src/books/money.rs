//! How money stands in INTEGER columns. Pure.

use event::Usd;

const PICOS_PER_MICRO: i128 = 1_000_000;

/// An amount in two columns: whole micro-USD, rounded down, and the rest in pico-USD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    pub(crate) micros: i64,
    /// From 0 to 999 999.
    pub(crate) picos: i64,
}

impl Split {
    /// Splits an amount; no sum of calls is beyond what fits (nine trillion dollars).
    pub(crate) fn of(amount: Usd) -> Self {
        let micros = amount.picos().div_euclid(PICOS_PER_MICRO);
        let picos = amount.picos().rem_euclid(PICOS_PER_MICRO);
        debug_assert!(
            i64::try_from(micros).is_ok(),
            "amount of more than nine trillion dollars"
        );
        Self {
            micros: i64::try_from(micros).unwrap_or(i64::MAX),
            picos: i64::try_from(picos).unwrap_or_default(),
        }
    }

    /// Joins the columns. They need not be in range: sums of either column are taken as they are.
    pub(crate) fn usd(self) -> Usd {
        Usd::from_picos(i128::from(self.micros) * PICOS_PER_MICRO + i128::from(self.picos))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_amount_is_what_its_columns_say(picos in -(1_i128 << 80)..(1_i128 << 80)) {
            let split = Split::of(Usd::from_picos(picos));
            prop_assert!((0..1_000_000).contains(&split.picos));
            prop_assert_eq!(split.usd().picos(), picos);
        }
    }
}
