//! What the settings, the statements and the answers mean.

use serde_json::{Value, json};
use sink::http::{HeaderMap, StatusCode, header::HeaderValue};

use super::{config::ConfigError, *};

fn config(settings: &Value) -> Result<Config, String> {
    let mut written = json!({ "url": "http://localhost:8123" });
    for (name, value) in settings.as_object().unwrap() {
        written[name] = value.clone();
    }
    serde_json::from_value(written).map_err(|error| error.to_string())
}

fn answer(status: u16, code: Option<&'static str>, body: &'static str) -> Answer {
    let mut headers = HeaderMap::new();
    if let Some(code) = code {
        let code = HeaderValue::from_static(code);
        headers.insert("x-clickhouse-exception-code", code);
    }
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers,
        body: body.into(),
        trailers: HeaderMap::new(),
    }
}

#[test]
fn what_is_not_written_has_its_default() {
    let read = config(&json!({})).unwrap();
    assert_eq!(read.table("events"), "tollkeeper.events");
    assert_eq!((read.keep_days, read.keep_content_days), (None, 30));
    let short = config(&json!({ "keep_days": 7 })).unwrap();
    assert_eq!(short.keep_content_days, 7);
}

#[test]
fn settings_that_do_not_fit_are_refused() {
    for (settings, error) in [
        (
            json!({ "database": "a`b" }),
            ConfigError::NotAName("database"),
        ),
        (json!({ "database": "" }), ConfigError::NotAName("database")),
        (
            json!({ "table_prefix": "1" }),
            ConfigError::NotAName("table_prefix"),
        ),
        (
            json!({ "cluster": "a;b" }),
            ConfigError::NotAName("cluster"),
        ),
        (json!({ "username": "é" }), ConfigError::NotAUser),
        (json!({ "keep_days": 0 }), ConfigError::NotDays("keep_days")),
        (
            json!({ "keep_content_days": 40_000 }),
            ConfigError::NotDays("keep_content_days"),
        ),
        (
            json!({ "keep_days": 7, "keep_content_days": 8 }),
            ConfigError::ContentOutlives,
        ),
    ] {
        assert_eq!(
            config(&settings).unwrap_err(),
            error.to_string(),
            "{settings}"
        );
    }
}

#[test]
fn every_place_in_a_statement_is_filled_in() {
    for settings in [
        json!({}),
        json!({ "cluster": "main", "keep_days": 90, "table_prefix": "tk_" }),
    ] {
        let config = config(&settings).unwrap();
        let statements = config.statements(0);
        assert_eq!(statements.len(), 5, "{settings}");
        for statement in &statements {
            assert!(!statement.contains(['{', '}', ';']), "{statement}");
        }
        let events = &statements[1];
        let replicated = settings["cluster"].is_string();
        assert_eq!(events.contains(" ON CLUSTER main\n"), replicated);
        assert_eq!(
            events.contains("= ReplicatedReplacingMergeTree(revision)"),
            replicated
        );
        assert_eq!(
            events.contains("\nTTL toDateTime(start_time) + INTERVAL 90 DAY\n"),
            replicated
        );
        assert_eq!(
            events.contains("S non_replicated_deduplication_window"),
            !replicated
        );
    }
    assert_eq!(
        config(&json!({})).unwrap().statements(schema::VERSION),
        [""; 0]
    );
}

#[test]
fn the_last_version_of_the_statements_is_the_one_that_is_asked_for() {
    let last = config(&json!({})).unwrap().statements(schema::VERSION - 1);
    let noted = format!("(version) VALUES ({})", schema::VERSION);
    assert!(last.last().unwrap().ends_with(&noted), "{last:?}");
}

#[test]
fn a_code_says_more_than_the_status() {
    use SinkErrorKind as Kind;
    for (status, codes, expected) in [
        (500, &["27", "407", "469"][..], Kind::Refused),
        (
            500,
            &["241", "159", "999", "242", "33", "1002", "x"],
            Kind::Failing,
        ),
        (500, &["252", "202"], Kind::Throttled),
        (429, &["1"], Kind::Throttled),
        (403, &["516", "497"], Kind::Unauthorized),
        (404, &["60", "81"], Kind::Misconfigured),
        (500, &["16", "53", "117", "170"], Kind::Misconfigured),
        // A user that may only read is no reason to give the batch up.
        (400, &["62", "164"], Kind::Misconfigured),
        (400, &["49"], Kind::Failing),
    ] {
        for code in codes {
            assert_eq!(
                judge::judge(&answer(status, Some(code), "")),
                Err(expected),
                "{code}"
            );
        }
    }
}

#[test]
fn an_exception_behind_a_good_head_is_one() {
    let body = "1\n__exception__\r\nCode: 241. DB::Exception: Memory limit exceeded";
    let late = answer(200, None, body);
    assert_eq!(judge::judge(&late), Err(SinkErrorKind::Failing));
    let data = answer(200, None, "Code: blue\n");
    assert_eq!(judge::judge(&data), Ok(()));
}

#[test]
fn whoever_answers_an_insert_with_a_page_is_not_clickhouse() {
    assert!(nothing(&answer(200, None, "")).is_ok());
    let page = nothing(&answer(200, None, "<html>Welcome</html>")).unwrap_err();
    assert_eq!(page.kind(), SinkErrorKind::Misconfigured);
}

#[test]
fn missing_tables_are_no_failure_yet() {
    for code in ["60", "81", "16"] {
        let missing = answer(404, Some(code), "");
        assert!(judge::is_behind(&missing), "{code}");
        assert_eq!(judge::judge_first(&missing), Ok(()));
    }
    let denied = answer(403, Some("497"), "");
    assert!(!judge::is_behind(&denied));
    assert_eq!(
        judge::judge_first(&denied),
        Err(SinkErrorKind::Unauthorized)
    );
}

#[test]
fn every_column_of_the_table_is_inserted() {
    let sql = &config(&json!({})).unwrap().statements(0)[1];
    let made = sql
        .lines()
        .filter(|line| line.starts_with("    ") && !line.contains("INDEX"));
    let made: Vec<_> = made
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let inserted: Vec<_> = row::COLUMNS.iter().map(|column| column.name).collect();
    assert_eq!(made, inserted);
}
