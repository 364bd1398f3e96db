//! Writes JSON so that what means the same to a provider is the same.

use serde_json::{Map, Number, Value, json};

use crate::case::Case;

/// Text that is JSON again.
const NESTED: &[&str] = &["arguments", "partial_json"];
/// What may as well be left out when it is empty.
const EMPTY: &[&str] = &[
    "images",
    "inferenceConfig",
    "options",
    "stop",
    "stream_options",
    "tools",
];

/// Absent and `null`, 1 and 1.0, JSON in text and JSON are the same.
pub(crate) fn value(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut out = Map::new();
            for (name, value) in object {
                let value = field(name, value);
                let is_empty = value == json!([]) || value == json!({});
                let is_absent = is_empty && EMPTY.contains(&name.as_str());
                if !(value.is_null() || is_absent) {
                    out.insert(name.clone(), value);
                }
            }
            // Sorted, so that differences are easy to see.
            out.sort_keys();
            Value::Object(out)
        }
        Value::Array(list) => list.iter().map(self::value).collect(),
        Value::Number(number) => whole_number(number).map_or_else(|| value.clone(), Value::Number),
        other => other.clone(),
    }
}

fn field(name: &str, value: &Value) -> Value {
    match value.as_str() {
        Some(text) if NESTED.contains(&name) => {
            serde_json::from_str(text).map_or_else(|_error| text.into(), |read| self::value(&read))
        }
        _ => self::value(value),
    }
}

/// `1.0` as `1`.
fn whole_number(number: &Number) -> Option<Number> {
    let text = number.to_string();
    Some(text.strip_suffix(".0")?.parse::<i64>().ok()?.into())
}

/// A request to a provider.
pub(crate) fn sent(case: &Case, request: &Value) -> Value {
    let mut request = request.clone();
    let body = &mut request["body"];
    if body["stream"] == false && case.provider() != "ollama" {
        body["stream"] = Value::Null;
    }
    // Asking for the usage is the gateway's own business.
    if case.request["stream_options"].is_null() && body["stream_options"].is_object() {
        body["stream_options"]["include_usage"] = Value::Null;
    }
    // So is how vectors are written down.
    if case.request["encoding_format"].is_null() && body["input"].is_array() {
        body["encoding_format"] = Value::Null;
    }
    // OpenRouter says what was consumed whether it is asked or not:
    // <https://openrouter.ai/docs/use-cases/usage-accounting>
    if case.provider() == "openrouter" && body["usage"] == json!({ "include": true }) {
        body["usage"] = Value::Null;
    }
    if request["path"]
        .as_str()
        .is_some_and(|path| path.contains(":generate") || path.contains(":streamGenerate"))
    {
        request["body"] = google(&request["body"], false);
    }
    value(&request)
}

/// Google takes names in both spellings.
fn google(value: &Value, opaque: bool) -> Value {
    match value {
        Value::Object(object) => {
            let mut out = Map::new();
            for (name, value) in object {
                let camel = if opaque { name.clone() } else { camel(name) };
                let schema = [
                    "parameters",
                    "args",
                    "response",
                    "responseSchema",
                    "responseJsonSchema",
                ];
                let below = opaque || schema.contains(&camel.as_str());
                out.insert(camel, google(value, below));
            }
            Value::Object(out)
        }
        Value::Array(list) => list.iter().map(|value| google(value, opaque)).collect(),
        other => other.clone(),
    }
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let (head, tail) = part.split_at(part.len().min(1));
        name + &head.to_ascii_uppercase() + tail
    })
}

/// Where two values differ, each place with what is wanted and what is there.
pub(crate) fn differences(wanted: &Value, there: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", wanted, there, &mut found);
    found
}

fn compare(at: &str, wanted: &Value, there: &Value, found: &mut Vec<String>) {
    match (wanted, there) {
        (Value::Object(one), Value::Object(other)) => {
            let more = other.keys().filter(|name| !one.contains_key(*name));
            for name in one.keys().chain(more) {
                let (wanted, there) = (&wanted[name.as_str()], &there[name.as_str()]);
                compare(&format!("{at}/{name}"), wanted, there, found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (wanted, there)) in one.iter().zip(other).enumerate() {
                compare(&format!("{at}/{index}"), wanted, there, found);
            }
        }
        _ if wanted == there => {}
        _ => found.push(format!("{at}: wanted {wanted}, there is {there}")),
    }
}
