//! Delivery: one lane for each sink, each with its own cursor in the priced log.

mod attempt;
mod backoff;
mod batcher;
mod burial;
pub(crate) mod dead_letters;
mod gather;
mod lane;
mod orders;
mod pace;
mod policy;
mod sealed;
mod window;

use std::{num::NonZeroUsize, path::Path, sync::Arc};

use bus::Log;
use sink::{BatchLimits, Registration, SinkEnv, SinkError, Takes};

pub use self::lane::LaneError;
pub(crate) use self::orders::{Control, OrderError, Replay};
pub(crate) use self::sealed::KeptFile;
use self::{
    attempt::Delivery,
    dead_letters::DeadLetters,
    lane::Lane,
    pace::Pace,
    policy::{Policy, Routes},
};
use crate::{
    alerts::Alerts,
    config::{SinkConfig, Sinks},
    control::Directory,
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
    /// It is to be sent what its kind does not take.
    #[error("sink `{name}` of kind `{kind}` cannot be sent what `send` says")]
    Send {
        /// The sink.
        name: String,
        /// Its kind.
        kind: String,
    },
    /// What was ordered of it before cannot be gone on with.
    #[error("sink `{name}` cannot go on with what was ordered of it: {reason}")]
    Resume {
        /// The sink.
        name: String,
        /// Why.
        reason: String,
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
    /// What keys and teams say of logging.
    pub(crate) directory: Directory,
}

/// Sinks that have been opened and do not run yet.
pub(crate) struct Opened {
    name: String,
    config: SinkConfig,
    sink: Arc<dyn sink::OpenSink>,
    takes: Takes,
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
        let sink: Arc<dyn sink::OpenSink> = sink;
        let Some(takes) = takes(sink.takes(), config.send) else {
            return Err(SinkStartError::Send {
                name,
                kind: config.kind,
            });
        };
        let stats = Arc::new(LaneStats::new(&name, found.kind, Arc::clone(log)));
        Ok(Opened {
            name,
            config,
            sink,
            takes,
            stats,
        })
    };
    sinks.into_iter().map(open).collect()
}

impl Opened {
    pub(crate) fn stats(&self) -> Arc<LaneStats> {
        Arc::clone(&self.stats)
    }

    /// Starts the lane, and what was ordered of it. Its files are in `data`.
    pub(crate) async fn start(
        self,
        data: &Path,
        shared: Shared,
    ) -> Result<Arc<Control>, SinkStartError> {
        let Self {
            name,
            config,
            sink,
            takes,
            stats,
        } = self;
        let limits = limits(sink.limits(), &config);
        let letters = data.join("dead-letters").join(format!("{name}.jsonl"));
        let bytes_max = u64::try_from(config.dead_letters_bytes_max.0.get());
        let routes = Routes::new(&name, shared.directory.clone());
        let delivery = Arc::new(Delivery {
            name: name.clone(),
            sink,
            timeout: config.timeout,
            policy: Policy::new(&config, takes, routes),
            pace: Pace::new(limits.concurrency_max, backoff::seed()),
            dead_letters: DeadLetters::new(letters, bytes_max.unwrap_or(u64::MAX)),
            stats,
            shared,
        });
        let begin = |source| SinkStartError::Begin {
            name: name.clone(),
            source,
        };
        let control = Arc::new(Control::new(Arc::clone(&delivery), limits, data));
        let tasks = delivery.shared.tasks.clone();
        delivery.show();
        let lane = Lane::new(delivery, limits, config.from, data).await;
        let (lane, reader) = lane.map_err(begin)?;
        control
            .resume()
            .await
            .map_err(|source| SinkStartError::Resume {
                name: name.clone(),
                reason: source.to_string(),
            })?;
        tasks.spawn(lane.run(reader));
        Ok(control)
    }
}

/// What a sink is sent, of what it can be sent; `None` if it cannot be sent that.
const fn takes(can: Takes, wanted: Option<Takes>) -> Option<Takes> {
    match (can, wanted) {
        (Takes::Both, None) => Some(Takes::Events),
        (can, None) => Some(can),
        (Takes::Both, wanted) => wanted,
        (Takes::Events, Some(Takes::Events)) => Some(Takes::Events),
        (Takes::Alerts, Some(Takes::Alerts)) => Some(Takes::Alerts),
        _ => None,
    }
}

/// The sink's own limits, with what the user says instead.
fn limits(own: BatchLimits, config: &SinkConfig) -> BatchLimits {
    let batch = &config.batch;
    let concurrency = batch.concurrency_max.map_or(usize::MAX, NonZeroUsize::get);
    BatchLimits {
        items_max: batch.items_max.map_or(own.items_max, NonZeroUsize::get),
        bytes_max: batch.bytes_max.map_or(own.bytes_max, |bytes| bytes.0.get()),
        age_max: batch.age_max.unwrap_or(own.age_max),
        concurrency_max: own.concurrency_max.min(concurrency),
    }
}

#[cfg(test)]
mod tests;
