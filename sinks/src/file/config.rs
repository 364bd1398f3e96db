//! What a user may write for files.

use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
};

use serde::Deserialize;

/// Settings of a file sink.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the names of the files begin with, or a directory if it ends with `/`.
    pub path: PathBuf,
    /// The length at which a new file is begun. A batch that is longer has a file of its own.
    #[serde(default = "rotate_bytes")]
    pub rotate_bytes: NonZeroU64,
    /// How many files are kept; the oldest are deleted. By default, all of them.
    #[serde(default)]
    pub keep: Option<NonZeroUsize>,
    /// Whether a batch is on the disk, and not only with the operating system, before it counts as
    /// stored.
    #[serde(default = "fsync")]
    pub fsync: bool,
}

const fn rotate_bytes() -> NonZeroU64 {
    match NonZeroU64::new(256 << 20) {
        Some(bytes) => bytes,
        None => NonZeroU64::MAX,
    }
}

const fn fsync() -> bool {
    true
}
