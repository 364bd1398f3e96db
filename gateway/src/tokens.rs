//! Tokens where no provider counted them: by OpenAI's vocabularies, which are near enough for the
//! others. The vocabulary of a model is loaded with its first use and takes tens of megabytes; a
//! provider that says what was used never needs it.

use bpe_openai::{Tokenizer, cl100k_base, o200k_base};
use event::{Json, Usage};
use serde_json::Value;

use crate::request::ClientRequest;

/// Bytes of English text in one token of the usual vocabularies, roughly.
const BYTES_PER_TOKEN: u64 = 4;
/// Bytes of text that are counted; what is longer is taken for more of the same.
const COUNTED_BYTES_MAX: usize = 256 << 10;
/// What OpenAI adds for each message, and once for the answer.
const PER_MESSAGE: u64 = 3;
/// OpenAI's models of the older vocabulary, by the beginning of their names.
const OLDER: [&str; 4] = ["gpt-3.5", "gpt-4-", "gpt-4", "text-embedding-"];
/// Those among them that have the newer one all the same.
const NEWER: [&str; 3] = ["gpt-4o", "gpt-4.1", "gpt-4.5"];

/// A rough count of the tokens in so many bytes of text.
#[must_use]
pub(crate) const fn of_bytes(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// What a call may have used, roughly and at once: before anybody has answered, or for answers that
/// no provider gave.
#[must_use]
pub(crate) fn estimated(prompt_bytes: usize, answer_bytes: u64) -> Usage {
    let prompt_tokens = of_bytes(u64::try_from(prompt_bytes).unwrap_or(u64::MAX));
    usage(prompt_tokens, of_bytes(answer_bytes))
}

/// What a call used whose provider did not say: its prompt, and as much of the answer as is known,
/// or `answer_bytes` of text.
#[must_use]
pub(crate) fn counted(
    (provider, model): (&str, &str),
    request: Option<&ClientRequest>,
    answer: Option<&Json>,
    answer_bytes: u64,
) -> Usage {
    let tokenizer = vocabulary(provider, model);
    let prompt = request.map_or(0, |request| {
        let prompt = request.prompt();
        let texts: u64 = prompt.texts.iter().map(|text| count(tokenizer, text)).sum();
        let frame = match prompt.messages {
            0 => 0,
            messages => PER_MESSAGE * (messages + 1),
        };
        texts + frame + prompt.media_tokens
    });
    let texts = answer.and_then(Json::read).map(|answer| said(&answer));
    let answered = match texts {
        Some(texts) if !texts.is_empty() => texts.iter().map(|text| count(tokenizer, text)).sum(),
        _ => of_bytes(answer_bytes),
    };
    usage(prompt, answered)
}

fn usage(prompt_tokens: u64, completion_tokens: u64) -> Usage {
    Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: prompt_tokens.saturating_add(completion_tokens),
        ..Usage::default()
    }
}

fn vocabulary(provider: &str, model: &str) -> &'static Tokenizer {
    let is_openai = matches!(provider, "openai" | "azure");
    let begins = |names: &[&str]| names.iter().any(|name| model.starts_with(name));
    if is_openai && (begins(&NEWER) || !begins(&OLDER)) {
        o200k_base()
    } else {
        cl100k_base()
    }
}

/// The tokens of a text; those of a long one by its beginning.
fn count(tokenizer: &Tokenizer, text: &str) -> u64 {
    let beginning = &text[..text.floor_char_boundary(COUNTED_BYTES_MAX)];
    let tokens = u64::try_from(tokenizer.count(beginning)).unwrap_or(u64::MAX);
    if beginning.len() == text.len() {
        return tokens;
    }
    let [all, part] = [text.len(), beginning.len()].map(|bytes| u64::try_from(bytes).unwrap_or(1));
    tokens.saturating_mul(all) / part.max(1)
}

