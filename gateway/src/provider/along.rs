//! Answers that the client gets as they come, in whatever dialect, read along for what they tell:
//! OpenAI's responses, images and speech, Anthropic's messages, and what is passed on as it is.

mod filled;
mod message;
mod told;

use std::borrow::Cow;

use bytes::Bytes;
use event::{Json, Usage};
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use serde_json::value::RawValue;

use self::told::Told;
use super::{
    Answer, Ask, Fault, Observed, Prepared, Reader, Step, StreamedAnswer, Whole,
    frames::{Frames as _, SseFrames},
    openai,
};
use crate::{answer, error::ErrorClass, operation::Operation};

/// Who reads along.
#[derive(Clone, Debug)]
pub struct Along {
    operation: Operation,
    provider: String,
    /// Whether the answer is a stream of events, as its head says.
    is_events: bool,
}

impl Along {
    /// Reads what `provider` answers to `operation`.
    #[must_use]
    pub fn new(operation: Operation, provider: &str) -> Self {
        Self {
            operation,
            provider: provider.to_owned(),
            is_events: false,
        }
    }

    /// What a report of usage says, wherever it stands in `json`.
    fn usage(&self, json: &RawValue) -> Option<Usage> {
        if !self.operation.consumes() {
            return None;
        }
        let call_type = Some(self.operation.call_type());
        cost_map::reported::usage(Some(&self.provider), call_type, json).ok()
    }
}

/// Makes of a request in OpenAI's or the client's own dialect what its operation needs beside a
/// JSON body: what came as a form goes as one, the client's headers for the provider go with it,
/// and the answer is read along, whatever it is. Chats and the like stay as they are.
pub(crate) fn fitted(ask: &Ask<'_>, mut prepared: Prepared) -> Prepared {
    let operation = ask.operation();
    let headers = &mut prepared.outgoing.headers;
    if let Some(form) = ask.request.form() {
        prepared.outgoing.body = form.rewritten(&ask.deployment.model, &ask.dropped);
        headers.insert(header::CONTENT_TYPE, form.content_type());
    }
    for (name, value) in &ask.request.headers {
        if !headers.contains_key(name) {
            headers.insert(name, value.clone());
        }
    }
    let along = Along::new(operation, &ask.deployment.provider_name);
    let makes_images = operation == Operation::ImageGeneration;
    if operation.is_read_along() || (makes_images && ask.stream()) {
        prepared.reader = Box::new(along);
        // What it is, the head of the answer says.
        prepared.streams = true;
    } else if makes_images {
        prepared = filled::filled(prepared, along);
    }
    prepared
}

impl Reader for Along {
    fn head(&mut self, headers: &HeaderMap) {
        self.is_events = answer::is_event_stream(headers);
    }

    fn is_stream(&self, headers: &HeaderMap) -> bool {
        let is = |value: &HeaderValue, kind: &str| {
            let text = value.to_str().unwrap_or_default().trim_start();
            text.starts_with(kind)
        };
        let kind = headers.get(header::CONTENT_TYPE);
        let is_text = kind.is_none_or(|kind| {
            ["application/json", "text/"]
                .iter()
                .any(|text| is(kind, text))
        });
        // What is no text is passed on without being held: it may be large.
        answer::is_event_stream(headers) || !is_text
    }

    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let body = answer.body;
        let observed = match serde_json::from_slice::<&RawValue>(&body) {
            Ok(json) => self.json(json),
            Err(_error) if self.operation.answers_anything() => plain(&body),
            Err(_error) => Observed::default(),
        };
        Ok(Step::Done(Box::new(Whole { body, observed })))
    }

    fn stream(self: Box<Self>, _strip_usage: bool) -> Box<dyn StreamedAnswer> {
        if self.is_events {
            Box::new(Events {
                frames: SseFrames::default(),
                told: Told::new(*self),
            })
        } else {
            Box::new(Opaque { bytes: 0 })
        }
    }
}

/// The fields of an answer that matter here, in all dialects.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow, rename = "modelVersion")]
    model_version: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    duration: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
}

fn read<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

