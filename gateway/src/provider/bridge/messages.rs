//! Anthropic's Messages as chats: whole requests and whole answers.

use serde_json::{Map, Value, json};

use crate::provider::{
    ProviderError,
    content::{list, text},
};

/// The request as a chat.
///
/// # Errors
///
/// If it has parts that no chat has.
pub(super) fn chat(
    mut asked: Map<String, Value>,
    knows: &dyn Fn(&str) -> bool,
) -> Result<Map<String, Value>, ProviderError> {
    let mut chat = Map::new();
    let mut turns = Vec::new();
    let system = asked.remove("system").map(|system| plain(&system));
    if let Some(system) = system.filter(|system| !system.is_empty()) {
        turns.push(json!({ "role": "system", "content": system }));
    }
    let messages = asked.remove("messages").unwrap_or_default();
    for message in messages.as_array().into_iter().flatten() {
        turn(message, &mut turns)?;
    }
    chat.insert("messages".to_owned(), turns.into());
    for (own, name) in [
        ("max_tokens", "max_tokens"),
        ("temperature", "temperature"),
        ("top_p", "top_p"),
        ("stop_sequences", "stop"),
        ("stream", "stream"),
    ] {
        if let Some(value) = asked.remove(own) {
            chat.insert(name.to_owned(), value);
        }
    }
    if let Some(value) = asked.remove("top_k").filter(|_| knows("top_k")) {
        chat.insert("top_k".to_owned(), value);
    }
    if let Some(user) = asked.get("metadata").and_then(|own| text(own, "user_id"))
        && knows("user")
    {
        chat.insert("user".to_owned(), user.into());
    }
    if let Some(thinking) = asked.remove("thinking") {
        think(thinking, knows, &mut chat);
    }
    tools(&asked, &mut chat)?;
    Ok(chat)
}

/// The text of a content, which is text or a list of blocks.
fn plain(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks
            .iter()
            .filter_map(|block| text(block, "text"))
            .collect::<Vec<_>>()
            .join("\n"),
        _ => String::new(),
    }
}

fn turn(message: &Value, turns: &mut Vec<Value>) -> Result<(), ProviderError> {
    let role = text(message, "role").unwrap_or("user");
    let content = message.get("content").unwrap_or(&Value::Null);
    if content.is_string() {
        turns.push(json!({ "role": role, "content": content }));
        return Ok(());
    }
    let (mut parts, mut calls) = (Vec::new(), Vec::new());
    for block in content.as_array().into_iter().flatten() {
        match text(block, "type").unwrap_or_default() {
            "text" => parts.push(json!({ "type": "text", "text": block.get("text") })),
            "image" => parts.push(json!({
                "type": "image_url",
                "image_url": { "url": address(block)? },
            })),
            "document" => parts.push(document(block)?),
            "tool_use" => {
                let input = block.get("input").cloned().unwrap_or_else(|| json!({}));
                let function = json!({ "name": block.get("name"), "arguments": input.to_string() });
                calls.push(json!({
                    "id": block.get("id"), "type": "function", "function": function,
                }));
            }
            // Results stand before what else the user says.
            "tool_result" => turns.push(json!({
                "role": "tool",
                "tool_call_id": block.get("tool_use_id"),
                "content": plain(block.get("content").unwrap_or(&Value::Null)),
            })),
            // What a model thought is of use to the same model alone.
            "thinking" | "redacted_thinking" => {}
            other => return Err(unknown("block", other)),
        }
    }
    if parts.is_empty() && calls.is_empty() {
        return Ok(());
    }
    let only_text = parts.iter().all(|part| text(part, "type") == Some("text"));
    let content = match (parts.is_empty(), only_text) {
        (true, _) => Value::Null,
        (false, true) if role == "assistant" => plain(&Value::Array(parts)).into(),
        (false, _) => Value::Array(parts),
    };
    let mut turn = json!({ "role": role, "content": content });
    if !calls.is_empty()
        && let Some(turn) = turn.as_object_mut()
    {
        turn.insert("tool_calls".to_owned(), calls.into());
    }
    turns.push(turn);
    Ok(())
}

fn unknown(what: &str, kind: &str) -> ProviderError {
    ProviderError::Request(format!(
        "a {what} of the type `{kind}` has no counterpart at this model's provider"
    ))
}

/// An image's address, or itself as one.
fn address(block: &Value) -> Result<String, ProviderError> {
    let source = block.get("source").unwrap_or(&Value::Null);
    let part = |name| text(source, name).unwrap_or_default();
    match part("type") {
        "base64" => Ok(format!(
            "data:{};base64,{}",
            part("media_type"),
            part("data")
        )),
        "url" => Ok(part("url").to_owned()),
        other => Err(unknown("source", other)),
    }
}

