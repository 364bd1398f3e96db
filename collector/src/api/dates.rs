//! Dates as they are written in a query: `2026-11-20`, or an instant in RFC 3339. Pure.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use event::Timestamp;

use super::answer::Refusal;

/// A date or an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// A whole day, UTC.
    Day(NaiveDate),
    /// An instant.
    At(DateTime<Utc>),
}

impl When {
    /// Reads `2026-11-20`, `2026-11-20T08:00:00Z`, or `2026-11-20 08:00:00`, which is UTC.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Some(Self::Day(day));
        }
        // A `+` in a query that was not encoded arrives as a space.
        let instant = DateTime::parse_from_rfc3339(text)
            .or_else(|_error| DateTime::parse_from_rfc3339(&text.replace(' ', "+")));
        if let Ok(instant) = instant {
            return Some(Self::At(instant.to_utc()));
        }
        let plain = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S");
        plain.ok().map(|plain| Self::At(plain.and_utc()))
    }

    /// Its first instant.
    pub(super) fn start(self) -> Timestamp {
        match self {
            Self::Day(day) => Timestamp::from(day.and_time(NaiveTime::MIN).and_utc()),
            Self::At(instant) => Timestamp::from(instant),
        }
    }

    /// The first instant after it: a day that ends a range belongs to it.
    pub(super) fn end(self) -> Timestamp {
        match self {
            Self::Day(day) => match day.checked_add_days(Days::new(1)) {
                Some(next) => Self::Day(next).start(),
                None => Timestamp::from_micros(i64::MAX),
            },
            Self::At(instant) => Timestamp::from(instant),
        }
    }

    /// The day it is in.
    pub(super) fn day(self) -> NaiveDate {
        match self {
            Self::Day(day) => day,
            Self::At(instant) => instant.date_naive(),
        }
    }
}

/// Reads a parameter that is a date.
pub(super) fn read(param: &'static str, text: &str) -> Result<When, Refusal> {
    let expected = "a date is `2026-11-20` or RFC 3339";
    When::parse(text).ok_or_else(|| Refusal::bad_request(param, expected))
}

/// Days since 1970-01-01.
pub(super) fn number(day: NaiveDate) -> i64 {
    day.signed_duration_since(NaiveDate::default()).num_days()
}

/// The day of a number.
pub(super) fn day(number: i64) -> NaiveDate {
    let since = Days::new(number.unsigned_abs());
    let first = NaiveDate::default();
    let day = match number < 0 {
        true => first.checked_sub_days(since),
        false => first.checked_add_days(since),
    };
    day.unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_lasts_until_the_next() {
        let day = When::parse("2026-11-20").unwrap();
        assert_eq!(day.start().micros(), 1_795_132_800_000_000);
        assert_eq!(day.end().micros() - day.start().micros(), 86_400_000_000);
        assert_eq!(super::day(number(day.day())), day.day());
        assert_eq!(super::day(-1).to_string(), "1969-12-31");
        assert_eq!(number(day.day()) * 86_400_000_000, day.start().micros());
    }

    #[test]
    fn instants_are_rfc_3339_or_plain_utc() {
        let instant = When::parse("2026-11-20T08:00:00Z").unwrap();
        assert_eq!(When::parse("2026-11-20T10:00:00+02:00"), Some(instant));
        assert_eq!(When::parse("2026-11-20T10:00:00 02:00"), Some(instant));
        assert_eq!(When::parse("2026-11-20 08:00:00"), Some(instant));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in ["", "yesterday", "2026-13-01", "2026-02-30", "20.11.2026"] {
            assert_eq!(When::parse(text), None, "{text}");
        }
    }
}
