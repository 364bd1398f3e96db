//! Settings, and what a call becomes on both ways.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{common::v1::any_value, trace::v1::Span};
use serde_json::{Value, json};
use sink::Item;

use super::{config::Labels, *};
use crate::otel::tests::{corrected, cost, item};

fn config(change: &Value) -> Result<Config, String> {
    let mut config = json!({ "public_key": "pk-lf-1", "secret_key": "sk-lf-canary" });
    for (key, value) in change.as_object().unwrap() {
        config[key] = value.clone();
    }
    serde_json::from_value(config).map_err(|error| error.to_string())
}

#[test]
fn two_keys_are_enough() {
    let config = config(&json!({})).unwrap();
    assert_eq!(config.host.expose(), "https://cloud.langfuse.com/");
    assert_eq!(config.api, Api::Otlp);
    assert_eq!(config.content_bytes_max, 256 << 10);
    assert_eq!(config.timeout, std::time::Duration::from_secs(20));
    assert_eq!(config.credentials.expose(), "cGstbGYtMTpzay1sZi1jYW5hcnk=");
    assert!(!format!("{config:?}").contains("canary"));
}

#[test]
fn settings_that_cannot_work_are_refused_and_say_why() {
    for (change, said) in [
        (json!({ "public_key": "" }), "must not be empty"),
        (json!({ "public_key": "pk:canary" }), "no colon"),
        (json!({ "secret_key": "" }), "must not be empty"),
        (json!({ "environment": "Production" }), "lower-case"),
        (json!({ "environment": "langfuse-a" }), "must not begin"),
        (json!({ "environment": "x".repeat(41) }), "40 lower-case"),
        (json!({ "content_bytes_max": 1_000 }), "1024 to 1048576"),
        (json!({ "tags": vec!["x"; 51] }), "50 entries"),
        (json!({ "timeout": "0s" }), "longer than nothing"),
        (json!({ "api": "grpc" }), "`otlp`"),
        (json!({ "host": "nowhere" }), "not a URL"),
        (json!({ "colour": 1 }), "`colour`"),
    ] {
        let Err(error) = config(&change) else {
            panic!("{change} was taken");
        };
        assert!(error.contains(said), "{change}: {error}");
        assert!(!error.contains("canary"), "{error}");
    }
}

fn labels() -> Labels {
    Labels {
        environment: Some("test".to_owned()),
        release: Some("r1".to_owned()),
        version: Some("v1".to_owned()),
        tags: vec!["gateway".to_owned(), "eu".to_owned()],
    }
}

