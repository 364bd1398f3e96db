//! Whether an off-peak block is in force at the time of a call: RULES, R3.9.

use crate::json::{Fields, Json, Object};

/// The time of a call as written in RFC 3339, in UTC.
struct Instant {
    days: i64,
    minute: i64,
}

const MINUTES: i64 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The block, while it is in force.
#[must_use]
pub fn off_peak<'a>(entry: &'a Object, at: Option<&str>) -> Option<&'a Object> {
    let block = entry.object("off_peak_pricing")?;
    let at = parse(at?)?;
    let open = match block.list("windows") {
        Some(windows) => windows.iter().any(|window| match window {
            Json::Object(window) => day_fits(window, block, &at) && hours_fit(window, &at),
            _ => false,
        }),
        None => hours_fit(block, &at),
    };
    open.then_some(block)
}

fn hours_fit(window: &Object, at: &Instant) -> bool {
    match window.get("hours_utc") {
        Some(Json::Text(hours)) => in_hours(hours, at.minute),
        Some(Json::List(list)) => list.iter().any(|hours| match hours {
            Json::Text(hours) => in_hours(hours, at.minute),
            _ => false,
        }),
        _ => false,
    }
}

fn in_hours(hours: &str, minute: i64) -> bool {
    let clock = |text: &str| {
        let (hour, minute) = text.trim().split_once(':')?;
        Some(hour.parse::<i64>().ok()? * 60 + minute.parse::<i64>().ok()?)
    };
    let ends = hours
        .split_once('-')
        .and_then(|(start, end)| Some((clock(start)?, clock(end)?)));
    let Some((start, end)) = ends else {
        return false;
    };
    // How long after the start, going round the clock.
    let length = (end - start).rem_euclid(MINUTES);
    length == 0 || (minute - start).rem_euclid(MINUTES) < length
}

fn day_fits(window: &Object, block: &Object, at: &Instant) -> bool {
    let Some(weekdays) = window.list("weekdays") else {
        return true;
    };
    let zone = window
        .text("weekday_timezone")
        .or_else(|| block.text("weekday_timezone"));
    // The map names two zones, and neither has summer time.
    let ahead = if zone == Some("Asia/Shanghai") {
        8 * 60
    } else {
        0
    };
    let days = at.days + (at.minute + ahead).div_euclid(MINUTES);
    // The first of January 1970 was a Thursday, the fourth day.
    let weekday = (days + 3).rem_euclid(7) + 1;
    weekdays.iter().any(|day| match day {
        Json::Number(number) => *number == crate::number::fraction(weekday, 1),
        Json::Text(name) => {
            let name = name.to_lowercase();
            let mut names = (1_i64..).zip(DAYS);
            names.any(|(number, day)| number == weekday && name.starts_with(day))
        }
        _ => false,
    })
}

/// `2026-11-21T03:04:05Z`; no other offset is generated.
fn parse(text: &str) -> Option<Instant> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let mut time = time.split(':');
    let hour: i64 = time.next()?.parse().ok()?;
    let minute: i64 = time.next()?.parse().ok()?;
    // Years that begin in March, so that the leap day is the last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let before = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = before + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Some(Instant {
        days,
        minute: hour * 60 + minute,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_knows_hours_and_weekdays() {
        let entry = |text: &str| match Json::parse(text).unwrap() {
            Json::Object(entry) => entry,
            other => panic!("{other:?}"),
        };
        let night = entry(r#"{"off_peak_pricing": {"hours_utc": "22:00-02:00"}}"#);
        let weekend = entry(
            r#"{"off_peak_pricing": {"weekday_timezone": "Asia/Shanghai",
                "windows": [{"hours_utc": "00:00-00:00", "weekdays": [6, "sunday"]}]}}"#,
        );
        // The 21st of November 2026 was a Saturday.
        for (entry, at, open) in [
            (&night, "2026-11-21T22:00:00Z", true),
            (&night, "2026-11-21T01:59:59Z", true),
            (&night, "2026-11-21T02:00:00Z", false),
            (&weekend, "2026-11-20T15:59:59Z", false),
            (&weekend, "2026-11-20T16:00:00Z", true),
            (&weekend, "2026-11-22T15:59:00Z", true),
            (&weekend, "2026-11-22T16:00:00Z", false),
        ] {
            assert_eq!(off_peak(entry, Some(at)).is_some(), open, "{at}");
        }
    }
}
