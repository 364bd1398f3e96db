//! R3.9, R3.11 and R3.12: prices of hours, by the second, and from some date on.

use super::{check, check_totals, map};

const OFF_PEAK: &str = r#""m": {"input_cost_per_token": 4, "input_cost_per_token_flex": 3,
    "output_cost_per_token": 8, "input_cost_per_token_above_1k_tokens": 9,
    "cache_read_input_token_cost": 2, "off_peak_pricing": {"input_cost_per_token": 1,
    "windows": [{"hours_utc": ["22:00-02:00", "04:00-05:30"], "weekdays": [1, "Tue"],
        "weekday_timezone": "Asia/Shanghai"}, {"hours_utc": "00:00-00:00", "weekdays": ["sunday"]}]}},
    "plain": {"input_cost_per_token": 4, "off_peak_pricing":
        {"hours_utc": "10:00-12:00", "input_cost_per_token": 1}}"#;

#[test]
fn r3_9_off_peak_hours_have_prices_of_their_own() {
    let map = map(OFF_PEAK);
    for (at, expected) in [
        // Monday 23 November 2026 in Shanghai begins on Sunday at 16:00 UTC; Sunday is whole in UTC.
        ("2026-11-21T23:59:59Z", "4"),
        ("2026-11-22T00:00:00Z", "1"),
        ("2026-11-22T23:59:59Z", "1"),
        // Monday from midnight to two, from four to half past five.
        ("2026-11-23T01:59:59Z", "1"),
        ("2026-11-23T02:00:00Z", "4"),
        ("2026-11-23T04:00:00Z", "1"),
        ("2026-11-23T05:29:59Z", "1"),
        ("2026-11-23T05:30:00Z", "4"),
        // 22:00 UTC on Tuesday is Wednesday in Shanghai.
        ("2026-11-23T22:00:00Z", "1"),
        ("2026-11-24T22:00:00Z", "4"),
        ("2026-11-24T06:00:00+02:00", "1"),
    ] {
        let question = format!(r#""model": "m", "at": "{at}", "usage": {{"prompt_tokens": 1}}"#);
        check_totals(&map, &[(&question, expected)]);
    }
    // Noon is the time of the tests: the end is not in the window.
    check_totals(
        &map,
        &[(r#""model": "plain", "usage": {"prompt_tokens": 1}"#, "4")],
    );
}

#[test]
fn an_entry_says_when_its_prices_hold() {
    let map = map(&format!(
        r#"{OFF_PEAK}, "dated": {{"input_cost_per_token": 4, "effective": [
            {{"from": "2027-01-01", "input_cost_per_token": 3}}]}}"#
    ));
    let times = |model| {
        let found = map.resolve(None, model).unwrap();
        found.entry.times().collect::<Vec<_>>()
    };
    let owned = |name: &str, when: &str| (name.to_owned(), when.to_owned());
    assert_eq!(
        times("m"),
        [owned(
            "off_peak_pricing",
            "22:00-02:00 and 04:00-05:30 UTC on monday, tuesday in Asia/Shanghai, \
             00:00-00:00 UTC on sunday in UTC"
        )]
    );
    assert_eq!(
        times("dated"),
        [owned("effective[0]", "from 2027-01-01 00:00 UTC on")]
    );
}

#[test]
fn r3_9_off_peak_comes_before_tiers_thresholds_and_not_in_a_batch() {
    let map = map(OFF_PEAK);
    let sunday = r#""model": "m", "at": "2026-11-22T12:00:00Z""#;
    check(
        &map,
        &[
            (
                &format!(
                    r#"{sunday}, "service_tier": "flex", "usage": {{"prompt_tokens": 2000,
                       "completion_tokens": 1, "prompt_tokens_details": {{"cached_tokens": 1}}}}"#
                ),
                "2009 = input 1999 × 1 (off_peak_pricing.input_cost_per_token)
                 + cache_read 1 × 2 (cache_read_input_token_cost)
                 + output 1 × 8 (output_cost_per_token)",
            ),
            (
                &format!(r#"{sunday}, "service_tier": "batch", "usage": {{"prompt_tokens": 1}}"#),
                "2 = input 1 × 4 (input_cost_per_token) + adjustment 4 × -0.5 (batches)",
            ),
            (
                &format!(
                    r#"{sunday}, "usage": {{"prompt_tokens": 1}},
                       "prices": {{"input_cost_per_token": 7}}"#
                ),
                "7 = input 1 × 7 (input_cost_per_token)",
            ),
        ],
    );
}

