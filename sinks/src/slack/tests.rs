//! Settings, what alerts look like, and what Slack's answers mean.

use sink::http::StatusCode;

use super::*;
use crate::alert::told;

fn config(change: &Value) -> Result<Config, String> {
    let mut config = json!({ "webhook_url": "https://hooks.slack.com/services/T/B/x" });
    for (key, value) in change.as_object().unwrap() {
        config[key] = value.clone();
    }
    serde_json::from_value(config).map_err(|error| error.to_string())
}

#[test]
fn settings_that_cannot_work_are_refused_and_say_why() {
    let bot = |change: Value| {
        let mut config = json!({ "webhook_url": null, "token": "xoxb-1", "channel": "#alerts" });
        for (key, value) in change.as_object().unwrap() {
            config[key] = value.clone();
        }
        config
    };
    for (change, said) in [
        (json!({ "webhook_url": null }), "either `webhook_url`"),
        (json!({ "token": "xoxb-1" }), "either `webhook_url`"),
        (json!({ "channel": "#a" }), "`channel` goes with `token`"),
        (json!({ "threads": true }), "`threads` goes with `token`"),
        (bot(json!({ "channel": null })), "`channel` is missing"),
        (bot(json!({ "channel": "alerts" })), "`channel` has a text"),
        (bot(json!({ "threads": true })), "channels by their ids"),
        (
            bot(json!({ "webhook_urls": { "log_gap": "https://a" } })),
            "goes with `webhook_url`",
        ),
        (
            bot(json!({ "channels": { "Budget crossed": "#a" } })),
            "no kind of alert",
        ),
        (json!({ "group_wait": "25h" }), "longer than a day"),
        (json!({ "public_url": "ftp://a" }), "https://"),
    ] {
        let error = config(&change).unwrap_err();
        assert!(error.contains(said), "{change}: {error}");
        assert!(!error.contains("xoxb"), "{error}");
    }
}

