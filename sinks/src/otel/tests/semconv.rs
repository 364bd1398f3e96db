//! Names and types beside those of the conventions, version 1.41.1: what begins with `gen_ai.` is
//! theirs.

use super::*;

/// Names, types and values, as `semconv-1.41.txt` lists them: `attribute NAME TYPE…`,
/// `metric NAME INSTRUMENT UNIT`, `event NAME`.
const LISTED: &str = include_str!("../semconv-1.41.txt");

/// What other tools have agreed upon, and the conventions lack.
const NOT_THEIRS: &[&str] = &["gen_ai.usage.cost"];

fn listed<'a>(kind: &str, name: &str) -> Option<&'a str> {
    LISTED.lines().find_map(|line| {
        let rest = line.strip_prefix(kind)?.trim_start();
        let (found, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        (found == name).then_some(rest)
    })
}

fn check(key: &str, value: &Value) {
    if !key.starts_with("gen_ai.") || NOT_THEIRS.contains(&key) {
        return;
    }
    let kind = listed("attribute", key).unwrap_or_else(|| panic!("`{key}` does not exist"));
    let good = match kind {
        "string" => value.is_string(),
        "int" => value.is_i64(),
        "double" => value.is_f64(),
        "boolean" => value.is_boolean(),
        "string[]" => value
            .as_array()
            .is_some_and(|list| list.iter().all(Value::is_string)),
        "any" => true,
        values => {
            let values: Vec<_> = values.split(' ').skip(1).collect();
            value.as_str().is_some_and(|value| values.contains(&value))
        }
    };
    assert!(good, "`{key}` is {value}, and has to be {kind}");
}

/// Calls of many kinds; providers and operations that the conventions have no names for are left
/// out, since those keep their own.
fn calls() -> Vec<Item> {
    let mut calls = vec![item(&json!({}), cost()), corrected()];
    for provider in [
        "openai",
        "anthropic",
        "bedrock",
        "bedrock_converse",
        "vertex_ai",
        "vertex_ai_beta",
        "gemini",
        "mistral",
        "xai",
        "watsonx",
        "azure_ai",
        "cohere_chat",
        "groq",
        "deepseek",
        "perplexity",
    ] {
        calls.push(item(&json!({ "custom_llm_provider": provider }), cost()));
    }
    for operation in [
        "aembedding",
        "aresponses",
        "atext_completion",
        "anthropic_messages",
        "agenerate_content",
        "avector_store_search",
    ] {
        calls.push(item(&json!({ "call_type": operation }), cost()));
    }
    calls
}

#[test]
fn every_attribute_of_a_span_is_theirs_and_of_its_type() {
    for item in calls() {
        let said = attributes(&span_of(&item, Dialect::Current, Some(1 << 20)).attributes);
        said.iter().for_each(|(key, value)| check(key, value));
        if item.revision() == 0 {
            for required in ["gen_ai.operation.name", "gen_ai.provider.name"] {
                assert!(said.contains_key(required), "{required}");
            }
        }
    }
}

#[test]
fn every_attribute_of_a_record_is_theirs_and_of_its_type() {
    for item in calls() {
        let call = [Call::new(&item, item.event().unwrap())];
        let Some(request) = span::records(&[], &call, Some(1 << 20)) else {
            continue;
        };
        let record = &request.resource_logs[0].scope_logs[0].log_records[0];
        assert!(listed("event", &record.event_name).is_some());
        let said = attributes(&record.attributes);
        said.iter().for_each(|(key, value)| check(key, value));
        assert!(said["gen_ai.input.messages"].is_array());
    }
}

#[test]
fn every_metric_is_theirs_and_has_its_unit() {
    for metric in metrics_of(&calls()) {
        if !metric.name.starts_with("gen_ai.") {
            assert!(metric.name.starts_with("tollkeeper."), "{}", metric.name);
            continue;
        }
        let expected = listed("metric", &metric.name);
        assert_eq!(expected, Some(&*format!("histogram {}", metric.unit)));
        let Some(Data::Histogram(histogram)) = metric.data else {
            panic!("`{}` is a histogram", metric.name);
        };
        for point in histogram.data_points {
            let said = attributes(&point.attributes);
            said.iter().for_each(|(key, value)| check(key, value));
        }
    }
}
