//! Settings, and what calls become in each dialect.

use std::collections::BTreeMap;

use event::{
    Class, Cost, CostStatus, Exact, LineItem, Origin, PricedEvent, StandardLoggingPayload,
    Timestamp, codec,
};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value},
    metrics::v1::{Metric, metric::Data, number_data_point},
    trace::v1::Span,
};
use serde_json::{Value, json};
use sink::Item;

use super::{call::Call, span::Dialect, *};

mod semconv;
mod settings;

/// A streamed chat with a tool, a picture, cached tokens and reasoning; `change` goes over it.
pub(crate) fn payload(change: &Value) -> Value {
    let mut payload = json!({
        "id": "chatcmpl-7", "litellm_call_id": "call-7", "trace_id": "task-7",
        "session_id": "session-7", "call_type": "acompletion", "stream": true,
        "cache_hit": false, "status": "success", "custom_llm_provider": "azure",
        "startTime": 1_795_185_954.5, "endTime": 1_795_185_956.75,
        "completionStartTime": 1_795_185_954.75,
        "model": "azure/gpt-4o", "model_group": "fast", "model_id": "deployment-1",
        "prompt_tokens": 100, "completion_tokens": 30, "total_tokens": 130,
        "request_tags": ["production", "eu"], "end_user": "customer-7",
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": [
                { "type": "text", "text": "What is this?" },
                { "type": "image_url", "image_url": { "url": "https://example.com/a.png" } },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
            ] },
            { "role": "assistant", "content": null, "tool_calls": [{
                "id": "t1", "type": "function",
                "function": { "name": "look", "arguments": "{\"x\":1}" },
            }] },
            { "role": "tool", "tool_call_id": "t1", "content": "a cat" },
        ],
        "response": { "id": "chatcmpl-7", "choices": [{
            "index": 0, "finish_reason": "stop",
            "message": { "role": "assistant", "reasoning_content": "Hm.", "content": "A cat." },
        }] },
        "model_parameters": {
            "temperature": 1, "top_p": 0.9, "max_tokens": 50, "stop": ["END"], "n": 1, "seed": 7,
            "response_format": { "type": "json_object" }, "tools": [{ "type": "function" }],
        },
        "metadata": {
            "user_api_key_hash": "9f86d0", "user_api_key_alias": "key-of-ann",
            "user_api_key_team_id": "team-1", "user_api_key_user_id": "ann",
            "usage_object": {
                "prompt_tokens": 100, "completion_tokens": 30, "total_tokens": 130,
                "prompt_tokens_details": { "cached_tokens": 40, "cache_write_tokens": 10 },
                "completion_tokens_details": { "reasoning_tokens": 20 },
            },
        },
        "tollkeeper": {
            "outcome": "success", "usage_source": "provider",
            "w3c_trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331",
            "parent_span_id": "00f067aa0ba902b7", "response_model": "gpt-4o-2024-08-06",
        },
    });
    merge(&mut payload, change);
    payload
}

fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change.clone(),
    }
}

/// What the chat cost: 0.00021 + 0.00005 + 0.00002 for the input, 0.0001 + 0.0002 for the output.
pub(crate) fn cost() -> Cost {
    let line = |class, amount: &str| LineItem {
        class,
        quantity: "1".parse().unwrap(),
        unit_price: amount.parse().unwrap(),
        amount: amount.parse::<Exact>().unwrap(),
        key: "price".to_owned(),
    };
    Cost {
        status: CostStatus::Priced,
        total: "0.00058".parse().ok(),
        items: vec![
            line(Class::Input, "0.00021"),
            line(Class::CacheRead, "0.00005"),
            line(Class::CacheWrite, "0.00002"),
            line(Class::Output, "0.0001"),
            line(Class::Reasoning, "0.0002"),
        ],
        ..Cost::default()
    }
}

fn priced(change: &Value, cost: Cost) -> PricedEvent {
    let payload: StandardLoggingPayload = serde_json::from_value(payload(change)).unwrap();
    let origin = Origin {
        source: "journal".to_owned(),
        sequence: 7,
    };
    PricedEvent::new(payload, origin, cost)
}

/// The chat as a sink gets it.
pub(crate) fn item(change: &Value, cost: Cost) -> Item {
    Item::open(&codec::encode_priced(&priced(change, cost))).unwrap()
}

