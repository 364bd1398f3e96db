//! The map in force, those that were in force before it, and what is known about them.

use std::{
    collections::VecDeque,
    error::Error as StdError,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use cost_map::{Adjustments, PriceMap};
use event::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::{
    layer::{Kind, Layers},
    status::{Checked, Refused, Status},
    store::{Epoch, Store},
};

/// Earlier maps that are kept in memory.
const READY_MAX: usize = 4;
/// Updates that may wait for their turn.
const UPDATES_MAX: usize = 8;

/// The price maps of this collector, and what is taken off or put on top; all clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct PriceMaps(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    current: RwLock<Current>,
    past: Mutex<Past>,
    checked: Mutex<Checked>,
    adjustments: Adjustments,
    store: Option<Store>,
    updates: mpsc::Sender<Update>,
}

#[derive(Clone, Debug)]
struct Current {
    map: Arc<PriceMap>,
    layers: Layers,
    from: Timestamp,
}

/// The history, and those of its maps that are ready to be used, by version.
#[derive(Debug, Default)]
struct Past {
    epochs: Vec<Epoch>,
    ready: VecDeque<(String, Arc<PriceMap>)>,
}

impl Past {
    fn add(&mut self, version: String, map: Arc<PriceMap>) {
        self.ready.truncate(READY_MAX - 1);
        self.ready.push_front((version, map));
    }
}

/// Somebody wants the sources to be looked at now.
#[derive(Debug)]
pub(crate) struct Update {
    /// Whether a map that can be read is taken in spite of all doubts.
    pub(crate) confirmed: bool,
    /// Gets the outcome for each source.
    pub(crate) answer: oneshot::Sender<Vec<super::Outcome>>,
}

impl PriceMaps {
    /// The layers in force from the last of `epochs` on, and where updates arrive.
    pub(super) fn new(
        layers: Layers,
        epochs: Vec<Epoch>,
        adjustments: Adjustments,
        store: Option<Store>,
    ) -> (Self, mpsc::Receiver<Update>) {
        let (updates, waiting) = mpsc::channel(UPDATES_MAX);
        let current = Current {
            map: layers.merged(),
            layers,
            from: epochs.last().map(|epoch| epoch.from).unwrap_or_default(),
        };
        let past = Past {
            epochs,
            ..Past::default()
        };
        let shared = Shared {
            current: RwLock::new(current),
            past: Mutex::new(past),
            checked: Mutex::default(),
            adjustments,
            store,
            updates,
        };
        (Self(Arc::new(shared)), waiting)
    }

    /// The map that is compiled in, for ever.
    #[cfg(test)]
    pub(crate) fn bundled() -> Self {
        let lowest = super::layer::Layer::bundled(Timestamp::default());
        Self::new(
            Layers::new(lowest),
            Vec::new(),
            Adjustments::default(),
            None,
        )
        .0
    }

    /// A file over the map that is compiled in, for ever.
    #[cfg(test)]
    pub(crate) fn of_file(json: &[u8], adjustments: Adjustments) -> Self {
        let lowest = super::layer::Layer::bundled(Timestamp::default());
        let origin = super::layer::Origin {
            layer: Kind::File,
            ..lowest.origin.clone()
        };
        let map = Arc::new(PriceMap::parse(json, "file").unwrap());
        let layers = Layers::new(lowest).with(super::layer::Layer { origin, map });
        Self::new(layers, Vec::new(), adjustments, None).0
    }

    /// Discounts and margins, as they are configured now.
    pub(crate) fn adjustments(&self) -> &Adjustments {
        &self.0.adjustments
    }

    /// The map in force.
    pub(crate) fn current(&self) -> Arc<PriceMap> {
        Arc::clone(&self.now().map)
    }

