//! Hugging Face's server, which continues a prompt:
//! <https://huggingface.co/docs/text-generation-inference/en/reference/api_reference>.

use event::{Json, Timestamp, Usage};
use serde_json::{Map, Value, json};

use super::Runtime;
use crate::{
    error::ErrorClass,
    provider::{
        Answer, Fault, Prepared, ProviderError, Reader, Step, StreamedAnswer,
        aws::{embeddings, fault},
        chunks::Chunks,
        completion::{Choice, Completion},
        content::{Kind, list, parts, text},
        frames::{AwsFrames, Frame, FrameError, Frames, SseFrames},
        translated::{Dialect, Translated},
    },
    tokens,
};

/// OpenAI's parameters that it knows.
pub(super) const PARAMETERS: &[&str] = &[
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "top_p",
    "stop",
    "n",
];

/// Says a chat as a prompt.
pub(super) fn prepare(runtime: &Runtime<'_>) -> Result<Prepared, ProviderError> {
    let ask = runtime.ask;
    let mut asked = ask.object();
    let messages = asked.remove("messages").unwrap_or_default();
    let messages = messages.as_array().map_or(&[][..], Vec::as_slice);
    let mut turns: Vec<String> = messages.iter().map(turn).collect::<Result<_, _>>()?;
    turns.retain(|turn| !turn.is_empty());
    let mut body = Map::new();
    body.insert("inputs".to_owned(), turns.join("\n").into());
    body.insert("parameters".to_owned(), Value::Object(parameters(asked)));
    if ask.stream() {
        body.insert("stream".to_owned(), true.into());
    }
    let body = Json::of(&body).text().to_owned().into();
    Ok(Prepared {
        outgoing: runtime.outgoing(body)?,
        reader: Box::new(Reading {
            model: ask.model().to_owned(),
            prompt_bytes: ask.request.prompt_bytes(),
            now: ask.now,
        }),
        streams: ask.stream(),
    })
}

fn turn(message: &Value) -> Result<String, ProviderError> {
    let mut said = Vec::new();
    for part in parts(message.get("content")) {
        let Kind::Text(text) = part.kind else {
            let message = "`messages` has more than text, which this endpoint does not take";
            return Err(ProviderError::Request(message.to_owned()));
        };
        said.push(text.to_owned());
    }
    for call in list(message, "tool_calls") {
        said.push(call.get("function").unwrap_or(call).to_string());
    }
    said.retain(|said| !said.is_empty());
    Ok(said.join("\n"))
}

fn parameters(mut asked: Map<String, Value>) -> Map<String, Value> {
    let mut own = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            own.insert(name.to_owned(), value);
        }
    };
    let is_zero = |value: &Value| {
        value
            .as_f64()
            .is_some_and(|value| value.to_bits() << 1 == 0)
    };
    // The server refuses zero for both.
    let instead = |value: Option<Value>, least: Value| {
        value.map(|value| if is_zero(&value) { least } else { value })
    };
    put(
        "temperature",
        instead(asked.remove("temperature"), json!(0.01)),
    );
    for name in ["max_tokens", "max_completion_tokens"] {
        put("max_new_tokens", instead(asked.remove(name), json!(1)));
    }
    put("top_p", asked.remove("top_p"));
    let stop = match asked.remove("stop") {
        Some(Value::String(stop)) => Some(json!([stop])),
        stop => stop,
    };
    put("stop", stop);
    if let Some(count) = asked.remove("n").filter(|count| !count.is_null()) {
        put("best_of", Some(count));
        put("do_sample", Some(true.into()));
    }
    for name in ["stream", "stream_options", "user"] {
        asked.remove(name);
    }
    own.extend(asked.into_iter().filter(|(_, value)| !value.is_null()));
    own
}

/// Says a request for vectors.
pub(super) fn embed(runtime: &Runtime<'_>) -> Result<Prepared, ProviderError> {
    let ask = runtime.ask;
    let mut asked = ask.object();
    let texts = match asked.remove("input").unwrap_or_default() {
        Value::Array(texts) => texts,
        text => vec![text],
    };
    for name in ["user", "encoding_format"] {
        asked.remove(name);
    }
    asked.insert("inputs".to_owned(), Value::Array(texts));
    let body = Json::of(&asked).text().to_owned().into();
    Ok(Prepared {
        outgoing: runtime.outgoing(body)?,
        reader: Box::new(Vectors {
            model: ask.model().to_owned(),
            prompt_bytes: ask.request.prompt_bytes(),
        }),
        streams: false,
    })
}

