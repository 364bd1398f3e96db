//! Answers that are kept, so that the same question is not paid for twice.
//!
//! Off unless `litellm_settings.cache` turns it on. Two requests are the same if what goes upstream
//! is the same, whether or not it is to be streamed, and if they come from one team (see
//! [`Key::of`]). Only answers that came in full are kept. A hit is a call like any other, with its
//! event, and costs nothing.
//!
//! Where answers are kept is behind [`Store`]: in memory, on disk, in Redis. A store that is away,
//! slow or damaged is a miss, and is counted; it is never an error of a call.

mod disk;
mod framed;
mod key;
mod memory;
mod redis;
mod store;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use event::Timestamp;
use tokio::sync::Semaphore;

use self::{
    disk::Disk,
    memory::Memory,
    redis::Redis,
    store::{Answer, Store, StoreError, Work},
};
pub(crate) use self::{
    key::{Key, Question},
    store::OpenError,
};
use crate::{
    config::{CachePlace, CacheSettings},
    metrics::CacheMetrics,
    operation::Operation,
    request::CacheControl,
};

/// The largest answer that is kept, in bytes.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// Answers that may be on their way into a store at one time; more are not kept.
const WAYS_MAX: usize = 32;

/// The answers.
#[derive(Debug)]
pub(crate) struct Cache {
    settings: CacheSettings,
    desk: Arc<Desk>,
}

/// The store, and what is noted of it.
#[derive(Debug)]
struct Desk {
    store: Arc<dyn Store>,
    metrics: CacheMetrics,
    /// Whether the store failed when it was last used.
    is_failing: AtomicBool,
    ways: Arc<Semaphore>,
}

impl Cache {
    /// Opens the store that the settings name.
    ///
    /// # Errors
    ///
    /// If a directory cannot be used. A Redis that is away is none.
    pub(crate) fn open(settings: CacheSettings, metrics: CacheMetrics) -> Result<Self, OpenError> {
        let bytes_max = settings.bytes_max;
        let store: Arc<dyn Store> = match &settings.place {
            _ if !settings.is_on => Arc::new(Memory::new(0)),
            CachePlace::Memory => Arc::new(Memory::new(bytes_max)),
            CachePlace::Disk { folder } => {
                let folder = folder.as_deref().unwrap_or(Path::new("response-cache"));
                Arc::new(Disk::open(folder, bytes_max)?)
            }
            CachePlace::Redis(redis) => Arc::new(Redis::new(redis)?),
        };
        let desk = Desk {
            store,
            metrics,
            is_failing: AtomicBool::new(false),
            ways: Arc::new(Semaphore::new(WAYS_MAX)),
        };
        Ok(Self {
            settings,
            desk: Arc::new(desk),
        })
    }

    /// What keys are made by.
    pub(crate) const fn settings(&self) -> &CacheSettings {
        &self.settings
    }

    /// Whether answers to such requests are looked up and kept at all.
    pub(crate) fn serves(&self, operation: Operation, control: &CacheControl) -> bool {
        let settings = &self.settings;
        let is_wanted = control.use_cache.unwrap_or(settings.is_default);
        settings.is_on && settings.serves(operation) && is_wanted
    }

    /// The answer to the same request, unless it is too old for this one.
    pub(crate) async fn find(
        &self,
        key: &Key,
        control: &CacheControl,
        now: Timestamp,
    ) -> Option<Bytes> {
        if control.no_cache {
            return None;
        }
        let found = Arc::clone(&self.desk.store).get(key.clone(), now).await;
        let answer = self.desk.noted(found).flatten();
        let young = answer.filter(|answer| {
            let age = now.since(answer.came).micros();
            control
                .max_age
                .is_none_or(|max| i128::from(age) <= micros(max))
        });
        let metrics = &self.desk.metrics;
        if young.is_some() {
            metrics.hits.inc();
        } else {
            metrics.misses.inc();
        }
        young.map(|answer| answer.body)
    }

    /// Keeps an answer; gives back what is left to do for that, while nobody waits.
    pub(crate) fn keep(
        &self,
        key: Key,
        control: &CacheControl,
        body: Bytes,
        now: Timestamp,
    ) -> Option<Work<()>> {
        if control.no_store || body.len() > ANSWER_BYTES_MAX.min(self.settings.bytes_max) {
            return None;
        }
        let ttl = micros(control.ttl.unwrap_or(self.settings.ttl));
        // A time beyond what the clock can say is as good as for ever.
        let until = i64::try_from(ttl).unwrap_or(i64::MAX);
        let answer = Answer {
            body,
            came: now,
            until: Timestamp::from_micros(now.micros().saturating_add(until)),
        };
        let desk = Arc::clone(&self.desk);
        let Ok(way) = Arc::clone(&desk.ways).try_acquire_owned() else {
            desk.metrics.errors.inc();
            return None;
        };
        match Arc::clone(&desk.store).put(key, answer) {
            Some(work) => Some(Box::pin(async move {
                if desk.noted(work.await).is_some() {
                    desk.metrics.kept.inc();
                }
                drop(way);
            })),
            None => {
                desk.metrics.kept.inc();
                None
            }
        }
    }
}

impl Desk {
    /// Counts a failure. Says when the store began to fail, and when it ended, and no more often.
    fn noted<T>(&self, done: Result<T, StoreError>) -> Option<T> {
        match done {
            Ok(done) => {
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the response cache works again");
                }
                Some(done)
            }
            Err(StoreError::Resting) => {
                self.metrics.errors.inc();
                None
            }
            Err(error) => {
                self.metrics.errors.inc();
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the response cache fails; calls go on without it");
                }
                None
            }
        }
    }
}

fn micros(duration: std::time::Duration) -> i128 {
    i128::try_from(duration.as_micros()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests;
