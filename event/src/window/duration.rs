//! How long a window is: LiteLLM's grammar (`30s`, `15m`, `2h`, `1d`, `1w`, `1mo`, `daily`, …).

use std::{fmt, str::FromStr};

/// The longest text that is read as a duration, in bytes.
const TEXT_MAX: usize = 16;
/// The longest window: ten years.
const MONTHS_MAX: u32 = 120;
const WEEKS_MAX: u32 = 520;
const DAYS_MAX: u32 = 3660;
/// Seconds in a day without a clock change.
pub(super) const DAY: u32 = 86_400;

/// How long a window is, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WindowDuration {
    count: u32,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unit {
    Seconds,
    Minutes,
    Hours,
    Days,
    Weeks,
    Months,
}

/// How windows follow each other: durations that mean the same windows are the same here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Every {
    /// Multiples within each day, counted from midnight; less than a day.
    Seconds(u32),
    /// Counted from Monday, 5 January 1970.
    Days(u32),
    /// Counted from January 1970.
    Months(u32),
}

impl Unit {
    const ALL: [Self; 6] = [
        Self::Seconds,
        Self::Minutes,
        Self::Hours,
        Self::Days,
        Self::Weeks,
        Self::Months,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Minutes => "m",
            Self::Hours => "h",
            Self::Days => "d",
            Self::Weeks => "w",
            Self::Months => "mo",
        }
    }

    /// Seconds in one; `None` for units that the calendar counts.
    const fn seconds(self) -> Option<u32> {
        match self {
            Self::Seconds => Some(1),
            Self::Minutes => Some(60),
            Self::Hours => Some(3600),
            Self::Days | Self::Weeks | Self::Months => None,
        }
    }

    /// The most there may be of it.
    const fn max(self) -> u32 {
        match self {
            Self::Months => MONTHS_MAX,
            Self::Weeks => WEEKS_MAX,
            Self::Days => DAYS_MAX,
            Self::Hours => DAYS_MAX * 24,
            Self::Minutes => DAYS_MAX * 24 * 60,
            Self::Seconds => DAYS_MAX * DAY,
        }
    }
}

impl WindowDuration {
    /// What it means for the calendar. LiteLLM takes 30 days for a calendar month.
    pub(super) fn every(self) -> Every {
        match self.unit {
            Unit::Months => Every::Months(self.count),
            Unit::Days if self.count == 30 => Every::Months(1),
            Unit::Days => Every::Days(self.count),
            Unit::Weeks => Every::Days(self.count.saturating_mul(7)),
            Unit::Hours | Unit::Minutes | Unit::Seconds => {
                let seconds = self.unit.seconds().unwrap_or(1).saturating_mul(self.count);
                if seconds.is_multiple_of(DAY) {
                    Every::Days(seconds / DAY)
                } else {
                    Every::Seconds(seconds)
                }
            }
        }
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(count) => write!(f, "{count}s"),
            Self::Days(count) => write!(f, "{count}d"),
            Self::Months(count) => write!(f, "{count}mo"),
        }
    }
}

impl fmt::Display for WindowDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.count, self.unit.as_str())
    }
}

impl FromStr for WindowDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let error = |problem| DurationError {
            text: text.chars().take(TEXT_MAX).collect(),
            problem,
        };
        let written = match text {
            "hourly" => "1h",
            "daily" => "1d",
            "weekly" => "7d",
            "monthly" => "30d",
            other => other,
        };
        let digits = written.len()
            - written
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .len();
        let (digits, name) = written.split_at(digits);
        let unit = Unit::ALL.into_iter().find(|unit| unit.as_str() == name);
        let (Some(unit), true) = (unit, text.len() <= TEXT_MAX && !digits.is_empty()) else {
            return Err(error(Problem::NotOne));
        };
        let count = digits.parse().map_err(|_error| error(Problem::Long))?;
        match (count, unit.seconds()) {
            (0, _) => Err(error(Problem::Zero)),
            (count, _) if count > unit.max() => Err(error(Problem::Long)),
            (count, Some(seconds))
                if count * seconds > DAY && !(count * seconds).is_multiple_of(DAY) =>
            {
                Err(error(Problem::NoWholeDays))
            }
            (count, _) => Ok(Self { count, unit }),
        }
    }
}

/// A text that is not the duration of a window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a budget's duration: {problem}")]
pub struct DurationError {
    text: String,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error(
        "write a number and one of s, m, h, d, w, mo (`30d`), or hourly, daily, weekly, monthly"
    )]
    NotOne,
    #[error("it is no time at all; leave the duration out for a budget that never resets")]
    Zero,
    #[error("use at most ten years (120mo, 520w, 3660d)")]
    Long,
    #[error("what is longer than a day must be whole days, so that windows begin at midnight")]
    NoWholeDays,
}
