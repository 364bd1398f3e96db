//! What may be written under `alerting`, and what is refused.

use super::*;

fn read(text: &str) -> Result<AlertingConfig, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

#[test]
fn what_is_left_out_is_as_in_litellm() {
    let config = read("{}").unwrap();
    assert!(config.raises(AlertType::BUDGETS) && !config.raises(AlertType::KEY_CREATED));
    assert_eq!(config.slow_micros(), 300_000_000);
    let args = config.alerting_args;
    assert_eq!(args.thresholds().collect::<Vec<_>>(), [50, 80, 95, 100]);
    assert_eq!(args.baseline(), (7, usd("10")));
    assert_eq!(args.report_days(), Some(1));
}

#[test]
fn a_file_of_litellm_is_read_and_what_has_no_effect_is_said() {
    let config = read(
        r#"{"alert_types": ["llm_exceptions", "spend_reports"], "alerting_threshold": 30,
            "alerting_args": {"daily_report_frequency": 43200, "log_to_console": true,
            "spend_anomaly_multiplier": 2.5, "report_check_interval": 10}}"#,
    )
    .unwrap();
    assert!(config.raises(AlertType::SPEND_REPORTS) && !config.raises(AlertType::BUDGETS));
    assert_eq!(config.alerting_args.report_days(), Some(1));
    assert_eq!(
        config.without_effect(),
        [
            "alert_types: llm_exceptions",
            "alerting_args.log_to_console"
        ]
    );
}

#[test]
fn an_anomaly_is_at_least_so_many_times_the_average_and_no_small_change() {
    let args = read(r#"{"alerting_args": {"spend_anomaly_multiplier": 2.5}}"#)
        .unwrap()
        .alerting_args;
    // 28 dollars in seven days are four a day.
    assert!(args.is_anomaly(usd("10"), usd("28")));
    assert!(!args.is_anomaly(usd("9.999999999999"), usd("0.7")));
    assert!(!args.is_anomaly(usd("24.999999999999"), usd("70")));
    assert!(args.is_anomaly(usd("25"), usd("70")));
    assert!(
        !args.is_anomaly(usd("100"), usd("0")),
        "nothing is usual yet"
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (text, said) in [
        (r#"{"alert_types": ["budgets"]}"#, "there are budget_alerts"),
        (r#"{"alerting_threshold": 0}"#, "from 1 to 86400"),
        (r#"{"alerting_threshold": 1.5}"#, "from 1 to 86400"),
        (
            r#"{"alerting_args": {"spend_anomaly_multiplier": 0.5}}"#,
            "from 1 to 1000",
        ),
        (
            r#"{"alerting_args": {"spend_anomaly_multiplier": 2.0005}}"#,
            "three digits",
        ),
        (
            r#"{"alerting_args": {"budget_alert_thresholds": [0]}}"#,
            "from 1 to 1000",
        ),
        (r#"{"alerting_args": {"budget": 1}}"#, "unknown field"),
    ] {
        let refused = read(text).unwrap_err();
        assert!(refused.contains(said), "{text}: {refused}");
    }
}
