//! Text completions, as OpenAI writes them.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use super::{
    answer::{Answer, Refusal},
    request::{self, Accepted},
};

/// The parameters of a text completion; the real API refuses any other.
const COMPLETION: &[&str] = &[
    "best_of",
    "echo",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "model",
    "n",
    "presence_penalty",
    "prompt",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "suffix",
    "temperature",
    "top_p",
    "user",
];

/// The body of a text completion.
pub(super) fn accept(headers: &HeaderMap, body: &[u8]) -> Result<Accepted, Refusal> {
    let object = request::object(headers, body, COMPLETION)?;
    let Some(prompt) = object.get("prompt").and_then(Value::as_str) else {
        return Err(Refusal::invalid("prompt", "'prompt' must be text."));
    };
    let stream = request::boolean(&object, "stream")?;
    Ok(Accepted {
        model: request::model(&object)?,
        prompt: prompt.to_owned(),
        stream,
        include_usage: request::include_usage(&object, stream)?,
        ..Accepted::default()
    })
}

/// A whole answer.
pub(super) fn whole(answer: &Answer<'_>) -> Bytes {
    let choice = choice(&text(answer), Some("stop"));
    let mut object = object(answer, json!([choice]));
    if !answer.script.no_usage {
        object["usage"] = usage(answer);
    }
    Bytes::from(format!("{object:#}\n"))
}

/// The chunks of a stream.
pub(super) fn stream(answer: &Answer<'_>) -> Vec<Bytes> {
    let text = text(answer);
    let (first, second) = text.split_at(text.find(' ').unwrap_or_default());
    let mut objects = vec![
        object(answer, json!([choice(first, None)])),
        object(answer, json!([choice(second, None)])),
        object(answer, json!([choice("", Some("stop"))])),
    ];
    if answer.request.include_usage && !answer.script.no_usage {
        let mut last = object(answer, json!([]));
        last["usage"] = usage(answer);
        objects.push(last);
    }
    let chunk = |object: &Value| Bytes::from(format!("data: {object}\n\n"));
    let mut chunks: Vec<Bytes> = objects.iter().map(chunk).collect();
    chunks.push(Bytes::from_static(b"data: [DONE]\n\n"));
    chunks
}

fn text(answer: &Answer<'_>) -> String {
    let quoted = format!("\"{}\"", answer.text());
    serde_json::from_str(&quoted).unwrap_or(quoted)
}

fn choice(text: &str, finish: Option<&str>) -> Value {
    json!({"text": text, "index": 0, "logprobs": null, "finish_reason": finish})
}

fn object(answer: &Answer<'_>, choices: Value) -> Value {
    let mut object =
        json!({"id": answer.id, "object": "text_completion", "created": 1_763_700_000});
    object["model"] = answer.request.model.as_str().into();
    object["choices"] = choices;
    object
}

fn usage(answer: &Answer<'_>) -> Value {
    let usage = answer.usage();
    let total = usage.prompt + usage.completion;
    json!({"prompt_tokens": usage.prompt, "completion_tokens": usage.completion,
        "total_tokens": total})
}