#[test]
fn errors_of_the_web_api_mean_what_they_say() {
    for (errors, kind) in [
        (
            &["ratelimited", "rate_limited"][..],
            SinkErrorKind::Throttled,
        ),
        (
            &["invalid_auth", "token_revoked", "missing_scope"],
            SinkErrorKind::Unauthorized,
        ),
        (
            &[
                "channel_not_found",
                "not_in_channel",
                "is_archived",
                "brand_new",
            ],
            SinkErrorKind::Misconfigured,
        ),
        (&["internal_error", "fatal_error"], SinkErrorKind::Failing),
        (&["invalid_blocks", "msg_too_long"], SinkErrorKind::Refused),
    ] {
        for error in errors {
            let body = format!(r#"{{"ok":false,"error":"{error}"}}"#);
            let answer = Answer {
                status: StatusCode::OK,
                headers: header::HeaderMap::new(),
                body: body.into(),
                trailers: header::HeaderMap::new(),
            };
            assert_eq!(judge::bot(&answer), Err(kind), "{error}");
            assert_eq!(judge::webhook(&answer), Err(SinkErrorKind::Failing));
        }
    }
}

#[test]
fn amounts_have_all_their_digits_and_at_least_two_behind_the_point() {
    for (amount, shown) in [
        ("0", "$0.00"),
        ("812.4", "$812.40"),
        ("1234567.5", "$1,234,567.50"),
        ("0.0002725", "$0.0002725"),
        ("-1000", "-$1,000.00"),
        ("999", "$999.00"),
    ] {
        assert_eq!(told::dollars(amount.parse().unwrap()), shown);
    }
}

/// An alert as it is written in the log.
fn alert(kind: &str, key: &str, facts: &Value) -> Read {
    let told = json!({
        "alert_id": "5f6d0f0e-0000-5000-8000-000000000001", "number": 1,
        "key": key, "kind": kind, "severity": "warning", "at": 1_795_261_334,
        "message": "team `search` <has> spent & will spend", "facts": facts,
    });
    Read {
        index: 0,
        id: format!("id of {key}"),
        told: serde_json::from_str(&told.to_string()).unwrap(),
    }
}

fn budget() -> Value {
    json!({
        "event_group": "team", "team_id": "t-1", "team_alias": "search",
        "spend": 812.4, "max_budget": 1000, "threshold_percent": 80,
        "projected_exceeded_date": "2026-11-25", "projected_spend": 1_218.6,
        "window": { "id": "1mo@2026-11-01T00:00:00 UTC", "end": 1_796_083_200 },
        "time_zone": "UTC", "budget": "team-budget",
    })
}

fn message(alerts: &[Read], link: Option<&str>) -> Value {
    let alerts: Vec<_> = alerts.iter().collect();
    blocks::message(&entries(&alerts), link)
}

#[test]
fn a_budgets_alert_is_read_at_a_glance() {
    let alert = alert("threshold_crossed", "budget/team-budget/1mo/80", &budget());
    let link = Some("https://tollkeeper.example/");
    let message = message(&[alert], link);
    assert_eq!(message["text"], "80 % of budget spent: team search");
    let blocks = message["blocks"].as_array().unwrap();
    assert_eq!(
        blocks[0]["text"]["text"],
        "⚠️ 80 % of budget spent: team search"
    );
    assert_eq!(
        blocks[1]["text"]["text"],
        "team `search` &lt;has&gt; spent &amp; will spend"
    );
    let fields = blocks[2]["fields"].as_array().unwrap();
    let fields: Vec<_> = fields
        .iter()
        .map(|field| field["text"].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        [
            "*Spend*\n$812.40 of $1,000.00 (81 %)",
            "*Will be spent on*\n2026-11-25",
            "*Expected at the end*\n$1,218.60",
            "*Resets*\n<!date^1796083200^{date_short_pretty} {time}|2026-12-01 00:00 UTC>",
            "*Time zone*\nUTC",
            "*Budget*\nteam-budget",
        ]
    );
    assert_eq!(
        blocks[3]["elements"][0]["text"],
        "warning · <!date^1795261334^{date_short_pretty} {time}|2026-11-21 11:42 UTC> · \
         `budget/team-budget/1mo/80`"
    );
    assert_eq!(
        blocks[4]["elements"][0]["url"],
        "https://tollkeeper.example/"
    );
    assert_eq!(blocks.len(), 5);
}

#[test]
fn a_limit_that_is_not_reached_does_not_look_reached() {
    let facts = json!({ "spend": 999.999_999, "max_budget": 1000 });
    let told = alert("budget_crossed", "k", &facts).told;
    let told::Known::Text(spend) = &told.figures()[0].value else {
        panic!("the spend is a text");
    };
    assert_eq!(spend, "$999.999999 of $1,000.00 (99 %)");
    let nothing = json!({ "spend": 1, "max_budget": 0 });
    let told = alert("budget_crossed", "k", &nothing).told;
    let none = told::Known::Text("$1.00 of $0.00".to_owned());
    assert_eq!(told.figures()[0].value, none);
}

#[test]
fn a_report_lists_who_spent_most() {
    let lines = |name: &str| {
        let line = |at: u32| json!({ "id": format!("{name}-{at}"), "spend": 10 - at, "calls": at, "failures": 0 });
        (1..=7).map(line).collect::<Vec<_>>()
    };
    let facts = json!({ "report": {
        "period": "1d", "from": "2026-11-20", "to": "2026-11-20", "spend": 1234.5,
        "calls": 320, "failures": 3, "unpriced": 1, "models": lines("model"), "teams": lines("team"),
    } });
    let message = message(
        &[alert("spend_report", "spend_report/1d/2026-11-20", &facts)],
        None,
    );
    assert_eq!(message["text"], "$1,234.50 spent on 2026-11-20");
    let blocks = message["blocks"].as_array().unwrap();
    let fields = blocks[2]["fields"].as_array().unwrap();
    let fields: Vec<_> = fields
        .iter()
        .map(|field| field["text"].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["*Calls*\n320", "*Failed*\n3", "*Cost unknown*\n1"]);
    let models = blocks[4]["text"]["text"].as_str().unwrap();
    assert!(models.starts_with("*Models*\nmodel-1: $9.00 (1 calls)\nmodel-2"));
    assert_eq!(models.lines().count(), 6);
}

#[test]
fn several_are_one_message_and_one_key_is_one_entry() {
    let mut alerts = vec![
        alert("sink_failing", "sink_failing/a", &Value::Null),
        alert("sink_failing", "sink_failing/b", &Value::Null),
        alert("sink_failing", "sink_failing/a", &Value::Null),
    ];
    alerts[2].id = "the third".to_owned();
    let message = message(&alerts, None);
    assert_eq!(
        message["text"],
        "2 alerts: Sink failing (2 times); Sink failing"
    );
    let blocks = message["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 5);
    assert_eq!(blocks[2]["block_id"], "the third");
}

#[test]
fn an_alert_that_is_not_known_is_told_by_its_message() {
    let told = alert("volcano_erupted", "v", &json!({ "spend": [1] })).told;
    assert_eq!(told.title(), "Volcano erupted");
    assert_eq!((told.figures(), told.lists()), (Vec::new(), Vec::new()));
}

#[test]
fn what_belongs_together_has_one_thread() {
    for (key, thread) in [
        (
            "budget/b/1mo@2026-11-01T00:00:00 Europe/Berlin/80",
            "budget/b/1mo@2026-11-01T00:00:00 Europe/Berlin",
        ),
        ("sink_failing/datadog", "sink_failing/datadog"),
        ("alone", "alone"),
    ] {
        assert_eq!(alert("k", key, &Value::Null).told.thread(), thread);
    }
}

#[test]
fn each_kind_has_its_channel() {
    let change = json!({
        "webhook_url": null, "token": "xoxb-1", "channel": "#alerts",
        "channels": { "budget_crossed": "#money" },
    });
    let http = HttpClient::new(sink::http::HttpOptions::default()).unwrap();
    let config = config(&change).unwrap();
    let sink = Slack { config, http };
    let alerts = [
        alert("log_gap", "a", &Value::Null),
        alert("budget_crossed", "b", &Value::Null),
        alert("bad_record", "c", &Value::Null),
    ];
    let groups = sink.groups(&alerts);
    let keys = |group: &Group<'_>| {
        group
            .alerts
            .iter()
            .map(|one| one.told.key.clone())
            .collect()
    };
    let keys: Vec<Vec<String>> = groups.iter().map(keys).collect();
    assert_eq!(keys, [vec!["a", "c"], vec!["b"]]);
    assert!(groups[1].target == Target::Channel("#money"));
}

#[cfg(feature = "conformance")]
mod with_slack {
    use conformance::{env, http::HttpDestination, samples};
    use sink::Item;

    use super::*;

    const CHANNEL: &str = "C0123456789";

    fn bot(slack: &HttpDestination, threads: bool) -> Slack {
        let config = json!({
            "token": "xoxb-1", "channel": CHANNEL, "threads": threads,
            "api_url": format!("{}/api", slack.url()),
        });
        Slack::open(serde_json::from_value(config).unwrap(), &env().unwrap()).unwrap()
    }

    /// The `number`th alert, about the budget of a team.
    fn item(number: usize, key: &str) -> Item {
        let plain = samples::alerts(5).remove(number);
        let mut said: Value = serde_json::from_slice(plain.json()).unwrap();
        said["key"] = key.into();
        plain.with_json(said.to_string().into_bytes().into())
    }

    fn posted(slack: &HttpDestination) -> Vec<Value> {
        let requests = slack.seen();
        let posts = requests
            .iter()
            .filter(|request| request.target.ends_with("chat.postMessage"));
        posts
            .map(|post| serde_json::from_slice(&post.body).unwrap())
            .collect()
    }

    async fn deliver(sink: &Slack, items: &[Item]) -> Receipt {
        let batch = Batch::new("b", items).unwrap();
        sink.deliver(&batch).await.unwrap()
    }

    #[tokio::test]
    async fn what_the_channel_has_is_not_posted_again_and_what_belongs_to_it_follows_it() {
        let slack = HttpDestination::start().unwrap();
        slack.answer(r#"{"ok":true,"messages":[{"ts":"1.1"},{"ts":"1.0","metadata":{"event_type":"other","event_payload":{"thread":3}}}]}"#);
        let sink = bot(&slack, true);
        let (first, next) = (item(0, "budget/b/w/80"), item(1, "budget/b/w/95"));
        let first = [first];
        assert_eq!(deliver(&sink, &first).await, Receipt::default());
        let message = posted(&slack).remove(0);
        assert_eq!(message["thread_ts"], Value::Null);
        assert_eq!(message["metadata"]["event_payload"]["thread"], "budget/b/w");
        let has = json!({ "ok": true, "messages": [
            { "ts": "9.9", "text": "hello" },
            { "ts": "2.2", "metadata": message["metadata"] },
        ] });
        slack.answer(has.to_string());
        assert_eq!(deliver(&sink, &first).await, Receipt::default());
        assert_eq!(posted(&slack).len(), 1, "it was there already");
        deliver(&sink, &[next]).await;
        let follow = posted(&slack).remove(1);
        assert_eq!(
            (&follow["thread_ts"], &follow["reply_broadcast"]),
            (&"2.2".into(), &true.into())
        );
        deliver(&sink, &[item(2, "budget/other/w/80")]).await;
        assert_eq!(posted(&slack)[2]["thread_ts"], Value::Null);
    }

    #[tokio::test]
    async fn an_answer_of_200_that_says_no_is_a_failure_with_its_kind() {
        let slack = HttpDestination::start().unwrap();
        let sink = bot(&slack, false);
        for (error, kind) in [
            ("invalid_auth", SinkErrorKind::Unauthorized),
            ("channel_not_found", SinkErrorKind::Misconfigured),
        ] {
            slack.answer(format!(r#"{{"ok":false,"error":"{error}"}}"#));
            let items = samples::alerts(1);
            let batch = Batch::new("b", &items).unwrap();
            let failed = sink.deliver(&batch).await.unwrap_err();
            assert_eq!(failed.kind(), kind);
            assert!(failed.detail().contains(error), "{failed}");
        }
    }

    #[tokio::test]
    async fn a_message_has_twenty_alerts_at_most() {
        let slack = HttpDestination::start().unwrap();
        slack.answer(r#"{"ok":true}"#);
        let receipt = deliver(&bot(&slack, false), &samples::alerts(45)).await;
        assert_eq!(receipt, Receipt::default());
        let sizes: Vec<_> = posted(&slack)
            .iter()
            .map(|message| message["blocks"].as_array().unwrap().len())
            .collect();
        assert_eq!(sizes, [41, 41, 11]);
    }
}
