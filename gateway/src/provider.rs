//! What differs between upstreams, without any I/O.
//!
//! A provider turns a request into the one to send and reads along with the answer. Connecting,
//! sending, retrying and timing are the gateway's, once for all providers. One that speaks OpenAI's
//! dialect is a row in [`openai::PRESETS`]; another dialect is a file here and a line in [`ALL`].

pub mod azure;
pub mod openai;
pub mod sse;

use std::fmt;

use bytes::Bytes;
use event::{Json, Usage};
use http::HeaderMap;

use crate::{config::Deployment, request::ChatRequest};

/// Every provider in this build.
pub const ALL: &[&[&dyn Provider]] = &[openai::PRESETS, azure::AZURE];

/// An upstream and its dialect.
pub trait Provider: Sync {
    /// The part before the slash in `model: groq/llama-3`, and what the event is filed under.
    fn name(&self) -> &'static str;

    /// Where it is, if it has one address for everybody; no slash at the end.
    fn default_base(&self) -> Option<&'static str>;

    /// Environment variables that its key is looked up in, if a deployment names none.
    fn key_variables(&self) -> &'static [&'static str];

    /// Turns the client's request into the one to send upstream.
    ///
    /// # Errors
    ///
    /// If this provider has no counterpart for the request.
    fn prepare(
        &self,
        deployment: &Deployment,
        request: &ChatRequest,
    ) -> Result<Outgoing, ProviderError>;

    /// Starts reading along with a stream. `strip_usage`: the client did not ask for the usage
    /// chunk that [`prepare`](Provider::prepare) asked for.
    fn stream(&self, strip_usage: bool) -> Box<dyn StreamedAnswer>;

    /// Reads an answer that came whole.
    fn whole(&self, body: &Bytes) -> Observed;
}

impl fmt::Debug for dyn Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A request ready to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Scheme, host, path and query.
    pub uri: http::Uri,
    /// Its headers; credentials are marked sensitive.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
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
    /// The error that stands where an answer should: its message.
    pub error: Option<String>,
}

/// Why a request cannot be sent to this provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The deployment's address is none.
    #[error("`{0}` is not an address: check the deployment's `api_base`")]
    BadAddress(String),
    /// The deployment's credential has characters that no header can carry.
    #[error("the deployment's `api_key` cannot be sent in a header")]
    BadCredential,
    /// Nobody of this name.
    #[error("no provider is called `{name}`; there are: {known}")]
    Unknown {
        /// As it was written.
        name: String,
        /// The names there are.
        known: String,
    },
}

/// The provider of `model`, and the provider's own name of it: `chosen` if it is given, else the
/// part before the slash, else OpenAI.
///
/// # Errors
///
/// If no provider has that name.
pub fn of_model(
    model: &str,
    chosen: Option<&str>,
) -> Result<(&'static dyn Provider, String), ProviderError> {
    if let Some(name) = chosen {
        let provider = find(name).ok_or_else(|| unknown(name))?;
        let own = model
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('/'));
        return Ok((provider, own.unwrap_or(model).to_owned()));
    }
    let (name, own) = model.split_once('/').unwrap_or(("openai", model));
    let provider = find(name).ok_or_else(|| unknown(name))?;
    Ok((provider, own.to_owned()))
}

fn find(name: &str) -> Option<&'static dyn Provider> {
    ALL.iter()
        .copied()
        .flatten()
        .copied()
        .find(|provider| provider.name() == name)
}

fn unknown(name: &str) -> ProviderError {
    let known: Vec<&str> = ALL
        .iter()
        .copied()
        .flatten()
        .map(|known| known.name())
        .collect();
    ProviderError::Unknown {
        name: name.to_owned(),
        known: known.join(", "),
    }
}
