//! What an answer in nearly OpenAI's dialect needs before a client gets it.
//!
//! A [`Fix`] looks at an answer, or at a chunk of a stream, only where a sign of it occurs.

use memchr::memmem;
use serde_json::{Map, Value, json};

use super::changes::Object;

/// A correction of answers and chunks.
#[derive(Clone, Copy, Debug)]
pub(in crate::provider) struct Fix {
    /// What occurs in the text if there is something to do.
    pub(in crate::provider) signs: &'static [&'static str],
    /// Makes it; it may find that there is nothing to do.
    pub(in crate::provider) apply: fn(&mut Object),
}

impl Fix {
    /// Whether there may be something to do.
    pub(in crate::provider) fn concerns(&self, text: &[u8]) -> bool {
        let mut signs = self.signs.iter();
        signs.any(|sign| memmem::find(text, sign.as_bytes()).is_some())
    }
}

/// Makes what `fixes` say of one answer or chunk; `None` if that is nothing.
pub(in crate::provider) fn fixed(fixes: &[Fix], text: &[u8]) -> Option<Vec<u8>> {
    let concerned = fixes.iter().filter(|fix| fix.concerns(text));
    let concerned: Vec<&Fix> = concerned.collect();
    if concerned.is_empty() {
        return None;
    }
    let mut object: Object = serde_json::from_slice(text).ok()?;
    for fix in concerned {
        (fix.apply)(&mut object);
    }
    Some(event::Json::of(&object).text().as_bytes().to_vec())
}

/// `reasoning` is what others call `reasoning_content`.
pub(in crate::provider) const REASONING: Fix = Fix {
    signs: &["\"reasoning\""],
    apply: |object| {
        for message in messages(object) {
            if let Some(Value::String(text)) = message.remove("reasoning") {
                let told = message.entry("reasoning_content").or_insert(Value::Null);
                if told.is_null() {
                    *told = text.into();
                }
            }
        }
    },
};

/// Chunks that call themselves something else.
pub(in crate::provider) const CHUNK_NAMES: Fix = Fix {
    signs: &[
        "\"chat.completion.done\"",
        "\"object\":\"\"",
        "\"object\": \"\"",
    ],
    apply: |object| {
        object.insert("object".to_owned(), "chat.completion.chunk".into());
    },
};

/// Content in parts, of which some are what the model thought: Mistral's, and Databricks's.
pub(in crate::provider) const THOUGHT_PARTS: Fix = Fix {
    signs: &["\"thinking\"", "\"reasoning\"", "\"summary_text\""],
    apply: |object| messages(object).for_each(take_apart),
};

/// Completion tokens that leave out what was spent on reasoning.
pub(in crate::provider) const ALL_TOKENS: Fix = Fix {
    signs: &["\"reasoning_tokens\""],
    apply: |object| {
        let Some(Value::Object(usage)) = object.get_mut("usage") else {
            return;
        };
        let count = |name: &str| usage.get(name).and_then(Value::as_u64);
        let (Some(prompt), Some(completion), Some(total)) = (
            count("prompt_tokens"),
            count("completion_tokens"),
            count("total_tokens"),
        ) else {
            return;
        };
        let details = usage.get("completion_tokens_details");
        let reasoning = details.and_then(|details| details.get("reasoning_tokens")?.as_u64());
        let told = prompt.checked_add(completion);
        let beyond = told.map_or(0, |told| total.saturating_sub(told));
        let completion = completion.saturating_add(beyond.min(reasoning.unwrap_or(0)));
        usage.insert("completion_tokens".to_owned(), completion.into());
    },
};

/// What came from a cache, told beside the details instead of among them.
pub(in crate::provider) const CACHE_HITS: Fix = Fix {
    signs: &["\"prompt_cache_hit_tokens\""],
    apply: |object| {
        let Some(Value::Object(usage)) = object.get_mut("usage") else {
            return;
        };
        let hits = usage.get("prompt_cache_hit_tokens").cloned();
        let details = usage
            .entry("prompt_tokens_details")
            .or_insert_with(|| json!({}));
        if let (Some(hits), Value::Object(details)) = (hits, details) {
            details.entry("cached_tokens").or_insert(hits);
        }
    },
};