/// The chat as it is sent after its cost has been corrected.
pub(crate) fn corrected() -> Item {
    let cost_now = Cost {
        total: "0.0005".parse().ok(),
        ..Cost::default()
    };
    let at = Timestamp::from_micros(1_795_200_000_000_000);
    let event = priced(&json!({}), cost()).corrected(cost_now, at, "a new map");
    Item::open(&codec::encode_priced(&event)).unwrap()
}

fn span_of(item: &Item, dialect: Dialect, content: Option<usize>) -> Span {
    span::span(&Call::new(item, item.event().unwrap()), dialect, content)
}

/// Attributes as JSON.
fn attributes(list: &[KeyValue]) -> BTreeMap<String, Value> {
    list.iter()
        .map(|one| (one.key.clone(), plain(one.value.as_ref().unwrap())))
        .collect()
}

fn plain(value: &AnyValue) -> Value {
    use any_value::Value as Any;
    match value.value.as_ref() {
        Some(Any::StringValue(text)) => json!(text),
        Some(Any::BoolValue(truth)) => json!(truth),
        Some(Any::IntValue(count)) => json!(count),
        Some(Any::DoubleValue(number)) => json!(number),
        Some(Any::ArrayValue(list)) => list.values.iter().map(plain).collect(),
        Some(Any::KvlistValue(map)) => json!(attributes(&map.values)),
        other => panic!("{other:?} is not used"),
    }
}

fn parsed(value: &Value) -> Value {
    serde_json::from_str(value.as_str().unwrap()).unwrap()
}

#[test]
fn a_call_is_a_span_of_the_callers_trace() {
    let item = item(&json!({}), cost());
    let span = span_of(&item, Dialect::Current, None);
    assert_eq!(
        hex::encode(&span.trace_id),
        "0af7651916cd43dd8448eb211c80319c"
    );
    assert_eq!(hex::encode(&span.span_id), "b7ad6b7169203331");
    assert_eq!(hex::encode(&span.parent_span_id), "00f067aa0ba902b7");
    assert_eq!((span.name.as_str(), span.kind), ("chat gpt-4o", 3));
    assert_eq!(span.start_time_unix_nano, 1_795_185_954_500_000_000);
    assert_eq!(span.end_time_unix_nano, 1_795_185_956_750_000_000);
    assert_eq!(span.status.clone().unwrap().code, 0);
    let said = attributes(&span.attributes);
    for (key, value) in [
        ("gen_ai.operation.name", json!("chat")),
        ("gen_ai.provider.name", json!("azure.ai.openai")),
        ("gen_ai.request.model", json!("gpt-4o")),
        ("gen_ai.response.model", json!("gpt-4o-2024-08-06")),
        ("gen_ai.response.id", json!("chatcmpl-7")),
        ("gen_ai.response.finish_reasons", json!(["stop"])),
        ("gen_ai.response.time_to_first_chunk", json!(0.25)),
        ("gen_ai.conversation.id", json!("session-7")),
        ("gen_ai.request.stream", json!(true)),
        ("gen_ai.request.temperature", json!(1.0)),
        ("gen_ai.request.max_tokens", json!(50)),
        ("gen_ai.request.stop_sequences", json!(["END"])),
        ("gen_ai.output.type", json!("json")),
        ("gen_ai.usage.input_tokens", json!(100)),
        ("gen_ai.usage.output_tokens", json!(30)),
        ("gen_ai.usage.cache_read.input_tokens", json!(40)),
        ("gen_ai.usage.cache_creation.input_tokens", json!(10)),
        ("gen_ai.usage.reasoning.output_tokens", json!(20)),
        ("gen_ai.usage.cost", json!(0.00058)),
        ("tollkeeper.cost.usd", json!("0.00058")),
        ("tollkeeper.cost.status", json!("priced")),
        ("tollkeeper.event.id", json!(item.id().to_string())),
        ("litellm.cost.input", json!(0.00028)),
        ("litellm.cost.output", json!(0.0003)),
        ("litellm.team.id", json!("team-1")),
        ("litellm.request.tags", json!(["production", "eu"])),
        ("user.id", json!("customer-7")),
    ] {
        assert_eq!(said.get(key), Some(&value), "{key}");
    }
    for absent in [
        "gen_ai.request.choice.count",
        "error.type",
        "gen_ai.input.messages",
    ] {
        assert_eq!(said.get(absent), None, "{absent}");
    }
}

