//! The fields of one entry of `model_list`.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::super::{ConfigError, read};

/// Takes a field that has to be there out of `map`, which stands at `path`.
pub(super) fn required<T: DeserializeOwned>(
    map: &mut Map<String, Value>,
    key: &str,
    path: &str,
) -> Result<T, ConfigError> {
    let value = map
        .remove(key)
        .ok_or_else(|| ConfigError::at(path, format!("has no `{key}`")))?;
    read(&value, &format!("{path}.{key}"))
}

/// Reads a field that may be missing, or `null`.
pub(super) fn optional<T: DeserializeOwned>(
    map: &Map<String, Value>,
    key: &str,
    path: &str,
) -> Result<Option<T>, ConfigError> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(value, &format!("{path}.{key}")).map(Some),
    }
}
