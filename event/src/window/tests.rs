//! Windows tile time in every zone, and begin where LiteLLM's do.

use std::collections::HashSet;

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::*;

const SECOND: i64 = 1_000_000;
const DAY_LONG: i64 = 86_400 * SECOND;

fn rule(duration: &str, zone: &str) -> WindowRule {
    WindowRule::new(duration.parse().unwrap(), zone.parse().unwrap())
}

fn at(text: &str) -> Timestamp {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc().into()
}

fn moved(instant: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(instant.micros() + micros)
}

/// The window at an instant, as the two clocks' times at its ends.
fn span(rule: &WindowRule, instant: &str) -> (String, String) {
    let window = rule.window(at(instant));
    let shown = |instant: Option<Timestamp>| {
        let local = instant.unwrap().to_utc().with_timezone(&rule.zone);
        local.format("%Y-%m-%dT%H:%M:%S%:z").to_string()
    };
    (shown(window.start), shown(window.end))
}

/// Checks a table of duration, zone, an instant, and the start and end of its window.
fn check(table: &str) {
    let rows = table
        .lines()
        .filter(|row| !row.is_empty() && !row.starts_with('#'));
    for row in rows {
        let words: Vec<&str> = row.split(' ').collect();
        let [duration, zone, instant, start, end] = words[..] else {
            panic!("not five words: {row}");
        };
        let span = span(&rule(duration, zone), instant);
        assert_eq!(span, (start.to_owned(), end.to_owned()), "{row}");
    }
}

/// Checks the window at an instant against both of its neighbours.
fn tiles(rule: &WindowRule, instant: Timestamp) {
    let window = rule.window(instant);
    let (start, end) = (window.start.unwrap(), window.end.unwrap());
    let told = || format!("{rule:?} at {} {window:?}", instant.to_utc());
    assert!(start <= instant && instant < end, "{}", told());
    assert_eq!(rule.window(start), window, "{}", told());
    assert_eq!(rule.window(moved(end, -1)), window, "{}", told());
    let (before, after) = (rule.window(moved(start, -1)), rule.window(end));
    assert_eq!(before.end, Some(start), "{}", told());
    assert_eq!(after.start, Some(end), "{}", told());
    assert!(
        before.id != window.id && window.id != after.id,
        "{}",
        told()
    );
}

fn offset(zone: Tz, instant: Timestamp) -> i32 {
    use chrono::Offset as _;
    let utc = instant.to_utc().naive_utc();
    zone.offset_from_utc_datetime(&utc).fix().local_minus_utc()
}

/// Every instant from 2000 to 2040 at which a zone's clock jumps.
fn changes(zone: Tz) -> Vec<Timestamp> {
    let (mut from, last) = (at("2000-01-01T00:00:00Z"), at("2041-01-01T00:00:00Z"));
    let mut found = Vec::new();
    while from < last {
        // No zone changes its clock and takes that back within so few days.
        let to = moved(from, 5 * DAY_LONG);
        if offset(zone, from) != offset(zone, to) {
            let (mut low, mut high) = (from, to);
            while high.micros() - low.micros() > SECOND {
                let seconds = (low.micros() + high.micros()) / 2 / SECOND;
                let middle = Timestamp::from_micros(seconds * SECOND);
                if offset(zone, middle) == offset(zone, low) {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            found.push(high);
        }
        from = to;
    }
    found
}

#[test]
fn windows_tile_time_over_every_clock_change_of_every_zone() {
    let rules = ["1d", "7d", "30d", "10d", "3mo", "1h", "5h", "15m", "45s"];
    let rules = rules.map(|duration| rule(duration, "UTC"));
    let (mut found, mut checked) = (0, HashSet::new());
    for zone in chrono_tz::TZ_VARIANTS {
        for change in changes(zone) {
            found += 1;
            // Many zones are others under another name, and turn with the same numbers.
            let offsets = [-DAY_LONG, -1, 0, DAY_LONG].map(|by| offset(zone, moved(change, by)));
            if !checked.insert((change, offsets)) {
                continue;
            }
            for rule in rules.map(|rule| WindowRule { zone, ..rule }) {
                tiles(&rule, moved(change, -1));
                tiles(&rule, change);
                tiles(&rule, moved(change, 40 * 60 * SECOND));
            }
        }
    }
    assert!(found > 18_000, "only {found} clock changes were found");
}

#[test]
fn windows_tile_time_for_any_rule_zone_and_instant() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let config = Config {
        cases: 3000,
        failure_persistence: None,
        ..Config::default()
    };
    let units = prop::sample::select(vec![
        ("s", DAY),
        ("m", 1440),
        ("h", 24),
        ("d", 400),
        ("w", 60),
        ("mo", 40),
    ]);
    let zones = prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec());
    let instants = at("1950-01-01T00:00:00Z").micros()..at("2120-01-01T00:00:00Z").micros();
    let cases = (units, any::<u32>(), zones, instants, 0_u32..1440);
    TestRunner::new_with_rng(config, rng)
        .run(&cases, |((unit, most), count, zone, instant, minutes)| {
            let duration = format!("{}{unit}", count % most + 1);
            let rule = WindowRule {
                reset_at: ResetAt { minutes },
                ..WindowRule::new(duration.parse().unwrap(), zone)
            };
            tiles(&rule, Timestamp::from_micros(instant));
            Ok(())
        })
        .unwrap();
}

