//! How the price map comes into force when the collector starts.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use cost_map::PriceMap;
use sink::{SinkError, http::HttpClient};

use super::{
    accept::{Candidate, Doubts, Examined},
    keeper::Keeper,
    layer::{Kind, Layer, Layers, Origin, sha256},
    maps::PriceMaps,
    outcome::{Objection, Outcome},
    source,
    store::{Epoch, Store},
};
use crate::{alerts::Alerts, books::Books, clock, config::PricesConfig, tasks::Tasks};

/// A price map that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PriceMapError {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The file is not a price map.
    #[error("price map `{}` cannot be used", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: cost_map::MapError,
    },
    /// The file cannot be put into force.
    #[error(
        "price map `{}` cannot be used: {reason}; what was in force before is lost: move the folder \
         `prices` of the data directory away to begin with this file",
        path.display()
    )]
    Refused {
        /// The file.
        path: PathBuf,
        /// What speaks against it.
        reason: String,
    },
    /// The URL may not be asked.
    #[error("price map cannot be fetched from its URL")]
    Forbidden(#[source] SinkError),
    /// The maps that were in force cannot be read or written.
    #[error(
        "the price maps kept in `{}` cannot be used; move that folder away to begin with the \
         configured map",
        folder.display()
    )]
    Store {
        /// Their folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What the maps are looked after with.
pub(crate) struct Tools<'a> {
    http: HttpClient,
    books: Books,
    alerts: Alerts,
    /// The data directory.
    data: &'a Path,
}

impl<'a> Tools<'a> {
    pub(crate) fn new(http: HttpClient, books: &Books, alerts: &Alerts, data: &'a Path) -> Self {
        Self {
            http,
            books: books.clone(),
            alerts: alerts.clone(),
            data,
        }
    }
}

impl PriceMaps {
    /// The map that the configuration asks for. A file that is broken or doubtful is refused, as
    /// while the collector runs, if a good one of the same path is kept from before.
    ///
    /// # Errors
    /// If there is a file that cannot be used and none is kept, the URL is not allowed, or the data
    /// directory cannot be used.
    pub(crate) async fn open(
        config: PricesConfig,
        tools: Tools<'_>,
        tasks: &Tasks,
    ) -> Result<Self, PriceMapError> {
        if let Some(url) = &config.url {
            tools.http.check(url).map_err(PriceMapError::Forbidden)?;
        }
        let folder = tools.data.join("prices");
        let failed = |source| PriceMapError::Store {
            folder: folder.clone(),
            source,
        };
        let (opened, sources) = (folder.clone(), Sources::of(&config));
        let kept = tokio::task::spawn_blocking(move || kept(opened, &sources));
        let kept = kept
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        let Kept {
            store,
            epochs,
            layers,
            map,
            lost,
        } = kept.map_err(failed)?;
        let adjustments = config.adjustments();
        let (maps, updates) = Self::new((layers, map), epochs, adjustments, Some(store.clone()));
        let keeper = Keeper {
            config,
            http: tools.http,
            books: tools.books,
            alerts: tools.alerts,
            store,
            maps: maps.clone(),
        };
        for (origin, error) in &lost {
            let reason = format!("what was kept of it cannot be read ({error})");
            let (kind, source) = (origin.layer, origin.source.clone());
            let digest = Some(origin.sha256.clone());
            let objection = Objection::Unread(reason);
            keeper.refuse(kind, source, digest, &objection).await;
        }
        let seen = keeper.stamp().await;
        let was_kept = lost.iter().any(|(origin, _)| origin.layer == Kind::File);
        let first = keeper.first(was_kept).await?;
        let seen = if first.is_postponed { None } else { seen };
        let (layers, map) = match first.found {
            Some(found) => found,
            None => (maps.layers(), maps.current()),
        };
        keeper.install(layers, map).await.map_err(failed)?;
        tasks.spawn(keeper.run(seen, updates, tasks.clone()));
        Ok(maps)
    }
}

/// What the file gave when the collector started.
#[derive(Default)]
struct First {
    /// Other layers than those that are kept, and the map that they make.
    found: Option<(Layers, Arc<PriceMap>)>,
    /// Whether the file is to be looked at again.
    is_postponed: bool,
}

