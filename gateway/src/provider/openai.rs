//! Everyone who speaks OpenAI's dialect, or nearly: rows in [`PRESETS`],
//! [`PLAIN`] and [`SERVERS`].
//!
//! A request goes on as it came, and so does its answer, unless a row names what has to be changed
//! and that occurs.

pub(super) mod changes;
mod databricks;
pub(super) mod fixed;
pub(super) mod fixes;
mod known;
mod mistral;
pub(super) mod models;
mod plain;
mod preset;
mod presets;
mod schema;
mod servers;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;
use event::{Json, Secret, Usage};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

pub use self::{plain::PLAIN, presets::PRESETS, servers::SERVERS};
use super::{
    Answer, Ask, Fault, Observed, Outgoing, Prepared, ProviderError, Reader, Step, StreamedAnswer,
    Whole, sse::OpenAiStream,
};
use crate::{answer, config::Deployment, error::ErrorClass};

impl Prepared {
    /// A request in OpenAI's dialect, whose answer the client gets as it comes.
    #[must_use]
    pub fn as_it_is(ask: &Ask<'_>, outgoing: Outgoing) -> Self {
        Self {
            outgoing,
            reader: Box::new(AsItIs),
            streams: ask.stream(),
        }
    }
}

/// The headers of OpenAI's way to show credentials.
pub(super) fn credentials(deployment: &Deployment) -> Result<HeaderMap, ProviderError> {
    let mut headers = HeaderMap::with_capacity(8);
    if let Some(key) = &deployment.api_key {
        headers.insert(header::AUTHORIZATION, bearer(key)?);
    }
    if let Some(organization) = &deployment.organization {
        let name = HeaderName::from_static("openai-organization");
        headers.insert(name, sensitive(organization)?);
    }
    Ok(headers)
}

/// Reads answers that the client gets as they come.
#[derive(Clone, Copy, Debug)]
pub struct AsItIs;

impl Reader for AsItIs {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let observed = whole(&answer.body);
        let body = answer.body;
        Ok(Step::Done(Box::new(Whole { body, observed })))
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        Box::new(OpenAiStream::new(strip_usage))
    }

    fn is_stream(&self, headers: &HeaderMap) -> bool {
        answer::is_event_stream(headers)
    }
}

/// The header value of a bearer token.
pub(super) fn bearer(token: &Secret) -> Result<HeaderValue, ProviderError> {
    sensitive(&format!("Bearer {}", token.expose()))
}

/// A header value that is not shown.
pub(super) fn sensitive(text: &str) -> Result<HeaderValue, ProviderError> {
    let mut value = HeaderValue::try_from(text).map_err(|_error| ProviderError::BadCredential)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Adds what every JSON request has.
pub(super) fn outgoing(
    deployment: &Deployment,
    uri: String,
    mut headers: HeaderMap,
    body: Bytes,
) -> Result<Outgoing, ProviderError> {
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    for (name, value) in &deployment.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), sensitive(value.expose())) {
            headers.insert(name, value);
        }
    }
    let uri = Uri::try_from(&uri).map_err(|_error| ProviderError::BadAddress(uri))?;
    let method = Method::POST;
    Ok(Outgoing {
        method,
        uri,
        headers,
        body,
    })
}

/// The fields of an answer that matter here. Each is read on its own: an odd one must not make the
/// usage disappear.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<&'a RawValue>,
}

/// Reads an answer that came whole.
pub(crate) fn whole(body: &Bytes) -> Observed {
    whole_with(body, |_usage| None)
}

/// The same, where `meant` may know better what a provider's usage says.
fn whole_with(body: &Bytes, meant: impl FnOnce(&RawValue) -> Option<Usage>) -> Observed {
    fn read<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
        serde_json::from_str(raw?.get()).ok()
    }
    let Ok(raw) = serde_json::from_slice::<&RawValue>(body) else {
        return Observed::default();
    };
    let whole: Fields<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let text_bytes = whole.choices.map_or(0, |choices| choices.get().len());
    Observed {
        id: read(whole.id),
        model: read(whole.model),
        usage: whole.usage.and_then(meant).or_else(|| read(whole.usage)),
        service_tier: read(whole.service_tier),
        response: Some(Json::from(raw)),
        text_bytes: u64::try_from(text_bytes).unwrap_or(u64::MAX),
        error: whole.error.map(|error| Fault {
            class: ErrorClass::InternalServer,
            message: error_message(error),
        }),
        batch: None,
    }
}

/// The message inside an error object, or the object's text.
pub(super) fn error_message(error: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        message: Cow<'a, str>,
    }
    serde_json::from_str::<Message<'_>>(error.get()).map_or_else(
        |_error| error.get().to_owned(),
        |error| error.message.into_owned(),
    )
}

/// The message of an error answer, whatever its shape; empty if there is none.
pub(crate) fn error_text(body: &[u8]) -> String {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return String::from_utf8_lossy(&body[..body.len().min(500)])
            .trim()
            .to_owned();
    };
    let paths = [
        "/error/message",
        "/error",
        "/message",
        "/detail/error",
        "/detail",
        "/errors/0/message",
    ];
    let mut texts = paths
        .iter()
        .filter_map(|path| answer.pointer(path)?.as_str());
    let said = texts.find(|text| !text.is_empty()).map(str::to_owned);
    said.unwrap_or_else(|| {
        let whole = answer.to_string();
        whole.chars().take(2000).collect()
    })
}

/// What an error answer says. The code may say more than the message.
fn error_fault(answer: &Answer) -> Fault {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = |path: &str| body.pointer(path).and_then(Value::as_str);
    let code = code("/error/code").or_else(|| code("/code"));
    let status = answer.status.as_u16();
    let fault = Fault::of(status, error_text(&answer.body));
    match ErrorClass::of_answer(status, code.unwrap_or_default()) {
        class @ (ErrorClass::ContextWindowExceeded | ErrorClass::ContentPolicyViolation) => {
            Fault { class, ..fault }
        }
        _ => fault,
    }
}
