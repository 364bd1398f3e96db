//! A chat request: scanned once for what the gateway must know, and otherwise left as it came.

mod scan;

use std::{ops::Range, time::Duration};

use bytes::{BufMut as _, Bytes, BytesMut};
use event::Json;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap as _};
use serde_json::value::RawValue;

use self::scan::{Fields, put, range};

/// Fields that are for the gateway and do not go upstream.
const OURS: &[&str] = &[
    "metadata",
    "litellm_metadata",
    "tags",
    "mock_response",
    "mock_delay",
    "num_retries",
    "timeout",
    "request_timeout",
    "drop_params",
    "cache",
    "guardrails",
    "fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "disable_fallbacks",
    "litellm_call_id",
    "litellm_trace_id",
    "litellm_session_id",
    "allowed_openai_params",
    "additional_drop_params",
    "no-log",
];

/// Fields that would change where a request goes, who pays, or what it costs.
const FORBIDDEN: &[&str] = &[
    "api_base",
    "base_url",
    "api_key",
    "api_version",
    "custom_llm_provider",
    "organization",
    "model_list",
    "deployment_id",
    "model_info",
    "base_model",
    "litellm_credential_name",
    "litellm_params",
    "user_config",
    "router_settings_override",
    "extra_headers",
    "headers",
    "extra_body",
    "azure_ad_token",
    "tiered_pricing",
];

/// Beginnings of such fields.
const FORBIDDEN_PREFIXES: &[&str] = &["user_api_key_", "aws_", "vertex_", "azure_"];

/// Attempts after the first that a request may ask for.
const RETRIES_MAX: u32 = 10;

/// Fields that a request may carry.
const FIELDS_MAX: usize = 256;

/// A chat request whose body is one JSON object.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    body: Bytes,
    fields: Vec<Field>,
    /// The model as the client asked for it.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether the client asked for the stream's usage chunk.
    pub include_usage: bool,
    /// Bound of the output in tokens, if the client set one.
    pub output_tokens_max: Option<u64>,
    /// The application's own user.
    pub user: Option<String>,
    /// The tier that was asked for.
    pub service_tier: Option<String>,
    /// The answer to give instead of asking a provider.
    pub mock_response: Option<String>,
    /// Attempts after the first (`num_retries`), at most ten.
    pub retries_max: Option<u32>,
    /// How long an attempt may take (`timeout`, in seconds).
    pub timeout: Option<Duration>,
    /// What the client says about the call.
    pub metadata: ClientMetadata,
    /// The messages as they came; `None` if they are larger than is kept.
    messages: Option<Json>,
    /// The client's `stream_options`.
    stream_options: Option<Json>,
}

/// What the client says about the call, in `metadata`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClientMetadata {
    /// Tags to count the spend by.
    pub tags: Vec<String>,
    /// The task the call belongs to.
    pub trace_id: Option<String>,
    /// The conversation the call belongs to.
    pub session_id: Option<String>,
    /// What the client wants to find in the spend logs.
    pub spend_logs_metadata: Option<Json>,
    /// The metadata itself.
    #[serde(skip)]
    pub whole: Option<Json>,
}

/// A field and where its value stands in the body.
#[derive(Clone, Debug)]
struct Field {
    name: Box<str>,
    value: Range<usize>,
}

/// Why a request cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Not JSON, or not an object.
    #[error("the body is not a JSON object: {0}")]
    NotJson(String),
    /// A field that has to be there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field with the wrong type.
    #[error("`{name}` must be {wanted}")]
    WrongType {
        /// The field.
        name: &'static str,
        /// What it has to be.
        wanted: &'static str,
    },
    /// A field that a request may not set.
    #[error("`{0}` may not be set by a request: it belongs in the gateway's configuration")]
    Forbidden(String),
    /// The same field twice.
    #[error("`{0}` stands in the body twice")]
    Twice(String),
    /// Too many fields.
    #[error("the body has more than {FIELDS_MAX} fields")]
    TooManyFields,
}

impl RequestError {
    /// The field that is at fault, if it is one.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::Missing(name) | Self::WrongType { name, .. } => Some(name),
            Self::Forbidden(name) | Self::Twice(name) => Some(name),
            Self::NotJson(_) | Self::TooManyFields => None,
        }
    }
}