/// Why a choice ended, in words that only one provider has.
pub(in crate::provider) const FINISH: Fix = Fix {
    signs: &["\"eos\"", "\"stop_sequence\"", "\"eos_token\""],
    apply: |object| {
        for choice in choices(object) {
            let reason = choice.get("finish_reason").and_then(Value::as_str);
            if matches!(reason, Some("eos" | "stop_sequence" | "eos_token")) {
                choice.insert("finish_reason".to_owned(), "stop".into());
            }
        }
    },
};

/// The name of the tool that takes an answer in a format.
pub(in crate::provider) const FORMAT_TOOL: &str = "json_tool_call";

/// The call of the tool that took the answer is the answer.
pub(in crate::provider) const FORMAT_ANSWER: Fix = Fix {
    signs: &["\"tool_calls\""],
    apply: |object| {
        for choice in choices(object) {
            let mut calls = false;
            for name in ["message", "delta"] {
                if let Some(Value::Object(message)) = choice.get_mut(name) {
                    answer_of_tool(message);
                    calls |= message.get("tool_calls").is_some_and(Value::is_array);
                }
            }
            let reason = choice.get("finish_reason").and_then(Value::as_str);
            if !calls && reason == Some("tool_calls") {
                choice.insert("finish_reason".to_owned(), "stop".into());
            }
        }
    },
};

/// Takes the arguments out of the one call there is.
fn answer_of_tool(message: &mut Object) {
    let Some([call]) = message
        .get_mut("tool_calls")
        .and_then(Value::as_array_mut)
        .map(Vec::as_mut_slice)
    else {
        return;
    };
    let Some(Value::Object(function)) = call.get_mut("function") else {
        return;
    };
    // Chunks after the first have no name.
    let named = function.get("name").and_then(Value::as_str);
    if !matches!(named, None | Some("" | FORMAT_TOOL)) {
        return;
    }
    let arguments = function.remove("arguments").unwrap_or_default();
    message.remove("tool_calls");
    message.insert("content".to_owned(), arguments);
}

/// The messages of an answer, the deltas of a chunk.
fn messages(object: &mut Object) -> impl Iterator<Item = &mut Object> {
    choices(object).flat_map(|choice| {
        let told = choice.iter_mut();
        told.filter(|(name, _)| matches!(name.as_str(), "message" | "delta"))
            .filter_map(|(_, message)| message.as_object_mut())
    })
}

fn choices(object: &mut Object) -> impl Iterator<Item = &mut Object> {
    let choices = object.get_mut("choices").and_then(Value::as_array_mut);
    choices
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

/// Sorts the parts of a message's content into text and thoughts.
fn take_apart(message: &mut Object) {
    let Some(Value::Array(parts)) = message.get("content") else {
        return;
    };
    let (mut text, mut thoughts, mut blocks) = (String::new(), String::new(), Vec::new());
    for part in parts {
        let said = |name: &str| part.get(name).and_then(Value::as_array);
        match part.get("type").and_then(Value::as_str) {
            Some("thinking") => {
                for thought in said("thinking").into_iter().flatten() {
                    thoughts.push_str(string(thought, "text"));
                }
            }
            Some("reasoning") => {
                for summary in said("summary").into_iter().flatten() {
                    thoughts.push_str(string(summary, "text"));
                    blocks.push(block(summary));
                }
            }
            _ => text.push_str(string(part, "text")),
        }
    }
    message.insert("content".to_owned(), text.into());
    if !thoughts.is_empty() {
        message.insert("reasoning_content".to_owned(), thoughts.into());
    }
    if !blocks.is_empty() {
        message.insert("thinking_blocks".to_owned(), blocks.into());
    }
}

/// A thought that can be shown to the model again.
fn block(summary: &Value) -> Value {
    let mut block: Map<String, Value> = Map::new();
    block.insert("type".to_owned(), "thinking".into());
    block.insert("thinking".to_owned(), json!(string(summary, "text")));
    if let Some(signature) = summary.get("signature") {
        block.insert("signature".to_owned(), signature.clone());
    }
    Value::Object(block)
}

fn string<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
