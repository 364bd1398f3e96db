//! What differs between upstreams, without any I/O.
//!
//! A provider turns a request into the one to send, and gives a [`Reader`] for what comes back.
//! Connecting, sending, retrying and timing are the gateway's, once for all providers. One that
//! speaks OpenAI's dialect is a row in [`openai::PRESETS`]; another dialect is a file here and a
//! line in [`ALL`].
//!
//! A dialect of its own is translated with three tools: [`Ask::object`] gives the request as
//! values, [`completion`] writes an answer that came whole, and [`translated`] turns the frames of
//! a stream ([`frames`]) into OpenAI's chunks ([`chunks`]).

pub mod ai21;
pub mod aleph_alpha;
pub mod alike;
pub mod along;
pub mod anthropic;
mod ask;
pub mod aws;
pub mod azure;
pub(crate) mod batch;
pub mod bedrock;
pub(crate) mod bridge;
pub mod chunks;
pub mod cohere;
pub mod completion;
pub mod content;
pub mod conversation;
mod error;
mod find;
pub mod frames;
pub mod gemini;
pub mod huggingface;
pub mod jina_ai;
pub(crate) mod kept;
pub mod lists;
mod need;
pub mod nlp_cloud;
pub mod ollama;
pub mod once;
pub mod openai;
pub mod parameters;
pub(crate) mod passing;
pub mod petals;
pub(crate) mod realtime;
pub mod replicate;
pub mod request;
pub mod sagemaker;
pub mod snowflake;
pub mod sse;
pub mod texts;
pub mod translated;
#[cfg(test)]
mod trial;
pub mod vertex;
pub mod voyage;
pub mod watsonx;

use std::{fmt, time::Duration};

use bytes::Bytes;
use event::{Batch, Json, Usage};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use self::parameters::Parameters;
pub use self::{
    ask::{Ask, Fetched, Media},
    error::ProviderError,
    find::of_model,
    need::{Need, Token, TokenRequest, TokenSource},
};
use crate::{
    config::{Deployment, Settings},
    error::ErrorClass,
    operation::Operation,
};

/// Every provider in this build.
pub const ALL: &[&[&dyn Provider]] = &[
    openai::PRESETS,
    openai::PLAIN,
    openai::SERVERS,
    ai21::AI21,
    aleph_alpha::ALEPH_ALPHA,
    anthropic::ANTHROPIC,
    azure::AZURE,
    bedrock::BEDROCK,
    cohere::COHERE,
    gemini::GEMINI,
    huggingface::HUGGINGFACE,
    jina_ai::JINA_AI,
    nlp_cloud::NLP_CLOUD,
    ollama::OLLAMA,
    petals::PETALS,
    replicate::REPLICATE,
    sagemaker::SAGEMAKER,
    snowflake::SNOWFLAKE,
    vertex::VERTEX,
    voyage::VOYAGE,
    watsonx::WATSONX,
];

/// An upstream and its dialect.
pub trait Provider: Sync {
    /// The part before the slash in `model: groq/llama-3`, and what the event is filed under.
    fn name(&self) -> &'static str;

    /// Where it is, if it has one address for everybody; no slash at the end.
    fn default_base(&self) -> Option<&'static str>;

    /// Environment variables that its address is looked up in, if a deployment names none.
    fn base_variables(&self) -> &'static [&'static str] {
        &[]
    }

    /// Environment variables that its key is looked up in, if a deployment names none.
    fn key_variables(&self) -> &'static [&'static str];

    /// What a deployment may set beyond address and key.
    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    /// Those of its settings that may be the path of the file that has them.
    fn files(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether a deployment's settings can be used.
    ///
    /// # Errors
    ///
    /// If one cannot.
    fn check(&self, settings: &Settings) -> Result<(), ProviderError> {
        let _fine = settings;
        Ok(())
    }

    /// Whether a deployment has to say where it is.
    fn needs_base(&self) -> bool {
        self.default_base().is_none()
    }

    /// Whether it can be asked for this.
    fn serves(&self, operation: Operation) -> bool {
        operation == Operation::Chat
    }

    /// The parameters of OpenAI's that `model` knows.
    fn parameters(&self, operation: Operation, model: &str) -> Parameters;

    /// The headers that show the deployment's credentials, where a request is passed on as it is.
    ///
    /// # Errors
    ///
    /// If no header can carry them.
    fn credentials(&self, deployment: &Deployment) -> Result<HeaderMap, ProviderError> {
        openai::credentials(deployment)
    }

    /// Below which address it keeps files, batches and the like, and what their query has to say.
    fn keeps_at(&self, deployment: &Deployment) -> (String, Option<String>) {
        (deployment.api_base.clone(), None)
    }

    /// Where it opens realtime sessions, with a query; `None` if it has none.
    fn realtime(&self, deployment: &Deployment) -> Option<String> {
        let _nothing = deployment;
        None
    }

    /// Whether `model` takes `value`, JSON, for a parameter that it knows.
    fn takes(&self, model: &str, name: &str, value: &str) -> bool {
        let _any = (model, name, value);
        true
    }

    /// What has to be fetched before [`prepare`](Provider::prepare) can say what to send.
    ///
    /// # Errors
    ///
    /// If it is clear already that this cannot be sent.
    fn needs(&self, ask: &Ask<'_>) -> Result<Vec<Need>, ProviderError> {
        let _nothing = ask;
        Ok(Vec::new())
    }

    /// Turns the client's request into the one to send upstream.
    ///
    /// # Errors
    ///
    /// If this provider has no counterpart for the request.
    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError>;
}

