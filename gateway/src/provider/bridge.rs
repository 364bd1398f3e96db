//! Conversations in the dialects of OpenAI's Responses API and Anthropic's Messages API, for
//! providers that know only chats: the request is said as a chat, and the chat's answer is said in
//! the client's dialect.

mod blocks;
mod items;
mod messages;
mod responses;

use bytes::Bytes;
use event::Json;
use http::HeaderMap;
use serde_json::{Map, Value};

use super::{
    Answer, Fault, Observed, Prepared, ProviderError, Reader, Step, StreamedAnswer, Whole,
    frames::{Frames as _, SseFrames},
};
use crate::{config::Deployment, error::ApiError, operation::Operation, request::ClientRequest};

/// The request as a chat, if its own dialect is not the provider's.
///
/// # Errors
///
/// If it says something that no chat can say.
pub(crate) fn chat(
    deployment: &Deployment,
    request: &ClientRequest,
) -> Result<Option<ClientRequest>, ProviderError> {
    let (provider, operation) = (deployment.provider, request.operation);
    let say = match operation {
        Operation::Messages => messages::chat,
        Operation::Responses => responses::chat,
        _ => return Ok(None),
    };
    if provider.serves(operation) || !provider.serves(Operation::Chat) {
        return Ok(None);
    }
    let knows = provider.parameters(Operation::Chat, &deployment.model);
    let knows = |name: &str| knows.know(name);
    let said = say(request.object(&[], &[]), &knows)?;
    let body = Json::of(&said).text().to_owned().into();
    let chat = request.as_chat(body);
    let chat = chat.map_err(|error| ProviderError::Request(error.to_string()))?;
    Ok(Some(chat))
}

/// Has the answer to a chat said in the dialect of `operation`.
pub(crate) fn bridged(prepared: Prepared, operation: Operation) -> Prepared {
    let inner = prepared.reader;
    Prepared {
        reader: Box::new(Bridge { inner, operation }),
        ..prepared
    }
}

/// A chat's whole answer in the dialect of `operation`.
pub(crate) fn whole(operation: Operation, chat: &Value) -> Value {
    match operation {
        Operation::Messages => messages::message(chat),
        _ => responses::response(chat),
    }
}

/// A chat's stream in the dialect of `operation`.
pub(crate) fn stream(
    operation: Operation,
    inner: Box<dyn StreamedAnswer>,
) -> Box<dyn StreamedAnswer> {
    let speaker: Box<dyn Speaker> = match operation {
        Operation::Messages => Box::<blocks::Blocks>::default(),
        _ => Box::<items::Items>::default(),
    };
    Box::new(Bridged {
        operation,
        inner,
        frames: SseFrames::default(),
        speaker,
        has_failed: false,
        is_over: false,
        told: None,
    })
}

/// Says a chat's stream in another dialect.
trait Speaker: Send {
    /// Says one chunk.
    fn hear(&mut self, chunk: &Value, out: &mut Events);

    /// Says the end. `whole` is the whole answer in the dialect.
    fn end(&mut self, whole: &Value, out: &mut Events);
}

/// Events while they are written.
#[derive(Debug, Default)]
struct Events(Vec<u8>);

impl Events {
    /// Writes an event whose `type` is its name.
    fn say(&mut self, kind: &str, mut data: Value) {
        if let Some(data) = data.as_object_mut() {
            data.insert("type".to_owned(), kind.into());
        }
        let text = format!("event: {kind}\ndata: {data}\n\n");
        self.0.extend_from_slice(text.as_bytes());
    }
}

struct Bridge {
    inner: Box<dyn Reader>,
    operation: Operation,
}

impl Reader for Bridge {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let operation = self.operation;
        match self.inner.whole(answer)? {
            Step::Done(done) => Ok(Step::Done(Box::new(said(operation, *done)))),
            Step::Again(pause, next) => {
                let next = Box::new(bridged(*next, operation));
                Ok(Step::Again(pause, next))
            }
        }
    }

    fn stream(self: Box<Self>, _strip_usage: bool) -> Box<dyn StreamedAnswer> {
        stream(self.operation, self.inner.stream(false))
    }

    fn head(&mut self, headers: &HeaderMap) {
        self.inner.head(headers);
    }

    fn is_stream(&self, headers: &HeaderMap) -> bool {
        self.inner.is_stream(headers)
    }

    fn fault(&self, answer: &Answer) -> Fault {
        self.inner.fault(answer)
    }
}

/// A chat's answer in the dialect; what is no answer stays what it is.
fn said(operation: Operation, done: Whole) -> Whole {
    let chat: Option<Value> = serde_json::from_slice(&done.body).ok();
    let Some(chat) = chat.filter(|_| done.observed.error.is_none()) else {
        return done;
    };
    let answer = Json::of(&whole(operation, &chat));
    let body = Bytes::from(answer.text().to_owned());
    let observed = Observed {
        response: Some(answer),
        ..done.observed
    };
    Whole { body, observed }
}

struct Bridged {
    operation: Operation,
    inner: Box<dyn StreamedAnswer>,
    frames: SseFrames,
    speaker: Box<dyn Speaker>,
    /// Whether the provider has told of an error: nothing follows it.
    has_failed: bool,
    /// Whether the end has been said.
    is_over: bool,
    /// What was learned by then, until it is asked for.
    told: Option<Observed>,
}

impl Bridged {
    fn hear(&mut self, chunk: &[u8], out: &mut Events) {
        self.frames.push(chunk);
        while let Some(frame) = self.frames.next() {
            let chunk: Option<Value> = frame
                .ok()
                .and_then(|frame| serde_json::from_slice(&frame.data).ok());
            match chunk {
                Some(chunk) if chunk.get("error").is_some() => self.has_failed = true,
                Some(chunk) => self.speaker.hear(&chunk, out),
                None => {}
            }
        }
    }

    fn end(&mut self, out: &mut Events) {
        let mut observed = self.inner.observed();
        let chat: Option<Value> = observed.response.as_ref().and_then(Json::read);
        let mut chat = chat.unwrap_or_else(|| Value::Object(Map::new()));
        if let Some(error) = &observed.error {
            let error = ApiError::new(error.class, error.message.clone());
            let event = error.in_stream(self.operation.dialect());
            out.0.extend_from_slice(&event);
        } else {
            if let (Some(usage), Some(chat)) = (&observed.usage, chat.as_object_mut()) {
                chat.insert("usage".to_owned(), serde_json::json!(usage));
            }
            let whole = whole(self.operation, &chat);
            self.speaker.end(&whole, out);
            observed.response = Some(Json::of(&whole));
        }
        self.told = Some(observed);
        self.is_over = true;
    }
}

impl StreamedAnswer for Bridged {
    fn chunk(&mut self, chunk: Bytes) -> Bytes {
        let mut out = Events::default();
        let chunk = self.inner.chunk(chunk);
        self.hear(&chunk, &mut out);
        if (self.has_failed || self.inner.is_complete()) && !self.is_over {
            self.end(&mut out);
        }
        out.0.into()
    }

    fn is_complete(&self) -> bool {
        self.is_over
    }

    fn is_finished(&self) -> bool {
        self.is_over
    }

    fn rest(&mut self) -> Bytes {
        let mut out = Events::default();
        let rest = self.inner.rest();
        self.hear(&rest, &mut out);
        if (self.has_failed || self.inner.is_finished()) && !self.is_over {
            self.end(&mut out);
        }
        out.0.into()
    }

    fn observed(&mut self) -> Observed {
        self.told.take().unwrap_or_else(|| self.inner.observed())
    }
}

#[cfg(test)]
mod tests;
