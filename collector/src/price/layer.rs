//! The layers of the map in force: compiled in < file < URL.

use std::sync::Arc;

use cost_map::PriceMap;
use event::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::rfc3339;

/// Where a map comes from. A later one stands over an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// With the program.
    Bundled,
    /// From `collector.prices.file`.
    File,
    /// From `collector.prices.url`.
    Url,
}

impl Kind {
    /// Its name in status, metrics and alerts.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bundled => "bundled",
            Self::File => "file",
            Self::Url => "url",
        }
    }
}

/// Which bytes a layer is made of, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) layer: Kind,
    /// The file's path, or the URL's host.
    pub(crate) source: String,
    /// SHA-256 of the whole URL, whose path and query may be secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url_sha256: Option<String>,
    /// SHA-256 of the bytes, in hex.
    pub(crate) sha256: String,
    /// What the server calls these bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<String>,
    /// When they were read.
    #[serde(with = "rfc3339")]
    pub(crate) loaded_at: Timestamp,
}

/// A map with its origin.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) origin: Origin,
    pub(crate) map: Arc<PriceMap>,
}

impl Layer {
    /// The map that is compiled in.
    pub(crate) fn bundled(now: Timestamp) -> Self {
        let map = Arc::clone(PriceMap::bundled());
        let label = map.version().split("+sha256:").next().unwrap_or_default();
        Self {
            origin: Origin {
                layer: Kind::Bundled,
                source: label.to_owned(),
                url_sha256: None,
                sha256: sha256(PriceMap::bundled_json()),
                etag: None,
                loaded_at: now,
            },
            map,
        }
    }
}

/// The layers there are, the lowest first; the lowest is always there.
#[derive(Clone, Debug)]
pub(crate) struct Layers(Vec<Layer>);

impl Layers {
    pub(crate) fn new(lowest: Layer) -> Self {
        Self(vec![lowest])
    }

    pub(crate) fn get(&self, kind: Kind) -> Option<&Layer> {
        self.0.iter().find(|layer| layer.origin.layer == kind)
    }

    /// With `layer` in the place of its kind.
    pub(crate) fn with(&self, layer: Layer) -> Self {
        let kind = layer.origin.layer;
        let mut layers: Vec<_> = self
            .0
            .iter()
            .filter(|known| known.origin.layer != kind)
            .cloned()
            .collect();
        layers.push(layer);
        layers.sort_by_key(|layer| layer.origin.layer);
        Self(layers)
    }

    /// The one map that they make.
    pub(crate) fn merged(&self) -> Arc<PriceMap> {
        let mut maps = self.0.iter().map(|layer| &layer.map);
        let lowest = maps.next().unwrap_or_else(|| PriceMap::bundled());
        maps.fold(Arc::clone(lowest), |below, map| Arc::new(map.over(&below)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Layer> {
        self.0.iter()
    }

    pub(crate) fn origins(&self) -> Vec<Origin> {
        self.iter().map(|layer| layer.origin.clone()).collect()
    }
}

/// The SHA-256 of `bytes` in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut hex, byte| {
            let written = write!(hex, "{byte:02x}");
            debug_assert!(written.is_ok(), "a string takes everything");
            hex
        })
}