fn with<T>(item: &Item, then: impl FnOnce(&Observation<'_>) -> T) -> T {
    let (call, labels) = (Call::new(item, item.event().unwrap()), labels());
    then(&Observation::of(&call, &labels, 1 << 20))
}

fn said(span: &Span) -> BTreeMap<&str, Value> {
    let attributes = span.attributes.iter();
    let text = |value: &any_value::Value| match value {
        any_value::Value::StringValue(text) => json!(text),
        any_value::Value::IntValue(count) => json!(count),
        any_value::Value::ArrayValue(list) => json!(list.values.len()),
        other => panic!("{other:?} is not used"),
    };
    attributes
        .map(|one| {
            let value = one.value.as_ref().unwrap().value.as_ref().unwrap();
            (one.key.as_str(), text(value))
        })
        .collect()
}

#[test]
fn a_call_is_a_generation_with_parts_that_do_not_overlap() {
    let item = item(&json!({}), cost());
    let span = with(&item, span::span);
    let said = said(&span);
    assert_eq!(span.name, "litellm:key-of-ann");
    for (key, value) in [
        ("langfuse.observation.type", "generation"),
        ("langfuse.observation.model.name", "gpt-4o"),
        ("langfuse.observation.level", "DEFAULT"),
        (
            "langfuse.observation.usage_details",
            r#"{"input":50,"input_cache_creation":10,"input_cached_tokens":40,"output":10,"output_reasoning_tokens":20,"total":130}"#,
        ),
        (
            "langfuse.observation.cost_details",
            r#"{"input":0.00021,"input_cache_creation":0.00002,"input_cached_tokens":0.00005,"output":0.0001,"output_reasoning_tokens":0.0002,"total":0.00058}"#,
        ),
        (
            "langfuse.observation.completion_start_time",
            "2026-11-20T14:45:54.750000Z",
        ),
        ("langfuse.trace.name", "litellm-acompletion"),
        ("langfuse.user.id", "customer-7"),
        ("langfuse.session.id", "session-7"),
        ("langfuse.environment", "test"),
        ("langfuse.release", "r1"),
        ("langfuse.version", "v1"),
        ("langfuse.trace.metadata.user_api_key_team_id", "team-1"),
        ("langfuse.observation.metadata.cost_usd", "0.00058"),
        (
            "langfuse.observation.metadata.provider_model",
            "azure/gpt-4o",
        ),
    ] {
        assert_eq!(said.get(key), Some(&json!(value)), "{key}");
    }
    // gateway, eu, production: each once.
    assert_eq!(said["langfuse.trace.tags"], 3);
    let parsed = |key| -> Value { serde_json::from_str(said[key].as_str().unwrap()).unwrap() };
    let parameters = parsed("langfuse.observation.model.parameters");
    assert_eq!(parameters["temperature"], 1);
    assert_eq!(parameters["stop"], r#"["END"]"#);
    assert_eq!(parameters.get("tools"), None);
    assert_eq!(
        parsed("langfuse.observation.input")[0]["content"],
        "Be brief."
    );
}

#[test]
fn clients_say_what_they_want_in_their_metadata() {
    let wishes = json!({ "metadata": { "requester_metadata": {
        "trace_name": "checkout", "generation_name": "answer", "session_id": "s".repeat(300),
        "trace_user_id": "zoë", "prompt": { "name": "greeting", "version": 3, "labels": [] },
        "customer": { "plan": "pro" }, "cost_usd": "1000", "__proto__": "x",
    } } });
    let span = with(&item(&wishes, cost()), span::span);
    let said = said(&span);
    assert_eq!(span.name, "answer");
    assert_eq!(said["langfuse.trace.name"], "checkout");
    assert_eq!(said["langfuse.user.id"], "zoë");
    assert_eq!(said["langfuse.session.id"].as_str().unwrap().len(), 200);
    assert_eq!(said["langfuse.observation.prompt.name"], "greeting");
    assert_eq!(said["langfuse.observation.prompt.version"], 3);
    assert_eq!(
        said["langfuse.observation.metadata.customer"],
        r#"{"plan":"pro"}"#
    );
    // Nobody says what a call cost but we.
    assert_eq!(said["langfuse.observation.metadata.cost_usd"], "0.00058");
    assert!(said.keys().all(|key| !key.contains("__proto__")));
}

#[test]
fn a_cost_that_is_not_known_is_not_zero() {
    let unpriced = event::Cost::unpriced("map", event::Unpriced::NoSuchModel, "");
    let span = with(&item(&json!({}), unpriced), span::span);
    let said = said(&span);
    assert_eq!(said.get("langfuse.observation.cost_details"), None);
    assert_eq!(
        said["langfuse.observation.metadata.cost_status"],
        "unpriced"
    );
}

#[test]
fn parts_that_are_not_the_whole_are_left_out() {
    let mut cost = cost();
    cost.items.push(event::LineItem {
        class: event::Class::Discount,
        quantity: "1".parse().unwrap(),
        unit_price: "-0.1".parse().unwrap(),
        amount: "-0.00008".parse().unwrap(),
        key: "discount".to_owned(),
    });
    cost.total = "0.0005".parse().ok();
    let span = with(&item(&json!({}), cost), span::span);
    let details = r#"{"total":0.0005}"#;
    assert_eq!(said(&span)["langfuse.observation.cost_details"], details);
}

#[test]
fn a_correction_takes_the_place_of_its_call() {
    let (first, next) = (item(&json!({}), cost()), corrected());
    let (before, after) = (with(&first, span::span), with(&next, span::span));
    assert_eq!(
        (
            &before.trace_id,
            &before.span_id,
            before.start_time_unix_nano
        ),
        (&after.trace_id, &after.span_id, after.start_time_unix_nano)
    );
    let said = said(&after);
    assert_eq!(
        said["langfuse.observation.cost_details"],
        r#"{"input":0.0,"output":0.0005,"total":0.0005}"#
    );
    assert_eq!(said["langfuse.observation.metadata.cost_revision"], "1");
}

#[test]
fn a_failure_is_an_error_with_its_message() {
    let failure = json!({
        "status": "failure", "error_str": "slow down", "response": null, "stream": null,
        "error_information": { "error_class": "RateLimitError" },
    });
    let span = with(&item(&failure, cost()), span::span);
    let said = said(&span);
    assert_eq!(said["langfuse.observation.level"], "ERROR");
    assert_eq!(said["langfuse.observation.status_message"], "slow down");
    assert_eq!(
        said["langfuse.observation.metadata.error_type"],
        "RateLimitError"
    );
    assert_eq!(said.get("langfuse.observation.output"), None);
    assert_eq!(said.get("langfuse.observation.completion_start_time"), None);
}

#[test]
fn old_servers_get_a_trace_and_a_generation() {
    let prompt = json!({ "metadata": { "requester_metadata": {
        "prompt": { "name": "greeting", "version": 3 },
    } } });
    let (first, next) = (item(&prompt, cost()), corrected());
    let batch = |item: &Item| {
        with(item, |observation| {
            let call = observation.call;
            let labels = labels();
            let again = [Observation::of(call, &labels, 1 << 20)];
            serde_json::to_string(&ingestion::Batch::of(&again)).unwrap()
        })
    };
    let text = batch(&first);
    // Amounts have all their digits, and no others.
    assert!(text.contains(r#""total":0.00058}"#), "{text}");
    let batch_of_first: Value = serde_json::from_str(&text).unwrap();
    let [trace, generation] = &batch_of_first["batch"].as_array().unwrap()[..] else {
        panic!("two entries");
    };
    let id = first.id().to_string();
    assert_eq!(trace["id"], format!("{id}-trace"));
    assert_eq!(
        (&trace["type"], &generation["type"]),
        (&json!("trace-create"), &json!("generation-create"))
    );
    let (trace, body) = (&trace["body"], &generation["body"]);
    assert_eq!(trace["id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(trace["userId"], "customer-7");
    assert_eq!(trace["tags"], json!(["gateway", "eu", "production"]));
    assert_eq!(
        (&body["traceId"], &body["id"]),
        (&trace["id"], &json!("b7ad6b7169203331"))
    );
    assert_eq!(body["parentObservationId"], "00f067aa0ba902b7");
    assert_eq!(body["usageDetails"]["input"], 50);
    assert_eq!(body["completionStartTime"], "2026-11-20T14:45:54.750000Z");
    assert_eq!(
        (&body["promptName"], &body["promptVersion"]),
        (&json!("greeting"), &json!(3))
    );
    assert_eq!(
        (&body["environment"], &body["version"]),
        (&json!("test"), &json!("v1"))
    );
    assert_eq!(body["input"][0]["content"], "Be brief.");
    let after: Value = serde_json::from_str(&batch(&next)).unwrap();
    let after = &after["batch"][1];
    assert_eq!(after["id"], format!("{id}-r1-generation"));
    assert_eq!(after["body"]["id"], body["id"]);
}
