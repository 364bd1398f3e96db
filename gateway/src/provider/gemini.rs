//! Gemini: `generateContent`, at Google AI Studio, and as Vertex AI offers it.
//!
//! [`body`] translates a request and [`Candidates`] reads the answer; a platform adds its address
//! and credentials.

mod answer;
mod config;
mod contents;
mod embeddings;
mod model;
mod schema;
mod stream;
#[cfg(test)]
mod tests;
mod tools;

use bytes::Bytes;
use event::{Json, Timestamp};
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value, json};

pub(super) use self::{answer::fault, embeddings::inputs, model::Model};
use self::{contents::Conversation, stream::Pieces};
use super::{
    Answer, Ask, Fault, Need, Parameters, Prepared, Provider, ProviderError, Reader, Step,
    StreamedAnswer, content, frames::SseFrames, openai, translated::Translated,
};
use crate::{config::Deployment, operation::Operation};

/// The row of this file.
pub const GEMINI: &[&dyn Provider] = &[&Gemini];

/// Who offers the models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Google AI Studio, with keys.
    Studio,
    /// Vertex AI, with Google Cloud's accounts.
    Vertex,
}

/// OpenAI's parameters that a model knows.
#[must_use]
pub fn parameters(platform: Platform, model: &str) -> Parameters {
    let model = Model::of(model);
    let mut known = vec![
        "temperature",
        "top_p",
        "max_tokens",
        "max_completion_tokens",
        "tools",
        "functions",
        "tool_choice",
        "response_format",
        "n",
        "stop",
        "seed",
        "logprobs",
        "modalities",
        "parallel_tool_calls",
        "web_search_options",
        "service_tier",
        "audio",
    ];
    if platform == Platform::Vertex {
        known.push("top_logprobs");
    }
    if !model.has_levels() {
        known.extend(["frequency_penalty", "presence_penalty"]);
    }
    if model.thinks() {
        known.extend(["reasoning_effort", "thinking"]);
    }
    Parameters::Only(known.into())
}

/// What has to be fetched before the request can be said.
///
/// # Errors
///
/// If it names more addresses than anybody does.
pub fn needs(ask: &Ask<'_>, platform: Platform) -> Result<Vec<Need>, ProviderError> {
    content::needs(ask, |source| platform.fetches(source))
}

/// Says the request in Google's dialect.
///
/// # Errors
///
/// If it cannot be said.
pub fn body(ask: &Ask<'_>, platform: Platform) -> Result<Bytes, ProviderError> {
    let model = Model::of(ask.model());
    let mut asked = ask.object();
    let messages = asked.remove("messages").unwrap_or_default();
    let messages = messages.as_array().map_or(&[][..], Vec::as_slice);
    let conversation = Conversation {
        platform,
        model,
        fetched: &ask.fetched,
    };
    let mut said = conversation.say(messages)?;
    let mut config = config::config(&mut asked, model)?;
    if let Some(resolution) = said.resolution {
        config
            .entry("mediaResolution")
            .or_insert_with(|| resolution.into());
    }
    let system = std::mem::take(&mut said.system);
    let mut body = Map::new();
    body.insert("contents".to_owned(), said.contents().into());
    if !system.is_empty() {
        body.insert("systemInstruction".to_owned(), json!({ "parts": system }));
    }
    tools_of(&mut asked, &mut body)?;
    if !config.is_empty() {
        body.insert("generationConfig".to_owned(), Value::Object(config));
    }
    rest(&mut asked, platform, &mut body);
    Ok(Json::of(&body).text().to_owned().into())
}

fn tools_of(
    asked: &mut Map<String, Value>,
    body: &mut Map<String, Value>,
) -> Result<(), ProviderError> {
    let mut tools = Vec::new();
    for name in ["tools", "functions"] {
        if let Some(Value::Array(own)) = asked.remove(name) {
            tools.extend(tools::tools(&own)?);
        }
    }
    if let Some(Value::Object(_)) = asked.remove("web_search_options") {
        tools.push(tools::search());
    }
    if !tools.is_empty() {
        body.insert("tools".to_owned(), tools.into());
    }
    if let Some(choice) = asked
        .remove("tool_choice")
        .filter(|choice| !choice.is_null())
    {
        body.insert("toolConfig".to_owned(), tools::choice(&choice)?);
    }
    Ok(())
}

