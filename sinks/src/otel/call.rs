//! One call, as every dialect of tracing asks for it: ids, names, tokens, money.

use event::{
    CallId, CostStatus, Extension, Json, PricedEvent, SpanId, StandardLoggingPayload, Status,
    Timestamp, TraceId, Usage,
};
use serde_json::{Map, Value};
use sink::Item;

/// A call and what is read of it once.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) item: &'a Item,
    pub(crate) event: &'a PricedEvent,
    pub(crate) tokens: Tokens,
    /// The request's parameters, as the client wrote them.
    pub(crate) parameters: Map<String, Value>,
}

/// Tokens and their parts: a part is at most its whole, and `None` where nobody has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// All of the input.
    pub(crate) input: u64,
    /// All of the output.
    pub(crate) output: u64,
    /// Of the input: read from a cache.
    pub(crate) cache_read: Option<u64>,
    /// Of the input: written to a cache.
    pub(crate) cache_write: Option<u64>,
    /// Of the output: reasoning.
    pub(crate) reasoning: Option<u64>,
    /// Of the input: audio.
    pub(crate) audio_in: Option<u64>,
    /// Of the output: audio.
    pub(crate) audio_out: Option<u64>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(item: &'a Item, event: &'a PricedEvent) -> Self {
        let payload = event.payload();
        Self {
            item,
            event,
            tokens: Tokens::of(payload),
            parameters: payload.model_parameters.read().unwrap_or_default(),
        }
    }

    pub(crate) const fn payload(&self) -> &'a StandardLoggingPayload {
        self.event.payload()
    }

    pub(crate) fn ours(&self) -> Option<&'a Extension> {
        self.payload().tollkeeper.as_deref()
    }

    /// Whether it says what a call cost after all: its call was sent before.
    pub(crate) const fn is_correction(&self) -> bool {
        self.item.revision() > 0
    }

    /// The W3C trace: the caller's where there was one.
    pub(crate) fn trace_id(&self) -> Vec<u8> {
        let given = self.ours().map_or("", |ours| ours.w3c_trace_id.as_str());
        bytes(given, 16).unwrap_or_else(|| {
            let payload = self.payload();
            let name = match payload.trace_id.as_str() {
                "" => self.item.id().to_string(),
                trace => trace.to_owned(),
            };
            bytes(&TraceId::of(&name).to_string(), 16).unwrap_or_default()
        })
    }

    /// The call's span: the same in every delivery and every revision.
    pub(crate) fn span_id(&self) -> Vec<u8> {
        let given = self.ours().map_or("", |ours| ours.span_id.as_str());
        bytes(given, 8).unwrap_or_else(|| span_named(&self.item.id().to_string()))
    }

    /// The span of this correction.
    pub(crate) fn correction_span_id(&self) -> Vec<u8> {
        span_named(&self.item.key())
    }

    /// The caller's span; empty if there is none.
    pub(crate) fn parent_span_id(&self) -> Vec<u8> {
        let given = self.ours().and_then(|ours| ours.parent_span_id.as_deref());
        bytes(given.unwrap_or_default(), 8).unwrap_or_default()
    }

    /// What was done, as the conventions name it; what they have no name for keeps its own.
    pub(crate) fn operation(&self) -> &'a str {
        let call_type = self.payload().call_type.as_str();
        match call_type {
            "acompletion"
            | "completion"
            | "aresponses"
            | "responses"
            | "anthropic_messages"
            | "aanthropic_messages" => "chat",
            "atext_completion" | "text_completion" => "text_completion",
            "aembedding" | "embedding" => "embeddings",
            "agenerate_content" | "generate_content" | "agenerate_content_stream" => {
                "generate_content"
            }
            "avector_store_search" | "vector_store_search" => "retrieval",
            "arerank" | "amoderation" | "atranscription" | "aspeech" | "aimage_generation"
            | "aimage_edit" => call_type.get(1..).unwrap_or(call_type),
            "" => "chat",
            other => other,
        }
    }

    /// The model without the provider's name in front of it.
    pub(crate) fn model(&self) -> &'a str {
        let payload = self.payload();
        let provider = payload.custom_llm_provider.as_deref().unwrap_or_default();
        let bare = payload.model.strip_prefix(provider);
        bare.and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(&payload.model)
    }

    /// The model that answered, by its own word.
    pub(crate) fn response_model(&self) -> Option<&'a str> {
        self.ours().and_then(|ours| ours.response_model.as_deref())
    }

    /// The application's user, else the key's.
    pub(crate) fn user(&self) -> Option<&'a str> {
        let payload = self.payload();
        let users = [
            payload.end_user.as_deref(),
            payload.metadata.user_api_key_user_id.as_deref(),
        ];
        users.into_iter().flatten().find(|user| !user.is_empty())
    }

    pub(crate) fn failed(&self) -> bool {
        self.payload().status == Status::Failure
    }

    /// What kind of error ended it: LiteLLM's class, else the status, else how it ended.
    pub(crate) fn error_type(&self) -> Option<&'a str> {
        let error = &self.payload().error_information;
        let outcome = self.ours().map_or("_OTHER", |ours| ours.outcome.as_str());
        let said = [error.error_class.as_str(), error.error_code.as_str()];
        let said = said.into_iter().find(|said| !said.is_empty());
        self.failed().then(|| said.unwrap_or(outcome))
    }

    /// What the error says.
    pub(crate) fn error_message(&self) -> &'a str {
        let payload = self.payload();
        match payload.error_information.error_message.as_str() {
            "" => payload.error_str.as_deref().unwrap_or_default(),
            message => message,
        }
    }

    /// From the start to the first token, in microseconds; `None` for what did not stream.
    pub(crate) fn first_token_micros(&self) -> Option<i64> {
        let payload = self.payload();
        let first = payload.completion_start_time;
        let streamed = payload.stream == Some(true) && first < payload.end_time;
        let micros = first.since(payload.start_time).micros();
        (streamed && micros > 0).then_some(micros)
    }

    pub(crate) fn duration_micros(&self) -> i64 {
        let payload = self.payload();
        payload.end_time.since(payload.start_time).micros().max(0)
    }

    pub(crate) fn cost_status(&self) -> &'static str {
        match self.event.cost().status {
            CostStatus::Priced => "priced",
            CostStatus::Unpriced => "unpriced",
            CostStatus::NothingConsumed => "nothing_consumed",
        }
    }

    /// A parameter that is a text, or a list of texts.
    pub(crate) fn parameter_texts(&self, name: &str) -> Vec<&str> {
        match self.parameters.get(name) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The first of these parameters that is a number.
    pub(crate) fn parameter_number(&self, names: &[&str]) -> Option<&serde_json::Number> {
        let mut given = names.iter().filter_map(|name| self.parameters.get(*name));
        given.find_map(Value::as_number)
    }
}

