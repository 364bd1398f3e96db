//! A request: scanned once for what the gateway must know, and otherwise left as it came.

mod apart;
mod cache;
mod error;
mod metadata;
mod names;
mod scan;
mod text;
mod upstream;
mod wishes;

use std::{ops::Range, time::Duration};

use bytes::Bytes;
use event::Json;
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap as _};
use serde_json::value::RawValue;

pub(crate) use self::apart::Apart;
pub use self::{
    cache::CacheControl, error::RequestError, metadata::ClientMetadata, text::Prompt,
    upstream::UsageOption, wishes::Wishes,
};
use self::{
    names::{FORBIDDEN, FORBIDDEN_PREFIXES, OURS},
    scan::{Fields, range},
};
use crate::{
    config::Lists,
    operation::{Content, Operation},
};

/// Attempts after the first that a request may ask for.
const RETRIES_MAX: u32 = 10;

/// Models that a request may name to be asked instead.
const FALLBACKS_MAX: usize = 16;

/// Bytes of a name that a request gives: its user, its trace, a tag.
const NAME_BYTES_MAX: usize = 1024;

/// Tags of a request.
const TAGS_MAX: usize = 64;

/// Bytes of what the client says about the call, and of a mock that it asks for.
const EXTRA_BYTES_MAX: usize = 64 << 10;

/// Fields that a request may carry.
const FIELDS_MAX: usize = 256;

/// A request whose body is one JSON object.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    /// What is asked for.
    pub operation: Operation,
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
    /// What it wants of the gateway alone.
    pub wishes: Wishes,
    /// Attempts after the first (`num_retries`), at most ten.
    pub retries_max: Option<u32>,
    /// How long an attempt may take (`timeout`, in seconds).
    pub timeout: Option<Duration>,
    /// What the client says about the call.
    pub metadata: ClientMetadata,
    /// Which kept answer will do, and whether this one is to be kept.
    pub cache: CacheControl,
    /// Groups to ask when the model's own could not answer.
    pub fallbacks: Vec<String>,
    /// The same when the context window was too small.
    pub context_window_fallbacks: Lists,
    /// The same when the content was refused.
    pub content_policy_fallbacks: Lists,
    /// Whether nobody else may be asked.
    pub disable_fallbacks: bool,
    /// Parameters that the provider does not know are left out (`drop_params`), or refused.
    pub drop_params: Option<bool>,
    /// Parameters that are left out whoever knows them (`additional_drop_params`).
    pub dropped: Vec<String>,
    /// Parameters that are sent whoever knows them (`allowed_openai_params`).
    pub allowed: Vec<String>,
    /// The content as it came; `None` if it is larger than is kept.
    content: Option<Json>,
    /// The client's `stream_options`.
    stream_options: Option<Json>,
}

/// A field and where its value stands in the body.
#[derive(Clone, Debug)]
struct Field {
    name: Box<str>,
    value: Range<usize>,
}

impl ClientRequest {
    /// Scans a body. Content of more than `content_bytes_max` bytes is not kept apart.
    ///
    /// # Errors
    ///
    /// If it is not an object, lacks `model` or the content, or sets what a request may not set.
    pub fn parse(
        operation: Operation,
        body: Bytes,
        content_bytes_max: usize,
    ) -> Result<Self, RequestError> {
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
        let content = content(operation, &find)?;
        let model: String = field(&find, "model", "text")?.ok_or(RequestError::Missing("model"))?;
        let options: Option<StreamOptions> = field(&find, "stream_options", "an object")?;
        let bound = match field(&find, "max_completion_tokens", "a whole number")? {
            Some(bound) => Some(bound),
            None => field(&find, "max_tokens", "a whole number")?,
        };
        let stream = field(&find, "stream", "`true` or `false`")?.unwrap_or(false);
        let request = Self {
            operation,
            model,
            stream: stream && operation.streams(),
            include_usage: options.is_some_and(|options| options.include_usage == Some(true)),
            output_tokens_max: bound,
            user: field(&find, "user", "text")?,
            service_tier: field(&find, "service_tier", "text")?,
            wishes: Wishes::read(&find)?,
            retries_max: field::<u32>(&find, "num_retries", "a whole number")?
                .map(|count| count.min(RETRIES_MAX)),
            timeout: timeout(&find)?,
            metadata: metadata(&find)?,
            cache: field(&find, "cache", "an object")?.unwrap_or_default(),
            fallbacks: fallbacks(&find)?,
            context_window_fallbacks: field(&find, "context_window_fallbacks", LISTS)?
                .unwrap_or_default(),
            content_policy_fallbacks: field(&find, "content_policy_fallbacks", LISTS)?
                .unwrap_or_default(),
            disable_fallbacks: field(&find, "disable_fallbacks", "`true` or `false`")?
                .unwrap_or(false),
            drop_params: field(&find, "drop_params", "`true` or `false`")?,
            dropped: field(&find, "additional_drop_params", LIST)?.unwrap_or_default(),
            allowed: field(&find, "allowed_openai_params", LIST)?.unwrap_or_default(),
            content: (content.get().len() <= content_bytes_max).then(|| Json::from(content)),
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
        ] {
            if bytes > max {
                return Err(RequestError::TooLarge { name, max });
            }
        }
        Ok(())
    }

