//! InvokeModel: models that are asked in their own dialects. Claude has its Messages API; the
//! others here continue a prompt.

mod answer;
mod prompt;

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use self::answer::{Pieces, Reading};
use super::{
    super::{
        Answer, Fault, Parameters, Prepared, ProviderError, Reader, Step, StreamedAnswer,
        anthropic::{self, Messages, Platform},
        aws,
        chunks::Chunks,
        content::text,
        frames::{AwsFrames, Frame},
        translated::{Dialect, Translated},
    },
    Runtime,
    model::Family,
};

/// Claude on Bedrock.
pub(super) const PLATFORM: Platform = Platform {
    takes_addresses: false,
    keeps_to_schemas: true,
};

/// The version of Claude's API.
const VERSION: &str = "bedrock-2023-05-31";
/// Claude's bound where the client sets none: Bedrock counts it against the quota beforehand.
const OUTPUT_TOKENS: u64 = 4096;

/// OpenAI's parameters by their names in a dialect.
const LLAMA: &[(&str, &str)] = &[
    ("max_tokens", "max_gen_len"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
];
const MISTRAL: &[(&str, &str)] = &[
    ("max_tokens", "max_tokens"),
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("stop", "stop"),
];
const TITAN: &[(&str, &str)] = &[
    ("max_tokens", "maxTokenCount"),
    ("max_completion_tokens", "maxTokenCount"),
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("stop", "stopSequences"),
];

const fn names(family: Family) -> &'static [(&'static str, &'static str)] {
    match family {
        Family::Llama => LLAMA,
        Family::Mistral => MISTRAL,
        Family::Titan => TITAN,
        Family::Claude | Family::Other => &[],
    }
}

/// OpenAI's parameters that a family knows.
pub(super) fn parameters(family: Family) -> Parameters {
    if family == Family::Other {
        // `prepare` says what is wrong.
        return Parameters::All;
    }
    Parameters::Only(names(family).iter().map(|(name, _)| *name).collect())
}

/// Says a chat in the dialect of `family`.
pub(super) fn prepare(runtime: &Runtime<'_>, family: Family) -> Result<Prepared, ProviderError> {
    let streams = runtime.ask.stream();
    let (body, reader): (_, Box<dyn Reader>) = match family {
        Family::Claude => claude(runtime)?,
        Family::Other => {
            let id = &runtime.model.id;
            return Err(ProviderError::Request(format!(
                "`{id}` cannot be asked in its own dialect here: write `bedrock/converse/{id}`"
            )));
        }
        family => continued(runtime, family)?,
    };
    let action = if streams {
        "invoke-with-response-stream"
    } else {
        "invoke"
    };
    Ok(Prepared {
        outgoing: runtime.outgoing(action, &body)?,
        reader,
        streams,
    })
}

type Said = (Map<String, Value>, Box<dyn Reader>);

fn claude(runtime: &Runtime<'_>) -> Result<Said, ProviderError> {
    let ask = runtime.ask;
    let asked = ask.object();
    let is_bounded = ["max_tokens", "max_completion_tokens"]
        .iter()
        .any(|name| asked.get(*name).is_some_and(Value::is_number));
    let anthropic::Said {
        mut body,
        betas,
        reader,
    } = anthropic::said(ask, &PLATFORM)?;
    body.remove("stream");
    body.insert("anthropic_version".to_owned(), VERSION.into());
    if !is_bounded && !body.contains_key("thinking") {
        body.insert("max_tokens".to_owned(), OUTPUT_TOKENS.into());
    }
    if !betas.is_empty() {
        body.insert("anthropic_beta".to_owned(), json!(betas));
    }
    if let Some(Value::Array(tools)) = body.get_mut("tools")
        && tools.last().and_then(|last| text(last, "name")) == Some(anthropic::TOOL)
    {
        // In front: a mark to cache the last of the client's tools then covers it.
        tools.rotate_right(1);
    }
    let model = runtime.model.id.clone();
    let now = ask.now;
    let reader = Box::new(Claude { reader, model, now });
    Ok((body, reader))
}

fn continued(runtime: &Runtime<'_>, family: Family) -> Result<Said, ProviderError> {
    let ask = runtime.ask;
    let mut asked = ask.object();
    let messages = asked.remove("messages").unwrap_or_default();
    let messages = messages.as_array().map_or(&[][..], Vec::as_slice);
    let prompt = prompt::of(messages, family)?;
    let mut own = Map::new();
    for (name, said) in names(family) {
        match asked.remove(*name) {
            None | Some(Value::Null) => {}
            Some(Value::String(stop)) => {
                own.insert((*said).to_owned(), json!([stop]));
            }
            Some(value) => {
                own.insert((*said).to_owned(), value);
            }
        }
    }
    for name in ["n", "stream", "stream_options", "user"] {
        asked.remove(name);
    }
    // What is left is the model's own.
    own.extend(asked.into_iter().filter(|(_, value)| !value.is_null()));
    let mut body = Map::new();
    if family == Family::Titan {
        body.insert("inputText".to_owned(), prompt.into());
        body.insert("textGenerationConfig".to_owned(), Value::Object(own));
    } else {
        body.insert("prompt".to_owned(), prompt.into());
        body.extend(own);
    }
    let model = runtime.model.id.clone();
    let now = ask.now;
    Ok((body, Box::new(Reading { model, now })))
}

/// Reads Claude's answers.
struct Claude {
    reader: Messages,
    model: String,
    now: event::Timestamp,
}

impl Reader for Claude {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        self.reader.read(&answer)
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        let events = InChunks(self.reader.events());
        Box::new(Translated::new(
            AwsFrames::default(),
            events,
            &self.model,
            self.now,
            strip_usage,
        ))
    }

    fn fault(&self, answer: &Answer) -> Fault {
        aws::fault::of_answer(answer)
    }
}

impl Reader for Reading {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        self.read(&answer)
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        Box::new(Translated::new(
            AwsFrames::default(),
            InChunks(Pieces),
            &self.model,
            self.now,
            strip_usage,
        ))
    }

    fn fault(&self, answer: &Answer) -> Fault {
        aws::fault::of_answer(answer)
    }
}

/// A dialect whose events come in base64: `{"bytes": "…"}`.
struct InChunks<D>(D);

impl<D> fmt::Debug for InChunks<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InChunks")
    }
}

impl<D: Dialect> Dialect for InChunks<D> {
    fn frame(&mut self, frame: &Frame, chunks: &mut Chunks) -> Result<(), Fault> {
        if let Some(fault) = aws::fault::of_frame(frame) {
            return Err(fault);
        }
        if frame.kind != "chunk" {
            return Ok(());
        }
        let event: Value = serde_json::from_slice(&frame.data).unwrap_or_default();
        let bytes = text(&event, "bytes").and_then(|bytes| BASE64_STANDARD.decode(bytes).ok());
        let inner = Frame {
            kind: String::new(),
            data: bytes.ok_or_else(aws::fault::no_event)?,
        };
        self.0.frame(&inner, chunks)
    }

    fn end(&mut self, chunks: &mut Chunks) {
        self.0.end(chunks);
    }
}
