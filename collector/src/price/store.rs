//! The maps that were in force, on disk: so that a call is priced by the map of its own time, and a
//! restart goes on with the last good one.
//!
//! `prices/history.json` says which layers made the map from which instant on; the bytes of each
//! layer are in `prices/maps/SHA256.json`, once. Files are replaced as a whole: a reader sees the
//! old or the new one.

use std::{
    collections::HashSet,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use cost_map::PriceMap;
use event::Timestamp;
use serde::{Deserialize, Serialize};

use super::layer::{Kind, Layer, Layers, Origin, sha256};
use crate::rfc3339;

/// The largest file that is read.
const BYTES_MAX: u64 = 64 << 20;

/// A stretch of time with one map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Epoch {
    /// Calls that started then or later have this map, up to the next epoch.
    #[serde(with = "rfc3339")]
    pub(crate) from: Timestamp,
    /// The map's version, as priced events name it.
    pub(crate) version: String,
    /// What it was made of.
    pub(crate) layers: Vec<Origin>,
}

/// The folder `prices/` of the data directory.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    /// Opens the folder and reads its history, the oldest epoch first.
    pub(crate) fn open(folder: PathBuf) -> io::Result<(Self, Vec<Epoch>)> {
        let store = Self { folder };
        fs::create_dir_all(store.folder.join("maps"))?;
        let epochs = match read(&store.history()) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok((store, epochs))
    }

    pub(crate) fn history(&self) -> PathBuf {
        self.folder.join("history.json")
    }

    /// Keeps the bytes of a layer.
    pub(crate) fn keep(&self, digest: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.map(digest);
        if self.bytes(digest).is_ok() {
            return Ok(());
        }
        replace(&path, bytes)
    }

    /// The bytes of a layer, if they are still what they were.
    pub(crate) fn bytes(&self, digest: &str) -> io::Result<Vec<u8>> {
        let bytes = read(&self.map(digest))?;
        if sha256(&bytes) != digest {
            return Err(io::Error::other("the file is not what was written"));
        }
        Ok(bytes)
    }

    /// Reads a layer back.
    pub(crate) fn layer(&self, origin: &Origin) -> io::Result<Layer> {
        let map = if origin.sha256 == sha256(PriceMap::bundled_json()) {
            Arc::clone(PriceMap::bundled())
        } else {
            let bytes = self.bytes(&origin.sha256)?;
            Arc::new(PriceMap::parse(&bytes, &origin.source).map_err(io::Error::other)?)
        };
        let origin = origin.clone();
        Ok(Layer { origin, map })
    }

    /// Reads the map of an epoch back.
    pub(crate) fn load(&self, epoch: &Epoch) -> io::Result<Arc<PriceMap>> {
        let mut origins = epoch.layers.iter();
        let lowest = origins
            .next()
            .filter(|origin| origin.layer == Kind::Bundled)
            .ok_or_else(|| io::Error::other("the history names no lowest layer"))?;
        let mut layers = Layers::new(self.layer(lowest)?);
        for origin in origins {
            layers = layers.with(self.layer(origin)?);
        }
        Ok(layers.merged())
    }

    /// Writes the history, and then deletes the maps that it does not name.
    pub(crate) fn write(&self, epochs: &[Epoch]) -> io::Result<()> {
        let json = serde_json::to_vec_pretty(epochs).map_err(io::Error::other)?;
        replace(&self.history(), &json)?;
        let named: HashSet<_> = epochs
            .iter()
            .flat_map(|epoch| &epoch.layers)
            .map(|origin| format!("{}.json", origin.sha256))
            .collect();
        if let Err(error) = self.delete_all_but(&named) {
            // They take room and harm nobody; the next change tries again.
            let error = &error as &dyn std::error::Error;
            tracing::warn!(
                error,
                "price maps that are needed no more cannot be deleted"
            );
        }
        Ok(())
    }

    fn delete_all_but(&self, named: &HashSet<String>) -> io::Result<()> {
        for file in fs::read_dir(self.folder.join("maps"))? {
            let file = file?;
            let name = file.file_name();
            if !name.to_str().is_some_and(|name| named.contains(name)) {
                fs::remove_file(file.path())?;
            }
        }
        Ok(())
    }

    fn map(&self, digest: &str) -> PathBuf {
        self.folder.join("maps").join(format!("{digest}.json"))
    }
}

/// Reads a file that is not too large.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > BYTES_MAX {
        return Err(io::Error::other("the file is larger than 64 MiB"));
    }
    fs::read(path)
}

/// Puts `bytes` in the place of `path`, so that after a power cut it is one or the other.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = fs::File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::File::open(parent)?.sync_all()
}
