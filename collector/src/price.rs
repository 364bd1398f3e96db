//! From a call to its cost: which price map is in force, and what of a payload it is asked.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use cost_map::{Call, Overrides, PriceMap, Units};
use event::{Cost, Json, StandardLoggingPayload, Status, Usage};
use rust_decimal::Decimal;
use tokio::sync::watch;

use crate::tasks::Tasks;

/// How often the price map's file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The price map in force.
#[derive(Clone, Debug)]
pub(crate) struct Prices {
    map: watch::Receiver<Arc<PriceMap>>,
}

/// A price map that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PriceMapError {
    /// The file cannot be read.
    #[error("price map `{}` cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a price map.
    #[error("price map `{}` cannot be used", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: cost_map::MapError,
    },
}

impl Prices {
    /// The map in `file`, followed as the file changes, or the one that is compiled in.
    ///
    /// # Errors
    /// If there is a file and it cannot be used now.
    pub(crate) async fn open(file: Option<PathBuf>, tasks: &Tasks) -> Result<Self, PriceMapError> {
        let Some(path) = file else {
            let (_, map) = watch::channel(Arc::clone(PriceMap::bundled()));
            return Ok(Self { map });
        };
        let changed = modified(&path).await;
        let (sender, map) = watch::channel(Arc::new(read(&path).await?));
        let stopping = tasks.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = follow(path, changed, sender) => {}
                () = stopping.stopping() => {}
            }
        });
        Ok(Self { map })
    }
}

async fn follow(
    path: PathBuf,
    mut seen: Option<std::time::SystemTime>,
    sender: watch::Sender<Arc<PriceMap>>,
) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let found = modified(&path).await;
        if found == seen {
            continue;
        }
        seen = found;
        match read(&path).await {
            Ok(map) => {
                tracing::info!(path = %path.display(), "price map replaced");
                sender.send_replace(Arc::new(map));
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "new price map refused, the old one stays");
            }
        }
    }
}

async fn modified(path: &PathBuf) -> Option<std::time::SystemTime> {
    tokio::fs::metadata(path)
        .await
        .and_then(|found| found.modified())
        .ok()
}

async fn read(path: &PathBuf) -> Result<PriceMap, PriceMapError> {
    let bytes = tokio::fs::read(path)
        .await
        .map_err(|source| PriceMapError::Unreadable {
            path: path.clone(),
            source,
        })?;
    PriceMap::parse(&bytes, &path.display().to_string()).map_err(|source| PriceMapError::Broken {
        path: path.clone(),
        source,
    })
}

/// What the call consumed: the usage as it was reported, else the payload's own counts.
pub(crate) fn usage(payload: &StandardLoggingPayload) -> Usage {
    let reported: Option<Usage> = payload.metadata.usage_object.read();
    reported
        .filter(|usage| usage.total_tokens > 0 || usage.prompt_tokens > 0)
        .unwrap_or_else(|| Usage {
            prompt_tokens: payload.prompt_tokens,
            completion_tokens: payload.completion_tokens,
            total_tokens: payload.total_tokens,
            ..Usage::default()
        })
}

/// Prices calls, and remembers the deployments' own prices between them.
#[derive(Debug)]
pub(crate) struct Pricer {
    prices: Prices,
    overrides: HashMap<String, Result<Overrides, String>>,
}

/// Deployments whose own prices are remembered; beyond that they are all read again.
const REMEMBERED_MAX: usize = 1000;

impl Pricer {
    pub(crate) fn new(prices: Prices) -> Self {
        Self {
            prices,
            overrides: HashMap::new(),
        }
    }

    /// The map to price a batch with.
    pub(crate) fn map(&self) -> Arc<PriceMap> {
        Arc::clone(&self.prices.map.borrow())
    }

    /// What the call cost, or why nobody knows.
    pub(crate) fn cost(
        &mut self,
        map: &PriceMap,
        payload: &StandardLoggingPayload,
        usage: &Usage,
    ) -> Cost {
        let consumed =
            usage.prompt_tokens > 0 || usage.completion_tokens > 0 || usage.total_tokens > 0;
        let failed_early = payload.status == Status::Failure && !consumed;
        if payload.cache_hit == Some(true) || failed_early {
            return Cost::nothing(map.version());
        }
        let ours = payload.tollkeeper.as_deref();
        let overrides = ours.and_then(|ours| ours.price_overrides.as_ref());
        let overrides = match overrides.map(|json| self.overrides(json)).transpose() {
            Ok(overrides) => overrides,
            Err(reason) => return Cost::unpriced(map.version(), reason),
        };
        let tier = ours.and_then(|ours| {
            ours.served_service_tier
                .as_deref()
                .or(ours.requested_service_tier.as_deref())
        });
        let took = payload.end_time.since(payload.start_time).micros();
        let units = Units::asked(&payload.call_type, payload.model_parameters.text());
        let call = Call {
            units: units.as_ref(),
            provider: payload.custom_llm_provider.as_deref(),
            base_model: ours.and_then(|ours| ours.base_model.as_deref()),
            response_model: ours.and_then(|ours| ours.response_model.as_deref()),
            call_type: Some(payload.call_type.as_str()).filter(|name| !name.is_empty()),
            overrides,
            service_tier: tier.or(usage.service_tier.as_deref()),
            response_seconds: Some(Decimal::new(took, 6)),
            ..Call::new(&payload.model, usage, payload.start_time)
        };
        cost_map::price(map, &call)
    }

    fn overrides(&mut self, json: &Json) -> Result<&Overrides, String> {
        if self.overrides.len() >= REMEMBERED_MAX && !self.overrides.contains_key(json.text()) {
            self.overrides.clear();
        }
        let read = || Overrides::parse(json.text()).map_err(|error| error.to_string());
        let overrides = self
            .overrides
            .entry(json.text().to_owned())
            .or_insert_with(read);
        overrides.as_ref().map_err(Clone::clone)
    }
}