/// The definition itself, minute by minute: a window's date is the latest that the clock has shown.
#[test]
fn a_day_begins_when_the_clock_first_shows_it() {
    for (zone, from) in [
        ("America/Sao_Paulo", "2018-11-02T00:00:00Z"),
        ("America/Sao_Paulo", "2018-02-16T00:00:00Z"),
        ("America/St_Johns", "2010-11-05T00:00:00Z"),
        ("America/Havana", "2024-11-01T00:00:00Z"),
        ("Africa/Cairo", "2024-04-24T00:00:00Z"),
        ("Asia/Beirut", "2023-03-24T00:00:00Z"),
        ("Australia/Lord_Howe", "2024-04-05T00:00:00Z"),
        ("Pacific/Apia", "2011-12-29T00:00:00Z"),
    ] {
        let rule = rule("1d", zone);
        let mut latest = NaiveDate::MIN;
        for minute in 0..4 * 1440 {
            let instant = moved(at(from), minute * 60 * SECOND);
            let shown = instant.to_utc().with_timezone(&rule.zone).date_naive();
            latest = latest.max(shown);
            if minute >= 1440 {
                let id = format!("1d@{latest}T00:00:00 {zone}");
                assert_eq!(rule.window(instant).id.as_str(), id, "{}", instant.to_utc());
            }
        }
    }
}

/// Duration, zone, an instant, and the start and end of its window.
const RESETS: &str = "
1d UTC 2024-02-29T12:00:00Z 2024-02-29T00:00:00+00:00 2024-03-01T00:00:00+00:00
daily Asia/Kolkata 2024-02-29T19:00:00Z 2024-03-01T00:00:00+05:30 2024-03-02T00:00:00+05:30
7d UTC 2026-11-21T12:00:00Z 2026-11-16T00:00:00+00:00 2026-11-23T00:00:00+00:00
1w UTC 2026-11-16T00:00:00Z 2026-11-16T00:00:00+00:00 2026-11-23T00:00:00+00:00
30d UTC 2026-01-31T23:59:59Z 2026-01-01T00:00:00+00:00 2026-02-01T00:00:00+00:00
1mo UTC 2024-02-29T23:59:59Z 2024-02-01T00:00:00+00:00 2024-03-01T00:00:00+00:00
1mo Europe/Berlin 2026-03-15T00:00:00Z 2026-03-01T00:00:00+01:00 2026-04-01T00:00:00+02:00
1h UTC 2026-11-21T17:59:59Z 2026-11-21T17:00:00+00:00 2026-11-21T18:00:00+00:00
6h UTC 2026-11-21T17:59:59Z 2026-11-21T12:00:00+00:00 2026-11-21T18:00:00+00:00
15m UTC 2026-11-21T17:59:59Z 2026-11-21T17:45:00+00:00 2026-11-21T18:00:00+00:00
30s UTC 2026-11-21T17:59:29Z 2026-11-21T17:59:00+00:00 2026-11-21T17:59:30+00:00
# Where LiteLLM counts from now or refuses.
45s UTC 2026-11-21T00:01:29Z 2026-11-21T00:00:45+00:00 2026-11-21T00:01:30+00:00
5h UTC 2026-11-21T23:00:00Z 2026-11-21T20:00:00+00:00 2026-11-22T00:00:00+00:00
14d UTC 1970-01-18T00:00:00Z 1970-01-05T00:00:00+00:00 1970-01-19T00:00:00+00:00
3mo UTC 2026-11-21T00:00:00Z 2026-10-01T00:00:00+00:00 2027-01-01T00:00:00+00:00
12mo UTC 1969-11-21T00:00:00Z 1969-01-01T00:00:00+00:00 1970-01-01T00:00:00+00:00
";

#[test]
fn windows_begin_where_litellm_resets() {
    check(RESETS);
}