impl ChatRequest {
    /// Scans a body. Messages of more than `content_bytes_max` bytes are not kept apart.
    ///
    /// # Errors
    ///
    /// If it is not an object, lacks `model` or `messages`, or sets what a request may not set.
    pub fn parse(body: Bytes, content_bytes_max: usize) -> Result<Self, RequestError> {
        let found: Fields<'_> = serde_json::from_slice(&body)
            .map_err(|error| RequestError::NotJson(error.to_string()))?;
        let mut fields = Vec::with_capacity(found.0.len());
        for (name, value) in &found.0 {
            check(name, &fields)?;
            fields.push(Field {
                name: name.as_ref().into(),
                value: range(&body, value),
            });
        }
        let find = |name: &str| {
            found
                .0
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, raw)| *raw)
        };
        let messages = find("messages").ok_or(RequestError::Missing("messages"))?;
        if !messages.get().starts_with('[') {
            return Err(RequestError::WrongType {
                name: "messages",
                wanted: "a list",
            });
        }
        let model: String = field(&find, "model", "text")?.ok_or(RequestError::Missing("model"))?;
        let options: Option<StreamOptions> = field(&find, "stream_options", "an object")?;
        let bound = match field(&find, "max_completion_tokens", "a whole number")? {
            Some(bound) => Some(bound),
            None => field(&find, "max_tokens", "a whole number")?,
        };
        Ok(Self {
            model,
            stream: field(&find, "stream", "`true` or `false`")?.unwrap_or(false),
            include_usage: options.is_some_and(|options| options.include_usage == Some(true)),
            output_tokens_max: bound,
            user: field(&find, "user", "text")?,
            service_tier: field(&find, "service_tier", "text")?,
            mock_response: field(&find, "mock_response", "text")?,
            retries_max: field::<u32>(&find, "num_retries", "a whole number")?
                .map(|count| count.min(RETRIES_MAX)),
            timeout: timeout(&find)?,
            metadata: metadata(&find)?,
            messages: (messages.get().len() <= content_bytes_max).then(|| Json::from(messages)),
            stream_options: find("stream_options").map(Json::from),
            fields,
            body,
        })
    }

    /// The body as `model`'s provider is to get it: the fields as they came, in their order,
    /// without those that are for the gateway, and with `defaults` where the client set nothing.
    #[must_use]
    pub fn rewritten(&self, model: &str, defaults: &[(String, Json)]) -> Bytes {
        let mut out = BytesMut::with_capacity(self.body.len() + 128);
        out.put_u8(b'{');
        for field in &self.fields {
            match &*field.name {
                "model" => put(&mut out, "model", Json::of(&model).text().as_bytes()),
                "stream_options" if self.stream => {}
                name if OURS.contains(&name) => {}
                name => put(&mut out, name, &self.body[field.value.clone()]),
            }
        }
        if self.stream {
            put(
                &mut out,
                "stream_options",
                self.stream_options().text().as_bytes(),
            );
        }
        for (name, value) in defaults {
            if !self.has(name) && name != "stream_options" {
                put(&mut out, name, value.text().as_bytes());
            }
        }
        out.put_u8(b'}');
        out.freeze()
    }

    /// The messages as they came, or a note of their size.
    #[must_use]
    pub fn messages(&self) -> Json {
        self.messages
            .clone()
            .unwrap_or_else(|| left_out(self.messages_bytes()))
    }

    /// Size of the messages in bytes.
    #[must_use]
    pub fn messages_bytes(&self) -> usize {
        let messages = self.fields.iter().find(|field| &*field.name == "messages");
        messages.map_or(0, |field| field.value.len())
    }

    /// The parameters without the content, as one object.
    #[must_use]
    pub fn parameters(&self) -> Json {
        Json::of(&Parameters(self))
    }

    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| &*field.name == name)
    }

    /// What the client asked for, and usage always: accounting needs it.
    fn stream_options(&self) -> Json {
        let mut options: serde_json::Map<String, serde_json::Value> = self
            .stream_options
            .as_ref()
            .and_then(Json::read)
            .unwrap_or_default();
        options.insert("include_usage".to_owned(), true.into());
        Json::of(&options)
    }
}

/// What stands where content is too large to be kept.
pub(crate) fn left_out(bytes: usize) -> Json {
    Json::of(&format!(
        "left out: {bytes} bytes are more than `content_bytes_max`"
    ))
}

/// The parameters of a request, written as an object.
struct Parameters<'a>(&'a ChatRequest);

impl Serialize for Parameters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(request) = self;
        let mut object = serializer.serialize_map(None)?;
        for Field { name, value } in &request.fields {
            if matches!(&**name, "model" | "messages") || OURS.contains(&&**name) {
                continue;
            }
            let value: &RawValue = serde_json::from_slice(&request.body[value.clone()])
                .map_err(serde::ser::Error::custom)?;
            object.serialize_entry(name, value)?;
        }
        object.end()
    }
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

fn check(name: &str, before: &[Field]) -> Result<(), RequestError> {
    let priced = name.contains("cost_per_") || name.contains("_token_cost");
    let prefixed = FORBIDDEN_PREFIXES
        .iter()
        .any(|prefix| name.starts_with(prefix));
    if priced || prefixed || FORBIDDEN.contains(&name) {
        return Err(RequestError::Forbidden(name.to_owned()));
    }
    if before.iter().any(|field| &*field.name == name) {
        return Err(RequestError::Twice(name.to_owned()));
    }
    if before.len() == FIELDS_MAX {
        return Err(RequestError::TooManyFields);
    }
    Ok(())
}

/// Reads a field; `null` is as if it were not there.
fn field<'a, T: Deserialize<'a>>(
    find: &impl Fn(&str) -> Option<&'a RawValue>,
    name: &'static str,
    wanted: &'static str,
) -> Result<Option<T>, RequestError> {
    let Some(raw) = find(name) else {
        return Ok(None);
    };
    serde_json::from_str(raw.get()).map_err(|_error| RequestError::WrongType { name, wanted })
}

/// The time that a request gives its attempts: whole seconds, or with a fraction.
fn timeout<'a>(
    find: &impl Fn(&str) -> Option<&'a RawValue>,
) -> Result<Option<Duration>, RequestError> {
    let name = if find("timeout").is_some() {
        "timeout"
    } else {
        "request_timeout"
    };
    let seconds: Option<f64> = field(find, name, "a number of seconds")?;
    seconds
        .map(Duration::try_from_secs_f64)
        .transpose()
        .map_err(|_error| RequestError::WrongType {
            name,
            wanted: "a number of seconds",
        })
}

fn metadata<'a>(
    find: &impl Fn(&str) -> Option<&'a RawValue>,
) -> Result<ClientMetadata, RequestError> {
    let name = if find("metadata").is_some() {
        "metadata"
    } else {
        "litellm_metadata"
    };
    let mut metadata: ClientMetadata =
        field(find, name, "an object whose `tags` are a list of text")?.unwrap_or_default();
    metadata.whole = find(name).map(Json::from);
    if let Some(tags) = field::<Vec<String>>(find, "tags", "a list of text")? {
        metadata.tags = tags;
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests;
