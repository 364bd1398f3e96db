//! What the sinks send, looked at by the programs of those it is sent to: their clients' models, and
//! their verifiers of signatures.
//!
//! Each sink delivers the samples; every request goes to `tests/python/check_sinks.py`, which knows
//! what each destination takes, and which says what it has checked.
#![cfg(feature = "conformance")]
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{fs, path::Path, process::Command};

use conformance::{
    env,
    http::{HttpDestination, Request},
    samples,
};
use serde_json::{Value, json};
use sink::{Batch, Item, Takes};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A destination, what it answers, and what is written in the configuration.
struct Case {
    name: &'static str,
    answer: &'static str,
    config: fn(&str) -> Value,
}

const CASES: &[Case] = &[
    Case {
        name: "datadog_logs",
        answer: "{}",
        config: |url| {
            json!({ "kind": "datadog", "url": url, "api_key": "k", "product": "logs",
                "hostname": "h", "env": "e", "max_age": "8760h" })
        },
    },
    Case {
        name: "datadog_metrics",
        answer: "{}",
        config: |url| {
            json!({ "kind": "datadog", "url": url, "api_key": "k", "product": "metrics",
                "hostname": "h", "max_age": "8760h" })
        },
    },
    Case {
        name: "slack",
        answer: "ok",
        config: |url| json!({ "kind": "slack", "webhook_url": url, "public_url": "https://a.example" }),
    },
    Case {
        name: "webhook_standard",
        answer: "",
        config: |url| json!({ "kind": "webhook", "url": url, "secret": SECRET }),
    },
    Case {
        name: "webhook_cloudevents",
        answer: "",
        config: |url| json!({ "kind": "webhook", "url": url, "secret": SECRET, "dialect": "cloudevents" }),
    },
    Case {
        name: "webhook_litellm",
        answer: "",
        config: |url| json!({ "kind": "webhook", "url": url, "dialect": "litellm" }),
    },
];

#[tokio::test]
async fn what_is_sent_is_what_others_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("requests.jsonl");
    let mut lines = String::new();
    for case in CASES {
        for request in requests(case).await {
            let headers: Value = request.headers.into_iter().collect::<Value>();
            let body = match &*request.body {
                [0x1f, 0x8b, ..] => gunzip(&request.body),
                plain => String::from_utf8(plain.to_vec()).unwrap(),
            };
            let line = json!({ "case": case.name, "headers": headers, "body": body });
            lines.push_str(&format!("{line}\n"));
        }
    }
    fs::write(&file, lines).unwrap();
    check("venv-checkers", "check_sinks.py", &file);
    check("venv", "check_litellm.py", &file);
}

/// Alerts whose texts are longer than any destination takes, alone and together.
#[tokio::test]
async fn what_is_too_long_for_a_destination_is_cut_before_it_is_sent() {
    let mut tried = 0;
    for stand in sinks::STANDS.iter().chain(sinks::DIALECTS) {
        let rig = stand.rig();
        let registration = stand.registration();
        let sink = registration.open(rig.config, &env().unwrap()).unwrap();
        if sink.takes() != Takes::Alerts {
            continue;
        }
        let alerts = alerts();
        for (at, alert) in alerts.iter().enumerate() {
            let (name, alone) = (format!("alone-{at}"), std::slice::from_ref(alert));
            sink.deliver(&Batch::new(&name, alone).unwrap())
                .await
                .unwrap();
        }
        sink.deliver(&Batch::new("all", &alerts).unwrap())
            .await
            .unwrap();
        let stored = rig.destination.stored().unwrap();
        let ids: Vec<_> = stored.iter().map(|alert| alert.id).collect();
        let expected: Vec<_> = alerts.iter().map(Item::id).collect();
        assert_eq!(ids, expected, "{}", registration.kind);
        tried += 1;
    }
    assert_eq!(tried, 5);
}

