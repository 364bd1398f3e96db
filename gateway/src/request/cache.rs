//! `cache` in a request: which kept answer will do, and whether this one is to be kept.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};

/// What a request says about kept answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CacheControl {
    /// No kept answer will do.
    #[serde(rename = "no-cache")]
    pub no_cache: bool,
    /// This answer is not to be kept.
    #[serde(rename = "no-store")]
    pub no_store: bool,
    /// How long this answer is kept, in seconds.
    #[serde(deserialize_with = "seconds")]
    pub ttl: Option<Duration>,
    /// How old a kept answer may be, in seconds.
    #[serde(alias = "s-max-age", alias = "s-maxage", deserialize_with = "seconds")]
    pub max_age: Option<Duration>,
    /// Requests of other namespaces do not share answers.
    #[serde(deserialize_with = "namespace")]
    pub namespace: Option<String>,
    /// Kept answers are wanted where they are off by default.
    #[serde(rename = "use-cache")]
    pub use_cache: Option<bool>,
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let seconds: Option<f64> = Option::deserialize(from)?;
    let seconds = seconds.map(Duration::try_from_secs_f64).transpose();
    seconds.map_err(|_error| D::Error::custom("must be a number of seconds"))
}

/// Bytes of a namespace: it stands in every event.
const NAMESPACE_BYTES_MAX: usize = 200;

/// A name; none is as if it were not there.
fn namespace<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let name: Option<String> = Option::deserialize(from)?;
    if name.as_ref().map_or(0, String::len) > NAMESPACE_BYTES_MAX {
        return Err(D::Error::custom("is too long"));
    }
    Ok(name.filter(|name| !name.is_empty()))
}
