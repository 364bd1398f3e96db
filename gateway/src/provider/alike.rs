//! Answers in OpenAI's dialect that lack something its clients count on: an id, the model, the end
//! of a stream.

use event::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Answer, Ask, Fault, Reader, Step, StreamedAnswer,
    chunks::Chunks,
    completion,
    conversation::Object,
    frames::{Frame, SseFrames},
    openai::{self, AsItIs},
    translated::{Dialect, Translated},
};
use crate::error::ErrorClass;

/// Reads such answers.
pub struct Alike {
    provider: &'static str,
    model: String,
    now: Timestamp,
}

impl Alike {
    /// A reader of the answer to `ask`, whose usage is as `provider` reports it.
    #[must_use]
    pub fn new(provider: &'static str, ask: &Ask<'_>) -> Self {
        Self {
            provider,
            model: ask.model().to_owned(),
            now: ask.now,
        }
    }
}

impl Reader for Alike {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let mut said = completion::object(&answer)?;
        let lacks = |name: &str| match said.get(name) {
            None | Some(Value::Null) => true,
            Some(value) => value == "",
        };
        let missing = ["id", "model", "created", "object"];
        let missing: Vec<&str> = missing.into_iter().filter(|name| lacks(name)).collect();
        if missing.is_empty() {
            return Box::new(AsItIs).whole(answer);
        }
        for name in missing {
            let value = match name {
                "id" => format!("chatcmpl-{}", Uuid::now_v7()).into(),
                "model" => self.model.clone().into(),
                "created" => self.now.to_utc().timestamp().into(),
                _ => json!("chat.completion"),
            };
            said.insert(name.to_owned(), value);
        }
        let report = said.get("usage").filter(|usage| usage.is_object());
        let usage = report.and_then(|report| completion::usage(self.provider, report));
        completion::whole(&Value::Object(said), usage)
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        let (frames, events) = (SseFrames::default(), Events(self.provider));
        Box::new(Translated::new(
            frames,
            events,
            &self.model,
            self.now,
            strip_usage,
        ))
    }
}

/// The chunks of a stream.
struct Events(&'static str);

impl Dialect for Events {
    fn frame(&mut self, frame: &Frame, chunks: &mut Chunks) -> Result<(), Fault> {
        if frame.data == b"[DONE]" {
            chunks.close();
            return Ok(());
        }
        let said: Object =
            serde_json::from_slice(&frame.data).map_err(|_error| completion::no_answer())?;
        if said.contains_key("error") || said.contains_key("errors") {
            return Err(Fault {
                class: ErrorClass::InternalServer,
                message: openai::error_text(&frame.data),
            });
        }
        let text = |name: &str| said.get(name).and_then(Value::as_str);
        if let Some(id) = text("id").filter(|id| !id.is_empty()) {
            chunks.set_id(id);
        }
        if let Some(model) = text("model").filter(|model| !model.is_empty()) {
            chunks.set_model(model);
        }
        let report = said.get("usage").filter(|usage| usage.is_object());
        if let Some(usage) = report.and_then(|report| completion::usage(self.0, report)) {
            chunks.set_usage(usage);
        }
        let choices = said.get("choices").and_then(Value::as_array);
        for choice in choices.into_iter().flatten() {
            say(choice, chunks);
        }
        Ok(())
    }
}

fn say(choice: &Value, chunks: &mut Chunks) {
    let index = choice.get("index").and_then(Value::as_u64);
    let index = usize::try_from(index.unwrap_or_default()).unwrap_or_default();
    let logprobs = choice.get("logprobs").cloned().unwrap_or_default();
    if let Some(delta) = choice.get("delta").and_then(Value::as_object)
        && !(delta.is_empty() && logprobs.is_null())
    {
        chunks.delta_with_logprobs(index, json!(delta), logprobs);
    }
    if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
        chunks.finish(index, reason);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn reader() -> Box<Alike> {
        Box::new(Alike {
            provider: "watsonx",
            model: "m".to_owned(),
            now: Timestamp::default(),
        })
    }

    fn whole(body: &'static str) -> Value {
        let answer = Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: body.into(),
        };
        match reader().whole(answer) {
            Ok(Step::Done(whole)) => serde_json::from_slice(&whole.body).unwrap(),
            _ => panic!("{body}"),
        }
    }

    #[test]
    fn what_is_missing_is_put_in_and_nothing_else() {
        let mended = whole(r#"{"id":"","choices":[],"usage":{"prompt_tokens":3}}"#);
        assert_eq!(mended["model"], "m");
        assert_eq!(mended["object"], "chat.completion");
        assert!(mended["id"].as_str().unwrap().starts_with("chatcmpl-"));
        let sound = r#"{"id":"a","model":"b","created":1,"object":"c"}"#;
        assert_eq!(whole(sound), serde_json::from_str::<Value>(sound).unwrap());
    }

    #[test]
    fn a_stream_gets_an_end_however_it_is_cut() {
        let stream = concat!(
            "id: 1\nevent: message\ndata: {\"id\":\"x\",\"choices\":[{\"index\":0,",
            "\"delta\":{\"role\":\"assistant\",\"content\":\"h\u{e9}\"}}]}\n\n",
            "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n",
        );
        for cut in 0..stream.len() {
            let mut answer = reader().stream(false);
            let (head, tail) = stream.as_bytes().split_at(cut);
            let mut out = answer.chunk(head.to_vec().into()).to_vec();
            out.extend(answer.chunk(tail.to_vec().into()));
            out.extend(answer.rest());
            let out = String::from_utf8(out).unwrap();
            assert!(
                out.contains("h\u{e9}") && out.ends_with("data: [DONE]\n\n"),
                "{out}"
            );
            assert!(out.contains("\"prompt_tokens\":3"));
            assert_eq!(answer.observed().usage.unwrap().total_tokens, 5);
        }
    }

    #[test]
    fn an_error_ends_a_stream() {
        let mut answer = reader().stream(false);
        answer.chunk("data: {\"errors\":[{\"message\":\"busy\"}]}\n\n".into());
        assert_eq!(answer.observed().error.unwrap().message, "busy");
    }
}
