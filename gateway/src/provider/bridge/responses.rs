//! OpenAI's responses as chats: whole requests and whole answers.

use serde_json::{Map, Value, json};

use crate::provider::{
    ProviderError,
    content::{list, text},
};

/// Parameters that mean the same in both.
const SAME: &[&str] = &[
    "parallel_tool_calls",
    "prompt_cache_key",
    "safety_identifier",
    "service_tier",
    "temperature",
    "top_logprobs",
    "top_p",
    "user",
];

/// The request as a chat.
///
/// # Errors
///
/// If it has parts that no chat has, or needs what another response left behind.
pub(super) fn chat(
    mut asked: Map<String, Value>,
    knows: &dyn Fn(&str) -> bool,
) -> Result<Map<String, Value>, ProviderError> {
    for name in ["previous_response_id", "conversation", "prompt"] {
        if asked.get(name).is_some_and(|value| !value.is_null()) {
            return Err(ProviderError::Request(format!(
                "`{name}` needs a provider that keeps responses, and this model's does not: send \
                 the whole conversation as `input`"
            )));
        }
    }
    let mut chat = Map::new();
    let mut turns = Vec::new();
    if let Some(Value::String(instructions)) = asked.remove("instructions") {
        turns.push(json!({ "role": "system", "content": instructions }));
    }
    match asked.remove("input") {
        Some(Value::Array(items)) => {
            for item in &items {
                turn(item, &mut turns)?;
            }
        }
        Some(input) => turns.push(json!({ "role": "user", "content": input })),
        None => return Err(ProviderError::Request("`input` is missing".to_owned())),
    }
    chat.insert("messages".to_owned(), turns.into());
    for name in SAME {
        if let Some(value) = asked.remove(*name).filter(|_| knows(name)) {
            chat.insert((*name).to_owned(), value);
        }
    }
    if let Some(stream) = asked.remove("stream") {
        chat.insert("stream".to_owned(), stream);
    }
    if let Some(bound) = asked.remove("max_output_tokens") {
        chat.insert("max_tokens".to_owned(), bound);
    }
    let effort = asked.get("reasoning").and_then(|own| text(own, "effort"));
    if let Some(effort) = effort.filter(|_| knows("reasoning_effort")) {
        chat.insert("reasoning_effort".to_owned(), effort.into());
    }
    if let Some(format) = asked.get("text").and_then(|own| own.get("format")) {
        hold(format, &mut chat);
    }
    tools(&asked, &mut chat)?;
    Ok(chat)
}

/// The shape that the answer has to have.
fn hold(format: &Value, chat: &mut Map<String, Value>) {
    let said = match text(format, "type") {
        Some("json_schema") => {
            let mut schema = format.clone();
            if let Some(schema) = schema.as_object_mut() {
                schema.remove("type");
            }
            json!({ "type": "json_schema", "json_schema": schema })
        }
        Some("json_object") => json!({ "type": "json_object" }),
        _ => return,
    };
    chat.insert("response_format".to_owned(), said);
}

fn unknown(what: &str, kind: &str) -> ProviderError {
    ProviderError::Request(format!(
        "{what} of the type `{kind}` has no counterpart at this model's provider"
    ))
}

fn turn(item: &Value, turns: &mut Vec<Value>) -> Result<(), ProviderError> {
    match text(item, "type").unwrap_or("message") {
        "message" => {
            let role = match text(item, "role").unwrap_or("user") {
                "developer" => "system",
                role => role,
            };
            let content = content(item.get("content").unwrap_or(&Value::Null))?;
            turns.push(json!({ "role": role, "content": content }));
        }
        "function_call" => call(item, turns),
        "function_call_output" => {
            let output = match item.get("output") {
                Some(Value::String(text)) => text.clone(),
                Some(other) => spoken(other),
                None => String::new(),
            };
            turns.push(json!({
                "role": "tool", "tool_call_id": item.get("call_id"), "content": output,
            }));
        }
        // What a model thought is of use to the same model alone.
        "reasoning" => {}
        other => return Err(unknown("an item", other)),
    }
    Ok(())
}

/// Adds a call of a tool, to the turn before if that has some.
fn call(item: &Value, turns: &mut Vec<Value>) {
    let function = json!({ "name": item.get("name"), "arguments": item.get("arguments") });
    let call = json!({ "id": item.get("call_id"), "type": "function", "function": function });
    let before = turns.last_mut();
    let calls = before
        .filter(|turn| text(turn, "role") == Some("assistant"))
        .and_then(Value::as_object_mut);
    let Some(turn) = calls else {
        turns.push(json!({ "role": "assistant", "content": null, "tool_calls": [call] }));
        return;
    };
    match turn.get_mut("tool_calls") {
        Some(Value::Array(calls)) => calls.push(call),
        _ => {
            turn.insert("tool_calls".to_owned(), json!([call]));
        }
    }
}

/// All text of a list of parts.
fn spoken(parts: &Value) -> String {
    let parts = parts.as_array().into_iter().flatten();
    parts.filter_map(|part| text(part, "text")).collect()
}

