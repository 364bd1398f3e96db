//! Windows: in which span of time a budget counts, a pure function of rule, zone and instant.
//!
//! A window begins at the first instant at which the zone's clock shows the time of its start, or
//! a later one, and ends where the next begins. That is one rule for every clock change: a midnight
//! that is skipped begins where the clock goes on; an hour that occurs twice stays in the window
//! that it first belonged to; a day that a zone left out has no window. So windows tile time.
//!
//! They begin where LiteLLM's resets are: `1d` at midnight, `7d` and `1w` on Monday, `30d` and
//! `1mo` on the 1st, hours, minutes and seconds at multiples within the day. Where LiteLLM counts
//! from the moment of asking, a pure function cannot: other `Nd` and `Nw` are counted from Monday,
//! 5 January 1970, and `Nmo`, which LiteLLM refuses for more than one, from January 1970 (so `3mo`
//! is a quarter). What does not divide a day (`45m`, `5h`) begins anew at midnight.

mod duration;

use std::{fmt, str::FromStr};

use chrono::{
    DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone,
    Timelike,
};
use chrono_tz::{GapInfo, Tz};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use duration::{DAY, Every};
pub use duration::{DurationError, WindowDuration};

use crate::{Timestamp, entity::from_text};

/// The longest text of a [`WindowId`], in bytes.
const ID_MAX: usize = 96;
/// Instants before the year 1 and after the year 9999 count as these, in microseconds.
const FIRST: i64 = -62_135_596_800_000_000;
const LAST: i64 = 253_402_300_799_000_000;

/// How a budget's windows follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WindowRule {
    /// How long one is.
    pub duration: WindowDuration,
    /// In which zone's calendar; LiteLLM's `litellm_settings.timezone`.
    #[serde(default = "utc", with = "zone")]
    pub zone: Tz,
    /// At what time of the day windows of a day and longer begin; LiteLLM's `budget_reset_time`.
    #[serde(default)]
    pub reset_at: ResetAt,
}

/// A time of the day, to the minute: `HH:MM`. The default is midnight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ResetAt {
    minutes: u32,
}

/// One window: every instant from its start until just before its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// Unique among the windows of all rules.
    pub id: WindowId,
    /// Its first instant; `None` if it has none.
    pub start: Option<Timestamp>,
    /// The first instant after it; `None` if it never ends.
    pub end: Option<Timestamp>,
}

/// Names a window by its duration, the time its zone's clock shows at its start, and the zone:
/// `1mo@2026-11-01T00:00:00 Europe/Berlin`. It stays the same when a new edition of the zones' data
/// moves the window's end. Durations that mean the same windows (`30d`, `1mo`) give the same id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct WindowId(String);

impl WindowRule {
    /// A rule with windows that begin at midnight.
    #[must_use]
    pub const fn new(duration: WindowDuration, zone: Tz) -> Self {
        Self {
            duration,
            zone,
            reset_at: ResetAt { minutes: 0 },
        }
    }

    /// The window that `instant` lies in. Instants beyond the years 1 to 9999 count as the nearest
    /// within.
    #[must_use]
    pub fn window(&self, instant: Timestamp) -> Window {
        let instant = Timestamp::from_micros(instant.micros().clamp(FIRST, LAST));
        let local = instant.to_utc().with_timezone(&self.zone).naive_local();
        let every = self.duration.every();
        let (start, next) = match every {
            Every::Seconds(seconds) => self.within_day(instant, local, seconds),
            Every::Days(_) | Every::Months(_) => self.of_days(instant, local, every),
        };
        let zone = self.zone.name();
        let named = start.format("%Y-%m-%dT%H:%M:%S");
        Window {
            id: WindowId(format!("{every}@{named} {zone}")),
            start: Some(self.first(start)),
            end: Some(self.first(next)),
        }
    }

    /// The start of a window of days or months and that of the next, by the zone's clock.
    fn of_days(
        &self,
        instant: Timestamp,
        local: NaiveDateTime,
        every: Every,
    ) -> (NaiveDateTime, NaiveDateTime) {
        let shift = TimeDelta::minutes(i64::from(self.reset_at.minutes));
        let at = |date: NaiveDate| date.and_time(NaiveTime::MIN) + shift;
        let mut start = period(every, (local - shift).date());
        let mut next = following(every, start);
        // The clock went back over a start, or over nothing but left a period out.
        while self.first(at(next)) <= instant {
            start = next;
            next = following(every, start);
        }
        (at(start), at(next))
    }

