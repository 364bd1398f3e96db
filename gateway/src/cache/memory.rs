//! Answers in the memory of this process.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use event::Timestamp;
use lru::LruCache;

use super::{
    Key,
    store::{Answer, Store, StoreError, Work},
};

/// Answers that are kept, whatever their size.
const ANSWERS_MAX: NonZeroUsize = NonZeroUsize::new(100_000).expect("is not zero");

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Memory {
    bytes_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    answers: LruCache<Key, Answer>,
    bytes: usize,
}

impl Memory {
    /// Answers of at most so many bytes together.
    pub(super) fn new(bytes_max: usize) -> Self {
        let answers = LruCache::new(ANSWERS_MAX);
        Self {
            bytes_max,
            kept: Mutex::new(Kept { answers, bytes: 0 }),
        }
    }

    fn find(&self, key: &Key, now: Timestamp) -> Option<Answer> {
        let mut kept = self.lock();
        let answer = kept.answers.get(key)?.clone();
        if answer.until <= now {
            kept.remove(key);
            return None;
        }
        Some(answer)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn get(self: Arc<Self>, key: Key, now: Timestamp) -> Work<Result<Option<Answer>, StoreError>> {
        let found = self.find(&key, now);
        Box::pin(std::future::ready(Ok(found)))
    }

    fn put(self: Arc<Self>, key: Key, answer: Answer) -> Option<Work<Result<(), StoreError>>> {
        let mut kept = self.lock();
        kept.remove(&key);
        kept.bytes += answer.body.len();
        if let Some((_, oldest)) = kept.answers.push(key, answer) {
            kept.bytes -= oldest.body.len();
        }
        while kept.bytes > self.bytes_max {
            let Some((_, oldest)) = kept.answers.pop_lru() else {
                break;
            };
            kept.bytes -= oldest.body.len();
        }
        None
    }
}

impl Kept {
    fn remove(&mut self, key: &Key) {
        if let Some(answer) = self.answers.pop(key) {
            self.bytes -= answer.body.len();
        }
    }
}
