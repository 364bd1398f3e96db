//! The map in force, those that were in force before it, and what is known about them.

use std::{
    collections::{BTreeSet, VecDeque},
    error::Error as StdError,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use cost_map::{Adjustments, PriceMap};
use event::Timestamp;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    layer::{Kind, Layers, Origin},
    status::{Checked, Refused, Status},
    store::{Epoch, Store},
};

/// Earlier maps that are kept in memory.
const READY_MAX: usize = 4;
/// How often a map is tried that cannot be read.
const TRY_EVERY: Duration = Duration::from_secs(10);
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
    /// The last that could not be read, and when that was tried.
    failed: Option<(Instant, Unknown)>,
}

/// A map that was in force and cannot be read.
#[derive(Clone, Debug)]
pub(crate) struct Unknown {
    pub(crate) version: String,
    /// Why, for the event of the call.
    pub(crate) reason: String,
}

impl Past {
    /// A map that is ready, or that could not be read just now.
    fn known(&self, version: &str) -> Option<Result<Arc<PriceMap>, Unknown>> {
        let mut ready = self.ready.iter();
        if let Some((_, map)) = ready.find(|(known, _)| known == version) {
            return Some(Ok(Arc::clone(map)));
        }
        let failed = self.failed.as_ref();
        let (_, unknown) = failed
            .filter(|(at, unknown)| unknown.version == version && at.elapsed() < TRY_EVERY)?;
        Some(Err(unknown.clone()))
    }

    fn add(&mut self, version: String, map: Arc<PriceMap>) {
        self.ready.truncate(READY_MAX - 1);
        self.ready.push_front((version, map));
    }
}

/// Somebody wants the sources to be looked at now.
#[derive(Debug)]
pub(crate) struct Update {
    /// The SHA-256 of maps that are taken, if they can be read, in spite of all doubts.
    pub(crate) confirmed: BTreeSet<String>,
    /// Gets the outcome for each source.
    pub(crate) answer: oneshot::Sender<Vec<super::Outcome>>,
}

impl PriceMaps {
    /// The layers in force from the last of `epochs` on, and where updates arrive.
    pub(super) fn new(
        (layers, map): (Layers, Arc<PriceMap>),
        epochs: Vec<Epoch>,
        adjustments: Adjustments,
        store: Option<Store>,
    ) -> (Self, mpsc::Receiver<Update>) {
        let (updates, waiting) = mpsc::channel(UPDATES_MAX);
        let current = Current {
            map,
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
        let map = Arc::clone(&lowest.map);
        let layers = Layers::new(lowest);
        Self::new((layers, map), Vec::new(), Adjustments::default(), None).0
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
        let map = layers.merged();
        Self::new((layers, map), Vec::new(), adjustments, None).0
    }

    /// Discounts and margins, as they are configured now.
    pub(crate) fn adjustments(&self) -> &Adjustments {
        &self.0.adjustments
    }

    /// The map in force.
    pub(crate) fn current(&self) -> Arc<PriceMap> {
        Arc::clone(&self.now().map)
    }

    /// The map in force or about to be, what it is made of, and since when it is.
    pub(crate) fn in_force(&self) -> (Arc<PriceMap>, Vec<Origin>, Timestamp) {
        let now = self.now();
        (Arc::clone(&now.map), now.layers.origins(), now.from)
    }

    /// The map that was in force at `time`; the oldest that is kept for what was before it.
    ///
    /// # Errors
    /// If it cannot be read: a call of its time has no price then, because another map's would be
    /// wrong. It is tried again for calls that come later.
    pub(crate) async fn at(&self, time: Timestamp) -> Result<Arc<PriceMap>, Unknown> {
        let current = {
            let now = self.now();
            if time >= now.from {
                return Ok(Arc::clone(&now.map));
            }
            Arc::clone(&now.map)
        };
        let Some((epoch, store)) = self.epoch(time) else {
            return Ok(current);
        };
        if epoch.version == current.version() {
            return Ok(current);
        }
        if let Some(known) = self.past().known(&epoch.version) {
            return known;
        }
        let wanted = epoch.clone();
        let loaded = tokio::task::spawn_blocking(move || store.load(&wanted)).await;
        let loaded = loaded.unwrap_or_else(|error| Err(io::Error::other(error)));
        let version = epoch.version;
        match loaded {
            Ok(map) => {
                self.past().add(version, Arc::clone(&map));
                Ok(map)
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn StdError,
                    version,
                    "price map of an earlier time cannot be read, its calls have no price"
                );
                let reason = format!("the price map of the call's time cannot be read: {error}");
                let unknown = Unknown { version, reason };
                self.past().failed = Some((Instant::now(), unknown.clone()));
                Err(unknown)
            }
        }
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

    /// Bytes of a source that have the prices in force, if they were seen.
    pub(super) fn alike(&self, kind: Kind) -> Option<Origin> {
        let checked = self.0.checked.lock();
        let checked = checked.unwrap_or_else(PoisonError::into_inner);
        checked.alike.get(&kind).cloned()
    }

    /// Since when, or from when on, the current map is in force.
    pub(super) fn since(&self) -> Timestamp {
        self.now().from
    }

    /// Looks at the sources now; `None` if nobody does because the collector stops.
    pub(crate) async fn update(&self, confirmed: BTreeSet<String>) -> Option<Vec<super::Outcome>> {
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