/// Reads texts. The server does not say what was consumed.
struct Reading {
    model: String,
    prompt_bytes: usize,
    now: Timestamp,
}

impl Reader for Reading {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let body: Value =
            serde_json::from_slice(&answer.body).map_err(|_error| fault::no_answer())?;
        let first = body.get(0).unwrap_or(&body);
        let said = text(first, "generated_text").or_else(|| text(first, "generation"));
        let said = said.ok_or_else(fault::no_answer)?;
        let details = first.get("details").unwrap_or(&Value::Null);
        let mut completion = Completion::new(&self.model, self.now);
        completion
            .choices
            .push(Choice::text(said, finish_reason(details)));
        let counted = self.counted(said.len());
        completion.others.insert("usage".to_owned(), json!(counted));
        completion.done()
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        let (model, now) = (self.model.clone(), self.now);
        let pieces = Pieces {
            reading: *self,
            bytes: 0,
        };
        Box::new(Translated::new(
            Events::default(),
            pieces,
            &model,
            now,
            strip_usage,
        ))
    }

    fn fault(&self, answer: &Answer) -> Fault {
        fault::of_answer(answer)
    }
}

impl Reading {
    fn counted(&self, bytes: usize) -> Usage {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        tokens::estimated(self.prompt_bytes, bytes)
    }
}

fn finish_reason(details: &Value) -> &'static str {
    match text(details, "finish_reason") {
        Some("length") => "length",
        _ => "stop",
    }
}

/// Reads vectors.
struct Vectors {
    model: String,
    prompt_bytes: usize,
}

impl Reader for Vectors {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let mut body: Value =
            serde_json::from_slice(&answer.body).map_err(|_error| fault::no_answer())?;
        if let Some(inner) = body.get_mut("embedding") {
            body = inner.take();
        }
        let Value::Array(vectors) = body else {
            return Err(fault::no_answer());
        };
        embeddings::done(&self.model, vectors, None, self.prompt_bytes)
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        Box::new(crate::provider::sse::OpenAiStream::new(strip_usage))
    }

    fn fault(&self, answer: &Answer) -> Fault {
        fault::of_answer(answer)
    }
}

/// Server-sent events inside AWS's messages, which cut them where they like.
#[derive(Default)]
struct Events {
    messages: AwsFrames,
    events: SseFrames,
}

impl Frames for Events {
    fn push(&mut self, bytes: &[u8]) {
        self.messages.push(bytes);
    }

    fn next(&mut self) -> Option<Result<Frame, FrameError>> {
        loop {
            if let Some(event) = self.events.next() {
                return Some(event);
            }
            match self.messages.next()? {
                Ok(message) if fault::of_frame(&message).is_some() => return Some(Ok(message)),
                Ok(message) => self.events.push(&message.data),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    fn last(&mut self) -> Option<Frame> {
        self.events.last()
    }
}

/// Says the tokens of a stream in OpenAI's chunks.
struct Pieces {
    reading: Reading,
    /// Bytes of text so far.
    bytes: usize,
}

impl Dialect for Pieces {
    fn frame(&mut self, frame: &Frame, chunks: &mut Chunks) -> Result<(), Fault> {
        if let Some(fault) = fault::of_frame(frame) {
            return Err(fault);
        }
        let event: Value =
            serde_json::from_slice(&frame.data).map_err(|_error| fault::no_event())?;
        if let Some(error) = event.get("error").filter(|error| !error.is_null()) {
            let message = text(error, "message").or(error.as_str()).map(str::to_owned);
            return Err(Fault {
                class: ErrorClass::InternalServer,
                message: message.unwrap_or_else(|| error.to_string()),
            });
        }
        let token = event.get("token").unwrap_or(&Value::Null);
        let is_mark = token.get("special") == Some(&Value::Bool(true));
        let piece = text(token, "text").filter(|_| !is_mark).unwrap_or_default();
        self.bytes = self.bytes.saturating_add(piece.len());
        chunks.text(piece);
        if event
            .get("generated_text")
            .is_some_and(|whole| !whole.is_null())
        {
            let details = event.get("details").unwrap_or(&Value::Null);
            chunks.finish(0, finish_reason(details));
            chunks.set_estimate(self.reading.counted(self.bytes));
            chunks.close();
        }
        Ok(())
    }
}
