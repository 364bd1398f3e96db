//! Writes the chunks of a streamed answer in OpenAI's dialect.

use bytes::{Bytes, BytesMut};
use event::{Json, Timestamp, Usage};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Fault;
use crate::error::ApiError;

/// Characters in each chunk of an answer that came whole and is given as a stream.
const PIECE_CHARS: usize = 24;

/// A stream of `chat.completion.chunk`s while it is written.
#[derive(Debug)]
pub struct Chunks {
    id: String,
    created: i64,
    model: String,
    wants_usage: bool,
    out: BytesMut,
    begun: bool,
    /// Why each choice ended.
    finished: bool,
    done: bool,
    usage: Option<Usage>,
    /// What the client is told if the provider does not say.
    estimate: Option<Usage>,
    service_tier: Option<String>,
    fault: Option<Fault>,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [Choice],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'a Usage>,
}

#[derive(Serialize)]
struct Choice {
    index: usize,
    delta: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    logprobs: Value,
    finish_reason: Option<String>,
}

impl Chunks {
    /// A stream at its start. `wants_usage`: the client asked for the chunk with the usage.
    #[must_use]
    pub fn new(model: &str, now: Timestamp, wants_usage: bool) -> Self {
        Self {
            id: format!("chatcmpl-{}", Uuid::now_v7()),
            created: now.to_utc().timestamp(),
            model: model.to_owned(),
            wants_usage,
            out: BytesMut::new(),
            begun: false,
            finished: false,
            done: false,
            usage: None,
            estimate: None,
            service_tier: None,
            fault: None,
        }
    }

    /// The provider's own id of the answer.
    pub fn set_id(&mut self, id: &str) {
        id.clone_into(&mut self.id);
    }

    /// The model that answers.
    pub fn set_model(&mut self, model: &str) {
        model.clone_into(&mut self.model);
    }

    /// The tier that serves it.
    pub fn set_service_tier(&mut self, tier: &str) {
        self.service_tier = Some(tier.to_owned());
    }

    /// What was consumed so far; the last one counts.
    pub fn set_usage(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }

    /// A rough count for the client, where the provider never says what was consumed. The event
    /// counts by itself, and says so.
    pub fn set_estimate(&mut self, usage: Usage) {
        self.estimate = Some(usage);
    }

