//! What a user may write for Pub/Sub.

use std::{path::PathBuf, time::Duration};

use event::Secret;
use serde::Deserialize;
use sink::{
    SinkError, SinkErrorKind,
    http::{Endpoint, EndpointError},
};

use crate::google::auth::{IdentityError, Source};

/// Settings of a topic.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    /// The topic's own address.
    pub topic: Endpoint,
    /// What messages keep their order by.
    pub order_by: Option<OrderBy>,
    /// Time for a request and its answer.
    pub timeout: Duration,
    pub(super) source: Source,
}

/// What messages keep their order by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderBy {
    /// The virtual key's hash.
    Key,
    /// The team's id.
    Team,
    /// The user's id.
    User,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    project: String,
    topic: String,
    endpoint: Option<Endpoint>,
    service_account: Option<Secret>,
    service_account_file: Option<PathBuf>,
    order_by: Option<OrderBy>,
    #[serde(default = "timeout", deserialize_with = "sink::setting::duration")]
    timeout: Duration,
}

const fn timeout() -> Duration {
    Duration::from_secs(30)
}

/// Settings that do not fit. Does not repeat secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No project has such an id.
    #[error("`project` must be a project's id: lower-case letters, digits, `-`, `.` and `:`")]
    Project,
    /// No topic has such a name.
    #[error("`topic` must be a topic's name alone: 3 to 255 letters, digits and `-_.~+`")]
    Topic,
    /// Who the sink is.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Google's own address.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A limit of no time at all.
    #[error("`timeout` must be longer than nothing")]
    NoTime,
}

impl TryFrom<Written> for Config {
    type Error = ConfigError;

    fn try_from(written: Written) -> Result<Self, ConfigError> {
        let (project, topic) = (&written.project, &written.topic);
        let named = |text: &str, others: &str| {
            text.starts_with(|char: char| char.is_ascii_alphabetic())
                && text
                    .chars()
                    .all(|char| char.is_ascii_alphanumeric() || others.contains(char))
        };
        if !(1..=128).contains(&project.len()) || !named(project, "-.:") {
            return Err(ConfigError::Project);
        }
        if !(3..=255).contains(&topic.len()) || !named(topic, "-_.~+") {
            return Err(ConfigError::Topic);
        }
        if written.timeout.is_zero() {
            return Err(ConfigError::NoTime);
        }
        let usual = || Endpoint::parse("https://pubsub.googleapis.com");
        let endpoint = written.endpoint.map_or_else(usual, Ok)?;
        Ok(Self {
            topic: endpoint.join(&format!("v1/projects/{project}/topics/{topic}")),
            order_by: written.order_by,
            timeout: written.timeout,
            source: Source::of(written.service_account, written.service_account_file)?,
        })
    }
}

impl Config {
    /// Where to ask for something to be done with the topic.
    pub(super) fn verb(&self, verb: &str) -> Result<Endpoint, SinkError> {
        Endpoint::parse(&format!("{}:{verb}", self.topic.expose()))
            .map_err(|error| SinkError::new(SinkErrorKind::Misconfigured).with_source(error))
    }
}