#[test]
fn a_call_without_ids_of_a_trace_has_the_same_ones_every_time() {
    let ids = json!({ "w3c_trace_id": "", "span_id": "0000000000000000", "parent_span_id": "xyz" });
    let item = item(&json!({ "tollkeeper": ids }), cost());
    let span = span_of(&item, Dialect::Current, None);
    assert_eq!(span, span_of(&item, Dialect::Current, None));
    // The first half of the SHA-256 of `task-7`.
    assert_eq!(
        hex::encode(&span.trace_id),
        "014e4ceaa5a9e5112150d2536f78ecab"
    );
    assert_eq!(span.span_id.len(), 8);
    assert!(span.parent_span_id.is_empty());
}

#[test]
fn a_cost_that_is_not_known_is_not_zero() {
    let cost = Cost::unpriced("map", event::Unpriced::NoSuchModel, "no such model");
    let item = item(&json!({}), cost);
    for dialect in [Dialect::Current, Dialect::Previous, Dialect::OpenInference] {
        let said = attributes(&span_of(&item, dialect, None).attributes);
        assert_eq!(said["tollkeeper.cost.status"], "unpriced");
        let costs = said.keys().filter(|key| key.contains("cost"));
        assert_eq!(costs.count(), 1, "{said:?}");
    }
}

#[test]
fn a_failure_says_what_it_was() {
    let item = item(
        &json!({
            "status": "failure", "error_str": "slow down", "response": null, "prompt_tokens": 0,
            "completion_tokens": 0, "total_tokens": 0, "custom_llm_provider": null,
            "metadata": { "usage_object": null },
            "error_information": { "error_class": "RateLimitError", "error_code": "429" },
        }),
        Cost::nothing("map"),
    );
    let span = span_of(&item, Dialect::Current, Some(1_024));
    let status = span.status.clone().unwrap();
    assert_eq!((status.code, status.message.as_str()), (2, "slow down"));
    let said = attributes(&span.attributes);
    assert_eq!(said["error.type"], "RateLimitError");
    assert_eq!(said["gen_ai.provider.name"], "_OTHER");
    assert_eq!(said["tollkeeper.cost.usd"], "0.0");
    assert_eq!(said.get("gen_ai.usage.input_tokens"), None);
    assert_eq!(said.get("gen_ai.output.messages"), None);
}

#[test]
fn messages_become_parts() {
    let span = span_of(&item(&json!({}), cost()), Dialect::Current, Some(1 << 20));
    let said = attributes(&span.attributes);
    let asked = parsed(&said["gen_ai.input.messages"]);
    assert_eq!(
        asked,
        json!([
            { "role": "system", "parts": [{ "type": "text", "content": "Be brief." }] },
            { "role": "user", "parts": [
                { "type": "text", "content": "What is this?" },
                { "type": "uri", "modality": "image", "uri": "https://example.com/a.png" },
                {
                    "type": "blob", "modality": "image", "mime_type": "image/png",
                    "content": "AAAA",
                },
            ] },
            { "role": "assistant", "parts": [
                { "type": "tool_call", "id": "t1", "name": "look", "arguments": { "x": 1 } },
            ] },
            { "role": "tool", "parts": [
                { "type": "tool_call_response", "id": "t1", "response": "a cat" },
            ] },
        ])
    );
    let answered = parsed(&said["gen_ai.output.messages"]);
    assert_eq!(
        answered,
        json!([{ "role": "assistant", "finish_reason": "stop", "parts": [
            { "type": "reasoning", "content": "Hm." },
            { "type": "text", "content": "A cat." },
        ] }])
    );
    assert_eq!(said.get("tollkeeper.content.cut"), None);
    let record = span::records(
        &[],
        [&Call::new(
            &item(&json!({}), cost()),
            item(&json!({}), cost()).event().unwrap(),
        )],
        Some(1 << 20),
    );
    let record = &record.unwrap().resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!(
        record.event_name,
        "gen_ai.client.inference.operation.details"
    );
    let said = attributes(&record.attributes);
    assert_eq!(
        (
            &said["gen_ai.input.messages"],
            &said["gen_ai.output.messages"]
        ),
        (&asked, &answered)
    );
}

