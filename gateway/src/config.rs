//! What a user may write for the gateway: LiteLLM's `config.yaml` sections, and `gateway` beside
//! them.
//!
//! [`Config::from_tree`] reads a tree (the YAML, with `os.environ/…` resolved) and is pure. A key of
//! LiteLLM's that is not supported here is named in a [`Warning`]; a key that nobody knows is an
//! error that names its path.

mod cache;
mod control;
mod deployment;
mod keys;
mod litellm;
mod mocking;
mod provider_settings;
mod router;
mod settings;
mod sources;

use std::time::Duration;

use cost_map::PriceMap;
use event::Secret;
use serde_json::{Map, Value};

pub(crate) use self::sources::within;
pub use self::{
    cache::{CachePlace, CacheSettings, RedisSettings, SharedBy},
    control::ControlSettings,
    deployment::{Deployment, DeploymentId},
    mocking::Mocking,
    provider_settings::Settings,
    router::{Alias, Lists, RouterSettings, Strategy},
    settings::{Accounting, Durability, GatewaySettings, OnDisconnect},
    sources::Sources,
};

/// Everything the gateway is told.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The deployments, in the order of `model_list`.
    pub deployments: Vec<Deployment>,
    /// The key that may do everything (`general_settings.master_key`).
    pub master_key: Option<Secret>,
    /// Attempts after the first (`num_retries`).
    pub retries_max: u32,
    /// How often, how long and whom to ask.
    pub router: RouterSettings,
    /// How long a stream may pause; `None`: as `upstream_timeout`.
    pub stream_timeout: Option<Duration>,
    /// Whether providers are told the trace that a call belongs to.
    pub forward_traceparent: bool,
    /// Which answers are kept.
    pub cache: CacheSettings,
    /// Whether message contents stay out of the events (`turn_off_message_logging`).
    pub redact_messages: bool,
    /// Whether `no-log` in a request means nothing (`global_disable_no_log_param`).
    pub ignores_no_log: bool,
    /// Whether requests may say what they are answered with, deployment or not
    /// (`dangerously_allow_mock_testing_request_params`).
    pub allows_mocks: bool,
    /// Whether parameters that a provider does not know are left out, where neither request nor
    /// deployment says so (`drop_params`).
    pub drop_params: bool,
    /// Whether addresses in requests may lead anywhere, and not only to public hosts
    /// (`user_url_validation: false`).
    pub fetches_anywhere: bool,
    /// Whether every stream ends with a usage chunk, asked for or not.
    pub always_include_usage: bool,
    /// The collector to follow; set by the program.
    pub control: Option<ControlSettings>,
    /// From which addresses clients may come.
    pub sources: Sources,
    /// Parameters that every request has to set (`enforced_params`, `enforce_user_param`).
    pub enforced_params: Vec<String>,
    /// Our own section.
    pub settings: GatewaySettings,
}

/// A setting that was read and has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where it stands: `router_settings.redis_host`.
    pub path: String,
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`: {message}")]
pub struct ConfigError {
    /// Where it stands: `model_list[0].litellm_params.model`.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl ConfigError {
    /// An error about the setting at `path`.
    #[must_use]
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

/// The sections of the file that belong to the gateway.
pub const SECTIONS: &[&str] = &[
    "model_list",
    "litellm_settings",
    "general_settings",
    "router_settings",
    "gateway",
];

impl Config {
    /// Fills in keys, addresses and settings that the deployments do not name, from the variables
    /// that LiteLLM takes them from.
    ///
    /// # Errors
    ///
    /// If a deployment has no address then.
    pub fn fill(
        &mut self,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), ConfigError> {
        self.cache.fill(environment)?;
        deployment::fill(&mut self.deployments, environment)
    }

    /// Reads the files that settings of deployments name: credentials may stand in files of their
    /// own.
    ///
    /// # Errors
    ///
    /// At the first that cannot be read.
    pub fn read_files(
        &mut self,
        read: &dyn Fn(&str) -> std::io::Result<String>,
    ) -> Result<(), ConfigError> {
        for (index, deployment) in self.deployments.iter_mut().enumerate() {
            let files = deployment.provider.files();
            let outcome = deployment.settings.read_files(files, read);
            outcome.map_err(|(setting, error)| {
                let path = format!("model_list[{index}].litellm_params.{setting}");
                ConfigError::at(path, format!("names a file that cannot be read: {error}"))
            })?;
        }
        Ok(())
    }

    /// Reads the gateway's [`SECTIONS`] of a configuration tree.
    ///
    /// # Errors
    ///
    /// At the first key that is unknown or whose value cannot be used.
    pub fn from_tree(tree: &Map<String, Value>) -> Result<(Self, Vec<Warning>), ConfigError> {
        let mut warnings = Vec::new();
        let mut config = Self {
            retries_max: 2,
            ..Self::default()
        };
        // First, since LiteLLM's keys set some of the same limits.
        if let Some(value) = tree.get("gateway") {
            config.settings = settings::read(value)?;
        }
        for (name, value) in tree {
            match name.as_str() {
                "model_list" => config.deployments = deployment::list(value, &mut warnings)?,
                "litellm_settings" => litellm::settings(&mut config, value, &mut warnings)?,
                "general_settings" => litellm::general(&mut config, value, &mut warnings)?,
                "router_settings" => litellm::router(&mut config, value, &mut warnings)?,
                "gateway" => {}
                other if litellm::TOP_LEVEL_UNSUPPORTED.contains(&other) => {
                    warnings.push(Warning {
                        path: other.to_owned(),
                    });
                }
                other => return Err(ConfigError::at(other, unknown(other, SECTIONS))),
            }
        }
        config.sources.check()?;
        deployment::number_ids(&mut config.deployments);
        let by_cost = config.router.routing_strategy == Strategy::CostBasedRouting;
        if by_cost || config.router.enable_pre_call_checks {
            for deployment in &mut config.deployments {
                deployment.look_up(PriceMap::bundled());
            }
        }
        Ok((config, warnings))
    }
}

/// Says that a key is unknown, and the nearest of the `known` ones.
pub(crate) fn unknown(key: &str, known: &[&str]) -> String {
    let nearest = known.iter().min_by_key(|name| distance(key, name));
    match nearest {
        Some(name) if distance(key, name) <= 1 + key.len() / 3 => {
            format!("unknown key, did you mean `{name}`?")
        }
        _ => format!("unknown key; known here: {}", known.join(", ")),
    }
}

/// Levenshtein's distance.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, &against) in other.iter().enumerate() {
            let replace = diagonal + usize::from(letter != against);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

/// Reads `value` as `T`.
pub(crate) fn read<T: serde::de::DeserializeOwned>(
    value: &Value,
    path: &str,
) -> Result<T, ConfigError> {
    T::deserialize(value).map_err(|error| ConfigError::at(path, error.to_string()))
}

#[cfg(test)]
mod tests;