/// What the sink of the case sends for one event or alert, and for all of them.
async fn requests(case: &Case) -> Vec<Request> {
    let destination = HttpDestination::start().unwrap();
    destination.answer(case.answer);
    let Value::Object(mut config) = (case.config)(&destination.url()) else {
        unreachable!("a configuration is an object");
    };
    let kind = config.remove("kind").unwrap();
    let sink = sinks::ALL.iter().find(|sink| kind == sink.kind).unwrap();
    let sink = sink.open(Value::Object(config), &env().unwrap()).unwrap();
    for (name, items) in [
        ("one", items(sink.takes(), 1)),
        ("all", items(sink.takes(), 50)),
    ] {
        let batch = Batch::new(name, &items).unwrap();
        let receipt = sink.deliver(&batch).await.unwrap();
        assert_eq!(receipt, sink::Receipt::default(), "{}", case.name);
    }
    let requests = destination.seen();
    assert!(
        requests.len() >= 2,
        "{}: {} requests",
        case.name,
        requests.len()
    );
    requests
}

fn items(takes: Takes, count: usize) -> Vec<Item> {
    let mut items = match takes {
        Takes::Events | Takes::Both => samples::awkward(),
        Takes::Alerts => Vec::new(),
    };
    if takes != Takes::Events {
        items.extend(alerts());
    }
    items.truncate(count);
    items
}

/// One of each kind that sinks show in a way of its own, with texts that are too long.
fn alerts() -> Vec<Item> {
    let line = json!({ "id": "модель <x> & `y`", "spend": 1.5, "calls": 2, "failures": 0 });
    let budget = json!({
        "event_group": "key", "token": "9f86d081884c7d65", "key_alias": "a".repeat(4_000),
        "spend": 812.4, "max_budget": 1000.0, "soft_budget": 800, "threshold_percent": 80,
        "projected_exceeded_date": "2026-11-25", "projected_spend": 1218.6, "time_zone": "UTC",
        "window": { "id": "w", "start": null, "end": 1_796_083_200 }, "budget": "b",
        "usual_spend": 3, "calls": 9, "failures": 8, "slow_calls": 7, "expires": 1_796_083_200,
    });
    let report = json!({ "report": {
        "period": "1d", "from": "2026-11-20", "to": "2026-11-21", "spend": 12.5, "calls": 3,
        "failures": 1, "unpriced": 1, "models": vec![&line; 9], "teams": [line],
    } });
    let said = [
        ("budget_crossed", "critical", &budget),
        ("threshold_crossed", "warning", &budget),
        ("soft_budget_crossed", "warning", &budget),
        ("projected_limit_exceeded", "warning", &budget),
        ("key_created", "info", &budget),
        ("spend_report", "info", &report),
        ("sink_failing", "critical", &Value::Null),
    ];
    let plain = samples::alerts(said.len().try_into().unwrap());
    let filled = plain
        .into_iter()
        .zip(said)
        .map(|(item, (kind, severity, facts))| {
            let mut alert: Value = serde_json::from_slice(item.json()).unwrap();
            alert["kind"] = kind.into();
            alert["severity"] = severity.into();
            alert["facts"] = facts.clone();
            alert["message"] = "<!channel> \"&\" ".repeat(1_000).into();
            item.with_json(alert.to_string().into_bytes().into())
        });
    filled.collect()
}

fn gunzip(body: &[u8]) -> String {
    let mut text = String::new();
    let mut reader = flate2::read::GzDecoder::new(body);
    std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
    text
}

fn check(venv: &str, script: &str, file: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let venv = root.join("target").join(venv);
    assert!(
        venv.join(".ready").exists(),
        "`{}` is missing or not complete: run `make venv venv-checkers`",
        venv.display()
    );
    let output = Command::new(venv.join("bin/python"))
        .arg(root.join("tests/python").join(script))
        .arg(file)
        // Else litellm asks the network for prices.
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        .env("PYTHONPYCACHEPREFIX", venv.join("pycache"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    // A script that is cut short has not checked anything.
    assert!(said.trim_end().ends_with("all checked"), "{said}\n{errors}");
}
