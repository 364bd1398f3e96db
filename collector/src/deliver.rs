//! Delivery: one lane for each sink, each with its own cursor in the priced log.

mod attempt;
mod backoff;
mod batcher;
pub(crate) mod dead_letters;
mod lane;
mod sealed;

use std::{path::Path, sync::Arc};

use bus::Log;
use sink::{BatchLimits, Registration, SinkEnv, SinkError};

use self::lane::Lane;
pub use self::lane::LaneError;
use crate::{
    alerts::Alerts,
    config::{SinkConfig, Sinks},
    metrics::{LaneStats, Metrics},
    tasks::Tasks,
};

/// A sink that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkStartError {
    /// The name would not do for a file or a reader group.
    #[error("sink name `{0}` is not 1 to 40 of `a-z 0-9 _ -`")]
    Name(String),
    /// Nobody has registered this kind.
    #[error("sink `{name}` has kind `{kind}`, which is not one of {known}")]
    UnknownKind {
        /// The sink.
        name: String,
        /// Its kind.
        kind: String,
        /// The kinds there are.
        known: String,
    },
    /// Its configuration is refused.
    #[error("sink `{name}` cannot be opened")]
    Open {
        /// The sink.
        name: String,
        /// Why.
        #[source]
        source: SinkError,
    },
    /// Its place in the priced log cannot be found.
    #[error("sink `{name}` cannot begin")]
    Begin {
        /// The sink.
        name: String,
        /// Why.
        #[source]
        source: LaneError,
    },
}

/// What lanes have in common.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) alerts: Alerts,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: Tasks,
}

/// Sinks that have been opened and do not run yet.
pub(crate) struct Opened {
    name: String,
    config: SinkConfig,
    sink: Arc<dyn sink::OpenSink>,
    stats: Arc<LaneStats>,
}

/// Opens every sink; touches neither network nor disk.
pub(crate) fn open(
    sinks: Sinks,
    registrations: &'static [Registration],
    env: &SinkEnv,
    log: &Arc<dyn Log>,
) -> Result<Vec<Opened>, SinkStartError> {
    let open = |(name, config): (String, SinkConfig)| {
        let fits =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if name.is_empty() || name.len() > 40 || !name.bytes().all(fits) {
            return Err(SinkStartError::Name(name));
        }
        let Some(found) = registrations.iter().find(|known| known.kind == config.kind) else {
            let known: Vec<_> = registrations.iter().map(|known| known.kind).collect();
            let known = known.join(", ");
            return Err(SinkStartError::UnknownKind {
                name,
                kind: config.kind,
                known,
            });
        };
        let rest = serde_json::Value::Object(config.rest.clone());
        let opened = found.open(rest, env);
        let sink = match opened {
            Ok(sink) => Arc::from(sink),
            Err(source) => return Err(SinkStartError::Open { name, source }),
        };
        let stats = Arc::new(LaneStats::new(&name, found.kind, Arc::clone(log)));
        Ok(Opened {
            name,
            config,
            sink,
            stats,
        })
    };
    sinks.into_iter().map(open).collect()
}

impl Opened {
    pub(crate) fn stats(&self) -> Arc<LaneStats> {
        Arc::clone(&self.stats)
    }

    /// Starts the lane. Its files are in `data`.
    pub(crate) async fn start(self, data: &Path, shared: Shared) -> Result<(), SinkStartError> {
        let limits = limits(self.sink.limits(), &self.config);
        let tasks = shared.tasks.clone();
        let name = self.name.clone();
        let (lane, reader) = Lane::new(self, limits, data, shared)
            .await
            .map_err(|source| SinkStartError::Begin { name, source })?;
        tasks.spawn(lane.run(reader));
        Ok(())
    }
}

/// The sink's own limits, with what the user says instead.
fn limits(own: BatchLimits, config: &SinkConfig) -> BatchLimits {
    let batch = &config.batch;
    BatchLimits {
        items_max: batch
            .items_max
            .map_or(own.items_max, std::num::NonZeroUsize::get),
        bytes_max: batch.bytes_max.map_or(own.bytes_max, |bytes| bytes.0.get()),
        age_max: batch.age_max.unwrap_or(own.age_max),
        ..own
    }
}

#[cfg(test)]
mod tests;
