//! Hours in which a model costs less.

use std::fmt;

use chrono::{Datelike, Timelike};
use chrono_tz::Tz;
use event::Timestamp;
use serde::Deserialize;

use crate::entry::Prices;

/// Prices for some hours of the week.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OffPeak {
    pub(crate) prices: Prices,
    pub(crate) windows: Box<[Window]>,
}

/// Hours of some days of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Minutes of the day in UTC, from and until.
    hours: Box<[(u32, u32)]>,
    /// A bit for each day, Monday the lowest.
    days: u8,
    zone: Tz,
}

const EVERY_DAY: u8 = 0b111_1111;
const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

impl OffPeak {
    /// Whether the prices hold at an instant.
    pub(crate) fn is_open(&self, instant: Timestamp) -> bool {
        self.windows.iter().any(|window| window.holds(instant))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (from, until)) in self.hours.iter().enumerate() {
            let and = if index == 0 { "" } else { " and " };
            let [from, until] = [from, until].map(|at| (at / 60, at % 60));
            write!(
                f,
                "{and}{:02}:{:02}-{:02}:{:02}",
                from.0, from.1, until.0, until.1
            )?;
        }
        f.write_str(" UTC")?;
        if self.days != EVERY_DAY {
            let on = DAYS.iter().enumerate();
            let on = on.filter(|(day, _)| self.days >> day & 1 == 1);
            let on: Vec<_> = on.map(|(_, name)| *name).collect();
            write!(f, " on {} in {}", on.join(", "), self.zone)?;
        }
        Ok(())
    }
}

impl Window {
    fn holds(&self, instant: Timestamp) -> bool {
        let utc = instant.to_utc();
        let minute = utc.hour() * 60 + utc.minute();
        let within = |(from, until): &(u32, u32)| match from.cmp(until) {
            std::cmp::Ordering::Less => (*from..*until).contains(&minute),
            std::cmp::Ordering::Equal => true,
            std::cmp::Ordering::Greater => minute >= *from || minute < *until,
        };
        let day = utc
            .with_timezone(&self.zone)
            .weekday()
            .num_days_from_monday();
        self.days >> day & 1 == 1 && self.hours.iter().any(within)
    }
}

/// When a block holds, as it is written: in windows, or as one window itself.
#[derive(Deserialize)]
pub(crate) struct Hours {
    hours_utc: Option<OneOrMany>,
    #[serde(default)]
    weekdays: Vec<Day>,
    weekday_timezone: Option<String>,
    #[serde(default)]
    windows: Vec<Hours>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Day {
    Number(u32),
    Name(String),
}

impl Hours {
    /// The windows; `None` if an hour, a day or a zone cannot be understood, or there is none.
    pub(crate) fn windows(&self) -> Option<Box<[Window]>> {
        let outer = self.weekday_timezone.as_deref();
        let own = self.hours_utc.is_some().then_some(self);
        let windows: Option<Vec<_>> = own
            .into_iter()
            .chain(&self.windows)
            .map(|hours| hours.window(outer))
            .collect();
        windows
            .filter(|windows| !windows.is_empty())
            .map(Into::into)
    }

    fn window(&self, outer: Option<&str>) -> Option<Window> {
        let hours = match self.hours_utc.as_ref()? {
            OneOrMany::One(hours) => std::slice::from_ref(hours),
            OneOrMany::Many(hours) => hours,
        };
        let hours: Option<Vec<_>> = hours.iter().map(|hours| span(hours)).collect();
        let days = self
            .weekdays
            .iter()
            .try_fold(0_u8, |days, day| Some(days | 1 << day.index()?))?;
        let zone = self.weekday_timezone.as_deref().or(outer);
        Some(Window {
            hours: hours?.into(),
            days: if days == 0 { EVERY_DAY } else { days },
            zone: zone.map_or(Ok(Tz::UTC), str::parse).ok()?,
        })
    }
}

impl Day {
    /// 0 for Monday.
    fn index(&self) -> Option<usize> {
        match self {
            Self::Number(number @ 1..=7) => usize::try_from(number - 1).ok(),
            Self::Number(_) => None,
            Self::Name(name) => {
                let name = name.to_ascii_lowercase();
                DAYS.iter()
                    .position(|day| *day == name || day.get(..3) == Some(&*name))
            }
        }
    }
}

/// `HH:MM-HH:MM` in minutes of the day; `24:00` is midnight.
fn span(hours: &str) -> Option<(u32, u32)> {
    let (from, until) = hours.split_once('-')?;
    Some((minute(from.trim())?, minute(until.trim())?))
}

fn minute(time: &str) -> Option<u32> {
    let (hour, minute) = time.split_once(':')?;
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    let of_day = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && of_day <= 24 * 60).then_some(of_day % (24 * 60))
}