fn document(block: &Value) -> Result<Value, ProviderError> {
    let source = block.get("source").unwrap_or(&Value::Null);
    if text(source, "type") == Some("text") {
        return Ok(json!({ "type": "text", "text": source.get("data") }));
    }
    let name = text(block, "title").unwrap_or("document.pdf");
    let file = json!({ "filename": name, "file_data": address(block)? });
    Ok(json!({ "type": "file", "file": file }))
}

/// Thinking, as the provider knows it: as it is, or as an effort.
fn think(thinking: Value, knows: &dyn Fn(&str) -> bool, chat: &mut Map<String, Value>) {
    let is_on = text(&thinking, "type") != Some("disabled");
    let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
    if knows("thinking") && !knows("logit_bias") {
        chat.insert("thinking".to_owned(), thinking);
    } else if knows("reasoning_effort") && is_on {
        let effort = match budget {
            Some(..2048) => "low",
            Some(8192..) => "high",
            _ => "medium",
        };
        chat.insert("reasoning_effort".to_owned(), effort.into());
    }
}

fn tools(asked: &Map<String, Value>, chat: &mut Map<String, Value>) -> Result<(), ProviderError> {
    let offered = asked.get("tools").and_then(Value::as_array);
    let mut tools = Vec::new();
    for tool in offered.into_iter().flatten() {
        match text(tool, "type") {
            None | Some("custom") => {
                let mut function = json!({
                    "name": tool.get("name"),
                    "parameters": tool.get("input_schema"),
                });
                if let (Some(told), Some(function)) =
                    (tool.get("description"), function.as_object_mut())
                {
                    function.insert("description".to_owned(), told.clone());
                }
                tools.push(json!({ "type": "function", "function": function }));
            }
            Some(kind) if kind.starts_with("web_search") => {
                chat.insert("web_search_options".to_owned(), json!({}));
            }
            Some(other) => return Err(unknown("tool", other)),
        }
    }
    if tools.is_empty() {
        return Ok(());
    }
    chat.insert("tools".to_owned(), tools.into());
    if let Some(choice) = asked.get("tool_choice") {
        let said = match text(choice, "type").unwrap_or_default() {
            "any" => json!("required"),
            "none" => json!("none"),
            "tool" => json!({ "type": "function", "function": { "name": choice.get("name") } }),
            _ => json!("auto"),
        };
        chat.insert("tool_choice".to_owned(), said);
        if choice.get("disable_parallel_tool_use") == Some(&Value::Bool(true)) {
            chat.insert("parallel_tool_calls".to_owned(), false.into());
        }
    }
    Ok(())
}

/// A chat's answer as a message.
pub(super) fn message(chat: &Value) -> Value {
    let choice = chat.pointer("/choices/0").unwrap_or(&Value::Null);
    let said = choice.get("message").unwrap_or(&Value::Null);
    let mut content = Vec::new();
    if let Some(thought) = text(said, "reasoning_content").filter(|text| !text.is_empty()) {
        content.push(json!({ "type": "thinking", "thinking": thought, "signature": "" }));
    }
    if let Some(spoken) = text(said, "content").filter(|text| !text.is_empty()) {
        content.push(json!({ "type": "text", "text": spoken }));
    }
    for call in list(said, "tool_calls") {
        let function = call.get("function").unwrap_or(&Value::Null);
        let input = text(function, "arguments").and_then(|text| serde_json::from_str(text).ok());
        content.push(json!({
            "type": "tool_use",
            "id": call.get("id"),
            "name": function.get("name"),
            "input": input.unwrap_or_else(|| json!({})),
        }));
    }
    json!({
        "id": chat.get("id"),
        "type": "message",
        "role": "assistant",
        "model": chat.get("model"),
        "content": content,
        "stop_reason": reason(text(choice, "finish_reason")),
        "stop_sequence": null,
        "usage": usage(chat.get("usage")),
    })
}

fn reason(finish: Option<&str>) -> &'static str {
    match finish {
        Some("length") => "max_tokens",
        Some("tool_calls" | "function_call") => "tool_use",
        Some("content_filter") => "refusal",
        _ => "end_turn",
    }
}

/// Anthropic counts what was read from the cache and written to it beside the input.
fn usage(chat: Option<&Value>) -> Value {
    let chat = chat.unwrap_or(&Value::Null);
    let count = |path: &str| chat.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let read = count("/prompt_tokens_details/cached_tokens");
    let written = count("/prompt_tokens_details/cache_write_tokens")
        .max(count("/prompt_tokens_details/cache_creation_tokens"));
    let input = count("/prompt_tokens").saturating_sub(read.saturating_add(written));
    json!({
        "input_tokens": input,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": count("/completion_tokens"),
    })
}
