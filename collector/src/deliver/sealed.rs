//! What a lane remembers across restarts: where it began, and which batch it is delivering, so that
//! it is delivered again under the same name and with the same items. A file is replaced whole; an
//! unreadable one is an error, not a new beginning.

use std::{io, path::PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::AsyncWriteExt as _;

/// The range of a sealed batch, as positions of the priced log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Range {
    /// The first position.
    pub(crate) first: u64,
    /// The last one.
    pub(crate) last: u64,
}

/// A file that keeps one value.
#[derive(Clone, Debug)]
pub(crate) struct KeptFile {
    path: PathBuf,
}

impl KeptFile {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The value written last; `None` if there never was one.
    pub(crate) async fn read<T: DeserializeOwned>(&self) -> io::Result<Option<T>> {
        match tokio::fs::read(&self.path).await {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Forgets the value.
    pub(crate) async fn remove(&self) -> io::Result<()> {
        tokio::fs::remove_file(&self.path).await
    }

    /// Replaces the value: when this returns it is on disk.
    pub(crate) async fn write(&self, value: &impl Serialize) -> io::Result<()> {
        let bytes = serde_json::to_vec(value)?;
        let folder = self.path.parent().map(PathBuf::from).unwrap_or_default();
        tokio::fs::create_dir_all(&folder).await?;
        let next = self.path.with_extension("next");
        let mut file = tokio::fs::File::create(&next).await?;
        file.write_all(&bytes).await?;
        file.sync_all().await?;
        drop(file);
        tokio::fs::rename(&next, &self.path).await?;
        tokio::fs::File::open(&folder).await?.sync_all().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sealed_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = KeptFile::new(folder.path().join("lanes/a.sealed"));
        assert_eq!(file.read::<Range>().await.unwrap(), None);
        for range in [
            Range { first: 0, last: 0 },
            Range {
                first: 1,
                last: 900,
            },
        ] {
            file.write(&range).await.unwrap();
            assert_eq!(file.read().await.unwrap(), Some(range));
        }
    }
}
