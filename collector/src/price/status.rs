//! What an operator is told about the price map.

use std::collections::BTreeMap;

use cost_map::PriceMap;
use event::Timestamp;
use serde::Serialize;

use super::{
    layer::{Kind, Layers, Origin},
    store::Epoch,
};
use crate::rfc3339;

/// What happened at the sources since the collector began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checked {
    /// The newest candidate of each source, if it was refused.
    pub(crate) refused: BTreeMap<Kind, Refused>,
    /// Bytes of each source that differ from those in force and have the same prices.
    pub(crate) alike: BTreeMap<Kind, Origin>,
    /// How many candidates were refused.
    pub(crate) refused_count: BTreeMap<Kind, u64>,
    /// Where the URL stands.
    pub(crate) url: Option<Fetching>,
    /// How often the URL gave nothing.
    pub(crate) fetch_failures: u64,
}

/// How the URL answers.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Fetching {
    /// The URL's host: the rest may be secret.
    pub(crate) source: String,
    /// When it last gave a map, or said that the map has not changed.
    #[serde(with = "rfc3339::option")]
    pub(crate) answered_at: Option<Timestamp>,
    /// Why it did not, if it did not the last time.
    pub(crate) error: Option<String>,
}

/// A map that does not come into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Refused {
    pub(crate) layer: Kind,
    pub(crate) source: String,
    /// SHA-256 of its bytes; `None` if there are none.
    pub(crate) sha256: Option<String>,
    #[serde(with = "rfc3339")]
    pub(crate) at: Timestamp,
    /// What is wrong with it, the first few reasons.
    pub(crate) reasons: Vec<String>,
    /// How many more there are.
    pub(crate) reasons_left_out: usize,
    /// Whether it comes into force when a person confirms it.
    pub(crate) confirmable: bool,
}

/// `GET /prices`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    /// Since when calls are priced by it.
    #[serde(with = "rfc3339")]
    pub(crate) in_force_since: Timestamp,
    pub(crate) entries: usize,
    pub(crate) layers: Vec<LayerStatus>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) url: Option<Fetching>,
    /// The maps that were in force, the last one first.
    pub(crate) history: Vec<Was>,
    #[serde(skip)]
    pub(crate) refused_count: BTreeMap<Kind, u64>,
    #[serde(skip)]
    pub(crate) fetch_failures: u64,
}

/// One layer of the map in force, the lowest first.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LayerStatus {
    pub(crate) layer: Kind,
    pub(crate) source: String,
    pub(crate) version: String,
    pub(crate) sha256: String,
    pub(crate) entries: usize,
    #[serde(with = "rfc3339")]
    pub(crate) loaded_at: Timestamp,
}

/// A map and since when it was in force.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Was {
    pub(crate) version: String,
    #[serde(with = "rfc3339")]
    pub(crate) from: Timestamp,
    /// What it was made of, the lowest layer first.
    pub(crate) layers: Vec<Part>,
}

/// The bytes of one layer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Part {
    pub(crate) source: String,
    pub(crate) sha256: String,
}

impl Status {
    pub(super) fn of(
        (map, from): (&PriceMap, Timestamp),
        layers: &Layers,
        checked: Checked,
        past: Vec<Epoch>,
    ) -> Self {
        let layer = |layer: &super::layer::Layer| LayerStatus {
            layer: layer.origin.layer,
            source: layer.origin.source.clone(),
            version: layer.map.version().to_owned(),
            sha256: layer.origin.sha256.clone(),
            entries: layer.map.len(),
            loaded_at: layer.origin.loaded_at,
        };
        let part = |origin: Origin| Part {
            source: origin.source,
            sha256: origin.sha256,
        };
        let was = |epoch: Epoch| Was {
            version: epoch.version,
            from: epoch.from,
            layers: epoch.layers.into_iter().map(part).collect(),
        };
        Self {
            version: map.version().to_owned(),
            in_force_since: from,
            entries: map.len(),
            layers: layers.iter().map(layer).collect(),
            refused: checked.refused.into_values().collect(),
            url: checked.url,
            history: past.into_iter().rev().map(was).collect(),
            refused_count: checked.refused_count,
            fetch_failures: checked.fetch_failures,
        }
    }
}
