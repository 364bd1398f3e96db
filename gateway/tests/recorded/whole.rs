//! What a client makes of an answer, without what is new each time: the same as `whole` and
//! `assembled` in `record.py`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

const TEXTS: &[&str] = &["content", "reasoning_content", "refusal"];
const LISTS: &[&str] = &["thinking_blocks", "annotations", "images"];

/// An answer that came whole.
pub(crate) fn answer(body: &Value) -> Value {
    if let Some(choices) = body["choices"].as_array() {
        let choices: Vec<Value> = choices.iter().map(choice).collect();
        let mut answer = json!({ "choices": choices });
        if !body["citations"].is_null() {
            answer["citations"] = body["citations"].clone();
        }
        return answer;
    }
    if body["results"].is_array() {
        return json!({ "results": body["results"] });
    }
    let data = body["data"].as_array().unwrap();
    let item = |item: &Value| json!({ "index": item["index"], "embedding": item["embedding"] });
    json!({ "data": data.iter().map(item).collect::<Vec<_>>() })
}

fn choice(choice: &Value) -> Value {
    let mut out = json!({
        "finish_reason": choice["finish_reason"],
        "message": message(&choice["message"]),
    });
    if choice["logprobs"].is_object() {
        out["logprobs"] = choice["logprobs"].clone();
    }
    out
}

fn message(message: &Value) -> Value {
    let mut kept = Map::new();
    for name in TEXTS.iter().chain(LISTS).chain(&["tool_calls", "audio"]) {
        let value = &message[*name];
        let empty = value.is_null() || value == "" || value == &json!([]);
        if !empty {
            kept.insert((*name).to_owned(), value.clone());
        }
    }
    for call in kept
        .get_mut("tool_calls")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        call.as_object_mut().unwrap().remove("index");
        // There is no other type; some providers leave it out.
        call["type"] = "function".into();
    }
    Value::Object(kept)
}

/// One choice of a stream while it is put together.
#[derive(Default)]
struct Part {
    message: Map<String, Value>,
    calls: BTreeMap<u64, Value>,
    finish_reason: Value,
}

/// The elements of a stream, which has to end well; or the error that it ended with.
pub(crate) fn elements(body: &[u8]) -> Result<Vec<Value>, Value> {
    let text = std::str::from_utf8(body).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let data: Vec<&str> = data.map(str::trim).collect();
    let read = |text: &&str| serde_json::from_str::<Value>(text).unwrap();
    if let Some((&"[DONE]", elements)) = data.split_last() {
        return Ok(elements.iter().map(read).collect());
    }
    let last = data.last().map_or(Value::Null, read);
    assert!(last["error"].is_object(), "neither end nor error: {text}");
    Err(last["error"].clone())
}

/// A stream, put together again; and its usage.
pub(crate) fn stream(elements: &[Value]) -> (Value, Value) {
    let mut parts: BTreeMap<u64, Part> = BTreeMap::new();
    let mut usage = Value::Null;
    for element in elements {
        // Azure's first element is none.
        assert!(element["object"] == "chat.completion.chunk" || element["choices"] == json!([]));
        if element["usage"].is_object() {
            usage = element["usage"].clone();
        }
        for choice in element["choices"].as_array().unwrap() {
            let part = parts.entry(choice["index"].as_u64().unwrap()).or_default();
            if choice["finish_reason"].is_string() {
                part.finish_reason = choice["finish_reason"].clone();
            }
            part.add(&choice["delta"]);
        }
    }
    let choices: Vec<Value> = parts.into_values().map(Part::done).collect();
    (json!({ "choices": choices }), usage)
}

impl Part {
    fn add(&mut self, delta: &Value) {
        for name in TEXTS {
            if let Some(more) = delta[*name].as_str() {
                let text = self.message.entry(*name).or_insert_with(|| "".into());
                *text = format!("{}{more}", text.as_str().unwrap()).into();
            }
        }
        for name in LISTS {
            if let Some(more) = delta[*name].as_array() {
                let list = self.message.entry(*name).or_insert_with(|| json!([]));
                list.as_array_mut().unwrap().extend(more.iter().cloned());
            }
        }
        for more in delta["tool_calls"].as_array().into_iter().flatten() {
            let call = self.calls.entry(more["index"].as_u64().unwrap());
            let call =
                call.or_insert_with(|| json!({ "function": { "name": "", "arguments": "" } }));
            for name in ["id", "type"] {
                if more[name].is_string() {
                    call[name] = more[name].clone();
                }
            }
            for name in ["name", "arguments"] {
                if let Some(more) = more["function"][name].as_str() {
                    let text = call["function"][name].as_str().unwrap();
                    call["function"][name] = format!("{text}{more}").into();
                }
            }
        }
    }

    fn done(mut self) -> Value {
        let calls: Vec<Value> = self.calls.into_values().collect();
        self.message.insert("tool_calls".to_owned(), calls.into());
        if let Some(Value::Array(blocks)) = self.message.get_mut("thinking_blocks") {
            *blocks = joined(blocks);
        }
        choice(&json!({ "finish_reason": self.finish_reason, "message": self.message }))
    }
}

/// Thinking comes in pieces; its signature comes last and ends it.
fn joined(blocks: &[Value]) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    for block in blocks {
        let open = |last: &&mut Value| {
            let both = last["type"] == "thinking" && block["type"] == "thinking";
            both && last["signature"].as_str().is_none_or(str::is_empty)
        };
        match out.last_mut().filter(open) {
            Some(last) => {
                let text =
                    |value: &Value| value["thinking"].as_str().unwrap_or_default().to_owned();
                last["thinking"] = (text(last) + &text(block)).into();
                last["signature"] = block["signature"].clone();
            }
            None => out.push(block.clone()),
        }
    }
    out
}

/// The counts that a bill is made of, under one name each; what is 0 is left out.
pub(crate) fn usage(said: &Value) -> Value {
    let (read, written) = (
        &said["prompt_tokens_details"],
        &said["completion_tokens_details"],
    );
    let either = |one: &Value, other: &Value| match one.as_u64() {
        None | Some(0) => other.clone(),
        Some(count) => count.into(),
    };
    let write = either(
        &said["cache_creation_input_tokens"],
        &read["cache_creation_tokens"],
    );
    let counts = [
        ("prompt", said["prompt_tokens"].clone()),
        ("completion", said["completion_tokens"].clone()),
        (
            "cached",
            either(&read["cached_tokens"], &said["cache_read_input_tokens"]),
        ),
        ("cache_write", either(&write, &read["cache_write_tokens"])),
        ("reasoning", written["reasoning_tokens"].clone()),
        ("audio", read["audio_tokens"].clone()),
        ("image", read["image_tokens"].clone()),
    ];
    let counts = counts
        .into_iter()
        .filter(|(_, count)| count.as_u64() > Some(0));
    Value::Object(
        counts
            .map(|(name, count)| (name.to_owned(), count))
            .collect(),
    )
}
