//! What every place for answers has to do.

use std::{fmt, path::PathBuf, pin::Pin, sync::Arc};

use bytes::Bytes;
use event::Timestamp;

use super::Key;

/// An answer in OpenAI's dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) body: Bytes,
    /// When it was kept.
    pub(super) came: Timestamp,
    /// From when on it is not given any more.
    pub(super) until: Timestamp,
}

/// What takes its time.
pub(crate) type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A place for answers. It bounds what it takes up, and how long it takes.
pub(super) trait Store: fmt::Debug + Send + Sync {
    /// The answer under a key, unless its time is over.
    fn get(self: Arc<Self>, key: Key, now: Timestamp) -> Work<Result<Option<Answer>, StoreError>>;

    /// Puts an answer under a key, over one that is there; gives back what is left to do for that.
    fn put(self: Arc<Self>, key: Key, answer: Answer) -> Option<Work<Result<(), StoreError>>>;
}

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// What was found is not what was put there.
    #[error("a kept answer is damaged")]
    Damaged,
    /// The disk failed.
    #[error("the cache's directory cannot be used")]
    Disk(#[source] std::io::Error),
    /// Redis is away, or refuses.
    #[error("Redis cannot be used")]
    Redis(#[source] redis::RedisError),
    /// It took longer than a call may wait for it.
    #[error("Redis did not answer within `socket_timeout`")]
    Late,
    /// It failed a moment ago, and is not asked again yet.
    #[error("Redis is left alone for a moment")]
    Resting,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The directory cannot be made, or read.
    #[error("cannot use `{}` for the response cache (`cache_params.disk_cache_dir`)", folder.display())]
    Folder {
        folder: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The address is none. Not what it is: it may hold a password.
    #[error("cannot use Redis for the response cache: {0}")]
    Address(String),
}
