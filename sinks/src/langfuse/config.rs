//! What a user may write for Langfuse.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use event::Secret;
use serde::Deserialize;
use sink::http::{Endpoint, EndpointError};

/// Settings of Langfuse.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    /// The server, without a path of the API.
    pub host: Endpoint,
    /// Which of the server's ways in is used.
    pub api: Api,
    /// Bytes of what was asked, and of what was answered, that are sent.
    pub content_bytes_max: usize,
    /// Time for a request and its answer.
    pub timeout: Duration,
    /// `public_key:secret_key` in base64.
    pub(super) credentials: Secret,
    pub(super) labels: Labels,
}

/// What stands on every call.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels {
    pub(super) environment: Option<String>,
    pub(super) release: Option<String>,
    pub(super) version: Option<String>,
    pub(super) tags: Vec<String>,
}

/// A way into a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// OTLP, for servers since 3.22 and the cloud.
    #[default]
    Otlp,
    /// The batches that servers before that take, and that those since 4 refuse.
    Ingestion,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default = "host")]
    host: String,
    public_key: Secret,
    secret_key: Secret,
    #[serde(default)]
    api: Api,
    environment: Option<String>,
    release: Option<String>,
    version: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default = "content_bytes_max")]
    content_bytes_max: usize,
    #[serde(default = "timeout", deserialize_with = "sink::setting::duration")]
    timeout: Duration,
}

fn host() -> String {
    "https://cloud.langfuse.com".to_owned()
}

const fn content_bytes_max() -> usize {
    256 << 10
}

const fn timeout() -> Duration {
    Duration::from_secs(20)
}

/// Bounds of `content_bytes_max`.
const CONTENT_BYTES: std::ops::RangeInclusive<usize> = 1_024..=1 << 20;
/// Characters of an environment's name.
const ENVIRONMENT_MAX: usize = 40;
/// Tags that every call gets.
const TAGS_MAX: usize = 50;

/// Settings that do not fit. Does not repeat what may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not an address.
    #[error("`host`: {0}")]
    Host(#[from] EndpointError),
    /// Keys that are no keys.
    #[error("`public_key` and `secret_key` must not be empty, and the first has no colon")]
    Keys,
    /// The server would put such calls into `default`.
    #[error(
        "`environment` may have 40 lower-case letters, digits, `-` and `_`, and must not begin \
         with `langfuse`"
    )]
    Environment,
    /// Out of bounds.
    #[error("`content_bytes_max` must be 1024 to 1048576")]
    ContentBytes,
    /// Too many.
    #[error("`tags` may have 50 entries")]
    Tags,
    /// A limit of no time at all.
    #[error("`timeout` must be longer than nothing")]
    NoTime,
}

impl TryFrom<Written> for Config {
    type Error = ConfigError;

    fn try_from(written: Written) -> Result<Self, ConfigError> {
        let (public, secret) = (written.public_key.expose(), written.secret_key.expose());
        if public.is_empty() || secret.is_empty() || public.contains(':') {
            return Err(ConfigError::Keys);
        }
        let environment = written.environment.as_deref();
        if environment.is_some_and(|name| !is_environment(name)) {
            return Err(ConfigError::Environment);
        }
        if !CONTENT_BYTES.contains(&written.content_bytes_max) {
            return Err(ConfigError::ContentBytes);
        }
        if written.tags.len() > TAGS_MAX {
            return Err(ConfigError::Tags);
        }
        if written.timeout.is_zero() {
            return Err(ConfigError::NoTime);
        }
        let credentials = BASE64_STANDARD.encode(format!("{public}:{secret}"));
        Ok(Self {
            host: Endpoint::parse(&written.host)?,
            api: written.api,
            content_bytes_max: written.content_bytes_max,
            timeout: written.timeout,
            credentials: Secret::new(credentials),
            labels: Labels {
                environment: written.environment,
                release: written.release,
                version: written.version,
                tags: written.tags,
            },
        })
    }
}

fn is_environment(name: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    !name.is_empty()
        && name.len() <= ENVIRONMENT_MAX
        && name.bytes().all(fits)
        && !name.starts_with("langfuse")
}