impl fmt::Debug for dyn Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that a deployment may set for its provider, `vertex_project`.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The key in `litellm_params`.
    pub key: &'static str,
    /// Environment variables that it is looked up in, if a deployment does not set it.
    pub variables: &'static [&'static str],
}

/// A request ready to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// `POST`, mostly.
    pub method: Method,
    /// Scheme, host, path and query.
    pub uri: http::Uri,
    /// Its headers; credentials are marked sensitive.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// A request ready to be sent, and who reads the answer.
pub struct Prepared {
    /// The request.
    pub outgoing: Outgoing,
    /// Reads the answer.
    pub reader: Box<dyn Reader>,
    /// Whether a good answer is a stream that [`Reader::stream`] reads. If the client wants a
    /// stream and this is `false`, the whole answer is given to it as one.
    pub streams: bool,
}

/// Reads the answer to one request.
pub trait Reader: Send + Sync {
    /// Reads an answer that came whole and is a success.
    ///
    /// # Errors
    ///
    /// If it is none, whatever its status says.
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault>;

    /// Starts reading a stream. `strip_usage`: the client did not ask for the usage that upstream
    /// was asked for.
    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer>;

    /// Takes the headers of a success, before anything else of it.
    fn head(&mut self, headers: &HeaderMap) {
        let _nothing = headers;
    }

    /// Whether the success that begins with these headers is a stream after all.
    fn is_stream(&self, headers: &HeaderMap) -> bool {
        let content_type = headers.get(header::CONTENT_TYPE);
        let json = |value: &HeaderValue| value.as_bytes().starts_with(b"application/json");
        !content_type.is_some_and(json)
    }

    /// Reads an answer that is an error.
    fn fault(&self, answer: &Answer) -> Fault {
        Fault::of(answer.status.as_u16(), openai::error_text(&answer.body))
    }
}

/// An answer that came whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What follows an answer.
pub enum Step {
    /// Nothing: this is what the client gets.
    Done(Box<Whole>),
    /// Another request, after a while: the answer is not ready.
    Again(Duration, Box<Prepared>),
}

/// An answer as the client gets it.
#[derive(Clone, Debug)]
pub struct Whole {
    /// In OpenAI's dialect.
    pub body: Bytes,
    /// What it told.
    pub observed: Observed,
}

/// What a provider said instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// LiteLLM's class of it.
    pub class: ErrorClass,
    /// The provider's own words.
    pub message: String,
}

impl Fault {
    /// By its HTTP status and the phrases that are the same everywhere.
    #[must_use]
    pub fn of(status: u16, message: String) -> Self {
        Self {
            class: ErrorClass::of_answer(status, &message),
            message,
        }
    }
}

/// A streamed answer on its way from upstream to the client.
///
/// Law: what the client gets in all, and what [`observed`](StreamedAnswer::observed) says at the
/// end, do not depend on how the body was cut into chunks.
pub trait StreamedAnswer: Send {
    /// Takes what upstream sent and returns what the client gets: the same bytes, unless the
    /// dialects differ.
    fn chunk(&mut self, chunk: Bytes) -> Bytes;

    /// Whether the last bytes that mean anything have been taken.
    fn is_complete(&self) -> bool;

    /// Whether the answer may end here: some providers end without the last bytes of the dialect.
    fn is_finished(&self) -> bool;

    /// What is still held back when upstream has ended.
    fn rest(&mut self) -> Bytes;

    /// What was learned so far.
    fn observed(&mut self) -> Observed;
}

/// What an answer told about the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// What was consumed; `None` if upstream never said.
    pub usage: Option<Usage>,
    /// The tier that was served.
    pub service_tier: Option<String>,
    /// The answer as one JSON object; `None` if it is not one.
    pub response: Option<Json>,
    /// Bytes of text in the answer, to count tokens by if there is no usage.
    pub text_bytes: u64,
    /// The error that stands where an answer should.
    pub error: Option<Fault>,
    /// What it told of a batch.
    pub batch: Option<Box<Batch>>,
}
