//! Remembers what was asked and what exactly was answered, so that a test can compare.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::time::sleep;

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The id in the answer; unique.
    pub id: String,
    /// What was asked for: `POST /v1/chat/completions`.
    pub route: String,
    /// The headers of the request.
    pub headers: HeaderMap,
    /// The body of the request.
    pub request: Bytes,
    /// The status that was sent.
    pub status: u16,
    /// The bytes of the body that were sent.
    pub answered: Bytes,
    /// Whether the answer was sent to its end.
    pub complete: bool,
}

impl Entry {
    pub(super) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "route": self.route,
            "request": String::from_utf8_lossy(&self.request),
            "status": self.status,
            "answered": String::from_utf8_lossy(&self.answered),
            "complete": self.complete,
        })
    }
}

/// The last requests, up to a limit.
#[derive(Debug)]
pub(super) struct Log {
    entries: Mutex<VecDeque<Entry>>,
    limit: usize,
}

impl Log {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            entries: Mutex::default(),
            limit,
        })
    }

    /// Begins an entry, unless nothing is to be remembered.
    pub(super) fn record(self: &Arc<Self>, entry: impl FnOnce() -> Entry) -> Option<Recorder> {
        (self.limit > 0).then(|| Recorder {
            log: Arc::clone(self),
            entry: Some(entry()),
            answered: BytesMut::new(),
        })
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.lock().iter().cloned().collect()
    }

    /// The entry whose answer has this id; waits a little for an answer that is nearly over.
    pub(super) async fn entry(&self, id: &str) -> Option<Entry> {
        for _ in 0..100 {
            let found = self.lock().iter().find(|entry| entry.id == id).cloned();
            if found.is_some() {
                return found;
            }
            sleep(Duration::from_millis(20)).await;
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes one entry, when the answer is over.
#[derive(Debug)]
pub(super) struct Recorder {
    log: Arc<Log>,
    entry: Option<Entry>,
    answered: BytesMut,
}

impl Recorder {
    pub(super) fn status(&mut self, status: u16) {
        if let Some(entry) = &mut self.entry {
            entry.status = status;
        }
    }

    /// Another piece has left, and whether it was the last of a good answer.
    pub(super) fn sent(&mut self, piece: &[u8], last: bool) {
        self.answered.extend_from_slice(piece);
        if let Some(entry) = &mut self.entry {
            entry.complete = last;
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let Some(mut entry) = self.entry.take() else {
            return;
        };
        entry.answered = self.answered.split().freeze();
        let mut entries = self.log.lock();
        if entries.len() == self.log.limit {
            entries.pop_front();
        }
        entries.push_back(entry);
    }
}
