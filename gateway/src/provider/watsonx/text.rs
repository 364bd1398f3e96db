//! Continuing a text.

use event::{Timestamp, Usage};
use serde_json::Value;

use super::post;
use crate::{
    error::ErrorClass,
    provider::{
        Answer, Ask, Fault, Prepared, ProviderError, Reader, Step, StreamedAnswer,
        chunks::Chunks,
        completion::{self, Choice, Completion},
        conversation::{self, Object},
        frames::{Frame, SseFrames},
        openai, request,
        translated::{Dialect, Translated},
    },
};

pub(super) const PARAMETERS: &[&str] = &[
    "temperature",
    "max_tokens",
    "top_p",
    "frequency_penalty",
    "stop",
    "seed",
];

/// watsonx.ai's names of OpenAI's parameters, as LiteLLM has them.
const NAMES: &[(&str, &str)] = &[
    ("max_tokens", "max_new_tokens"),
    ("frequency_penalty", "repetition_penalty"),
    ("stop", "stop_sequences"),
    ("seed", "random_seed"),
    ("min_tokens", "min_new_tokens"),
];

pub(super) fn prepare(ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
    let mut parameters = ask.object();
    let messages = conversation::take(&mut parameters);
    parameters.remove("stream");
    parameters.remove("stream_options");
    request::rename(&mut parameters, NAMES);
    if let Some(Value::String(one)) = parameters.get("stop_sequences").cloned() {
        parameters.insert("stop_sequences".to_owned(), vec![one].into());
    }
    let mut body = Object::new();
    body.insert(
        "input".to_owned(),
        conversation::transcript(&messages).into(),
    );
    if let Some(moderations) = parameters.remove("moderations") {
        body.insert("moderations".to_owned(), moderations);
    }
    body.insert("parameters".to_owned(), parameters.into());
    let outgoing = post(ask, "text/generation", body)?;
    Ok(Prepared {
        outgoing,
        reader: Box::new(Text {
            model: ask.model().to_owned(),
            now: ask.now,
        }),
        streams: ask.stream(),
    })
}

struct Text {
    model: String,
    now: Timestamp,
}

impl Reader for Text {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let said = completion::object(&answer)?;
        let result = result(&said).ok_or_else(completion::no_answer)?;
        let text = result.get("generated_text").and_then(Value::as_str);
        let reason = finish_reason(result).unwrap_or("stop");
        let mut completion = Completion::new(&self.model, self.now);
        completion
            .choices
            .push(Choice::text(text.unwrap_or_default(), reason));
        completion.usage = usage(result);
        completion.done()
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        let (frames, events) = (SseFrames::default(), Events::default());
        let (model, now) = (&self.model, self.now);
        Box::new(Translated::new(frames, events, model, now, strip_usage))
    }
}

fn result(said: &Object) -> Option<&Value> {
    said.get("results")?.get(0)
}

fn usage(result: &Value) -> Option<Usage> {
    completion::usage_from(
        result.get("input_token_count"),
        result.get("generated_token_count"),
    )
}

/// OpenAI's word for why a text ended; `None` if it goes on.
fn finish_reason(result: &Value) -> Option<&'static str> {
    match result
        .get("stop_reason")?
        .as_str()?
        .to_ascii_lowercase()
        .as_str()
    {
        "not_finished" => None,
        "max_tokens" | "token_limit" | "time_limit" => Some("length"),
        _ => Some("stop"),
    }
}

/// The events of a stream; each counts all tokens so far, the first alone those of the input.
#[derive(Default)]
struct Events {
    usage: Usage,
}

impl Dialect for Events {
    fn frame(&mut self, frame: &Frame, chunks: &mut Chunks) -> Result<(), Fault> {
        let said: Object =
            serde_json::from_slice(&frame.data).map_err(|_error| completion::no_answer())?;
        if said.contains_key("errors") || said.contains_key("error") {
            return Err(Fault {
                class: ErrorClass::InternalServer,
                message: openai::error_text(&frame.data),
            });
        }
        let Some(result) = result(&said) else {
            return Ok(());
        };
        if let Some(counted) = usage(result) {
            let (all, now) = (&mut self.usage, counted);
            all.prompt_tokens = all.prompt_tokens.max(now.prompt_tokens);
            all.completion_tokens = all.completion_tokens.max(now.completion_tokens);
            all.total_tokens = all.prompt_tokens.saturating_add(all.completion_tokens);
            chunks.set_usage(all.clone());
        }
        let text = result.get("generated_text").and_then(Value::as_str);
        chunks.text(text.unwrap_or_default());
        if let Some(reason) = finish_reason(result).filter(|_| !chunks.is_finished()) {
            chunks.finish(0, reason);
        }
        Ok(())
    }
}