#[test]
fn the_items_of_a_response_are_one_message() {
    let response = json!({ "status": "completed", "choices": null, "output": [
        { "type": "reasoning", "summary": [{ "type": "summary_text", "text": "Hm." }] },
        { "type": "message", "content": [{ "type": "output_text", "text": "Hi." }] },
        { "type": "function_call", "call_id": "c1", "name": "f", "arguments": "not JSON" },
    ] });
    let mut whole = payload(&json!({ "call_type": "aresponses" }));
    whole["response"] = response;
    whole["messages"] = json!("Hello?");
    let payload = serde_json::from_value(whole).unwrap();
    let asked = messages::Messages::asked(&payload, 1_000).to_json();
    assert_eq!(
        asked,
        json!([{ "role": "user", "parts": [{ "type": "text", "content": "Hello?" }] }])
    );
    let answered = messages::Messages::answered(&payload, 1_000).to_json();
    assert_eq!(
        answered,
        json!([{ "role": "assistant", "finish_reason": "tool_call", "parts": [
            { "type": "reasoning", "content": "Hm." },
            { "type": "text", "content": "Hi." },
            { "type": "tool_call", "id": "c1", "name": "f", "arguments": "not JSON" },
        ] }])
    );
}

#[test]
fn an_answer_that_broke_off_ended_with_an_error() {
    let mut whole = payload(&json!({ "status": "failure" }));
    whole["response"]["choices"][0]["finish_reason"] = Value::Null;
    let payload = serde_json::from_value(whole).unwrap();
    let answered = messages::Messages::answered(&payload, 1_000);
    assert_eq!(answered.to_json()[0]["finish_reason"], "error");
    assert!(answered.finish_reasons().is_empty());
}

#[test]
fn content_that_is_too_long_is_cut_and_marked() {
    let long = json!({ "messages": [
        { "role": "user", "content": "€".repeat(10_000) },
        { "role": "user", "content": "and then" },
    ] });
    let item = item(&long, cost());
    for dialect in [Dialect::Current, Dialect::Previous, Dialect::OpenInference] {
        let span = span_of(&item, dialect, Some(1_024));
        let said = attributes(&span.attributes);
        assert_eq!(said["tollkeeper.content.cut"], true, "{dialect:?}");
        let bytes = json!(said).to_string().len();
        assert!(bytes < 6_000, "{dialect:?}: {bytes} bytes");
    }
}

#[test]
fn the_previous_dialect_has_the_old_names() {
    let item = item(
        &json!({ "custom_llm_provider": "xai", "model": "xai/grok-4" }),
        cost(),
    );
    let said = attributes(&span_of(&item, Dialect::Previous, Some(1_024)).attributes);
    assert_eq!(said["gen_ai.system"], "xai");
    assert_eq!(said["gen_ai.request.model"], "grok-4");
    assert_eq!(said["gen_ai.prompt.0.content"], "Be brief.");
    assert_eq!(said["gen_ai.completion.0.content"], "A cat.");
    assert_eq!(said.get("gen_ai.provider.name"), None);
}

#[test]
fn openinference_has_names_of_its_own() {
    let span = span_of(
        &item(&json!({}), cost()),
        Dialect::OpenInference,
        Some(1 << 20),
    );
    let said = attributes(&span.attributes);
    for (key, value) in [
        ("openinference.span.kind", json!("LLM")),
        ("llm.model_name", json!("gpt-4o-2024-08-06")),
        ("llm.provider", json!("azure")),
        ("llm.system", json!("openai")),
        ("llm.token_count.prompt", json!(100)),
        ("llm.token_count.completion", json!(30)),
        ("llm.token_count.total", json!(130)),
        ("llm.token_count.prompt_details.cache_read", json!(40)),
        ("llm.token_count.completion_details.reasoning", json!(20)),
        ("llm.cost.prompt", json!(0.00028)),
        ("llm.cost.completion", json!(0.0003)),
        ("llm.cost.total", json!(0.00058)),
        ("llm.input_messages.0.message.content", json!("Be brief.")),
        (
            "llm.input_messages.1.message.contents.1.message_content.image.image.url",
            json!("https://example.com/a.png"),
        ),
        (
            "llm.input_messages.2.message.tool_calls.0.tool_call.function.arguments",
            json!("{\"x\":1}"),
        ),
        ("llm.input_messages.3.message.tool_call_id", json!("t1")),
        ("llm.output_messages.0.message.content", json!("A cat.")),
        ("session.id", json!("session-7")),
        ("tag.tags", json!(["production", "eu"])),
        ("input.mime_type", json!("application/json")),
    ] {
        assert_eq!(said.get(key), Some(&value), "{key}");
    }
    assert_eq!(
        parsed(&said["llm.invocation_parameters"]).get("tools"),
        None
    );
    assert_eq!(parsed(&said["input.value"])[3]["content"], "a cat");
}

