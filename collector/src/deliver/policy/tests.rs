//! What a sink gets, and what is left of it.

use event::{Alert, AlertKind, Cost, Json, Origin, PricedEvent, Severity, Status, Usd, codec};
use serde_json::{Value, json};

use super::*;
use crate::{control::Directory, samples};

fn policy(config: &Value) -> Policy {
    let mut whole = json!({"kind": "test"});
    for (key, value) in config.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let config: SinkConfig = serde_json::from_value(whole).unwrap();
    let takes = config.send.unwrap_or(Takes::Events);
    Policy::new(&config, takes, Routes::new("test", Directory::default()))
}

fn event(change: impl FnOnce(&mut event::StandardLoggingPayload)) -> Item {
    let mut payload = samples::call(1);
    payload.end_time = now();
    change(&mut payload);
    let event = PricedEvent::new(payload, Origin::default(), Cost::nothing("map"));
    Item::open(&codec::encode_priced(&event)).unwrap()
}

fn alert(severity: Severity) -> Item {
    let alert = Alert {
        key: "k".to_owned(),
        kind: AlertKind::LogGap,
        severity,
        at: now(),
        message: "key sk-proj-abcdefghijklmnop1234".to_owned(),
        facts: None,
    };
    Item::open(&codec::encode_alert(&alert, 1)).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_micros(1_795_185_951_000_000)
}

fn reason(policy: &Policy, item: Item) -> Option<Skip> {
    match policy.admit(item, now()) {
        Admitted::Skip(reason) => Some(reason),
        Admitted::Item(_) => None,
        Admitted::Unreadable => panic!("it is an event"),
    }
}

