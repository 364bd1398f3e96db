//! How the price map comes into force when the collector starts.

use std::{
    io,
    path::{Path, PathBuf},
};

use cost_map::PriceMap;
use sink::{SinkError, http::HttpClient};

use super::{
    accept::{Candidate, Doubts, Objection},
    keeper::Keeper,
    layer::{Kind, Layer, Layers},
    maps::PriceMaps,
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
        let (store, epochs, layers) = kept.map_err(failed)?;
        let adjustments = config.adjustments();
        let (maps, updates) = Self::new(layers, epochs, adjustments, Some(store.clone()));
        let keeper = Keeper {
            config,
            http: tools.http,
            books: tools.books,
            alerts: tools.alerts,
            store,
            maps: maps.clone(),
        };
        let seen = keeper.stamp().await;
        let layers = keeper.first().await?;
        keeper.install(layers).await.map_err(failed)?;
        tasks.spawn(keeper.run(seen, updates, tasks.clone()));
        Ok(maps)
    }
}

impl Keeper {
    /// The layers to begin with: those that are kept, and the file as it is now.
    async fn first(&self) -> Result<Layers, PriceMapError> {
        let layers = self.maps.layers();
        let Some(path) = &self.config.file else {
            return Ok(layers);
        };
        let has_kept = layers.get(Kind::File).is_some();
        let shown = path.display().to_string();
        let bytes = match source::read(path, self.config.max_bytes.0.get()).await {
            Ok(bytes) => bytes,
            Err(failed) if has_kept => {
                self.refuse_unread(Kind::File, shown, failed.message).await;
                return Ok(layers);
            }
            Err(failed) => return Err(PriceMapError::Unreadable(failed.message)),
        };
        let digest = super::layer::sha256(&bytes);
        if layers
            .get(Kind::File)
            .is_some_and(|kept| kept.origin.sha256 == digest)
        {
            return Ok(layers);
        }
        let candidate = Candidate {
            kind: Kind::File,
            source: shown.clone(),
            etag: None,
            bytes,
        };
        // Whoever names a file that was not there before means what is in it.
        let doubts = if has_kept {
            Doubts::Count
        } else {
            Doubts::Overruled
        };
        match self.examine(&layers, candidate, doubts).await {
            Ok(layer) => Ok(layers.with(layer)),
            Err(Objection::Broken(source)) if !has_kept => {
                let path = path.clone();
                Err(PriceMapError::Broken { path, source })
            }
            Err(objection) => {
                self.refuse(Kind::File, shown, Some(digest), &objection)
                    .await;
                Ok(layers)
            }
        }
    }
}

/// Where the configuration says that layers come from.
struct Sources([Option<(Kind, String)>; 2]);

impl Sources {
    fn of(config: &PricesConfig) -> Self {
        let file = config.file.as_ref().map(|path| path.display().to_string());
        let url = config.url.as_ref().map(ToString::to_string);
        Self([
            file.map(|file| (Kind::File, file)),
            url.map(|url| (Kind::Url, url)),
        ])
    }
}

/// The history, and the layers of its end as far as they are still configured.
fn kept(folder: PathBuf, sources: &Sources) -> io::Result<(Store, Vec<Epoch>, Layers)> {
    let (store, epochs) = Store::open(folder)?;
    let lowest = Layer::bundled(clock::now());
    store.keep(&lowest.origin.sha256, PriceMap::bundled_json())?;
    let mut layers = Layers::new(lowest);
    let last = epochs.last().map_or(&[][..], |epoch| &epoch.layers);
    for origin in last {
        let is_wanted =
            |(kind, source): &(Kind, String)| (*kind, source) == (origin.layer, &origin.source);
        if sources.0.iter().flatten().any(is_wanted) {
            match store.layer(origin) {
                Ok(layer) => layers = layers.with(layer),
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    sha256 = origin.sha256,
                    "price map that was kept cannot be read"
                ),
            }
        }
    }
    Ok((store, epochs, layers))
}