impl Tokens {
    fn of(payload: &StandardLoggingPayload) -> Self {
        let usage = [
            &payload.metadata.usage_object,
            &payload.hidden_params.usage_object,
        ];
        let usage: Option<Usage> = usage.into_iter().filter(said).find_map(Json::read);
        let (input, output) = (payload.prompt_tokens, payload.completion_tokens);
        let whole = Self {
            input,
            output,
            ..Self::default()
        };
        let Some(usage) = usage else { return whole };
        let of_input = usage.prompt_tokens_details.unwrap_or_default();
        let of_output = usage.completion_tokens_details.unwrap_or_default();
        let cache_read = of_input.cached_tokens.or(usage.cache_read_input_tokens);
        let cache_read = cache_read.or(usage.prompt_cache_hit_tokens);
        let cache_write = of_input
            .cache_write_tokens
            .or(of_input.cache_creation_tokens)
            .or(usage.cache_creation_input_tokens);
        let cache_read = cache_read.map(|part| part.min(input));
        let rest = input.saturating_sub(cache_read.unwrap_or(0));
        Self {
            cache_read,
            cache_write: cache_write.map(|part| part.min(rest)),
            reasoning: of_output.reasoning_tokens.map(|part| part.min(output)),
            audio_in: of_input.audio_tokens.map(|part| part.min(input)),
            audio_out: of_output.audio_tokens.map(|part| part.min(output)),
            ..whole
        }
    }
}

fn said(json: &&Json) -> bool {
    !json.is_null() && json.text() != "{}"
}

/// Nanoseconds since 1970; 0 for what was before.
pub(crate) fn nanos(time: Timestamp) -> u64 {
    u64::try_from(time.micros())
        .unwrap_or(0)
        .saturating_mul(1_000)
}

/// Microseconds as decimal seconds.
pub(crate) fn seconds(micros: i64) -> String {
    let micros = micros.max(0);
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// The span of something that has a name of its own.
fn span_named(name: &str) -> Vec<u8> {
    let name = CallId::parse(name).unwrap_or_default();
    bytes(&SpanId::of(&name).to_string(), 8).unwrap_or_default()
}

/// The bytes of an id in hexadecimal digits, unless they are not `length` or all zero.
fn bytes(digits: &str, length: usize) -> Option<Vec<u8>> {
    let bytes = hex::decode(digits).ok()?;
    (bytes.len() == length && bytes.iter().any(|byte| *byte != 0)).then_some(bytes)
}

/// The provider, as the conventions name it.
pub(crate) fn provider_name(slug: &str) -> &str {
    match slug {
        "azure" | "azure_text" => "azure.ai.openai",
        "azure_ai" => "azure.ai.inference",
        "gemini" => "gcp.gemini",
        "mistral" | "codestral" => "mistral_ai",
        "xai" => "x_ai",
        "watsonx" | "watsonx_text" => "ibm.watsonx.ai",
        "moonshot" => "moonshot_ai",
        "cohere_chat" => "cohere",
        "text-completion-openai" => "openai",
        slug if slug.starts_with("bedrock") => "aws.bedrock",
        slug if slug.starts_with("vertex_ai") => "gcp.vertex_ai",
        // What an enumeration of the conventions calls a value that it does not have.
        "" => "_OTHER",
        slug => slug,
    }
}
