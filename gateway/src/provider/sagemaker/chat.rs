//! Endpoints that speak OpenAI's dialect.

use bytes::{Bytes, BytesMut};
use event::Json;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Runtime, SERVED};
use crate::{
    error::{ApiError, ErrorClass},
    provider::{
        Answer, Fault, Observed, Prepared, ProviderError, Reader, Step, StreamedAnswer,
        aws::fault,
        completion,
        frames::{AwsFrames, Frames as _},
        openai::changes,
        sse::OpenAiStream,
    },
    request::UsageOption,
};

/// Sends the request as it came, but for what only OpenAI knows.
pub(super) fn prepare(runtime: &Runtime<'_>) -> Result<Prepared, ProviderError> {
    let ask = runtime.ask;
    let served = ask.deployment.settings.text(SERVED);
    let body = match changes::made(ask, [changes::COMMON, &[]]) {
        None if served.is_none() => ask.rewritten(UsageOption::Known),
        changed => {
            let mut body = changed.unwrap_or_else(|| ask.object());
            let model = served.unwrap_or_else(|| ask.model().to_owned());
            body.insert("model".to_owned(), model.into());
            if ask.stream() {
                let options = body.entry("stream_options").or_insert_with(|| json!({}));
                if let Some(options) = options.as_object_mut() {
                    options.insert("include_usage".to_owned(), true.into());
                }
            }
            Json::of(&body).text().to_owned().into()
        }
    };
    Ok(Prepared {
        outgoing: runtime.outgoing(body)?,
        reader: Box::new(Chat),
        streams: ask.stream(),
    })
}

/// Reads answers in OpenAI's dialect.
struct Chat;

impl Reader for Chat {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let answer = serde_json::from_slice(&answer.body);
        let mut answer: Map<String, Value> = answer.map_err(|_error| fault::no_answer())?;
        // Hugging Face's server leaves it empty.
        if answer
            .get("id")
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
        {
            answer.insert(
                "id".to_owned(),
                format!("chatcmpl-{}", Uuid::now_v7()).into(),
            );
        }
        let usage = answer
            .get("usage")
            .and_then(|usage| completion::usage("sagemaker_chat", usage));
        completion::whole(&Value::Object(answer), usage)
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        Box::new(Unwrapped {
            frames: AwsFrames::default(),
            inner: OpenAiStream::new(strip_usage),
            fault: None,
        })
    }

    fn fault(&self, answer: &Answer) -> Fault {
        fault::of_answer(answer)
    }
}

/// A stream of OpenAI's inside one of AWS's.
struct Unwrapped {
    frames: AwsFrames,
    inner: OpenAiStream,
    fault: Option<Fault>,
}

impl Unwrapped {
    /// Ends the stream with an error.
    fn fail(&mut self, fault: Fault) -> Bytes {
        let error = ApiError::new(fault.class, fault.message.clone());
        self.fault = Some(fault);
        [b"data: ", &error.body()[..], b"\n\n"].concat().into()
    }
}

impl StreamedAnswer for Unwrapped {
    fn chunk(&mut self, chunk: Bytes) -> Bytes {
        self.frames.push(&chunk);
        let mut out = BytesMut::new();
        while !self.is_complete() {
            let fault = match self.frames.next() {
                None => break,
                Some(Ok(frame)) => match fault::of_frame(&frame) {
                    Some(fault) => fault,
                    None => {
                        out.extend_from_slice(&self.inner.chunk(frame.data.into()));
                        continue;
                    }
                },
                Some(Err(error)) => Fault {
                    class: ErrorClass::ApiConnection,
                    message: error.to_string(),
                },
            };
            out.extend_from_slice(&self.fail(fault));
        }
        out.freeze()
    }

    fn is_complete(&self) -> bool {
        self.fault.is_some() || self.inner.is_complete()
    }

    fn is_finished(&self) -> bool {
        self.fault.is_some() || self.inner.is_finished()
    }

    fn rest(&mut self) -> Bytes {
        let rest = self.inner.rest();
        if self.is_complete() || !self.inner.is_finished() {
            return rest;
        }
        [&rest[..], b"data: [DONE]\n\n"].concat().into()
    }

    fn observed(&mut self) -> Observed {
        let mut observed = self.inner.observed();
        observed.error = self.fault.take().or(observed.error);
        observed
    }
}