/// The same around clock changes.
const CHANGES: &str = "
# A midnight that is skipped.
1d America/Sao_Paulo 2018-11-04T12:00:00Z 2018-11-04T01:00:00-02:00 2018-11-05T00:00:00-02:00
1d Africa/Cairo 2024-04-26T12:00:00Z 2024-04-26T01:00:00+03:00 2024-04-27T00:00:00+03:00
# An hour that is skipped, and one that occurs twice.
1h Europe/Berlin 2026-03-29T01:30:00Z 2026-03-29T03:00:00+02:00 2026-03-29T04:00:00+02:00
1h Europe/Berlin 2026-10-25T01:30:00Z 2026-10-25T02:00:00+02:00 2026-10-25T03:00:00+01:00
15m Europe/Berlin 2026-10-25T01:05:00Z 2026-10-25T02:45:00+02:00 2026-10-25T03:00:00+01:00
# A midnight that occurs twice.
1d America/St_Johns 2010-11-07T02:40:00Z 2010-11-07T00:00:00-02:30 2010-11-08T00:00:00-03:30
15m America/St_Johns 2010-11-07T02:40:00Z 2010-11-07T00:00:00-02:30 2010-11-07T00:15:00-03:30
# Half an hour.
1h Australia/Lord_Howe 2024-04-06T15:10:00Z 2024-04-07T01:00:00+11:00 2024-04-07T02:00:00+10:30
1h Australia/Lord_Howe 2024-10-05T15:40:00Z 2024-10-06T02:30:00+11:00 2024-10-06T03:00:00+11:00
# Days that zones have left out.
1d Pacific/Apia 2011-12-30T09:59:59Z 2011-12-29T00:00:00-10:00 2011-12-31T00:00:00+14:00
1d Pacific/Kiritimati 1994-12-31T12:00:00Z 1995-01-01T00:00:00+14:00 1995-01-02T00:00:00+14:00
";

#[test]
fn a_clock_change_neither_loses_nor_repeats_a_window() {
    check(CHANGES);
}

#[test]
fn windows_of_days_can_begin_at_another_time() {
    let mut rule = rule("1mo", "Europe/Berlin");
    rule.reset_at = "06:30".parse().unwrap();
    let expected = ("2026-02-01T06:30:00+01:00", "2026-03-01T06:30:00+01:00");
    let (start, end) = span(&rule, "2026-03-01T05:29:59Z");
    assert_eq!((&*start, &*end), expected);
    rule.duration = "1h".parse().unwrap();
    assert_eq!(
        span(&rule, "2026-03-01T05:29:59Z").0,
        "2026-03-01T06:00:00+01:00"
    );
}

#[test]
fn durations_are_read_as_litellm_writes_them() {
    for (text, canonical) in [
        ("hourly", "1h"),
        ("daily", "1d"),
        ("weekly", "7d"),
        ("monthly", "30d"),
        ("007d", "7d"),
        ("48h", "48h"),
    ] {
        assert_eq!(
            text.parse::<WindowDuration>().unwrap().to_string(),
            canonical
        );
    }
    let id = |duration| rule(duration, "UTC").window(at("2026-11-21T12:00:00Z")).id;
    for (one, other) in [
        ("30d", "1mo"),
        ("1w", "7d"),
        ("24h", "1d"),
        ("60s", "1m"),
        ("48h", "2d"),
    ] {
        assert_eq!(id(one), id(other), "{one} {other}");
    }
    assert_eq!(id("30d").as_str(), "1mo@2026-11-01T00:00:00 UTC");
    let refused = [
        "",
        "d",
        "1",
        "0d",
        "-1d",
        "+1d",
        "1.5h",
        "1 d",
        "1y",
        "1D",
        "36h",
        "1441m",
        "121mo",
        "3661d",
        "99999999999d",
        "1dd",
        "٣d",
        "00000000000000001d",
    ];
    for text in refused {
        assert!(text.parse::<WindowDuration>().is_err(), "{text}");
    }
    for text in ["24:00", "00:60", "1:00", "+1:00", "0100", "", "00:00:00"] {
        assert!(text.parse::<ResetAt>().is_err(), "{text}");
    }
}

#[test]
fn a_rule_is_written_as_text_and_read_back() {
    let text = r#"{"duration":"30d","zone":"Europe/Berlin","reset_at":"06:00"}"#;
    let read: WindowRule = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    let short: WindowRule = serde_json::from_str(r#"{"duration":"1d","more":1}"#).unwrap();
    assert_eq!(short, rule("1d", "UTC"));
    assert!(serde_json::from_str::<WindowRule>(r#"{"duration":"1d","zone":"Berlin"}"#).is_err());
    let window = read.window(at("2026-11-21T12:00:00Z"));
    let json = serde_json::to_string(&window).unwrap();
    assert_eq!(serde_json::from_str::<Window>(&json).unwrap(), window);
}

#[test]
fn no_rule_is_one_window_for_ever_and_no_instant_is_out_of_range() {
    let ever = Window::of(None, Timestamp::from_micros(i64::MIN));
    assert!(ever == Window::ever() && ever.holds(Timestamp::from_micros(i64::MAX)));
    for micros in [i64::MIN, FIRST - 1, LAST + 1, i64::MAX] {
        for duration in ["3660d", "120mo", "1s"] {
            let window = rule(duration, "Pacific/Apia").window(Timestamp::from_micros(micros));
            assert!(window.start < window.end, "{window:?}");
        }
    }
}
