//! `litellm_settings.cache` and `cache_params`: which answers are kept, where, and for how long.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use event::Secret;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ConfigError, Warning, litellm::map_of, unknown};
use crate::operation::Operation;

mod redis;

pub use self::redis::RedisSettings;

/// Bytes of a namespace.
const NAMESPACE_BYTES_MAX: usize = 200;

/// Which answers are kept, where, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// Whether any is.
    pub is_on: bool,
    /// Whether requests that say nothing about it use it (`mode`).
    pub is_default: bool,
    /// Where they are kept (`type`).
    pub place: CachePlace,
    /// Who may be given an answer that another got.
    pub shared_by: SharedBy,
    /// What keys begin with, where the request names nothing else.
    pub namespace: Option<String>,
    /// How long an answer is kept.
    pub ttl: Duration,
    /// Bytes of all answers, in memory or on disk.
    pub bytes_max: usize,
    /// LiteLLM's names of the calls whose answers are kept; empty is all.
    pub call_types: Vec<String>,
}

/// Where answers are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CachePlace {
    /// In the memory of the gateway (`local`).
    Memory,
    /// In files of one directory (`disk`).
    Disk {
        /// The directory (`disk_cache_dir`); `None` until [`CacheSettings::place_under`].
        folder: Option<PathBuf>,
    },
    /// In Redis, which several gateways may share (`redis`).
    Redis(RedisSettings),
}

/// Who may be given an answer that another got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SharedBy {
    /// Its team; a key without a team shares with itself alone.
    #[default]
    Team,
    /// Everybody who asks the same, as with LiteLLM.
    Everyone,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            is_on: false,
            is_default: true,
            place: CachePlace::Memory,
            shared_by: SharedBy::default(),
            namespace: None,
            ttl: Duration::from_secs(600),
            bytes_max: 32 << 20,
            call_types: Vec::new(),
        }
    }
}

/// Bytes of all answers on disk, if nothing says how many.
const DISK_BYTES_MAX: usize = 1 << 30;

/// Keys of `cache_params` that mean something here.
const KEYS: &[&str] = &[
    "type",
    "mode",
    "ttl",
    "default_in_memory_ttl",
    "default_in_redis_ttl",
    "namespace",
    "shared_by",
    "max_size_in_memory",
    "max_size_on_disk",
    "supported_call_types",
    "disk_cache_dir",
    "host",
    "port",
    "username",
    "password",
    "url",
    "db",
    "ssl",
    "socket_timeout",
];

/// LiteLLM's other keys.
const UNSUPPORTED: &[&str] = &[
    "max_messages",
    "redis_flush_size",
    "max_connections",
    "similarity_threshold",
    "health_check_interval",
    "gcp_service_account",
    "gcp_ssl_ca_certs",
];

/// Beginnings of LiteLLM's other keys.
const UNSUPPORTED_PREFIXES: &[&str] = &[
    "s3_",
    "gcs_",
    "azure_",
    "qdrant_",
    "semantic_",
    "valkey_",
    "redis_semantic_",
    "ssl_",
    "redis_startup_",
    "socket_",
    "gcp_",
];

/// `cache_params`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Params {
    r#type: Option<String>,
    mode: Option<String>,
    #[serde(deserialize_with = "optional_duration")]
    ttl: Option<Duration>,
    #[serde(deserialize_with = "optional_duration")]
    default_in_memory_ttl: Option<Duration>,
    #[serde(deserialize_with = "optional_duration")]
    default_in_redis_ttl: Option<Duration>,
    namespace: Option<String>,
    shared_by: SharedBy,
    #[serde(deserialize_with = "optional_bytes")]
    max_size_in_memory: Option<usize>,
    #[serde(deserialize_with = "optional_bytes")]
    max_size_on_disk: Option<usize>,
    supported_call_types: Option<Vec<String>>,
    disk_cache_dir: Option<PathBuf>,
    host: Option<String>,
    port: Option<Port>,
    username: Option<String>,
    password: Option<Secret>,
    url: Option<Secret>,
    db: i64,
    ssl: bool,
    #[serde(deserialize_with = "optional_duration")]
    socket_timeout: Option<Duration>,
}

