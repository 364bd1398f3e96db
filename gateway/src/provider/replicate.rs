//! Replicate's language models: a prediction is begun, and asked for until it has ended.
//! <https://replicate.com/docs/reference/http>.

use std::time::Duration;

use bytes::Bytes;
use event::Timestamp;
use http::{HeaderMap, Method, Uri};
use serde_json::{Value, json};

use super::{
    Answer, Ask, Fault, Outgoing, Parameters, Prepared, Provider, ProviderError, Reader, Setting,
    Step, StreamedAnswer,
    completion::{self, Choice, Completion},
    conversation::{self, Object, role},
    request,
    sse::OpenAiStream,
};
use crate::{error::ErrorClass, operation::Operation};

/// The row of this file.
pub const REPLICATE: &[&dyn Provider] = &[&Replicate];

/// The pause before a prediction is asked for again.
const PAUSE: Duration = Duration::from_millis(500);

/// Letters of a version of a model.
const VERSION_LETTERS: usize = 64;

/// Letters of a prediction's id, of which Replicate uses some thirty.
const ID_LETTERS_MAX: usize = 100;

/// LiteLLM takes a seed and does not send it.
const PARAMETERS: &[&str] = &["temperature", "top_p", "max_tokens", "stop", "seed"];

/// See the [module](self).
#[derive(Debug)]
struct Replicate;

impl Provider for Replicate {
    fn name(&self) -> &'static str {
        "replicate"
    }

    fn default_base(&self) -> Option<&'static str> {
        Some("https://api.replicate.com/v1")
    }

    fn base_variables(&self) -> &'static [&'static str] {
        &["REPLICATE_API_BASE"]
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["REPLICATE_API_KEY", "REPLICATE_API_TOKEN"]
    }

    fn settings(&self) -> &'static [Setting] {
        &[Setting {
            key: "supports_system_prompt",
            variables: &[],
        }]
    }

    fn parameters(&self, _operation: Operation, _model: &str) -> Parameters {
        Parameters::only(PARAMETERS)
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let mut input = ask.object();
        let mut messages = conversation::take(&mut input);
        let prompt_bytes = messages
            .iter()
            .map(conversation::text)
            .map(|text| text.len());
        let prompt_bytes = prompt_bytes.sum();
        for name in ["stream", "stream_options", "seed"] {
            input.remove(name);
        }
        let bound = match ask.model() {
            model if model.contains("vicuna") || model.contains("flan") => "max_length",
            model if model.contains("meta/codellama-13b") => "max_tokens",
            _ => "max_new_tokens",
        };
        request::rename(
            &mut input,
            &[("max_tokens", bound), ("stop", "stop_sequences")],
        );
        if ask.stream() {
            input.insert("stream".to_owned(), true.into());
        }
        let takes_system = ask.deployment.settings.value("supports_system_prompt");
        if takes_system == Some(&Value::Bool(true))
            && messages
                .first()
                .is_some_and(|first| role(first) == "system")
        {
            let system = conversation::text(&messages.remove(0));
            input.insert("system_prompt".to_owned(), system.into());
        }
        input.insert(
            "prompt".to_owned(),
            conversation::transcript(&messages).into(),
        );
        let (uri, version) = place(ask);
        let mut body = Object::new();
        body.insert("input".to_owned(), input.into());
        if let Some(version) = version {
            body.insert("version".to_owned(), version.into());
        }
        let outgoing = request::post(ask, uri, "Token", &body)?;
        let reader = Box::new(Prediction {
            base: ask.deployment.api_base.clone(),
            headers: outgoing.headers.clone(),
            model: ask.model().to_owned(),
            now: ask.now,
            prompt_bytes,
        });
        Ok(Prepared {
            outgoing,
            reader,
            streams: false,
        })
    }
}

/// Where predictions of a model are begun, and the version that the body has to name.
fn place<'a>(ask: &'a Ask<'_>) -> (String, Option<&'a str>) {
    let (base, model) = (&ask.deployment.api_base, ask.model());
    let version = model.rsplit(':').next().unwrap_or(model);
    if version.len() == VERSION_LETTERS && version.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return (format!("{base}/predictions"), Some(version));
    }
    if model.starts_with("deployments/") {
        return (format!("{base}/{model}/predictions"), None);
    }
    (format!("{base}/models/{model}/predictions"), None)
}

/// Reads a prediction, ended or not.
struct Prediction {
    base: String,
    /// Of the request that began it: they hold the key.
    headers: HeaderMap,
    model: String,
    now: Timestamp,
    prompt_bytes: usize,
}

impl Reader for Prediction {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let said = completion::object(&answer)?;
        match said.get("status").and_then(Value::as_str) {
            Some("starting" | "processing" | "queued") => self.again(&said),
            Some("succeeded" | "successful") => self.done(&said),
            Some(status @ ("failed" | "canceled" | "aborted")) => {
                let error = said.get("error").and_then(Value::as_str);
                Err(Fault {
                    class: ErrorClass::InternalServer,
                    message: format!(
                        "prediction {status}: {}",
                        error.unwrap_or("no reason given")
                    ),
                })
            }
            _ => Err(completion::no_answer()),
        }
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        Box::new(OpenAiStream::new(strip_usage))
    }
}

impl Prediction {
    /// Asks again by the id: an address in an answer could lead the key anywhere.
    fn again(self: Box<Self>, said: &Object) -> Result<Step, Fault> {
        let id = said.get("id").and_then(Value::as_str).unwrap_or_default();
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if id.is_empty() || id.len() > ID_LETTERS_MAX || !id.bytes().all(sound) {
            return Err(completion::no_answer());
        }
        let uri = Uri::try_from(format!("{}/predictions/{id}", self.base));
        let outgoing = Outgoing {
            method: Method::GET,
            uri: uri.map_err(|_error| completion::no_answer())?,
            headers: self.headers.clone(),
            body: Bytes::new(),
        };
        let next = Prepared {
            outgoing,
            reader: self,
            streams: false,
        };
        Ok(Step::Again(PAUSE, Box::new(next)))
    }

    fn done(&self, said: &Object) -> Result<Step, Fault> {
        let text = match said.get("output") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(pieces)) => pieces.iter().filter_map(Value::as_str).collect(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        let mut completion = Completion::new(&self.model, self.now);
        completion.choices.push(Choice::text(&text, "stop"));
        let metrics = said.get("metrics").cloned().unwrap_or_else(|| json!({}));
        completion.usage = completion::usage_from(
            metrics.get("input_token_count"),
            metrics.get("output_token_count"),
        );
        if completion.usage.is_none() {
            completion.count(self.prompt_bytes);
        }
        completion.done()
    }
}

#[cfg(test)]
mod tests;
