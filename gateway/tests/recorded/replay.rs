//! Every case, through the gateway: what a client sends reaches the provider as recorded, what the
//! provider answers reaches the client as recorded, and one event says what was consumed.

use std::{num::NonZeroUsize, sync::Arc};

use bus::{Log as _, MemoryLog, ReadLimit, Reader};
use event::{
    StandardLoggingPayload, Status,
    codec::{CallRecord, decode_call},
};
use gateway::{Config, Gateway};
use serde_json::{Map, Value, json};

use crate::{
    case::{self, Case, KEY},
    client::{self, Got},
    fake::{Arrived, Provider},
    plain, whole,
};

/// Headers that providers act on; `record.py` has the same list.
const HEADERS: &[&str] = &[
    "anthropic-beta",
    "anthropic-version",
    "api-key",
    "authorization",
    "openai-organization",
    "x-amz-security-token",
    "x-api-key",
    "x-goog-api-key",
    "x-snowflake-authorization-token-type",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cases_are_sent_read_and_accounted_as_recorded() {
    let cases = case::all();
    let provider = Provider::start().await;
    let log = Arc::new(MemoryLog::default());
    let mut events = log.reader("recorded").unwrap();
    let gateway = gateway(&cases, &provider.base, log).await;
    let mut wrong = Vec::new();
    for case in &cases {
        provider.play(&case.answers);
        let path = format!("/v1/{}", case.endpoint);
        let got = client::post(gateway.address(), &path, case.body()).await;
        let event = finished(&mut *events);
        let there = there(case, &provider, &got, &event);
        let wanted = wanted(case, &there);
        let differences = plain::differences(&plain::value(&wanted), &plain::value(&there));
        wrong.extend(
            differences
                .into_iter()
                .map(|it| format!("{}: {it}", case.name)),
        );
    }
    gateway.stop().await;
    assert!(
        wrong.is_empty(),
        "{}\n{} differences",
        wrong.join("\n"),
        wrong.len()
    );
}

async fn gateway(cases: &[Case], base: &str, log: Arc<MemoryLog>) -> Gateway {
    let models: Vec<Value> = cases.iter().map(|case| case.model(base)).collect();
    let tree = json!({
        "model_list": models,
        "general_settings": { "master_key": KEY },
        "router_settings": { "num_retries": 0, "disable_cooldowns": true },
    });
    let (config, _warnings) = Config::from_tree(tree.as_object().unwrap()).unwrap();
    Gateway::start(config, "127.0.0.1:0".parse().unwrap(), log)
        .await
        .unwrap()
}

/// The one event that has been written since the last time.
fn finished(events: &mut dyn Reader) -> StandardLoggingPayload {
    let many = NonZeroUsize::new(1 << 20).unwrap();
    let limit = ReadLimit {
        records: many,
        bytes: many,
    };
    let batch = events.try_read(limit).unwrap();
    let mut found = batch
        .records
        .iter()
        .filter_map(|record| match decode_call(&record.bytes) {
            Ok(CallRecord::Finished(event)) => Some(*event),
            _ => None,
        });
    let event = found.next().expect("no event");
    assert!(found.next().is_none(), "more than one event");
    event
}

/// What is recorded, as it has to be here.
fn wanted(case: &Case, there: &Value) -> Value {
    let mut wanted = case.wanted();
    let requests = wanted["sent"].as_array().unwrap();
    wanted["sent"] = requests
        .iter()
        .map(|request| plain::sent(case, request))
        .collect();
    // An id that was made up is some other one here.
    let choices = wanted
        .pointer_mut("/got/choices")
        .and_then(Value::as_array_mut);
    for (index, choice) in choices.into_iter().flatten().enumerate() {
        let calls = choice
            .pointer_mut("/message/tool_calls")
            .and_then(Value::as_array_mut);
        for (number, call) in calls.into_iter().flatten().enumerate() {
            let there = &there["got"]["choices"][index]["message"]["tool_calls"][number]["id"];
            if call["id"].is_null() && there.as_str().is_some_and(|id| !id.is_empty()) {
                call["id"] = there.clone();
            }
        }
    }
    wanted
}

/// What was sent, what the client got, and what the event says.
fn there(case: &Case, provider: &Provider, got: &Got, event: &StandardLoggingPayload) -> Value {
    let mut sent: Vec<Value> = Vec::new();
    for arrived in provider.arrived() {
        let request = plain::sent(case, &request(&arrived, &provider.base));
        // An answer that is not ready is asked for again; how often is a matter of patience.
        if request["method"] != "GET" || sent.last() != Some(&request) {
            sent.push(request);
        }
    }
    let mut there = json!({ "sent": sent });
    let body: Value = serde_json::from_slice(&got.body).unwrap_or_default();
    if case.is_error() || !got.status.is_success() {
        there["error"] = failed(case, got, &body, event);
        return there;
    }
    assert_eq!(event.status, Status::Success, "{}", case.name);
    there["got"] = if case.request["stream"] == true {
        let kind = got.headers.get("content-type").unwrap();
        assert!(
            kind.as_bytes().starts_with(b"text/event-stream"),
            "{}",
            case.name
        );
        let elements = whole::elements(&got.body).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let (answer, usage) = whole::stream(&elements);
        let asked = case.request["stream_options"]["include_usage"] == true;
        assert_eq!(
            usage.is_object(),
            asked,
            "{}: usage in the stream",
            case.name
        );
        answer
    } else {
        whole::answer(&body)
    };
    if !case.counted {
        let usage: Value = event.metadata.usage_object.read().unwrap_or_default();
        let usage = whole::usage(&usage);
        there["usage"] = if usage == json!({}) {
            Value::Null
        } else {
            usage
        };
    }
    there
}

/// The error that client and event were told, whole or at the end of a stream.
fn failed(case: &Case, got: &Got, body: &Value, event: &StandardLoggingPayload) -> Value {
    assert_eq!(event.status, Status::Failure, "{}", case.name);
    let said = &event.error_information;
    let status = if got.status.is_success() {
        let error = whole::elements(&got.body).expect_err("an error at the end");
        // What was answered before it is charged.
        assert!(
            event.prompt_tokens > 0 && event.completion_tokens > 1,
            "{}",
            case.name
        );
        error["code"].to_string().replace('"', "")
    } else {
        assert!(
            body["error"]["message"].is_string(),
            "{}: {body}",
            case.name
        );
        got.status.as_str().to_owned()
    };
    assert_eq!(said.error_code, status, "{}", case.name);
    json!({ "class": said.error_class, "status": status.parse::<u16>().unwrap() })
}

/// A request as `record.py` writes it.
fn request(arrived: &Arrived, base: &str) -> Value {
    let mut headers = Map::new();
    for name in HEADERS {
        if let Some(value) = arrived.head.headers.get(*name) {
            headers.insert((*name).to_owned(), signed(value.to_str().unwrap()).into());
        }
    }
    let uri = &arrived.head.uri;
    let mut query: Vec<&str> = uri
        .query()
        .into_iter()
        .flat_map(|it| it.split('&'))
        .collect();
    query.sort_unstable();
    let body = std::str::from_utf8(&arrived.body)
        .unwrap()
        .replace(base, "{{base}}");
    let body = match serde_json::from_str(&body) {
        Ok(body) => body,
        Err(_none) if body.is_empty() => Value::Null,
        Err(_form) => form(&body),
    };
    json!({
        "method": arrived.head.method.as_str(),
        "path": unescaped(uri.path()),
        "query": query,
        "headers": headers,
        "body": body,
    })
}

/// AWS's signature as who signed for what: the date is another one each time.
fn signed(value: &str) -> String {
    let Some(rest) = value.strip_prefix("AWS4-HMAC-SHA256 Credential=") else {
        return value.to_owned();
    };
    let parts: Vec<&str> = rest.split('/').collect();
    format!("AWS4-HMAC-SHA256 {}/{}/{}", parts[0], parts[2], parts[3])
}

fn form(text: &str) -> Value {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let plain = |text: &str| unescaped(&text.replace('+', " "));
    pairs
        .map(|(name, value)| (plain(name), Value::from(plain(value))))
        .collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).filter(|_| *first == b'%');
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).unwrap()
}
