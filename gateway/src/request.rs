//! A chat request: scanned once for what the gateway must know, and otherwise left as it came.

mod error;
mod metadata;
mod names;
mod scan;
mod text;

use std::{ops::Range, time::Duration};

use bytes::{BufMut as _, Bytes, BytesMut};
use event::Json;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap as _};
use serde_json::value::RawValue;

pub use self::{error::RequestError, metadata::ClientMetadata};
use self::{
    names::{FORBIDDEN, FORBIDDEN_PREFIXES, OURS},
    scan::{Fields, put, range},
};

/// Attempts after the first that a request may ask for.
const RETRIES_MAX: u32 = 10;

/// Bytes of a name that a request gives: its user, its trace, a tag.
const NAME_BYTES_MAX: usize = 1024;

/// Tags of a request.
const TAGS_MAX: usize = 64;

/// Bytes of what the client says about the call, and of a mock that it asks for.
const EXTRA_BYTES_MAX: usize = 64 << 10;

/// Fields that a request may carry.
const FIELDS_MAX: usize = 256;

/// Whether a provider knows `stream_options.include_usage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageOption {
    /// It does.
    Known,
    /// It refuses it, and sends the usage of its own accord.
    Unknown,
}

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

/// A field and where its value stands in the body.
#[derive(Clone, Debug)]
struct Field {
    name: Box<str>,
    value: Range<usize>,
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
        let request = Self {
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
        };
        request.check_sizes()?;
        Ok(request)
    }

    /// What stands in every event has a bound, so that the event has one.
    fn check_sizes(&self) -> Result<(), RequestError> {
        let meta = &self.metadata;
        let tags_max = meta.tags.len().saturating_sub(TAGS_MAX) * NAME_BYTES_MAX;
        let longest_tag = meta.tags.iter().map(String::len).max().unwrap_or(0);
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let whole = meta.whole.as_ref().map_or(0, |whole| whole.text().len());
        for (name, bytes, max) in [
            ("model", self.model.len(), NAME_BYTES_MAX),
            ("user", length(&self.user), NAME_BYTES_MAX),
            ("service_tier", length(&self.service_tier), NAME_BYTES_MAX),
            ("metadata.trace_id", length(&meta.trace_id), NAME_BYTES_MAX),
            (
                "metadata.session_id",
                length(&meta.session_id),
                NAME_BYTES_MAX,
            ),
            ("metadata.tags", longest_tag + tags_max, NAME_BYTES_MAX),
            ("metadata", whole, EXTRA_BYTES_MAX),
            (
                "mock_response",
                length(&self.mock_response),
                EXTRA_BYTES_MAX,
            ),
        ] {
            if bytes > max {
                return Err(RequestError::TooLarge { name, max });
            }
        }
        Ok(())
    }

    /// The body as `model`'s provider is to get it: the fields as they came, in their order,
    /// without those that are for the gateway, and with `defaults` where the client set nothing. A
    /// stream is asked for its usage where the provider knows the question.
    #[must_use]
    pub fn rewritten(&self, model: &str, defaults: &[(String, Json)], asks: UsageOption) -> Bytes {
        let asks = self.stream && asks == UsageOption::Known;
        let mut out = BytesMut::with_capacity(self.body.len() + 128);
        out.put_u8(b'{');
        for field in &self.fields {
            match &*field.name {
                "model" => put(&mut out, "model", Json::of(&model).text().as_bytes()),
                "stream_options" if asks => {}
                name if OURS.contains(&name) => {}
                name => put(&mut out, name, &self.body[field.value.clone()]),
            }
        }
        if asks {
            put(
                &mut out,
                "stream_options",
                self.stream_options().text().as_bytes(),
            );
        }
        for (name, value) in defaults {
            let bound = ["max_tokens", "max_completion_tokens"];
            // The two are one bound, and providers refuse them together.
            let bounded = bound.contains(&name.as_str()) && bound.iter().any(|own| self.has(own));
            if !bounded && !self.has(name) && name != "stream_options" {
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
    fn messages_bytes(&self) -> usize {
        let messages = self.fields.iter().find(|field| &*field.name == "messages");
        messages.map_or(0, |field| field.value.len())
    }

    /// Bytes of text in the messages, to count tokens by.
    #[must_use]
    pub fn prompt_bytes(&self) -> usize {
        let messages = self.fields.iter().find(|field| &*field.name == "messages");
        messages.map_or(0, |field| text::text_bytes(&self.body[field.value.clone()]))
    }

    /// The parameters without the content, as one object.
    #[must_use]
    pub fn parameters(&self) -> Json {
        let parameters = Json::of(&Parameters(self));
        let bytes = parameters.text().len();
        if bytes > EXTRA_BYTES_MAX {
            left_out(bytes)
        } else {
            parameters
        }
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
        return Err(RequestError::TooManyFields { max: FIELDS_MAX });
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
