//! How long a key lives: LiteLLM's `duration`, plain arithmetic from now on. Pure.

use chrono::{Months, TimeDelta};
use event::Timestamp;

use crate::api::answer::Refusal;

/// No key lives longer; it may live for ever.
const DAYS_MAX: i64 = 36_600;

/// When `30d` from `now` is: a number and one of s, m, h, d, w, mo.
pub(super) fn after(field: &'static str, text: &str, now: Timestamp) -> Result<Timestamp, Refusal> {
    let wrong = || {
        let message = format!(
            "`{field}` has to be a number and one of s, m, h, d, w, mo (`30d`), at most 100 years"
        );
        Refusal::bad_request(field, &message)
    };
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = text.strip_suffix(unit).unwrap_or_default();
    let count: u32 = digits.parse().map_err(|_error| wrong())?;
    if count == 0 {
        return Err(wrong());
    }
    let now = now.to_utc();
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        "mo" => 0,
        _ => return Err(wrong()),
    };
    let end = match seconds {
        0 => now.checked_add_months(Months::new(count)),
        seconds => now.checked_add_signed(TimeDelta::seconds(i64::from(count) * seconds)),
    };
    let latest = now.checked_add_signed(TimeDelta::days(DAYS_MAX));
    let end = end.filter(|end| latest.is_some_and(|latest| *end <= latest));
    end.map(Timestamp::from).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_one_of_the_calendar_and_the_rest_is_arithmetic() {
        let now = Timestamp::from_micros(1_769_817_600_000_000); // 2026-01-31
        for (text, day) in [("30s", 0), ("24h", 1), ("2w", 14), ("30d", 30), ("1mo", 28)] {
            let end = after("duration", text, now).unwrap();
            let days = end.since(now).micros() / 86_400_000_000;
            assert_eq!(days, day, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        let now = Timestamp::from_micros(0);
        for text in [
            "",
            "0d",
            "-1d",
            "d",
            "1y",
            "1.5d",
            "99999999999s",
            "4000000000mo",
            "37000d",
            "1 d",
        ] {
            assert!(after("duration", text, now).is_err(), "{text}");
        }
    }
}
