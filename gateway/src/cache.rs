//! Answers that are kept, so that the same question is not paid for twice.
//!
//! Off unless `litellm_settings.cache` turns it on. Two requests are the same if what goes upstream
//! is the same, whether or not it is to be streamed, and whoever asks; `namespace` keeps askers
//! apart. Only answers that came in full are kept. A hit is a call like any other, with its event,
//! and costs nothing.

mod key;

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use lru::LruCache;
use tokio::time::Instant;

pub(crate) use self::key::Key;
use crate::{config::CacheSettings, operation::Operation, request::CacheControl};

/// Answers that are kept, whatever their size.
const ANSWERS_MAX: NonZeroUsize = NonZeroUsize::new(100_000).expect("is not zero");

/// The answers.
#[derive(Debug)]
pub(crate) struct Cache {
    settings: CacheSettings,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    answers: LruCache<Key, Answer>,
    bytes: usize,
}

/// An answer in OpenAI's dialect.
#[derive(Clone, Debug)]
struct Answer {
    body: Bytes,
    came: Instant,
    until: Instant,
}

impl Cache {
    pub(crate) fn new(settings: CacheSettings) -> Self {
        let answers = LruCache::new(ANSWERS_MAX);
        Self {
            settings,
            kept: Mutex::new(Kept { answers, bytes: 0 }),
        }
    }

    /// Whether answers to such requests are looked up and kept at all.
    pub(crate) fn serves(&self, operation: Operation, control: &CacheControl) -> bool {
        let settings = &self.settings;
        settings.is_on
            && settings.serves(operation)
            && (settings.is_default || control.use_cache == Some(true))
    }

    /// The answer to the same request, unless it is too old for this one.
    pub(crate) fn find(&self, key: &Key, control: &CacheControl) -> Option<Bytes> {
        if control.no_cache {
            return None;
        }
        let mut kept = self.lock();
        let answer = kept.answers.get(key)?.clone();
        let now = Instant::now();
        if answer.until <= now {
            kept.remove(key);
            return None;
        }
        let fresh = control
            .max_age
            .is_none_or(|max| now.duration_since(answer.came) <= max);
        fresh.then_some(answer.body)
    }

    /// Keeps an answer.
    pub(crate) fn keep(&self, key: Key, control: &CacheControl, body: Bytes) {
        let size = body.len();
        if control.no_store || size > self.settings.bytes_max {
            return;
        }
        let ttl = control.ttl.unwrap_or(self.settings.ttl);
        let came = Instant::now();
        // A time beyond what the clock can say is as good as for ever.
        let until = came
            .checked_add(ttl)
            .unwrap_or_else(|| came + Duration::from_secs(1 << 30));
        let mut kept = self.lock();
        kept.remove(&key);
        kept.bytes += size;
        let answer = Answer { body, came, until };
        if let Some((_, oldest)) = kept.answers.push(key, answer) {
            kept.bytes -= oldest.body.len();
        }
        while kept.bytes > self.settings.bytes_max {
            let Some((_, oldest)) = kept.answers.pop_lru() else {
                break;
            };
            kept.bytes -= oldest.body.len();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn remove(&mut self, key: &Key) {
        if let Some(answer) = self.answers.pop(key) {
            self.bytes -= answer.body.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(bytes_max: usize) -> Cache {
        Cache::new(CacheSettings {
            is_on: true,
            bytes_max,
            ..CacheSettings::default()
        })
    }

    fn key(name: &str) -> Key {
        Key::of_text(name)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_kept_for_its_time_and_no_longer() {
        let cache = cache(100);
        let control = CacheControl {
            ttl: Some(Duration::from_secs(10)),
            ..CacheControl::default()
        };
        cache.keep(key("a"), &control, Bytes::from_static(b"answer"));
        assert_eq!(cache.find(&key("a"), &control).unwrap(), "answer");
        assert_eq!(cache.find(&key("b"), &control), None);
        tokio::time::advance(Duration::from_secs(5)).await;
        let young = CacheControl {
            max_age: Some(Duration::from_secs(4)),
            ..CacheControl::default()
        };
        assert_eq!(cache.find(&key("a"), &young), None);
        assert!(cache.find(&key("a"), &control).is_some());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(cache.find(&key("a"), &control), None);
        assert_eq!(cache.lock().bytes, 0);
    }

    #[test]
    fn what_was_not_asked_for_lately_makes_room() {
        let cache = cache(10);
        let control = CacheControl::default();
        for name in ["a", "b"] {
            cache.keep(key(name), &control, Bytes::from_static(b"five."));
        }
        cache.find(&key("a"), &control).unwrap();
        cache.keep(key("c"), &control, Bytes::from_static(b"five."));
        let found = ["a", "b", "c"].map(|name| cache.find(&key(name), &control).is_some());
        assert_eq!(found, [true, false, true]);
        cache.keep(key("d"), &control, Bytes::from_static(b"larger than all"));
        assert_eq!(cache.find(&key("d"), &control), None);
        cache.keep(key("a"), &control, Bytes::from_static(b"new"));
        assert_eq!(cache.find(&key("a"), &control).unwrap(), "new");
        assert_eq!(cache.lock().bytes, 8);
    }

    #[test]
    fn a_request_may_want_nothing_kept_or_nothing_old() {
        let cache = cache(100);
        let control = |no_cache, no_store| CacheControl {
            no_cache,
            no_store,
            ..CacheControl::default()
        };
        cache.keep(key("a"), &control(false, true), Bytes::from_static(b"x"));
        assert_eq!(cache.find(&key("a"), &control(false, false)), None);
        cache.keep(key("a"), &control(false, false), Bytes::from_static(b"x"));
        assert_eq!(cache.find(&key("a"), &control(true, false)), None);
    }
}
