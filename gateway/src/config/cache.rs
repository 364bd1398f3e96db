//! `litellm_settings.cache` and `cache_params`: which answers are kept, and for how long.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{ConfigError, Warning};
use crate::operation::Operation;

/// Which answers are kept, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// Whether any is.
    pub is_on: bool,
    /// Whether requests that say nothing about it use it (`mode`).
    pub is_default: bool,
    /// How long an answer is kept.
    pub ttl: Duration,
    /// Bytes of all answers.
    pub bytes_max: usize,
    /// LiteLLM's names of the calls whose answers are kept; empty is all.
    pub call_types: Vec<String>,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            is_on: false,
            is_default: true,
            ttl: Duration::from_secs(600),
            bytes_max: 32 << 20,
            call_types: Vec::new(),
        }
    }
}

/// `cache_params`, as far as they mean something here.
#[derive(Deserialize)]
#[serde(default)]
struct Params {
    r#type: String,
    mode: String,
    #[serde(deserialize_with = "super::settings::duration")]
    ttl: Duration,
    #[serde(deserialize_with = "super::settings::bytes")]
    max_size_in_memory: usize,
    supported_call_types: Vec<String>,
}

impl Default for Params {
    fn default() -> Self {
        let settings = CacheSettings::default();
        Self {
            r#type: "local".to_owned(),
            mode: "default_on".to_owned(),
            ttl: settings.ttl,
            max_size_in_memory: settings.bytes_max,
            supported_call_types: Vec::new(),
        }
    }
}

impl CacheSettings {
    /// Whether answers to such calls are kept.
    #[must_use]
    pub fn serves(&self, operation: Operation) -> bool {
        let name = operation.call_type();
        let cacheable = matches!(
            operation,
            Operation::Chat | Operation::Completion | Operation::Embedding | Operation::Rerank
        );
        let is_listed = |listed: &String| {
            // LiteLLM lists both `acompletion` and `completion`.
            listed == name || Some(listed.as_str()) == name.strip_prefix('a')
        };
        cacheable && (self.call_types.is_empty() || self.call_types.iter().any(is_listed))
    }

    /// Reads `cache_params`.
    pub(super) fn set(
        &mut self,
        value: &Value,
        path: &str,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), ConfigError> {
        let params: Params = super::read(value, path)?;
        if params.r#type != "local" {
            warnings.push(Warning {
                path: format!("{path}.type"),
            });
        }
        self.is_default = params.mode != "default_off";
        self.ttl = params.ttl;
        self.bytes_max = params.max_size_in_memory;
        self.call_types = params.supported_call_types;
        Ok(())
    }
}
