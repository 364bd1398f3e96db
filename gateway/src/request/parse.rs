//! Understands a body that is one JSON object.

use std::time::Duration;

use bytes::Bytes;
use event::Json;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    ClientMetadata, ClientRequest, FALLBACKS_MAX, FIELDS_MAX, Field, RETRIES_MAX, RequestError,
    Wishes,
    names::{FORBIDDEN, FORBIDDEN_PREFIXES},
    scan::{Fields, range},
};
use crate::operation::Operation;

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
        Self::understand(operation, body, content_bytes_max, None)
    }

    /// Scans a body. `placed`: the model that the path names, which comes before the body's.
    pub(super) fn understand(
        operation: Operation,
        body: Bytes,
        content_bytes_max: usize,
        placed: Option<String>,
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
        let model = match placed {
            Some(placed) => placed,
            None => field(&find, "model", "text")?.ok_or(RequestError::Missing("model"))?,
        };
        let options: Option<StreamOptions> = field(&find, "stream_options", "an object")?;
        let stream = field(&find, "stream", FLAG)?.unwrap_or(false);
        let request = Self {
            model,
            stream: stream && operation.streams(),
            include_usage: options.is_some_and(|options| options.include_usage == Some(true)),
            output_tokens_max: bound(&find)?,
            user: user(operation, &find)?,
            service_tier: field(&find, "service_tier", "text")?,
            wishes: Wishes::read(&find)?,
            retries_max: field::<u32>(&find, "num_retries", "a whole number")?
                .map(|count| count.min(RETRIES_MAX)),
            timeout: timeout(&find)?,
            metadata: metadata(operation, &find)?,
            cache: field(&find, "cache", "an object")?.unwrap_or_default(),
            fallbacks: fallbacks(&find)?,
            context_window_fallbacks: field(&find, "context_window_fallbacks", LISTS)?
                .unwrap_or_default(),
            content_policy_fallbacks: field(&find, "content_policy_fallbacks", LISTS)?
                .unwrap_or_default(),
            disable_fallbacks: field(&find, "disable_fallbacks", FLAG)?.unwrap_or(false),
            drop_params: field(&find, "drop_params", FLAG)?,
            dropped: field(&find, "additional_drop_params", LIST)?.unwrap_or_default(),
            allowed: field(&find, "allowed_openai_params", LIST)?.unwrap_or_default(),
            content: content
                .filter(|content| content.get().len() <= content_bytes_max)
                .map(Json::from),
            stream_options: find("stream_options").map(Json::from),
            fields,
            ..Self::bare(operation, body)
        };
        request.check_sizes()?;
        Ok(request)
    }
}

/// The bound of the output, under whichever name it comes first.
fn bound<'a>(find: &impl Fn(&str) -> Option<&'a RawValue>) -> Result<Option<u64>, RequestError> {
    for name in ["max_completion_tokens", "max_output_tokens", "max_tokens"] {
        if let Some(bound) = field(find, name, "a whole number")? {
            return Ok(Some(bound));
        }
    }
    Ok(None)
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

/// What flags have to be.
const FLAG: &str = "`true` or `false`";

/// What lists of parameters have to be.
const LIST: &str = "a list of text";

/// The content of a request for `operation`; `None` where it may be missing.
fn content<'a>(
    operation: Operation,
    find: &impl Fn(&str) -> Option<&'a RawValue>,
) -> Result<Option<&'a RawValue>, RequestError> {
    let wanted = operation.content();
    let name = wanted.name;
    let content = match find(name) {
        Some(content) => content,
        None if operation.may_lack_content() => return Ok(None),
        None => return Err(RequestError::Missing(name)),
    };
    if !wanted.is(content.get().as_bytes().first()) {
        let wanted = wanted.wanted;
        return Err(RequestError::WrongType { name, wanted });
    }
    if operation == Operation::Rerank && find("query").is_none() {
        return Err(RequestError::Missing("query"));
    }
    Ok(Some(content))
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

/// The application's own user; Anthropic's dialect names it in `metadata`.
fn user<'a>(
    operation: Operation,
    find: &impl Fn(&str) -> Option<&'a RawValue>,
) -> Result<Option<String>, RequestError> {
    #[derive(Deserialize)]
    struct Named {
        user_id: Option<String>,
    }
    if operation == Operation::Messages {
        let named = find("metadata").and_then(|raw| serde_json::from_str(raw.get()).ok());
        return Ok(named.and_then(|Named { user_id }| user_id));
    }
    field(find, "user", "text")
}

fn metadata<'a>(
    operation: Operation,
    find: &impl Fn(&str) -> Option<&'a RawValue>,
) -> Result<ClientMetadata, RequestError> {
    let ours = ["metadata", "litellm_metadata"];
    let is_set = |name: &&&str| find(name).is_some();
    let name = if operation.sends_metadata() {
        ours.iter().rfind(is_set)
    } else {
        ours.iter().find(is_set)
    };
    let name = name.copied().unwrap_or("metadata");
    let wanted = "an object whose `tags` are a list of text";
    let mut metadata: ClientMetadata = match field(find, name, wanted) {
        Ok(metadata) => metadata.unwrap_or_default(),
        // What is for the provider need not be as ours has to be.
        Err(_odd) if operation.sends_metadata() && name == "metadata" => ClientMetadata::default(),
        Err(odd) => return Err(odd),
    };
    metadata.whole = find(name).map(Json::from);
    if let Some(tags) = field::<Vec<String>>(find, "tags", "a list of text")? {
        metadata.tags = tags;
    }
    Ok(metadata)
}