fn content(content: &Value) -> Result<Value, ProviderError> {
    let Value::Array(parts) = content else {
        return Ok(content.clone());
    };
    let is_text = |part: &&Value| {
        let kind = text(part, "type").unwrap_or_default();
        ["input_text", "output_text", "text", "refusal"].contains(&kind)
    };
    if parts.iter().all(|part| is_text(&part)) {
        return Ok(spoken(content).into());
    }
    let said = parts.iter().map(|part| match text(part, "type") {
        _ if is_text(&part) => Ok(json!({ "type": "text", "text": part.get("text") })),
        Some("input_image") => {
            let mut image = json!({ "url": part.get("image_url") });
            if let (Some(detail), Some(image)) = (part.get("detail"), image.as_object_mut()) {
                image.insert("detail".to_owned(), detail.clone());
            }
            Ok(json!({ "type": "image_url", "image_url": image }))
        }
        Some("input_file") => {
            let mut file = part.clone();
            if let Some(file) = file.as_object_mut() {
                file.remove("type");
            }
            Ok(json!({ "type": "file", "file": file }))
        }
        Some("input_audio") => Ok(part.clone()),
        other => Err(unknown("a part", other.unwrap_or_default())),
    });
    said.collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn tools(asked: &Map<String, Value>, chat: &mut Map<String, Value>) -> Result<(), ProviderError> {
    let offered = asked.get("tools").and_then(Value::as_array);
    let mut tools = Vec::new();
    for tool in offered.into_iter().flatten() {
        match text(tool, "type").unwrap_or_default() {
            "function" => {
                let mut function = tool.clone();
                if let Some(function) = function.as_object_mut() {
                    function.retain(|name, value| name != "type" && !value.is_null());
                }
                tools.push(json!({ "type": "function", "function": function }));
            }
            kind if kind.starts_with("web_search") => {
                let mut options = Map::new();
                if let Some(size) = tool.get("search_context_size") {
                    options.insert("search_context_size".to_owned(), size.clone());
                }
                chat.insert("web_search_options".to_owned(), options.into());
            }
            other => return Err(unknown("a tool", other)),
        }
    }
    if tools.is_empty() {
        chat.remove("parallel_tool_calls");
        return Ok(());
    }
    chat.insert("tools".to_owned(), tools.into());
    let choice = match asked.get("tool_choice") {
        Some(choice @ Value::Object(_)) => json!({
            "type": "function", "function": { "name": choice.get("name") },
        }),
        Some(choice @ Value::String(_)) => choice.clone(),
        _ => return Ok(()),
    };
    chat.insert("tool_choice".to_owned(), choice);
    Ok(())
}

/// A chat's answer as a response.
pub(super) fn response(chat: &Value) -> Value {
    let choice = chat.pointer("/choices/0").unwrap_or(&Value::Null);
    let said = choice.get("message").unwrap_or(&Value::Null);
    let id = text(chat, "id").unwrap_or_default();
    let mut output = Vec::new();
    if let Some(thought) = text(said, "reasoning_content").filter(|text| !text.is_empty()) {
        output.push(json!({
            "type": "reasoning", "id": format!("rs_{id}"),
            "summary": [{ "type": "summary_text", "text": thought }],
        }));
    }
    if let Some(spoken) = text(said, "content").filter(|text| !text.is_empty()) {
        output.push(json!({
            "type": "message", "id": format!("msg_{id}"), "status": "completed",
            "role": "assistant",
            "content": [{ "type": "output_text", "text": spoken, "annotations": [] }],
        }));
    }
    for call in list(said, "tool_calls") {
        let function = call.get("function").unwrap_or(&Value::Null);
        let call_id = text(call, "id").unwrap_or_default();
        output.push(json!({
            "type": "function_call", "id": format!("fc_{call_id}"), "call_id": call_id,
            "name": function.get("name"), "arguments": function.get("arguments"),
            "status": "completed",
        }));
    }
    let (status, why) = match text(choice, "finish_reason") {
        Some("length") => ("incomplete", json!({ "reason": "max_output_tokens" })),
        Some("content_filter") => ("incomplete", json!({ "reason": "content_filter" })),
        _ => ("completed", Value::Null),
    };
    json!({
        "id": format!("resp_{id}"),
        "object": "response",
        "created_at": chat.get("created"),
        "status": status,
        "error": null,
        "incomplete_details": why,
        "instructions": null,
        "metadata": {},
        "model": chat.get("model"),
        "output": output,
        "parallel_tool_calls": true,
        "service_tier": chat.get("service_tier"),
        "temperature": null,
        "tool_choice": "auto",
        "tools": [],
        "top_p": null,
        "usage": usage(chat.get("usage")),
    })
}

fn usage(chat: Option<&Value>) -> Value {
    let Some(chat) = chat.filter(|usage| usage.is_object()) else {
        return Value::Null;
    };
    let count = |path: &str| chat.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let cached = count("/prompt_tokens_details/cached_tokens");
    let thought = count("/completion_tokens_details/reasoning_tokens");
    json!({
        "input_tokens": count("/prompt_tokens"),
        "input_tokens_details": { "cached_tokens": cached },
        "output_tokens": count("/completion_tokens"),
        "output_tokens_details": { "reasoning_tokens": thought },
        "total_tokens": count("/total_tokens"),
    })
}