/// The texts of an answer: a chat's or a completion's, a response's, or a message's.
fn said(answer: &Value) -> Vec<String> {
    let mut texts = Vec::new();
    let items = answer["output"].as_array().into_iter().flatten();
    let parts = items
        .clone()
        .flat_map(|item| item["content"].as_array())
        .flatten();
    let blocks = answer["content"].as_array().into_iter().flatten();
    for part in items.chain(parts).chain(blocks) {
        for name in ["text", "thinking", "refusal", "name", "arguments"] {
            texts.extend(part[name].as_str().map(str::to_owned));
        }
        texts.extend(part.get("input").map(Value::to_string));
    }
    let mut add = |value: &Value| texts.extend(value.as_str().map(str::to_owned));
    let choices = answer["choices"].as_array().into_iter().flatten();
    for choice in choices {
        let message = &choice["message"];
        for text in [
            &choice["text"],
            &message["content"],
            &message["reasoning_content"],
            &message["refusal"],
        ] {
            add(text);
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            add(&call["function"]["name"]);
            add(&call["function"]["arguments"]);
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::operation::Operation;

    #[test]
    fn a_prompt_is_counted_as_openai_counts_it() {
        // "hello world" is two tokens in both vocabularies, "user" one; each message costs three
        // more, and so does the answer that it asks for.
        let body = r#"{"model":"m","messages":[{"role":"user","content":"hello world"}]}"#;
        let request = ClientRequest::parse(Operation::Chat, body.into(), 1000).unwrap();
        let answer = Json::of(&json!({"choices": [{"message": {"content": "hello world"}}]}));
        for model in ["gpt-4o", "gpt-4", "anything"] {
            let usage = counted(("openai", model), Some(&request), Some(&answer), 0);
            let counts = (usage.prompt_tokens, usage.completion_tokens);
            assert_eq!(counts, (9, 2), "{model}");
        }
    }

    #[test]
    fn other_dialects_are_counted_by_what_they_say() {
        let message = json!({"model": "m", "max_tokens": 9, "system": "hello world", "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "hello world"},
                {"type": "tool_result", "content": "hello"},
            ]},
        ]});
        let said = json!({"content": [{"type": "text", "text": "hello world"}]});
        let response = json!({"model": "m", "instructions": "hello world", "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "hello world"}]},
            {"type": "function_call_output", "call_id": "c", "output": "hello"},
        ]});
        let answered = json!({"output": [
            {"type": "message", "content": [{"type": "output_text", "text": "hello world"}]},
        ]});
        for (operation, body, said, messages) in [
            (Operation::Messages, message, said, 1),
            (Operation::Responses, response, answered, 2),
        ] {
            let body = body.to_string().into();
            let request = ClientRequest::parse(operation, body, 1000).unwrap();
            let usage = counted(("x", "m"), Some(&request), Some(&Json::of(&said)), 0);
            let frame = PER_MESSAGE * (messages + 1);
            assert_eq!(usage.prompt_tokens, frame + 1 + 2 + 1 + 2, "{operation:?}");
            assert_eq!(usage.completion_tokens, 2, "{operation:?}");
        }
    }

    #[test]
    fn parts_tools_and_media_count_too() {
        let body = json!({"model": "m", "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "hello world"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            ]},
            {"role": "assistant", "tool_calls": [
                {"id": "1", "function": {"name": "hello", "arguments": "world"}},
            ]},
        ]});
        let request = ClientRequest::parse(Operation::Chat, body.to_string().into(), 1000).unwrap();
        let usage = counted(("x", "m"), Some(&request), None, 400);
        assert_eq!(usage.prompt_tokens, 3 * 3 + (1 + 2 + 1000) + (1 + 1 + 1));
        assert_eq!(usage.completion_tokens, 100);
    }

    #[test]
    fn a_long_text_is_more_of_its_beginning() {
        let text = "hello ".repeat(COUNTED_BYTES_MAX / 3);
        let whole = count(cl100k_base(), &text);
        let half = count(cl100k_base(), &text[..text.len() / 2]);
        assert!(whole.abs_diff(half * 2) < 10, "{whole} {half}");
    }
}