    /// The start of a window within a day and that of the next, by the zone's clock.
    fn within_day(
        &self,
        instant: Timestamp,
        local: NaiveDateTime,
        seconds: u32,
    ) -> (NaiveDateTime, NaiveDateTime) {
        let at = |date: NaiveDate, number: u32| {
            let second = number.saturating_mul(seconds).min(DAY);
            date.and_time(NaiveTime::MIN) + TimeDelta::seconds(i64::from(second))
        };
        let begun = |start: NaiveDateTime| self.first(start) <= instant;
        let last = (DAY - 1) / seconds;
        let mut date = local.date();
        let mut number = local.num_seconds_from_midnight() / seconds;
        while begun(at(date, last + 1)) {
            date = date.succ_opt().unwrap_or(date);
            number = 0;
        }
        // Where the clock went back, later windows of the day may have begun; else this is one step.
        let mut above = last + 1;
        if !begun(at(date, number + 1)) {
            above = number + 1;
        }
        while above - number > 1 {
            let middle = number.midpoint(above);
            if begun(at(date, middle)) {
                number = middle;
            } else {
                above = middle;
            }
        }
        (at(date, number), at(date, number + 1))
    }

    /// The first instant at which the zone's clock shows `local` or later.
    fn first(&self, local: NaiveDateTime) -> Timestamp {
        let shown = self.zone.from_local_datetime(&local).earliest();
        let skipped = || GapInfo::new(&local, &self.zone).and_then(|gap| gap.end);
        let instant: Option<DateTime<Tz>> = shown.or_else(skipped);
        // Every local time is shown or skipped; if the data were wrong, UTC would still be a time.
        instant.map_or(Timestamp::from(local.and_utc()), |instant| {
            Timestamp::from(instant.to_utc())
        })
    }
}

/// The first day of the period that `date` lies in.
fn period(every: Every, date: NaiveDate) -> NaiveDate {
    match every {
        Every::Seconds(_) => date,
        Every::Days(days) => {
            // 1970-01-05, the first Monday, is day 4 after the epoch.
            let since = i64::from(date.to_epoch_days()) - 4;
            let into = since.rem_euclid(i64::from(days));
            date - TimeDelta::days(into)
        }
        Every::Months(months) => {
            let since = (i64::from(date.year()) - 1970) * 12 + i64::from(date.month0());
            let into = since.rem_euclid(i64::from(months));
            let first = date.with_day(1).unwrap_or(date);
            let into = Months::new(u32::try_from(into).unwrap_or_default());
            first.checked_sub_months(into).unwrap_or(first)
        }
    }
}

/// The first day of the period after the one that begins on `start`.
fn following(every: Every, start: NaiveDate) -> NaiveDate {
    let next = match every {
        Every::Seconds(_) => start.succ_opt(),
        Every::Days(days) => start.checked_add_days(Days::new(u64::from(days))),
        Every::Months(months) => start.checked_add_months(Months::new(months)),
    };
    next.unwrap_or(NaiveDate::MAX)
}

impl Window {
    /// The window of a budget: by its rule, or the one window for ever of a budget without.
    #[must_use]
    pub fn of(rule: Option<&WindowRule>, instant: Timestamp) -> Self {
        rule.map_or_else(Self::ever, |rule| rule.window(instant))
    }

    /// The window that has no start and no end.
    #[must_use]
    pub fn ever() -> Self {
        Self {
            id: WindowId("ever".to_owned()),
            start: None,
            end: None,
        }
    }

    /// Whether `instant` lies in it.
    #[must_use]
    pub fn holds(&self, instant: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= instant) && self.end.is_none_or(|end| instant < end)
    }
}

impl WindowId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WindowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for WindowId {
    type Err = WindowIdError;

    /// Reads back what was written; the id is not taken apart.
    fn from_str(text: &str) -> Result<Self, WindowIdError> {
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if text.is_empty() || text.len() > ID_MAX || !printable {
            return Err(WindowIdError);
        }
        Ok(Self(text.to_owned()))
    }
}

/// A text that is no window's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a window's id has 1 to {ID_MAX} printable ASCII characters")]
pub struct WindowIdError;

impl fmt::Display for ResetAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

impl FromStr for ResetAt {
    type Err = ResetAtError;

    fn from_str(text: &str) -> Result<Self, ResetAtError> {
        let number = |digits: &str| {
            let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| digits.parse::<u32>().ok()).flatten()
        };
        let read = text
            .split_once(':')
            .and_then(|(hours, minutes)| Some((number(hours)?, number(minutes)?)));
        match read {
            Some((hours @ 0..24, minutes @ 0..60)) => Ok(Self {
                minutes: hours * 60 + minutes,
            }),
            _ => Err(ResetAtError(text.chars().take(16).collect())),
        }
    }
}

/// A text that is no time of the day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time of the day: write HH:MM, from 00:00 to 23:59")]
pub struct ResetAtError(String);

const fn utc() -> Tz {
    Tz::UTC
}

/// A zone by its IANA name.
mod zone {
    use chrono_tz::Tz;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(zone: &Tz, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(zone.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(|_error| {
            let name: String = name.chars().take(64).collect();
            D::Error::custom(format!(
                "`{name}` is no time zone: write an IANA name such as Europe/Berlin"
            ))
        })
    }
}

impl<'de> Deserialize<'de> for WindowDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl<'de> Deserialize<'de> for ResetAt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl<'de> Deserialize<'de> for WindowId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl Serialize for WindowDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ResetAt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
