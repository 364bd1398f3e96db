//! Thresholds and forecasts of budgets, without books.

use event::control::Snapshot;

use super::*;

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// The end of a day of January 2026, in New York.
fn on_the(day: i64) -> Timestamp {
    const NEW_YEAR: i64 = 1_767_243_600_000_000;
    Timestamp::from_micros(NEW_YEAR + day * 86_400_000_000)
}

fn moved(terms: &str, before: &str, spent: &str) -> Moved {
    let json = format!(r#"{{"id":"b","entity":"key:88dc88dc88dc88dc","terms":{terms}}}"#);
    let budget: Budget = serde_json::from_str(&json).unwrap();
    Moved {
        window: budget.terms.window(on_the(3)),
        budget,
        before: usd(before),
        spent: usd(spent),
    }
}

fn known() -> Known {
    let snapshot: Snapshot = serde_json::from_str(
        r#"{"version":1,"keys":{"feed":{"id":"88dc88dc88dc88dc","alias":"nightly","user":"u","team":"t"}},
            "users":{"u":{"email":"u@example.com"}},"teams":{"t":{"alias":"red"}}}"#,
    )
    .unwrap();
    Known::new(snapshot)
}

fn keys(terms: &str, before: &str, spent: &str) -> Vec<String> {
    let moved = moved(terms, before, spent);
    let found = crossed(&AlertingConfig::default(), &known(), &moved, on_the(3));
    let key = |once: Once| once.alert.key.rsplit('/').next().unwrap().to_owned();
    found.into_iter().map(key).collect()
}

#[test]
fn each_threshold_that_is_passed_is_told_and_none_before() {
    let terms = r#"{"limit":10,"soft":7}"#;
    let passed = |before, spent| keys(terms, before, spent);
    assert!(passed("0", "4.999999999999").is_empty());
    assert_eq!(passed("4.999999999999", "5"), ["50"]);
    assert_eq!(passed("5", "7.5"), ["soft"]);
    assert_eq!(passed("7.5", "9.5"), ["80", "95"]);
    assert!(passed("9.5", "9.999999999999").is_empty());
    assert_eq!(passed("0", "11"), ["soft", "50", "80", "95", "100"]);
    assert!(
        passed("11", "3").is_empty(),
        "a correction takes nothing back"
    );
}

#[test]
fn a_budget_of_nothing_is_spent_with_the_first_cent() {
    assert!(keys(r#"{"limit":0}"#, "0", "0").is_empty());
    assert_eq!(keys(r#"{"limit":0}"#, "0", "0.01"), ["100"]);
    assert!(keys(r#"{"limit":0}"#, "0.01", "0.02").is_empty());
}

#[test]
fn an_alert_says_whom_it_is_about_and_in_which_window() {
    let terms = r#"{"limit":10,"rule":{"duration":"1mo","zone":"America/New_York"}}"#;
    let moved = moved(terms, "0", "10");
    let found = crossed(&AlertingConfig::default(), &known(), &moved, on_the(3));
    let once = found.last().unwrap();
    assert_eq!(
        once.alert.key,
        "budget/b/1mo@2026-01-01T00:00:00 America/New_York/100"
    );
    assert_eq!(once.ends, Some(on_the(31)));
    assert_eq!(
        once.alert.message,
        "key `nightly` (88dc88dc88dc…) has spent 10.0 of 10.0 USD, 100 % or more (window from \
         2026-01-01T05:00:00.000000Z to 2026-02-01T05:00:00.000000Z, time zone America/New_York); \
         calls that do not fit any more are refused where the budget is enforced: raise \
         `max_budget`, or wait"
    );
    let body = serde_json::to_value(once.alert.webhook_body()).unwrap();
    for (name, value) in [
        ("event", "budget_crossed"),
        ("event_group", "key"),
        ("token", "88dc88dc88dc88dc"),
        ("key_alias", "nightly"),
        ("user_id", "u"),
        ("user_email", "u@example.com"),
        ("team_id", "t"),
        ("team_alias", "red"),
        ("time_zone", "America/New_York"),
    ] {
        assert_eq!(body[name], value, "{name}");
    }
}

fn projected_at(spent: &str, day: i64) -> Option<Once> {
    let terms = r#"{"limit":100,"rule":{"duration":"1mo","zone":"America/New_York"}}"#;
    let moved = moved(terms, "0", spent);
    projected(&AlertingConfig::default(), &known(), &moved, on_the(day))
}

#[test]
fn what_will_be_spent_before_the_window_ends_is_told_with_its_day() {
    // Ten days for 44 dollars: the limit is reached after 22.7 days, on the 23rd.
    let once = projected_at("44", 10).unwrap();
    let facts = once.alert.facts.unwrap();
    assert_eq!(facts.projected_exceeded_date.unwrap(), "2026-01-23");
    assert_eq!(facts.projected_spend, Some(usd("136.4")));
    assert!(
        once.alert
            .message
            .contains("at this rate the budget is exhausted on 2026-01-23"),
        "{}",
        once.alert.message
    );
    assert_eq!(
        once.alert.key,
        "budget/b/1mo@2026-01-01T00:00:00 America/New_York/forecast"
    );
}

#[test]
fn a_forecast_waits_for_a_part_of_the_window_and_says_nothing_of_what_holds_or_is_spent() {
    assert!(projected_at("40", 3).is_none(), "too early");
    assert!(projected_at("32", 10).is_none(), "99.2 in 31 days");
    assert!(projected_at("100", 10).is_none(), "spent");
    assert!(projected_at("0", 10).is_none());
    let endless = moved(r#"{"limit":100}"#, "0", "90");
    assert!(projected(&AlertingConfig::default(), &known(), &endless, on_the(10)).is_none());
}

#[test]
fn alerts_that_are_not_wanted_are_not_raised() {
    let rules: AlertingConfig = serde_json::from_str(r#"{"alert_types":[]}"#).unwrap();
    let moved = moved(r#"{"limit":1}"#, "0", "1");
    assert!(crossed(&rules, &known(), &moved, on_the(3)).is_empty());
}
