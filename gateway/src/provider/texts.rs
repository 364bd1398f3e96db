//! Text completions that came whole, or were said as a chat, in the shapes that their clients know.

use bytes::{Bytes, BytesMut};
use event::Json;
use serde_json::{Map, Value, json};

type Object = Map<String, Value>;

/// An answer that came whole, as the stream that the client asked for. `wants_usage`: it asked for
/// the chunk with the usage.
#[must_use]
pub fn of_whole(body: &[u8], wants_usage: bool) -> Bytes {
    let mut chunk: Object = serde_json::from_slice(body).unwrap_or_default();
    let usage = chunk.remove("usage").filter(|usage| !usage.is_null());
    let choices = chunk.remove("choices").unwrap_or_default();
    let mut out = BytesMut::new();
    for choice in choices.as_array().into_iter().flatten() {
        say(&mut out, &mut chunk, json!([choice]));
    }
    if let Some(usage) = usage.filter(|_| wants_usage) {
        chunk.insert("usage".to_owned(), usage);
        say(&mut out, &mut chunk, json!([]));
    }
    out.extend_from_slice(b"data: [DONE]\n\n");
    out.freeze()
}

fn say(out: &mut BytesMut, chunk: &mut Object, choices: Value) {
    chunk.insert("choices".to_owned(), choices);
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(Json::of(chunk).text().as_bytes());
    out.extend_from_slice(b"\n\n");
}

/// A chat's whole answer as that of a text completion.
#[must_use]
pub fn of_chat(body: &[u8]) -> Bytes {
    let mut answer: Object = serde_json::from_slice(body).unwrap_or_default();
    answer.insert("object".to_owned(), "text_completion".into());
    let choices = answer.get_mut("choices").and_then(Value::as_array_mut);
    for choice in choices.into_iter().flatten() {
        let said = choice.pointer("/message/content");
        let text = said.and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(choice) = choice.as_object_mut() {
            choice.remove("message");
            choice.insert("text".to_owned(), text.into());
        }
    }
    Json::of(&answer).text().to_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{StreamedAnswer as _, sse::OpenAiStream};

    const WHOLE: &str = r#"{"id":"cmpl-1","object":"text_completion","created":5,"model":"m",
        "choices":[{"index":0,"text":"a","finish_reason":"stop","logprobs":null},
            {"index":1,"text":"b","finish_reason":"length","logprobs":null}],
        "usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;

    #[test]
    fn a_stream_says_what_the_whole_says() {
        let read = |json: &Json| -> Value { json.read().unwrap() };
        for wants_usage in [false, true] {
            let stream = of_whole(WHOLE.as_bytes(), wants_usage);
            let mut reader = OpenAiStream::new(false);
            reader.chunk(stream);
            assert!(reader.is_complete());
            let observed = reader.observed();
            assert_eq!(observed.usage.is_some(), wants_usage);
            let put_together = read(&observed.response.unwrap());
            let whole: Value = serde_json::from_str(WHOLE).unwrap();
            for pointer in [
                "/id",
                "/object",
                "/model",
                "/choices/0/text",
                "/choices/0/finish_reason",
                "/choices/1/text",
                "/choices/1/finish_reason",
            ] {
                let [said, wanted] = [&put_together, &whole].map(|value| value.pointer(pointer));
                assert_eq!(said, wanted, "{pointer}");
            }
        }
    }

    #[test]
    fn a_chat_becomes_a_text() {
        let chat = r#"{"object":"chat.completion","choices":[{"index":0,
            "message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;
        let text: Value = serde_json::from_slice(&of_chat(chat.as_bytes())).unwrap();
        let wanted = json!({"index": 0, "text": "hi", "finish_reason": "stop"});
        assert_eq!(text["object"], "text_completion");
        assert_eq!(text["choices"], json!([wanted]));
    }
}