/// What is left of an item, as text.
fn left(policy: &Policy, item: Item) -> String {
    match policy.admit(item, now()) {
        Admitted::Item(item) => String::from_utf8(item.json().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_condition_of_a_filter_counts() {
    let all = |payload: &mut event::StandardLoggingPayload| {
        payload.metadata.user_api_key_team_id = Some("t-1".to_owned());
        payload.metadata.user_api_key_team_alias = Some("search".to_owned());
        payload.metadata.user_api_key_hash = Some("h-1".to_owned());
        payload.custom_llm_provider = Some("openai".to_owned());
        payload.model = "gpt-4o-2024".to_owned();
        payload.model_group = Some("smart".to_owned());
        payload.request_tags = vec!["prod".to_owned(), "eu".to_owned()];
        payload.status = Status::Success;
    };
    for (filter, wanted) in [
        (json!({}), true),
        (json!({"teams": ["search"]}), true),
        (json!({"teams": ["t-*"]}), true),
        (json!({"teams": ["other"]}), false),
        (json!({"keys": ["h-1", "x"]}), true),
        (json!({"keys": ["x"]}), false),
        (json!({"models": ["gpt-4o*"]}), true),
        (json!({"models": ["smart"]}), true),
        (json!({"models": ["gpt-4o"]}), false),
        (json!({"providers": ["openai"]}), true),
        (json!({"providers": ["azure"]}), false),
        (json!({"tags": ["eu"]}), true),
        (json!({"tags": ["us"]}), false),
        (json!({"status": "success"}), true),
        (json!({"status": "failure"}), false),
        (json!({"cost_max": 0}), true),
        (json!({"cost_min": 0.01}), false),
        (json!({"teams": ["search"], "status": "failure"}), false),
        (json!({"severity_min": "critical"}), true),
    ] {
        let policy = policy(&json!({ "filter": filter }));
        let expected = (!wanted).then_some(Skip::Filtered);
        assert_eq!(reason(&policy, event(all)), expected, "{filter}");
    }
    assert!(Usd::from_picos(0) == Usd::ZERO);
}

#[test]
fn alerts_and_events_go_where_they_are_wanted() {
    let both = policy(&json!({"send": "both", "filter": {"severity_min": "warning"}}));
    assert_eq!(reason(&both, alert(Severity::Critical)), None);
    assert_eq!(reason(&both, alert(Severity::Info)), Some(Skip::Filtered));
    assert_eq!(reason(&both, event(|_| ())), None);
    let events = policy(&json!({}));
    assert_eq!(
        reason(&events, alert(Severity::Critical)),
        Some(Skip::NotTaken)
    );
    let alerts = policy(&json!({"send": "alerts"}));
    assert_eq!(reason(&alerts, event(|_| ())), Some(Skip::NotTaken));
    assert!(!left(&alerts, alert(Severity::Info)).contains("abcdefgh"));
}

#[test]
fn what_clients_want_in_no_sink_and_what_is_too_old_is_skipped() {
    let no_log = |payload: &mut event::StandardLoggingPayload| {
        payload.tollkeeper.get_or_insert_default().no_log = true;
    };
    assert_eq!(
        reason(&policy(&json!({})), event(no_log)),
        Some(Skip::NoLog)
    );
    let old = |payload: &mut event::StandardLoggingPayload| {
        payload.end_time = Timestamp::from_micros(now().micros() - 3_600_000_001);
    };
    let policy = policy(&json!({"retention": "1h"}));
    assert_eq!(reason(&policy, event(old)), Some(Skip::Expired));
    assert_eq!(reason(&policy, event(|_| ())), None);
    assert_eq!(reason(&policy.ageless(), event(old)), None);
}

#[test]
fn a_sink_that_nobody_names_gets_nothing_if_it_waits_to_be_named() {
    let policy = policy(&json!({"routed": true}));
    assert_eq!(reason(&policy, event(|_| ())), Some(Skip::NotRouted));
}

#[test]
fn a_sample_has_whole_traces_its_part_of_them_and_all_failures() {
    let policy = policy(&json!({"sample": {"rate": 0.25}}));
    let kept = |trace: u64, call: u64, status: Status| {
        let item = event(|payload| {
            payload.trace_id = format!("trace-{trace}");
            payload.id = format!("call-{call}");
            payload.status = status;
        });
        reason(&policy, item).is_none()
    };
    let mut count = 0;
    for trace in 0..2000 {
        let first = kept(trace, 1, Status::Success);
        assert_eq!(first, kept(trace, 2, Status::Success));
        assert!(kept(trace, 3, Status::Failure));
        count += u64::from(first);
    }
    assert!((400..600).contains(&count), "{count} of 2000");
}

#[test]
fn each_level_of_content_leaves_what_it_says() {
    let rich = |payload: &mut event::StandardLoggingPayload| {
        payload.messages = Json::of(&json!([{"role": "user", "content": "the question, long"}]));
        payload.response = Json::of(&json!({"choices": ["the answer"]}));
        payload.error_str = Some("the error".to_owned());
        payload.request_tags = vec!["the tag".to_owned()];
        payload.end_user = Some("the end user".to_owned());
        payload.metadata.requester_custom_headers = Json::of(&json!({"x": "the header"}));
        payload.metadata.spend_logs_metadata = Json::of(&json!({"x": "the note"}));
    };
    let texts = [
        "the question",
        "the answer",
        "the error",
        "the header",
        "the tag",
        "the end user",
        "the note",
    ];
    for (content, shown) in [
        ("full", [true; 7]),
        ("metadata", [false, false, false, false, true, true, true]),
        ("none", [false; 7]),
        ("hashed", [false; 7]),
    ] {
        let policy = policy(&json!({"privacy": {"content": content}}));
        let left = left(&policy, event(rich));
        for (text, shown) in texts.iter().zip(shown) {
            assert_eq!(left.contains(text), shown, "{content}: {text} in {left}");
        }
        assert!(serde_json::from_str::<PricedEvent>(&left).is_ok(), "{left}");
    }
    let policy = policy(&json!({"privacy": {"content": "truncated", "chars_max": 7}}));
    let left = left(&policy, event(rich));
    assert!(left.contains("the que… [18 characters]"), "{left}");
    assert!(left.contains(r#""role":"user""#), "{left}");
}

#[test]
fn what_cannot_be_read_is_not_shown_where_not_all_may_be() {
    let damaged = || event(|_| ()).with_json(b"{\"messages\":1".to_vec().into());
    let restricted = policy(&json!({"privacy": {"content": "metadata"}}));
    assert!(matches!(
        restricted.admit(damaged(), now()),
        Admitted::Unreadable
    ));
    assert!(!restricted.shows_all());
    let open = policy(&json!({"privacy": {"redact": []}}));
    assert!(matches!(open.admit(damaged(), now()), Admitted::Item(_)));
}

/// A thousand of them, wherever clients and providers write.
#[test]
fn planted_secrets_and_personal_data_reach_no_sink_that_may_not_have_them() {
    let mut planted = Vec::new();
    for number in 0..100_u64 {
        planted.extend([
            format!("sk-proj-planted{number:012}"),
            format!("AKIAPLANTED{number:09}"),
            format!("ghp_planted{number:029}"),
            format!("xoxb-{number:012}-plantedslack"),
            format!("Bearer planted.{number:020}"),
            format!("whsec_planted{number:018}"),
            format!("planted.{number}@example.com"),
            format!("+49 30 {:08}", 10_000_000 + number),
            format!("postgres://planted:pass{number:06}@db.example/x"),
            format!("eyJhbGciOiJIUzI1NiJ9.eyJwbGFudGVk{number:08}.sig{number:010}"),
        ]);
    }
    assert_eq!(planted.len(), 1000);
    let policies = [
        json!({"privacy": {"content": "none"}}),
        json!({"privacy": {"content": "metadata"}}),
        json!({"privacy": {"content": "hashed"}}),
        json!({"privacy": {"content": "full", "redact": ["secrets", "pii"]}}),
        json!({"privacy": {"content": "truncated", "redact": ["pii", "secrets"]}}),
    ];
    for config in &policies {
        let policy = policy(config);
        for chunk in planted.chunks(10) {
            let at = |index: usize| chunk[index].as_str();
            let item = event(|payload| {
                let arguments = json!({"q": at(0), "nested": {"to": at(1)}}).to_string();
                payload.messages = Json::of(&json!([
                    {"role": "user", "content": [{"type": "text", "text": format!("use {}", at(2))}]},
                    {"role": "assistant", "tool_calls": [{"function": {"arguments": arguments}}]},
                ]));
                payload.response = Json::of(&json!({"choices": [{"message": {"content": at(3)}}]}));
                payload.metadata.requester_custom_headers =
                    Json::of(&json!({"authorization": at(4)}));
                payload.hidden_params.additional_headers = Json::of(&json!({"x-hook": at(5)}));
                payload.error_str = Some(format!("cannot mail {}", at(6)));
                payload.error_information.error_message = format!("call {} failed", at(7));
                payload.error_information.traceback = format!("connect {}", at(8));
                payload.model_parameters = Json::of(&json!({"tools": [{"description": at(9)}]}));
            });
            let left = left(&policy, item);
            for secret in chunk {
                let bare = secret.trim_start_matches("Bearer ");
                assert!(!left.contains(bare), "{config}: {secret} in {left}");
            }
        }
    }
}