impl Along {
    fn json(&self, json: &RawValue) -> Observed {
        // Google streams a list where nobody asks for events; the last element tells.
        let list: Option<Vec<&RawValue>> = serde_json::from_str(json.get()).ok();
        let telling = list.as_ref().and_then(|list| list.last().copied());
        let telling = telling.unwrap_or(json);
        let fields: Fields<'_> = serde_json::from_str(telling.get()).unwrap_or_default();
        let text = fields.output.or(fields.content);
        let text_bytes = text.map_or(0, |text| text.get().len());
        let mut usage = self.usage(telling);
        match self.operation {
            Operation::Responses => searched(&mut usage, fields.output),
            // Where it has no usage, a transcript may say how long it heard.
            Operation::Transcription if usage.is_none() => {
                usage = read(fields.duration).map(|seconds| Usage {
                    seconds: Some(seconds),
                    ..Usage::default()
                });
            }
            _ => {}
        }
        let tier = read(fields.service_tier);
        Observed {
            id: read(fields.id),
            model: read(fields.model).or_else(|| read(fields.model_version)),
            service_tier: tier.or_else(|| usage.as_ref()?.service_tier.clone()),
            usage,
            response: Some(Json::from(json)),
            text_bytes: u64::try_from(text_bytes).unwrap_or(u64::MAX),
            error: self.fault_in(&fields),
            batch: None,
        }
    }

    /// The error that stands where an answer should. What is kept may tell of an error it once had.
    fn fault_in(&self, fields: &Fields<'_>) -> Option<Fault> {
        if matches!(self.operation, Operation::Stored(_)) {
            return None;
        }
        Some(Fault {
            class: ErrorClass::InternalServer,
            message: openai::error_message(fields.error?),
        })
    }
}

/// Counts the web searches in the output of a response, which its usage leaves out.
pub(super) fn searched(usage: &mut Option<Usage>, output: Option<&RawValue>) {
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    let Some(usage) = usage else { return };
    let items: Vec<&RawValue> = read(output).unwrap_or_default();
    let is_search = |item: &&&RawValue| {
        let item: Option<Item<'_>> = read(Some(item));
        item.is_some_and(|item| item.kind == "web_search_call")
    };
    let count = items.iter().filter(is_search).count();
    if count > 0 {
        let tools = usage.server_tool_use.get_or_insert_default();
        tools.web_search_requests = u64::try_from(count).ok();
    }
}

/// An answer that is text and no JSON: a transcript, or nothing.
fn plain(body: &Bytes) -> Observed {
    let text = String::from_utf8_lossy(body);
    Observed {
        response: Some(Json::of(&text)),
        text_bytes: u64::try_from(body.len()).unwrap_or(u64::MAX),
        ..Observed::default()
    }
}

/// A stream of events.
struct Events {
    frames: SseFrames,
    told: Told,
}

impl StreamedAnswer for Events {
    fn chunk(&mut self, chunk: Bytes) -> Bytes {
        self.frames.push(&chunk);
        while let Some(frame) = self.frames.next() {
            // What cannot be read is passed on all the same.
            if let Ok(frame) = frame {
                self.told.hear(&frame);
            }
        }
        chunk
    }

    fn is_complete(&self) -> bool {
        self.told.is_complete()
    }

    fn is_finished(&self) -> bool {
        self.told.may_end()
    }

    fn rest(&mut self) -> Bytes {
        if let Some(frame) = self.frames.last() {
            self.told.hear(&frame);
        }
        Bytes::new()
    }

    fn observed(&mut self) -> Observed {
        self.told.observed()
    }
}

/// Sound, or a file: nothing to be read in it. Its end is the end of the body.
struct Opaque {
    bytes: usize,
}

impl StreamedAnswer for Opaque {
    fn chunk(&mut self, chunk: Bytes) -> Bytes {
        self.bytes = self.bytes.saturating_add(chunk.len());
        chunk
    }

    fn is_complete(&self) -> bool {
        false
    }

    fn is_finished(&self) -> bool {
        true
    }

    fn rest(&mut self) -> Bytes {
        Bytes::new()
    }

    fn observed(&mut self) -> Observed {
        #[derive(serde::Serialize)]
        struct Size {
            bytes: usize,
        }
        Observed {
            response: Some(Json::of(&Size { bytes: self.bytes })),
            ..Observed::default()
        }
    }
}

#[cfg(test)]
mod tests;
