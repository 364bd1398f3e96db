//! What dialects on AWS are tried with: messages of event streams, and streams cut anywhere.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::provider::{Observed, Reader};

/// Credentials of nobody.
pub(in crate::provider) fn params(model: &str) -> Value {
    json!({
        "model": model,
        "aws_access_key_id": "AKIDEXAMPLE",
        "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "aws_region_name": "eu-west-1",
    })
}

/// One message of an event stream.
pub(in crate::provider) fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    for (name, value) in headers {
        said.push(u8::try_from(name.len()).unwrap());
        said.extend(name.as_bytes());
        said.push(7);
        said.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        said.extend(value.as_bytes());
    }
    let total = u32::try_from(16 + said.len() + payload.len()).unwrap();
    let mut message = total.to_be_bytes().to_vec();
    message.extend(u32::try_from(said.len()).unwrap().to_be_bytes());
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message.extend(said);
    message.extend(payload);
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message
}

/// An event, `{"contentBlockStop": {…}}`.
pub(in crate::provider) fn event(kind: &str, payload: &Value) -> Vec<u8> {
    message(&[(":event-type", kind)], payload.to_string().as_bytes())
}

/// An exception.
pub(in crate::provider) fn exception(kind: &str, words: &str) -> Vec<u8> {
    let payload = json!({ "message": words });
    message(&[(":exception-type", kind)], payload.to_string().as_bytes())
}

/// An element of a model's own stream.
pub(in crate::provider) fn chunk(element: &Value) -> Vec<u8> {
    let bytes = BASE64_STANDARD.encode(element.to_string());
    event("chunk", &json!({ "bytes": bytes }))
}

/// What a stream is in the end, which is the same wherever it is cut: the first choice, and what
/// the event gets.
pub(in crate::provider) fn streamed(
    reader: impl Fn() -> Box<dyn Reader>,
    stream: &[u8],
) -> (Value, Observed) {
    let (whole, observed) = cut(reader(), stream, 0);
    for at in 1..stream.len() {
        let (other, seen) = cut(reader(), stream, at);
        assert_eq!(other, whole, "cut at {at}");
        assert_eq!(
            (seen.usage, seen.error),
            (observed.usage.clone(), observed.error.clone())
        );
    }
    (whole, observed)
}

fn cut(reader: Box<dyn Reader>, stream: &[u8], at: usize) -> (Value, Observed) {
    let (head, tail) = stream.split_at(at);
    let mut answer = reader.stream(false);
    let mut out = answer.chunk(head.to_vec().into()).to_vec();
    out.extend(answer.chunk(tail.to_vec().into()));
    out.extend(answer.rest());
    let mut observed = answer.observed();
    let is_done = out.ends_with(b"data: [DONE]\n\n");
    assert_eq!(is_done, observed.error.is_none() && answer.is_finished());
    let response = observed.response.take();
    let response: Value = response.and_then(|json| json.read()).unwrap_or_default();
    observed.id = None;
    (response["choices"][0].clone(), observed)
}