/// Google's own fields beside the config. Others go nowhere: Google refuses what it does not know.
fn rest(asked: &mut Map<String, Value>, platform: Platform, body: &mut Map<String, Value>) {
    let own = [
        ("safety_settings", "safetySettings"),
        ("safetySettings", "safetySettings"),
        ("cached_content", "cachedContent"),
        ("cachedContent", "cachedContent"),
        ("tool_config", "toolConfig"),
        ("toolConfig", "toolConfig"),
        ("labels", "labels"),
    ];
    for (name, own) in own {
        let is_served = own != "labels" || platform == Platform::Vertex;
        if let (true, Some(value)) = (is_served, asked.remove(name)) {
            body.insert(own.to_owned(), value);
        }
    }
    if let Some(Value::String(tier)) = asked.remove("service_tier") {
        let tier = match &*tier.to_ascii_lowercase() {
            "auto" => "priority".to_owned(),
            "default" => "standard".to_owned(),
            other => other.to_owned(),
        };
        body.insert("serviceTier".to_owned(), tier.into());
    }
}

/// Reads candidates and their streams.
#[derive(Clone, Debug)]
pub struct Candidates {
    /// The model that was asked, where the answer does not say it.
    pub model: String,
    /// When it was asked.
    pub now: Timestamp,
}

impl Candidates {
    /// Reads the answer to `ask`.
    #[must_use]
    pub fn of(ask: &Ask<'_>) -> Self {
        Self {
            model: ask.model().to_owned(),
            now: ask.now,
        }
    }
}

impl Reader for Candidates {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        answer::whole(&answer.body, &self.model, self.now)
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        let (frames, pieces) = (SseFrames::default(), Pieces::new(self.now));
        let Self { model, now } = *self;
        Box::new(Translated::new(frames, pieces, &model, now, strip_usage))
    }

    fn fault(&self, answer: &Answer) -> Fault {
        fault(answer)
    }
}

/// Reads a batch of embeddings.
struct Batch {
    model: String,
    bytes: usize,
}

impl Reader for Batch {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        embeddings::whole(&answer.body, &self.model, self.bytes)
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        Box::new(super::sse::OpenAiStream::new(strip_usage))
    }

    fn fault(&self, answer: &Answer) -> Fault {
        fault(answer)
    }
}

/// See the [module](self).
#[derive(Debug)]
struct Gemini;

impl Provider for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn default_base(&self) -> Option<&'static str> {
        Some("https://generativelanguage.googleapis.com/v1beta")
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["GEMINI_API_KEY", "GOOGLE_API_KEY"]
    }

    fn serves(&self, operation: Operation) -> bool {
        matches!(operation, Operation::Chat | Operation::Embedding)
    }

    fn credentials(&self, deployment: &Deployment) -> Result<HeaderMap, ProviderError> {
        let mut headers = HeaderMap::with_capacity(4);
        if let Some(key) = &deployment.api_key {
            let name = HeaderName::from_static("x-goog-api-key");
            headers.insert(name, openai::sensitive(key.expose())?);
        }
        Ok(headers)
    }

    fn parameters(&self, operation: Operation, model: &str) -> Parameters {
        match operation {
            Operation::Chat => parameters(Platform::Studio, model),
            _ => Parameters::only(&["dimensions"]),
        }
    }

    fn needs(&self, ask: &Ask<'_>) -> Result<Vec<Need>, ProviderError> {
        match ask.operation() {
            Operation::Chat => needs(ask, Platform::Studio),
            _ => Ok(Vec::new()),
        }
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let deployment = ask.deployment;
        let base = &deployment.api_base;
        let mut reader: Box<dyn Reader> = Box::new(Candidates::of(ask));
        let (verb, body) = match ask.operation() {
            Operation::Chat if ask.stream() => (
                "streamGenerateContent?alt=sse",
                body(ask, Platform::Studio)?,
            ),
            Operation::Chat => ("generateContent", body(ask, Platform::Studio)?),
            _ => {
                let body = embeddings::body(ask)?;
                let body = Bytes::from(Json::of(&body).text().to_owned());
                reader = Box::new(Batch {
                    model: ask.model().to_owned(),
                    bytes: body.len(),
                });
                ("batchEmbedContents", body)
            }
        };
        let uri = format!("{base}/models/{}:{verb}", ask.model());
        let headers = self.credentials(deployment)?;
        Ok(Prepared {
            outgoing: openai::outgoing(deployment, uri, headers, body)?,
            reader,
            streams: ask.operation() == Operation::Chat && ask.stream(),
        })
    }
}