    /// The content as it came, or a note of its size.
    #[must_use]
    pub fn content(&self) -> Json {
        self.content
            .clone()
            .unwrap_or_else(|| left_out(self.content_text().len()))
    }

    fn content_text(&self) -> &[u8] {
        let name = self.operation.content().name;
        self.value(name).unwrap_or_default()
    }

    fn value(&self, name: &str) -> Option<&[u8]> {
        let field = self.fields.iter().find(|field| &*field.name == name)?;
        self.body.get(field.value.clone())
    }

    /// The text of the content, to count tokens by.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        Prompt::read(self.operation, self.content_text())
    }

    /// Bytes of text in the content, to estimate tokens by.
    #[must_use]
    pub fn prompt_bytes(&self) -> usize {
        match self.operation {
            Operation::Chat => text::text_bytes(self.content_text()),
            _ => self.content_text().len(),
        }
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
}

/// What stands where content is too large to be kept.
pub(crate) fn left_out(bytes: usize) -> Json {
    Json::of(&format!(
        "left out: {bytes} bytes are more than `content_bytes_max`"
    ))
}

/// The parameters of a request, written as an object.
struct Parameters<'a>(&'a ClientRequest);

impl Serialize for Parameters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(request) = self;
        let mut object = serializer.serialize_map(None)?;
        for Field { name, value } in &request.fields {
            let is_content = &**name == request.operation.content().name;
            if is_content || &**name == "model" || OURS.contains(&&**name) {
                continue;
            }
            let value: &RawValue = serde_json::from_slice(&request.body[value.clone()])
                .map_err(serde::ser::Error::custom)?;
            object.serialize_entry(name, value)?;
        }
        object.end()
    }
}

/// What lists of models by model have to be.
const LISTS: &str = "a list of objects: a model and the models to ask instead";

/// `fallbacks`: names of models, or objects that name one.
fn fallbacks<'a>(
    find: &impl Fn(&str) -> Option<&'a RawValue>,
) -> Result<Vec<String>, RequestError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Target {
        Name(String),
        Object { model: String },
    }
    let targets: Option<Vec<Target>> = field(find, "fallbacks", "a list of models")?;
    let name = |target| match target {
        Target::Name(name) | Target::Object { model: name } => name,
    };
    let targets = targets.unwrap_or_default().into_iter();
    Ok(targets.map(name).take(FALLBACKS_MAX).collect())
}

/// What lists of parameters have to be.
const LIST: &str = "a list of text";

/// The content of a request for `operation`.
fn content<'a>(
    operation: Operation,
    find: &impl Fn(&str) -> Option<&'a RawValue>,
) -> Result<&'a RawValue, RequestError> {
    let Content { name, wanted } = operation.content();
    let content = find(name).ok_or(RequestError::Missing(name))?;
    let first = content.get().as_bytes().first();
    let fits = first == Some(&b'[') || (wanted != "a list" && first == Some(&b'"'));
    if !fits {
        return Err(RequestError::WrongType { name, wanted });
    }
    if operation == Operation::Rerank && find("query").is_none() {
        return Err(RequestError::Missing("query"));
    }
    Ok(content)
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