/// A port, as a number or, out of an environment variable, as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    Text(String),
}

impl Port {
    fn number(self, path: &str) -> Result<u16, ConfigError> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Text(text) => text.trim().parse().map_err(|_error| {
                ConfigError::at(format!("{path}.port"), "must be a number up to 65535")
            }),
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
        let mut keys = map_of(value, path)?;
        check_keys(&mut keys, path, warnings)?;
        let params: Params = super::read(&Value::Object(keys), path)?;
        self.is_default = match params.mode.as_deref() {
            None | Some("default_on") => true,
            Some("default_off") => false,
            Some(_) => {
                let message = "must be `default_on` or `default_off`";
                return Err(ConfigError::at(format!("{path}.mode"), message));
            }
        };
        let ttl = params.ttl;
        let ttl = ttl.or(params.default_in_redis_ttl);
        self.ttl = ttl.or(params.default_in_memory_ttl).unwrap_or(self.ttl);
        if params.namespace.as_ref().map_or(0, String::len) > NAMESPACE_BYTES_MAX {
            let message = format!("must have at most {NAMESPACE_BYTES_MAX} bytes");
            return Err(ConfigError::at(format!("{path}.namespace"), message));
        }
        self.namespace = params.namespace.filter(|name| !name.is_empty());
        self.shared_by = params.shared_by;
        self.call_types = params.supported_call_types.unwrap_or_default();
        self.bytes_max = params.max_size_in_memory.unwrap_or(self.bytes_max);
        self.place = match params.r#type.as_deref() {
            None | Some("local") => CachePlace::Memory,
            Some("disk") => {
                self.bytes_max = params.max_size_on_disk.unwrap_or(DISK_BYTES_MAX);
                CachePlace::Disk {
                    folder: params.disk_cache_dir,
                }
            }
            Some("redis") => {
                let port = params.port.map(|port| port.number(path)).transpose()?;
                let settings = RedisSettings {
                    url: params.url,
                    host: params.host,
                    port,
                    username: params.username,
                    password: params.password,
                    database: params.db,
                    tls: params.ssl,
                    wait: params.socket_timeout.unwrap_or(RedisSettings::WAIT),
                };
                settings.check(path)?;
                CachePlace::Redis(settings)
            }
            Some(other) => {
                let message = format!(
                    "`{other}` does not exist here; there are `local` (memory), `disk` and `redis`"
                );
                return Err(ConfigError::at(format!("{path}.type"), message));
            }
        };
        Ok(())
    }

    /// Has answers that are kept on disk stand in the data directory, unless the configuration
    /// names another.
    pub fn place_under(&mut self, data: &Path) {
        if let CachePlace::Disk { folder } = &mut self.place {
            folder.get_or_insert_with(|| data.join("response-cache"));
        }
    }

    /// Looks up in the environment what LiteLLM would look up there: where Redis is.
    ///
    /// # Errors
    ///
    /// If Redis is to be used and nothing says where it is.
    pub(super) fn fill(
        &mut self,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), ConfigError> {
        match &mut self.place {
            CachePlace::Redis(redis) if self.is_on => redis.fill(environment),
            _ => Ok(()),
        }
    }
}

/// Takes out what has no effect, and refuses what nobody knows.
fn check_keys(
    keys: &mut Map<String, Value>,
    path: &str,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConfigError> {
    let names: Vec<String> = keys.keys().cloned().collect();
    for name in names
        .into_iter()
        .filter(|name| !KEYS.contains(&name.as_str()))
    {
        let at = format!("{path}.{name}");
        let prefixed = UNSUPPORTED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix));
        if !prefixed && !UNSUPPORTED.contains(&name.as_str()) {
            return Err(ConfigError::at(at, unknown(&name, KEYS)));
        }
        keys.remove(&name);
        warnings.push(Warning { path: at });
    }
    Ok(())
}

fn optional_duration<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<Duration>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        value => super::settings::duration(value)
            .map(Some)
            .map_err(serde::de::Error::custom),
    }
}

fn optional_bytes<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        value => super::settings::bytes(value)
            .map(Some)
            .map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests;
