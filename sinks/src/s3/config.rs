//! What a user may write for S3.

use std::time::Duration;

use event::Secret;
use serde::Deserialize;
use sink::http::{Endpoint, EndpointError};

use super::sign::Keys;
use crate::object::shape::{Compression, Layout, PerCall, Shape, ShapeError};

/// Settings of a bucket.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    /// The bucket's own address.
    pub url: Endpoint,
    /// What requests are signed for.
    pub region: String,
    /// Time for a request and its answer.
    pub timeout: Duration,
    pub(super) keys: Keys,
    pub(super) shape: Shape,
    /// Headers that say how objects are to be kept.
    pub(super) keeping: Vec<(&'static str, String)>,
    pub(super) checksum: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    bucket: String,
    #[serde(default = "region")]
    region: String,
    endpoint: Option<Endpoint>,
    path_style: Option<bool>,
    access_key_id: Option<Secret>,
    secret_access_key: Option<Secret>,
    session_token: Option<Secret>,
    #[serde(default)]
    prefix: String,
    #[serde(default = "partition")]
    partition: String,
    #[serde(default)]
    layout: Layout,
    #[serde(default)]
    compression: Compression,
    #[serde(default)]
    team_prefix: bool,
    #[serde(default)]
    key_prefix: bool,
    storage_class: Option<String>,
    server_side_encryption: Option<Encryption>,
    kms_key_id: Option<String>,
    #[serde(default)]
    checksum: bool,
    #[serde(default = "timeout", deserialize_with = "sink::setting::duration")]
    timeout: Duration,
}

/// Who encrypts objects, where it is not left to the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Encryption {
    #[serde(rename = "AES256")]
    Aes256,
    #[serde(rename = "aws:kms")]
    Kms,
    #[serde(rename = "aws:kms:dsse")]
    KmsTwice,
}

fn region() -> String {
    "us-east-1".to_owned()
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
    #[error("`bucket` must be 3 to 63 lower-case letters, digits, `.` and `-`")]
    Bucket,
    /// No region has such a name.
    #[error("`region` must be 1 to 64 letters, digits and `-`")]
    Region,
    /// There is nothing to sign with.
    #[error(
        "`access_key_id` and `secret_access_key` are missing: write both, or set `AWS_ACCESS_KEY_ID` and \
         `AWS_SECRET_ACCESS_KEY`"
    )]
    NoKeys,
    /// A key that cannot be sent.
    #[error("`access_key_id`, `secret_access_key` and `session_token` must be text without blanks")]
    Keys,
    /// The bucket's name and the endpoint do not make an address.
    #[error("`bucket` cannot stand in front of the host of `endpoint`: set `path_style: true`")]
    VirtualHost(#[from] EndpointError),
    /// No storage class has such a name.
    #[error("`storage_class` must be a name such as `STANDARD_IA`")]
    StorageClass,
    /// A key without what it is for.
    #[error("`kms_key_id` needs `server_side_encryption: aws:kms` and must be an id or an ARN")]
    KmsKey,
    /// Names that cannot be used.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A limit of no time at all.
    #[error("`timeout` must be longer than nothing")]
    NoTime,
}

impl TryFrom<Written> for Config {
    type Error = ConfigError;

    fn try_from(written: Written) -> Result<Self, ConfigError> {
        if written.timeout.is_zero() {
            return Err(ConfigError::NoTime);
        }
        let region = &written.region;
        let good = |char: char| char.is_ascii_alphanumeric() || char == '-';
        if !(1..=64).contains(&region.len()) || !region.chars().all(good) {
            return Err(ConfigError::Region);
        }
        let url = url(&written)?;
        let keeping = keeping(&written)?;
        let keys = keys(&written)?;
        let shape = Shape {
            prefix: written.prefix,
            partition: written.partition,
            layout: written.layout,
            compression: written.compression,
            per_call: PerCall::S3 {
                team: written.team_prefix,
                key: written.key_prefix,
            },
        };
        Ok(Self {
            url,
            region: written.region,
            timeout: written.timeout,
            keys,
            shape: shape.checked()?,
            keeping,
            checksum: written.checksum,
        })
    }
}

/// In the host's name at AWS, in the path elsewhere, unless it is said.
fn url(written: &Written) -> Result<Endpoint, ConfigError> {
    let Written { bucket, region, .. } = written;
    let plain = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
    let whole = bucket.starts_with(plain) && bucket.ends_with(plain) && !bucket.contains("..");
    let letters = bucket
        .chars()
        .all(|char| plain(char) || matches!(char, '.' | '-'));
    if !(3..=63).contains(&bucket.len()) || !whole || !letters {
        return Err(ConfigError::Bucket);
    }
    let at_aws = || {
        let domain = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        Endpoint::parse(&format!("https://s3.{region}.{domain}"))
    };
    let endpoint = written.endpoint.clone().map_or_else(at_aws, Ok)?;
    // A certificate for `*.s3…` does not hold for a name with dots.
    let by_path = written.endpoint.is_some() || bucket.contains('.');
    if written.path_style.unwrap_or(by_path) {
        return Ok(endpoint.join(bucket));
    }
    let url = endpoint
        .expose()
        .replacen("://", &format!("://{bucket}."), 1);
    let url = Endpoint::parse(&url)?;
    if url.host().starts_with(bucket) {
        Ok(url)
    } else {
        Err(ConfigError::VirtualHost(EndpointError::NotAUrl))
    }
}

fn keys(written: &Written) -> Result<Keys, ConfigError> {
    let id = written.access_key_id.clone().ok_or(ConfigError::NoKeys)?;
    let secret = written.secret_access_key.clone();
    let secret = secret.ok_or(ConfigError::NoKeys)?;
    let session = written.session_token.clone();
    let graphic = |secret: &Secret| {
        let text = secret.expose();
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if [&id, &secret].into_iter().chain(&session).all(graphic) {
        Ok(Keys {
            id,
            secret,
            session,
        })
    } else {
        Err(ConfigError::Keys)
    }
}

fn keeping(written: &Written) -> Result<Vec<(&'static str, String)>, ConfigError> {
    let mut keeping = Vec::new();
    if let Some(class) = &written.storage_class {
        let good = |char: char| char.is_ascii_uppercase() || char == '_';
        if !(1..=64).contains(&class.len()) || !class.chars().all(good) {
            return Err(ConfigError::StorageClass);
        }
        keeping.push(("x-amz-storage-class", class.clone()));
    }
    let encryption = written.server_side_encryption;
    if let Some(encryption) = encryption {
        let name = match encryption {
            Encryption::Aes256 => "AES256",
            Encryption::Kms => "aws:kms",
            Encryption::KmsTwice => "aws:kms:dsse",
        };
        keeping.push(("x-amz-server-side-encryption", name.to_owned()));
    }
    if let Some(key) = &written.kms_key_id {
        let by_kms = !matches!(encryption, None | Some(Encryption::Aes256));
        let good = key.chars().all(|char| char.is_ascii_graphic());
        if !by_kms || !good || !(1..=2048).contains(&key.len()) {
            return Err(ConfigError::KmsKey);
        }
        let name = "x-amz-server-side-encryption-aws-kms-key-id";
        keeping.push((name, key.clone()));
    }
    Ok(keeping)
}
