//! What a user may write for Datadog.

use std::time::Duration;

use event::Secret;
use serde::Deserialize;
use sink::http::Endpoint;

/// Settings of a Datadog sink.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    /// What the calls become there.
    pub product: Product,
    /// Calls that ended longer ago are refused, since Datadog drops them without a word.
    pub max_age: Duration,
    pub(super) way: Way,
    pub(super) ml_app: String,
    pub(super) env: Option<String>,
    pub(super) service: String,
    pub(super) version: Option<String>,
    pub(super) hostname: Option<String>,
    pub(super) ddsource: String,
    pub(super) metric_prefix: String,
    pub(super) tags: Vec<Tag>,
}

/// What calls become at Datadog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// A span of LLM Observability for each call, with what was said.
    #[default]
    LlmObservability,
    /// A log entry for each call, without what was said.
    Logs,
    /// Distributions of tokens, costs and times.
    Metrics,
}

/// What a tag is made of. Each value of a tag is another series of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tag {
    /// The provider.
    Provider,
    /// The model that was asked upstream.
    Model,
    /// The model as the client asked for it.
    ModelGroup,
    /// `success` or `failure`.
    Status,
    /// How the call ended.
    Outcome,
    /// The class of the error, on failures.
    ErrorClass,
    /// The team: its name, else its id.
    Team,
    /// The key's name.
    KeyAlias,
    /// The key's user.
    User,
    /// The application's own user.
    EndUser,
    /// The organization: its name, else its id.
    Organization,
    /// The request's own tags.
    RequestTags,
}

/// Where requests go, and as whom.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// To Datadog itself.
    Site { site: String, key: Secret },
    /// To another address that takes the same paths.
    Url { url: Endpoint, key: Secret },
    /// Through an agent, which has the key.
    Agent(Endpoint),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    product: Product,
    api_key: Option<Secret>,
    site: Option<String>,
    url: Option<Endpoint>,
    agent: Option<Endpoint>,
    ml_app: Option<String>,
    env: Option<String>,
    service: Option<String>,
    version: Option<String>,
    hostname: Option<String>,
    source: Option<String>,
    metric_prefix: Option<String>,
    tags: Option<Vec<Tag>>,
    #[serde(default, deserialize_with = "some_duration")]
    max_age: Option<Duration>,
}

fn some_duration<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    sink::setting::duration(from).map(Some)
}

/// Settings that do not fit. Does not repeat secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no key.
    #[error("`api_key` is missing: give one, or an `agent` that has it")]
    NoKey,
    /// Two ways at once.
    #[error("`agent`, `url` and `site` say where to send to: give one of them")]
    Ways,
    /// Not a site.
    #[error(
        "`site` is the domain of a Datadog site, such as `datadoghq.com` or `us5.datadoghq.com`"
    )]
    Site,
    /// A name that Datadog would change or refuse.
    #[error(
        "`{0}` must be 1 to {1} characters: lower-case letters, digits and `_-.:/`, beginning with \
         a letter, without `__`, and not ending in `_`"
    )]
    Name(&'static str, usize),
    /// A text that is too long for a tag.
    #[error("`{0}` must be 1 to 200 characters on one line")]
    Text(&'static str),
    /// Nothing would ever be sent.
    #[error("`max_age` must be longer than nothing")]
    NoTime,
}

impl Product {
    /// What Datadog takes, less some time for being on the way.
    const fn age(self) -> Duration {
        match self {
            Self::LlmObservability => Duration::from_mins(24 * 60 - 30),
            Self::Logs => Duration::from_mins(18 * 60 - 30),
            Self::Metrics => Duration::from_mins(55),
        }
    }

    fn tags(self) -> Vec<Tag> {
        let few = [
            Tag::Provider,
            Tag::Model,
            Tag::ModelGroup,
            Tag::Status,
            Tag::Team,
        ];
        let more = [
            Tag::Outcome,
            Tag::ErrorClass,
            Tag::KeyAlias,
            Tag::User,
            Tag::RequestTags,
        ];
        match self {
            Self::Metrics => few.to_vec(),
            Self::LlmObservability | Self::Logs => [few, more].concat(),
        }
    }
}

impl TryFrom<Written> for Config {
    type Error = ConfigError;

    fn try_from(written: Written) -> Result<Self, ConfigError> {
        let product = written.product;
        let max_age = written.max_age.unwrap_or_else(|| product.age());
        if max_age.is_zero() {
            return Err(ConfigError::NoTime);
        }
        let text = |name, value: Option<String>| match value {
            Some(value) if !is_text(&value) => Err(ConfigError::Text(name)),
            value => Ok(value),
        };
        let (ml_app, prefix) = (written.ml_app, written.metric_prefix);
        let config = Self {
            product,
            max_age,
            way: way(written.api_key, written.site, written.url, written.agent)?,
            ml_app: named("ml_app", 193, ml_app)?,
            env: text("env", written.env)?,
            service: text("service", written.service)?.unwrap_or_else(ours),
            version: text("version", written.version)?,
            hostname: text("hostname", written.hostname)?,
            ddsource: text("source", written.source)?.unwrap_or_else(ours),
            metric_prefix: named("metric_prefix", 100, prefix)?,
            tags: written.tags.unwrap_or_else(|| product.tags()),
        };
        Ok(config)
    }
}

fn way(
    key: Option<Secret>,
    site: Option<String>,
    url: Option<Endpoint>,
    agent: Option<Endpoint>,
) -> Result<Way, ConfigError> {
    match (site, url, agent) {
        // A site in the environment is for those who have no agent; the agent knows its own.
        (_, None, Some(agent)) => Ok(Way::Agent(agent)),
        (_, Some(url), None) => {
            let key = key.ok_or(ConfigError::NoKey)?;
            Ok(Way::Url { url, key })
        }
        (_, Some(_), Some(_)) => Err(ConfigError::Ways),
        (site, None, None) => {
            let site = site.unwrap_or_else(|| "datadoghq.com".to_owned());
            let allowed = |char: char| char.is_ascii_alphanumeric() || matches!(char, '.' | '-');
            if !site.contains('.') || site.starts_with('.') || !site.chars().all(allowed) {
                return Err(ConfigError::Site);
            }
            let key = key.ok_or(ConfigError::NoKey)?;
            Ok(Way::Site { site, key })
        }
    }
}

fn ours() -> String {
    "tollkeeper".to_owned()
}

fn is_text(value: &str) -> bool {
    (1..=200).contains(&value.len()) && !value.chars().any(char::is_control)
}

fn named(name: &'static str, max: usize, value: Option<String>) -> Result<String, ConfigError> {
    let value = value.unwrap_or_else(ours);
    let allowed =
        |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "_-.:/".contains(char);
    let fits = (1..=max).contains(&value.len())
        && value.starts_with(|char: char| char.is_ascii_lowercase())
        && value.chars().all(allowed)
        && !value.contains("__")
        && !value.ends_with('_');
    if fits {
        Ok(value)
    } else {
        Err(ConfigError::Name(name, max))
    }
}
