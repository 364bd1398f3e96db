//! What a user may write for a webhook.

use std::{collections::BTreeMap, time::Duration};

use event::Secret;
use serde::Deserialize;
use sink::http::{Endpoint, HeaderMap, HeaderName, HeaderValue};

use super::sign::{Key, KeyError};

/// Settings of a webhook.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    /// Where to post to.
    pub url: Endpoint,
    /// What a body looks like.
    pub dialect: Dialect,
    /// How several items go into a body.
    pub format: Format,
    /// How much of an event is sent.
    pub content: Content,
    /// What `CloudEvents` name as their source.
    pub source: String,
    /// Time for a request and its answer.
    pub timeout: Duration,
    pub(super) keys: Vec<Key>,
    pub(super) headers: HeaderMap,
}

/// What a body looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Standard Webhooks 1.0.0; always signed.
    #[default]
    Standard,
    /// LiteLLM's: calls as its generic logger posts them, alerts as its webhook does.
    Litellm,
    /// `CloudEvents` 1.0 in JSON.
    Cloudevents,
}

/// How several items go into a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One body for all.
    #[default]
    #[serde(alias = "json_array")]
    Array,
    /// One body, an item a line.
    Ndjson,
    /// A body for each.
    Single,
}

/// How much of an event is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Who called which model when, the tokens, the cost and how it ended; never what was said.
    Thin,
    /// All of it.
    Full,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    url: Endpoint,
    secret: Option<Secret>,
    /// Several while one is being replaced: every request is signed with each.
    #[serde(default)]
    secrets: Vec<Secret>,
    /// Values may be credentials.
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    dialect: Dialect,
    #[serde(default)]
    format: Format,
    content: Option<Content>,
    #[serde(default = "source")]
    source: String,
    #[serde(default = "timeout", deserialize_with = "sink::setting::duration")]
    timeout: Duration,
}

/// By name, or as LiteLLM's variable has them: `name=value,name=value`.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "use a mapping of names to values, or `name=value,name=value`"
)]
enum Headers {
    Named(BTreeMap<String, Secret>),
    Listed(Secret),
}

impl Default for Headers {
    fn default() -> Self {
        Self::Named(BTreeMap::new())
    }
}

fn source() -> String {
    "/tollkeeper".to_owned()
}

const fn timeout() -> Duration {
    Duration::from_secs(20)
}

/// Settings that do not fit. Does not repeat secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is nothing to sign with.
    #[error("`secret` is missing: give one as `whsec_` and the base64 of 24 to 64 random bytes")]
    NoSecret,
    /// A secret that cannot be used.
    #[error("a secret cannot be used: {0}")]
    Secret(#[from] KeyError),
    /// A header that this sink or HTTP sets.
    #[error("`headers` must not set `{0}`: it is set for every request")]
    TakenHeader(String),
    /// Not a header.
    #[error(
        "`headers` has `{0}`, which is not the name of a header or has a value that none can have"
    )]
    NotAHeader(String),
    /// A list of headers that is none.
    #[error("`headers` as text must be `name=value,name=value`")]
    NotAList,
    /// Lines are LiteLLM's alone.
    #[error("`format: ndjson` goes with `dialect: litellm` alone: use `array` or `single`")]
    NoLines,
    /// Not a URI reference.
    #[error("`source` must be a URI or a path of 1 to 256 characters without blanks")]
    NotASource,
    /// A limit of no time at all.
    #[error("`timeout` must be longer than nothing")]
    NoTime,
}

impl TryFrom<Written> for Config {
    type Error = ConfigError;

    fn try_from(written: Written) -> Result<Self, ConfigError> {
        let secrets = written.secret.iter().chain(&written.secrets);
        let keys: Vec<Key> = secrets.map(Key::parse).collect::<Result<_, _>>()?;
        if keys.is_empty() && written.dialect == Dialect::Standard {
            return Err(ConfigError::NoSecret);
        }
        if written.format == Format::Ndjson && written.dialect != Dialect::Litellm {
            return Err(ConfigError::NoLines);
        }
        let source = &written.source;
        if !(1..=256).contains(&source.len()) || !source.chars().all(|char| char.is_ascii_graphic())
        {
            return Err(ConfigError::NotASource);
        }
        if written.timeout.is_zero() {
            return Err(ConfigError::NoTime);
        }
        Ok(Self {
            url: written.url,
            dialect: written.dialect,
            format: written.format,
            // Whoever reads theirs expects the whole payload.
            content: written.content.unwrap_or(match written.dialect {
                Dialect::Litellm => Content::Full,
                Dialect::Standard | Dialect::Cloudevents => Content::Thin,
            }),
            source: written.source,
            timeout: written.timeout,
            keys,
            headers: headers(written.headers)?,
        })
    }
}

/// Headers that belong to the signature, to the body or to the connection.
const TAKEN: &[&str] = &[
    "connection",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const TAKEN_PREFIXES: &[&str] = &["content-", "proxy-", "webhook-"];

fn headers(written: Headers) -> Result<HeaderMap, ConfigError> {
    let named = match written {
        Headers::Named(named) => named,
        Headers::Listed(list) => listed(&list)?,
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &named {
        let not_a_header = || ConfigError::NotAHeader(name.clone());
        let parsed = HeaderName::try_from(name).map_err(|_error| not_a_header())?;
        let text = parsed.as_str();
        if TAKEN.contains(&text) || TAKEN_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            return Err(ConfigError::TakenHeader(name.clone()));
        }
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_error| not_a_header())?;
        value.set_sensitive(true);
        headers.insert(parsed, value);
    }
    Ok(headers)
}

/// A value may have `=` in it, as base64 does.
fn listed(list: &Secret) -> Result<BTreeMap<String, Secret>, ConfigError> {
    let entries = list.expose().split(',').map(str::trim);
    let read = |entry: &str| {
        // A part without `=` may be a secret, so it is not repeated.
        let (name, value) = entry.split_once('=').ok_or(ConfigError::NotAList)?;
        let name = name.trim();
        HeaderName::try_from(name).map_err(|_error| ConfigError::NotAList)?;
        Ok((name.to_owned(), Secret::new(value.trim().to_owned())))
    };
    let entries = entries.filter(|entry| !entry.is_empty());
    entries.map(read).collect()
}