impl Keeper {
    /// The file as it is now, over what is kept. `was_kept` says that it was in force, and that
    /// what was kept of it is lost.
    async fn first(&self, was_kept: bool) -> Result<First, PriceMapError> {
        let layers = self.maps.layers();
        let Some(path) = &self.config.file else {
            return Ok(First::default());
        };
        let has_kept = layers.get(Kind::File).is_some();
        let shown = path.display().to_string();
        let bytes = match source::read(path, self.config.max_bytes.0.get()).await {
            Ok(bytes) => bytes,
            Err(failed) if has_kept => {
                let objection = Objection::Unread(failed.message);
                self.refuse(Kind::File, shown, None, &objection).await;
                return Ok(First::default());
            }
            Err(failed) => return Err(PriceMapError::Unreadable(failed.message)),
        };
        let digest = sha256(&bytes);
        let kept = layers.get(Kind::File);
        if kept.is_some_and(|kept| kept.origin.sha256 == digest) {
            return Ok(First::default());
        }
        let candidate = Candidate {
            kind: Kind::File,
            source: shown.clone(),
            url_sha256: None,
            etag: None,
            bytes,
        };
        // Whoever names a file that was not there before means what is in it.
        let doubts = if has_kept || was_kept {
            Doubts::Count(Arc::default())
        } else {
            Doubts::Overruled
        };
        match self.examine(&layers, candidate, &doubts).await {
            Ok(Examined::New(layers, map)) => Ok(First {
                found: Some((layers, map)),
                is_postponed: false,
            }),
            Ok(Examined::Alike(_)) => Ok(First::default()),
            Err(Objection::Broken(source)) if !has_kept => {
                let path = path.clone();
                Err(PriceMapError::Broken { path, source })
            }
            Err(objection) if !has_kept => {
                let (path, (reasons, _)) = (path.clone(), objection.reasons());
                let reason = reasons.join("; ");
                Err(PriceMapError::Refused { path, reason })
            }
            Err(objection) => {
                let refused = self.refuse(Kind::File, shown, Some(digest), &objection);
                let Outcome { is_postponed, .. } = refused.await;
                Ok(First {
                    found: None,
                    is_postponed,
                })
            }
        }
    }
}

/// Where the configuration says that layers come from.
struct Sources([Option<(Kind, String, Option<String>)>; 2]);

impl Sources {
    fn of(config: &PricesConfig) -> Self {
        let file = config.file.as_ref().map(|path| path.display().to_string());
        let url = config.url.as_ref();
        Self([
            file.map(|file| (Kind::File, file, None)),
            url.map(|url| {
                let whole = sha256(url.expose().as_bytes());
                (Kind::Url, url.to_string(), Some(whole))
            }),
        ])
    }

    fn have(&self, origin: &Origin) -> bool {
        let mut all = self.0.iter().flatten();
        all.any(|(kind, source, whole)| {
            (kind, source, whole) == (&origin.layer, &origin.source, &origin.url_sha256)
        })
    }
}

/// What is kept from before.
struct Kept {
    store: Store,
    epochs: Vec<Epoch>,
    /// The layers of the last epoch, as far as they are still configured.
    layers: Layers,
    /// The map that they make.
    map: Arc<PriceMap>,
    /// Layers that should be among them and cannot be read.
    lost: Vec<(Origin, io::Error)>,
}

fn kept(folder: PathBuf, sources: &Sources) -> io::Result<Kept> {
    let (store, mut epochs) = Store::open(folder)?;
    if arrive(&mut epochs) {
        store.write(&epochs)?;
    }
    let lowest = Layer::bundled(clock::now());
    store.keep(&lowest.origin.sha256, PriceMap::bundled_json())?;
    let mut layers = Layers::new(lowest);
    let mut lost = Vec::new();
    let last = epochs.last().map_or(&[][..], |epoch| &epoch.layers);
    for origin in last.iter().filter(|origin| sources.have(origin)) {
        match store.layer(origin) {
            Ok(layer) => layers = layers.with(layer),
            Err(error) => lost.push((origin.clone(), error)),
        }
    }
    let map = layers.merged();
    Ok(Kept {
        store,
        epochs,
        layers,
        map,
        lost,
    })
}

/// Lets the last of the epochs that are still to come, from a clock that was wrong, begin now; says
/// whether there was any.
fn arrive(epochs: &mut Vec<Epoch>) -> bool {
    let now = clock::now();
    let mut last = epochs.last().filter(|last| last.from > now).cloned();
    epochs.retain(|epoch| epoch.from <= now);
    if let Some(last) = &mut last {
        last.from = now;
        epochs.extend(Some(last.clone()));
    }
    last.is_some()
}
