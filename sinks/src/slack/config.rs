//! What a user may write for Slack.

use std::{collections::BTreeMap, time::Duration};

use event::Secret;
use serde::Deserialize;
use sink::http::Endpoint;

/// Settings of a Slack sink.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    /// How long the first alert waits for others to go with it.
    pub group_wait: Duration,
    /// Where the button of a message leads.
    pub public_url: Option<Endpoint>,
    pub(super) way: Way,
}

/// How messages get there.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// Incoming webhooks, each with a channel of its own.
    Webhooks {
        usual: Endpoint,
        /// By the kind of alert.
        others: BTreeMap<String, Endpoint>,
    },
    /// A bot, by its token.
    Bot {
        token: Secret,
        api_url: Endpoint,
        usual: String,
        /// By the kind of alert.
        others: BTreeMap<String, String>,
        /// Whether alerts of one budget or sink stand in one thread.
        threads: bool,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    webhook_url: Option<Endpoint>,
    #[serde(default)]
    webhook_urls: BTreeMap<String, Endpoint>,
    token: Option<Secret>,
    channel: Option<String>,
    #[serde(default)]
    channels: BTreeMap<String, String>,
    #[serde(default)]
    threads: bool,
    api_url: Option<Endpoint>,
    public_url: Option<Endpoint>,
    #[serde(default = "group_wait", deserialize_with = "sink::setting::duration")]
    group_wait: Duration,
}

const fn group_wait() -> Duration {
    Duration::from_secs(30)
}

const GROUP_WAIT_MAX: Duration = Duration::from_hours(24);

/// Settings that do not fit. Does not repeat secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No way to Slack, or two.
    #[error("give either `webhook_url`, or `token` and `channel`")]
    Ways,
    /// A bot does not know where to speak.
    #[error("`channel` is missing: give a channel's id (`C0123456789`) or name (`#alerts`)")]
    NoChannel,
    /// Settings of the other way.
    #[error("`{0}` goes with `{1}`")]
    Other(&'static str, &'static str),
    /// Not a channel.
    #[error("`{0}` has a text that is no channel: use an id (`C0123456789`) or a name (`#alerts`)")]
    NotAChannel(&'static str),
    /// Threads are looked for by id.
    #[error(
        "`threads` needs channels by their ids (`C0123456789`): Slack finds messages by them alone"
    )]
    NotAnId,
    /// A kind that no alert has the form of.
    #[error("`{0}` has a key that is no kind of alert, such as `budget_crossed`")]
    NotAKind(&'static str),
    /// Too long to wait.
    #[error("`group_wait` must not be longer than a day")]
    TooLong,
}

impl TryFrom<Written> for Config {
    type Error = ConfigError;

    fn try_from(written: Written) -> Result<Self, ConfigError> {
        if written.group_wait > GROUP_WAIT_MAX {
            return Err(ConfigError::TooLong);
        }
        kinds("webhook_urls", written.webhook_urls.keys())?;
        kinds("channels", written.channels.keys())?;
        let way = match (written.webhook_url, written.token) {
            (Some(usual), None) => {
                let bots = [
                    ("channel", written.channel.is_some()),
                    ("channels", !written.channels.is_empty()),
                    ("threads", written.threads),
                    ("api_url", written.api_url.is_some()),
                ];
                if let Some((name, _)) = bots.iter().find(|(_, given)| *given) {
                    return Err(ConfigError::Other(name, "token"));
                }
                let others = written.webhook_urls;
                Way::Webhooks { usual, others }
            }
            (None, Some(_)) if !written.webhook_urls.is_empty() => {
                return Err(ConfigError::Other("webhook_urls", "webhook_url"));
            }
            (None, Some(token)) => {
                let usual = written.channel.ok_or(ConfigError::NoChannel)?;
                let others = written.channels;
                let threads = written.threads;
                channel("channel", &usual, threads)?;
                for other in others.values() {
                    channel("channels", other, threads)?;
                }
                let api_url = written.api_url.map_or_else(slack, Ok)?;
                Way::Bot {
                    token,
                    api_url,
                    usual,
                    others,
                    threads,
                }
            }
            (None, None) | (Some(_), Some(_)) => return Err(ConfigError::Ways),
        };
        Ok(Self {
            group_wait: written.group_wait,
            public_url: written.public_url,
            way,
        })
    }
}

fn slack() -> Result<Endpoint, ConfigError> {
    Endpoint::parse("https://slack.com/api").map_err(|_error| ConfigError::Ways)
}

fn kinds<'a>(
    name: &'static str,
    mut given: impl Iterator<Item = &'a String>,
) -> Result<(), ConfigError> {
    let plain = |char: char| char.is_ascii_lowercase() || char == '_';
    let is_kind = |kind: &String| !kind.is_empty() && kind.chars().all(plain);
    if given.all(is_kind) {
        Ok(())
    } else {
        Err(ConfigError::NotAKind(name))
    }
}

fn channel(name: &'static str, given: &str, by_id: bool) -> Result<(), ConfigError> {
    let is_id = given.len() >= 9
        && given.starts_with(['C', 'G', 'D'])
        && given
            .chars()
            .all(|char| char.is_ascii_uppercase() || char.is_ascii_digit());
    let is_name = given.strip_prefix('#').is_some_and(|name| {
        let plain = |char: char| char.is_alphanumeric() || "-_.".contains(char);
        (1..=80).contains(&name.len()) && name.chars().all(plain)
    });
    match (is_id, is_name) {
        (true, _) => Ok(()),
        (false, true) if by_id => Err(ConfigError::NotAnId),
        (false, true) => Ok(()),
        (false, false) => Err(ConfigError::NotAChannel(name)),
    }
}
