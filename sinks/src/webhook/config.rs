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
    /// How much of an event is sent.
    pub content: Content,
    /// Time for a request and its answer.
    pub timeout: Duration,
    pub(super) keys: Vec<Key>,
    pub(super) headers: HeaderMap,
}

/// How much of an event is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Who called which model when, the tokens, the cost and how it ended; never what was said.
    #[default]
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
    headers: BTreeMap<String, Secret>,
    #[serde(default)]
    content: Content,
    #[serde(default = "timeout", deserialize_with = "sink::setting::duration")]
    timeout: Duration,
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
    /// A limit of no time at all.
    #[error("`timeout` must be longer than nothing")]
    NoTime,
}

impl TryFrom<Written> for Config {
    type Error = ConfigError;

    fn try_from(written: Written) -> Result<Self, ConfigError> {
        let secrets = written.secret.iter().chain(&written.secrets);
        let keys: Vec<Key> = secrets.map(Key::parse).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(ConfigError::NoSecret);
        }
        if written.timeout.is_zero() {
            return Err(ConfigError::NoTime);
        }
        Ok(Self {
            url: written.url,
            content: written.content,
            timeout: written.timeout,
            keys,
            headers: headers(&written.headers)?,
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

fn headers(written: &BTreeMap<String, Secret>) -> Result<HeaderMap, ConfigError> {
    let mut headers = HeaderMap::new();
    for (name, value) in written {
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