    /// The map that was in force at `time`; the oldest that is kept for what was before it.
    pub(crate) async fn at(&self, time: Timestamp) -> Arc<PriceMap> {
        {
            let now = self.now();
            if time >= now.from {
                return Arc::clone(&now.map);
            }
        }
        let Some((epoch, store)) = self.epoch(time) else {
            return self.current();
        };
        let ready = |past: &Past| {
            let found = past
                .ready
                .iter()
                .find(|(version, _)| *version == epoch.version);
            found.map(|(_, map)| Arc::clone(map))
        };
        if let Some(map) = ready(&self.past()) {
            return map;
        }
        let wanted = epoch.clone();
        let loaded = tokio::task::spawn_blocking(move || store.load(&wanted)).await;
        let loaded = loaded.unwrap_or_else(|error| Err(io::Error::other(error)));
        let map = loaded.unwrap_or_else(|error| {
            tracing::error!(
                error = &error as &dyn StdError,
                version = epoch.version,
                "price map of an earlier time cannot be read, its calls get the one in force"
            );
            self.current()
        });
        // What cannot be read either: it is said once.
        self.past().add(epoch.version, Arc::clone(&map));
        map
    }

    /// The epoch of `time`, if it is not the current one.
    fn epoch(&self, time: Timestamp) -> Option<(Epoch, Store)> {
        let store = self.0.store.clone()?;
        let past = self.past();
        let begun = past.epochs.partition_point(|epoch| epoch.from <= time);
        let epoch = past.epochs.get(begun.saturating_sub(1))?;
        Some((epoch.clone(), store))
    }

    pub(super) fn layers(&self) -> Layers {
        self.now().layers.clone()
    }

    pub(super) fn epochs(&self) -> Vec<Epoch> {
        self.past().epochs.clone()
    }

    /// From the last of `epochs` on, the map is that of `layers`.
    pub(super) fn switch(&self, layers: Layers, map: Arc<PriceMap>, epochs: Vec<Epoch>) {
        let from = epochs.last().map(|epoch| epoch.from).unwrap_or_default();
        let mut past = self.past();
        past.epochs = epochs;
        let mut now = self
            .0
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        past.add(now.map.version().to_owned(), Arc::clone(&now.map));
        *now = Current { map, layers, from };
    }

    /// Changes what is known of the sources.
    pub(super) fn note(&self, change: impl FnOnce(&mut Checked)) {
        change(
            &mut self
                .0
                .checked
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// The candidate of a source that was refused last, if it was.
    pub(super) fn refused(&self, kind: Kind) -> Option<Refused> {
        let checked = self
            .0
            .checked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        checked.refused.get(&kind).cloned()
    }

    /// Looks at the sources now; `None` if nobody does because the collector stops.
    pub(crate) async fn update(&self, confirmed: bool) -> Option<Vec<super::Outcome>> {
        let (answer, outcome) = oneshot::channel();
        let update = Update { confirmed, answer };
        self.0.updates.send(update).await.ok()?;
        outcome.await.ok()
    }

    /// The bytes of a layer of any map that is kept, by their SHA-256; `None` if there is none.
    pub(crate) async fn bytes(&self, digest: &str) -> Option<io::Result<Vec<u8>>> {
        let origin = {
            let (layers, past) = (self.layers(), self.past());
            let mut kept = layers
                .iter()
                .map(|layer| &layer.origin)
                .chain(past.epochs.iter().flat_map(|epoch| &epoch.layers));
            kept.find(|origin| origin.sha256 == digest)?.clone()
        };
        let bundled = PriceMap::bundled_json();
        if origin.sha256 == super::layer::sha256(bundled) {
            return Some(Ok(bundled.to_vec()));
        }
        let store = self.0.store.clone()?;
        let read = tokio::task::spawn_blocking(move || store.bytes(&origin.sha256)).await;
        Some(read.unwrap_or_else(|error| Err(io::Error::other(error))))
    }

    /// How things stand.
    pub(crate) fn status(&self) -> Status {
        let checked = self
            .0
            .checked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let past = self.past().epochs.clone();
        let now = self.now();
        Status::of((&now.map, now.from), &now.layers, checked, past)
    }

    fn now(&self) -> std::sync::RwLockReadGuard<'_, Current> {
        self.0
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.0.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