#[test]
fn r3_9_hours_that_cannot_be_read_are_refused_with_the_map() {
    for block in [
        r#"{"input_cost_per_token": 1}"#,
        r#"{"hours_utc": "25:00-01:00"}"#,
        r#"{"hours_utc": "00:61-01:00"}"#,
        r#"{"hours_utc": "00:00"}"#,
        r#"{"hours_utc": "00:00-01:00", "weekdays": [8]}"#,
        r#"{"hours_utc": "00:00-01:00", "weekdays": ["someday"]}"#,
        r#"{"hours_utc": "00:00-01:00", "weekday_timezone": "Mars/Olympus"}"#,
        r#"{"windows": [{"weekdays": [1]}]}"#,
        "7",
    ] {
        let json = format!(r#"{{"m": {{"off_peak_pricing": {block}}}}}"#);
        let error = cost_map::PriceMap::parse(json.as_bytes(), "test").unwrap_err();
        let message = error.to_string();
        assert!(
            message.starts_with("`off_peak_pricing` of `m` has hours"),
            "{message}"
        );
    }
}

#[test]
fn r3_11_by_the_second() {
    let map = map(
        r#""chat": {"mode": "chat", "input_cost_per_second": 2, "output_cost_per_second": 3},
           "committed": {"mode": "chat", "cost_per_second": 5, "input_cost_per_second": 2,
            "input_cost_per_token": 0},
           "tokens": {"mode": "chat", "cost_per_second": 5, "input_cost_per_token": 1},
           "live": {"mode": "realtime", "input_cost_per_second": 2, "input_cost_per_text_message": 7}"#,
    );
    let usage = r#""response_time_ms": 1500, "usage": {"prompt_tokens": 4}"#;
    check(
        &map,
        &[
            (
                &format!(r#""model": "chat", {usage}"#),
                "3 = seconds 1.5 × 2 (input_cost_per_second)",
            ),
            (
                &format!(r#""model": "committed", {usage}"#),
                "7.5 = seconds 1.5 × 5 (cost_per_second)",
            ),
            (
                &format!(r#""model": "tokens", {usage}"#),
                "4 = input 4 × 1 (input_cost_per_token)",
            ),
            (
                r#""model": "chat", "usage": {"prompt_tokens": 4}"#,
                "unpriced: `chat` is priced by the second, and no duration is known",
            ),
            (
                &format!(r#""model": "live", "duration_seconds": 60, {usage}"#),
                "120 = seconds 60 × 2 (input_cost_per_second)",
            ),
            (
                &format!(r#""model": "live", {usage}"#),
                "unpriced: `live` is priced by the second, and no duration is known",
            ),
            (
                r#""model": "live", "response_seconds": 1, "text_messages": 2"#,
                "14 = messages 2 × 7 (input_cost_per_text_message)",
            ),
            (r#""model": "chat", "response_seconds": 3"#, "nothing"),
        ],
    );
}

#[test]
fn r3_12_a_call_has_the_prices_of_its_own_time() {
    let map = map(
        r#""m": {"mode": "chat", "input_cost_per_token": 1, "output_cost_per_token": 2, "effective": [
            {"from": "2027-01-01T00:00:00+01:00", "input_cost_per_token": 7,
             "output_cost_per_token": 8},
            {"from": "2026-06-01", "input_cost_per_token": 3, "tiered_pricing":
                [{"range": [0, 5], "input_cost_per_token": 4, "output_cost_per_token": 5}]}]}"#,
    );
    let at = |at: &str| {
        format!(
            r#""model": "m", "at": "{at}",
               "usage": {{"prompt_tokens": 1, "completion_tokens": 1}}"#
        )
    };
    check(
        &map,
        &[
            (
                &at("2026-05-31T23:59:59.999999Z"),
                "3 = input 1 × 1 (input_cost_per_token) + output 1 × 2 (output_cost_per_token)",
            ),
            (
                &at("2026-06-01T00:00:00Z"),
                "9 = input 1 × 4 (effective[1].tiered_pricing[0].input_cost_per_token)
                 + output 1 × 5 (effective[1].tiered_pricing[0].output_cost_per_token)",
            ),
            (
                &at("2026-12-31T23:00:00Z"),
                "15 = input 1 × 7 (effective[0].input_cost_per_token)
                 + output 1 × 8 (effective[0].output_cost_per_token)",
            ),
        ],
    );
    for broken in [
        r#"{"from": "2026-01-01"}"#,
        r#"[{"input_cost_per_token": 1}]"#,
        r#"[{"from": "soon"}]"#,
        r#"[{"from": "2026-01-01", "input_cost_per_token": "x"}]"#,
    ] {
        let json = format!(r#"{{"m": {{"effective": {broken}}}}}"#);
        assert!(
            cost_map::PriceMap::parse(json.as_bytes(), "test").is_err(),
            "{broken}"
        );
    }
}