#[test]
fn a_correction_is_a_step_behind_its_call_with_the_difference() {
    let (first, next) = (item(&json!({}), cost()), corrected());
    let (call, step) = (
        span_of(&first, Dialect::Current, None),
        span_of(&next, Dialect::Current, None),
    );
    assert_eq!(
        (&step.trace_id, &step.parent_span_id),
        (&call.trace_id, &call.span_id)
    );
    assert_ne!(step.span_id, call.span_id);
    assert_eq!(step.start_time_unix_nano, 1_795_200_000_000_000_000);
    assert_eq!(step.name, "cost_correction gpt-4o");
    let said = attributes(&step.attributes);
    assert_eq!(said["gen_ai.usage.cost"], -0.00008);
    assert_eq!(said["tollkeeper.correction.difference_usd"], "-0.00008");
    assert_eq!(said["tollkeeper.correction.previous_usd"], "0.00058");
    assert_eq!(said["tollkeeper.cost.usd"], "0.0005");
    assert_eq!(said["tollkeeper.correction.reason"], "a new map");
    assert!(said.keys().all(|key| !key.contains("_tokens")), "{said:?}");
    let said = attributes(&span_of(&next, Dialect::OpenInference, None).attributes);
    assert_eq!(said["llm.cost.total"], -0.00008);
}

fn metrics_of(items: &[Item]) -> Vec<Metric> {
    let calls: Vec<_> = items
        .iter()
        .map(|item| Call::new(item, item.event().unwrap()))
        .collect();
    let request = metrics::request(&[], &calls).unwrap();
    request.resource_metrics[0].scope_metrics[0].metrics.clone()
}

#[test]
fn metrics_say_what_a_batch_adds() {
    let unpriced = Cost::unpriced("map", event::Unpriced::NoSuchModel, "");
    let failure = json!({ "status": "failure", "error_information": { "error_class": "Timeout" } });
    let items = [
        item(&json!({}), cost()),
        item(&json!({ "endTime": 1_795_185_960.0 }), cost()),
        item(&failure, unpriced),
        corrected(),
    ];
    let metrics = metrics_of(&items);
    let found = |name: &str| metrics.iter().find(|metric| metric.name == name).unwrap();
    let sum = |name: &str| match found(name).data.clone().unwrap() {
        Data::Sum(sum) => (sum.is_monotonic, sum.data_points[0].value.unwrap()),
        other => panic!("{other:?}"),
    };
    let usd = number_data_point::Value::AsDouble;
    assert_eq!(sum("tollkeeper.cost"), (true, usd(0.00116)));
    assert_eq!(sum("tollkeeper.cost.corrections"), (false, usd(-0.00008)));
    let one = number_data_point::Value::AsInt(1);
    assert_eq!(sum("tollkeeper.calls.unpriced"), (true, one));
    let Some(Data::Histogram(durations)) = &found("gen_ai.client.operation.duration").data else {
        panic!("a histogram");
    };
    assert_eq!(
        (
            durations.aggregation_temporality,
            durations.data_points.len()
        ),
        (1, 2)
    );
    let [good, bad] = &durations.data_points[..] else {
        panic!("two")
    };
    assert_eq!(
        (good.count, good.sum, good.min, good.max),
        (2, Some(7.75), Some(2.25), Some(5.5))
    );
    // 2.25 s stand below 2.56, 5.5 s below 10.24.
    assert_eq!((good.bucket_counts[8], good.bucket_counts[10]), (1, 1));
    assert_eq!(good.bucket_counts.len(), good.explicit_bounds.len() + 1);
    assert_eq!(
        (good.start_time_unix_nano, good.time_unix_nano),
        (1_795_185_956_750_000_000, 1_795_185_960_000_000_000)
    );
    assert_eq!(attributes(&bad.attributes)["error.type"], "Timeout");
    let Some(Data::Histogram(tokens)) = &found("gen_ai.client.token.usage").data else {
        panic!("a histogram");
    };
    let said: Vec<_> = tokens
        .data_points
        .iter()
        .map(|point| {
            (
                attributes(&point.attributes)["gen_ai.token.type"].clone(),
                point.sum,
            )
        })
        .collect();
    assert_eq!(
        said,
        [(json!("input"), Some(300.0)), (json!("output"), Some(90.0))]
    );
}
