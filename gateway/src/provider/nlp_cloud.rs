//! NLP Cloud's text generation: <https://docs.nlpcloud.com/#generation>.

use event::Timestamp;
use serde_json::Value;

use super::{
    Answer, Ask, Fault, Parameters, Prepared, Provider, ProviderError, Reader, Step,
    StreamedAnswer,
    chunks::Chunks,
    completion::{self, Choice, Completion},
    conversation,
    frames::{Frame, LineFrames},
    request,
    translated::{Dialect, Translated},
};
use crate::{operation::Operation, tokens};

/// The row of this file.
pub const NLP_CLOUD: &[&dyn Provider] = &[&NlpCloud];

const PARAMETERS: &[&str] = &[
    "max_tokens",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "stop",
];

/// NLP Cloud's names of OpenAI's parameters.
const NAMES: &[(&str, &str)] = &[
    ("max_tokens", "max_length"),
    ("n", "num_return_sequences"),
    ("stop", "stop_sequences"),
];

/// See the [module](self).
#[derive(Debug)]
struct NlpCloud;

impl Provider for NlpCloud {
    fn name(&self) -> &'static str {
        "nlp_cloud"
    }

    fn default_base(&self) -> Option<&'static str> {
        Some("https://api.nlpcloud.io/v1/gpu")
    }

    fn base_variables(&self) -> &'static [&'static str] {
        &["NLP_CLOUD_API_BASE"]
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["NLP_CLOUD_API_KEY"]
    }

    fn parameters(&self, _operation: Operation, _model: &str) -> Parameters {
        Parameters::only(PARAMETERS)
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let mut body = ask.object();
        let messages = conversation::take(&mut body);
        body.remove("stream_options");
        body.remove("stream");
        request::rename(&mut body, NAMES);
        let prompt = conversation::transcript(&messages);
        let prompt_bytes = prompt.len();
        body.insert("text".to_owned(), prompt.into());
        if ask.stream() {
            body.insert("stream".to_owned(), true.into());
        }
        let uri = format!("{}/{}/generation", ask.deployment.api_base, ask.model());
        Ok(Prepared {
            outgoing: request::post(ask, uri, "Token", &body)?,
            reader: Box::new(Generation {
                model: ask.model().to_owned(),
                now: ask.now,
                prompt_bytes,
            }),
            streams: ask.stream(),
        })
    }
}

/// Reads answers.
struct Generation {
    model: String,
    now: Timestamp,
    prompt_bytes: usize,
}

impl Reader for Generation {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let said = completion::object(&answer)?;
        let Some(text) = said.get("generated_text").and_then(Value::as_str) else {
            return Err(completion::no_answer());
        };
        let mut completion = Completion::new(&self.model, self.now);
        completion.choices.push(Choice::text(text, "stop"));
        let (read, written) = (said.get("nb_input_tokens"), said.get("nb_generated_tokens"));
        completion.usage = completion::usage_from(read, written);
        completion.done()
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        let (frames, model, now) = (LineFrames::verbatim(), &self.model, self.now);
        let tokens = Tokens {
            prompt_bytes: self.prompt_bytes,
            written: 0,
        };
        Box::new(Translated::new(frames, tokens, model, now, strip_usage))
    }
}

/// A stream is one token in each line, in which spaces count; no usage.
struct Tokens {
    prompt_bytes: usize,
    /// Bytes of text so far.
    written: u64,
}

impl Dialect for Tokens {
    fn frame(&mut self, frame: &Frame, chunks: &mut Chunks) -> Result<(), Fault> {
        if frame.data == b"[DONE]" {
            chunks.finish(0, "stop");
            chunks.set_estimate(tokens::estimated(self.prompt_bytes, self.written));
            chunks.close();
        } else {
            let text = String::from_utf8_lossy(&frame.data);
            let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
            self.written = self.written.saturating_add(bytes);
            chunks.text(&text);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_keeps_its_spaces_however_it_is_cut() {
        let lines = "Gr\u{fc}\u{df}e\n you\n\n\u{6771}\n[DONE]\n".as_bytes();
        for cut in 0..lines.len() {
            let reader = Generation {
                model: "m".to_owned(),
                now: Timestamp::default(),
                prompt_bytes: 8,
            };
            let mut answer = Box::new(reader).stream(false);
            let mut out = answer.chunk(lines[..cut].to_vec().into()).to_vec();
            out.extend(answer.chunk(lines[cut..].to_vec().into()));
            assert!(answer.is_complete());
            let out = String::from_utf8(out).unwrap();
            assert!(out.ends_with("data: [DONE]\n\n") && out.contains("\"prompt_tokens\":2"));
            let observed = answer.observed();
            let response: Value = observed.response.unwrap().read().unwrap();
            let message = &response["choices"][0]["message"];
            assert_eq!(message["content"], "Gr\u{fc}\u{df}e you\u{6771}");
        }
    }
}
