//! What a user may write for Google Cloud Storage.

use std::{path::PathBuf, time::Duration};

use event::Secret;
use serde::Deserialize;
use sink::http::{Endpoint, EndpointError};

use crate::{
    google::auth::{IdentityError, Source},
    object::shape::{Compression, Layout, PerCall, Shape, ShapeError},
};

/// Settings of a bucket.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    /// Where the JSON API is.
    pub endpoint: Endpoint,
    /// The bucket's name.
    pub bucket: String,
    /// The class of new objects, where it is not left to the bucket.
    pub storage_class: Option<String>,
    /// The key that new objects are encrypted with, where it is not left to the bucket.
    pub kms_key: Option<String>,
    /// Time for a request and its answer.
    pub timeout: Duration,
    pub(super) source: Source,
    pub(super) shape: Shape,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    bucket: String,
    endpoint: Option<Endpoint>,
    service_account: Option<Secret>,
    service_account_file: Option<PathBuf>,
    #[serde(default)]
    prefix: String,
    #[serde(default = "partition")]
    partition: String,
    #[serde(default)]
    layout: Layout,
    #[serde(default)]
    compression: Compression,
    storage_class: Option<String>,
    kms_key: Option<String>,
    #[serde(default = "timeout", deserialize_with = "sink::setting::duration")]
    timeout: Duration,
}

fn partition() -> String {
    "dt={date}/hour={hour}".to_owned()
}

const fn timeout() -> Duration {
    Duration::from_secs(60)
}

/// Settings that do not fit. Does not repeat secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No bucket has such a name.
    #[error("`bucket` must be 3 to 222 lower-case letters, digits, `.`, `_` and `-`")]
    Bucket,
    /// No storage class has such a name.
    #[error("`storage_class` must be a name such as `NEARLINE`")]
    StorageClass,
    /// No key has such a name.
    #[error("`kms_key` must be `projects/P/locations/L/keyRings/R/cryptoKeys/K`")]
    KmsKey,
    /// Who the sink is.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Names that cannot be used.
    #[error(transparent)]
    Shape(#[from] ShapeError),
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
        let letter = |char: char| {
            char.is_ascii_lowercase() || char.is_ascii_digit() || matches!(char, '.' | '_' | '-')
        };
        let bucket = written.bucket;
        let whole = bucket.starts_with(|char: char| char.is_ascii_alphanumeric());
        if !(3..=222).contains(&bucket.len()) || !whole || !bucket.chars().all(letter) {
            return Err(ConfigError::Bucket);
        }
        let class = |class: &String| {
            (1..=64).contains(&class.len())
                && class
                    .chars()
                    .all(|char| char.is_ascii_uppercase() || char == '_')
        };
        if !written.storage_class.iter().all(class) {
            return Err(ConfigError::StorageClass);
        }
        let key = |key: &String| {
            key.starts_with("projects/")
                && key.len() <= 1024
                && key.chars().all(|char| char.is_ascii_graphic())
        };
        if !written.kms_key.iter().all(key) {
            return Err(ConfigError::KmsKey);
        }
        if written.timeout.is_zero() {
            return Err(ConfigError::NoTime);
        }
        let shape = Shape {
            prefix: written.prefix,
            partition: written.partition,
            layout: written.layout,
            compression: written.compression,
            per_call: PerCall::Gcs,
        };
        let usual = || Endpoint::parse("https://storage.googleapis.com");
        Ok(Self {
            endpoint: written.endpoint.map_or_else(usual, Ok)?,
            bucket,
            storage_class: written.storage_class,
            kms_key: written.kms_key,
            timeout: written.timeout,
            source: Source::of(written.service_account, written.service_account_file)?,
            shape: shape.checked()?,
        })
    }
}