    /// What was consumed, as far as it is known.
    #[must_use]
    pub const fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    /// Adds to the text of the first choice.
    pub fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.delta(0, json!({ "content": text }));
        }
    }

    /// Adds to the reasoning of the first choice.
    pub fn reasoning(&mut self, text: &str) {
        if !text.is_empty() {
            self.delta(0, json!({ "reasoning_content": text }));
        }
    }

    /// Begins a tool call of the first choice: `index` counts its tool calls from 0.
    pub fn tool(&mut self, index: usize, id: &str, name: &str, arguments: &str) {
        let function = json!({ "name": name, "arguments": arguments });
        let call = json!({ "index": index, "id": id, "type": "function", "function": function });
        self.delta(0, json!({ "tool_calls": [call] }));
    }

    /// Adds to the arguments of a tool call.
    pub fn arguments(&mut self, index: usize, arguments: &str) {
        let call = json!({ "index": index, "function": { "arguments": arguments } });
        self.delta(0, json!({ "tool_calls": [call] }));
    }

    /// Adds `delta`, an object, to a choice.
    pub fn delta(&mut self, index: usize, delta: Value) {
        self.choice(index, delta, Value::Null, None);
    }

    /// Adds `delta` to a choice, with the probabilities of its tokens.
    pub fn delta_with_logprobs(&mut self, index: usize, delta: Value, logprobs: Value) {
        self.choice(index, delta, logprobs, None);
    }

    /// Ends a choice, in OpenAI's words: `stop`, `length`, `tool_calls`, `content_filter`.
    pub fn finish(&mut self, index: usize, reason: &str) {
        self.finished = true;
        self.choice(index, json!({}), Value::Null, Some(reason.to_owned()));
    }

    /// Whether a choice has ended.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Ends the stream with its usage and `[DONE]`.
    pub fn close(&mut self) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        if self.wants_usage && (self.usage.is_some() || self.estimate.is_some()) {
            self.write(&[]);
        }
        self.out.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// Ends the stream with an error.
    pub fn fail(&mut self, fault: Fault) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let error = ApiError::new(fault.class, fault.message.clone());
        self.out.extend_from_slice(b"data: ");
        self.out.extend_from_slice(&error.body());
        self.out.extend_from_slice(b"\n\n");
        self.fault = Some(fault);
    }

    /// Whether the stream has ended, well or not.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.done
    }

    /// What was written since this was last asked.
    pub(super) fn take(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    /// Usage, tier and error, for the event.
    pub(super) fn told(&mut self) -> (Option<Usage>, Option<String>, Option<Fault>) {
        let tier = self.service_tier.take();
        (self.usage.take(), tier, self.fault.take())
    }

    fn choice(&mut self, index: usize, mut delta: Value, logprobs: Value, reason: Option<String>) {
        if self.done {
            return;
        }
        if let (false, Some(delta)) = (self.begun, delta.as_object_mut()) {
            self.begun = true;
            delta.insert("role".to_owned(), "assistant".into());
        }
        self.write(&[Choice {
            index,
            delta,
            logprobs,
            finish_reason: reason,
        }]);
    }

    fn write(&mut self, choices: &[Choice]) {
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices,
            usage: self
                .usage
                .as_ref()
                .or(self.estimate.as_ref())
                .filter(|_| choices.is_empty()),
        };
        self.out.extend_from_slice(b"data: ");
        self.out
            .extend_from_slice(Json::of(&chunk).text().as_bytes());
        self.out.extend_from_slice(b"\n\n");
    }
}

/// An answer that came whole, in OpenAI's dialect, as the stream that the client asked for.
#[must_use]
pub fn of_whole(body: &[u8], now: Timestamp, wants_usage: bool) -> Bytes {
    let answer: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let mut chunks = Chunks::new(text("model").unwrap_or_default(), now, wants_usage);
    if let Some(id) = text("id") {
        chunks.set_id(id);
    }
    if let Some(usage) = answer.get("usage").cloned() {
        chunks.usage = serde_json::from_value(usage).ok();
    }
    let choices = answer.get("choices").and_then(Value::as_array);
    for (index, choice) in choices.into_iter().flatten().enumerate() {
        let message = choice.get("message").and_then(Value::as_object);
        let logprobs = choice.get("logprobs").cloned().unwrap_or_default();
        pieces(
            &mut chunks,
            index,
            message.cloned().unwrap_or_default(),
            logprobs,
        );
        let reason = choice.get("finish_reason").and_then(Value::as_str);
        chunks.finish(index, reason.unwrap_or("stop"));
    }
    chunks.close();
    chunks.take()
}

/// A whole message in several chunks.
fn pieces(chunks: &mut Chunks, index: usize, mut message: Map<String, Value>, logprobs: Value) {
    message.remove("role");
    let texts = ["reasoning_content", "content"].map(|name| {
        (
            name,
            message
                .remove(name)
                .and_then(|text| text.as_str().map(str::to_owned)),
        )
    });
    if let Some(Value::Array(calls)) = message.get_mut("tool_calls") {
        for (number, call) in calls.iter_mut().enumerate() {
            if let Some(call) = call.as_object_mut() {
                call.insert("index".to_owned(), number.into());
            }
        }
    }
    for (name, text) in texts {
        let letters: Vec<char> = text.unwrap_or_default().chars().collect();
        for piece in letters.chunks(PIECE_CHARS) {
            let piece: String = piece.iter().collect();
            chunks.delta(index, json!({ name: piece }));
        }
    }
    message.retain(|_, value| !value.is_null());
    if !message.is_empty() || !logprobs.is_null() {
        chunks.delta_with_logprobs(index, Value::Object(message), logprobs);
    }
}
