//! Appends events to files, one JSON object on a line.
//!
//! Files are `<path>.000001.jsonl`, `<path>.000002.jsonl`, …; a new one is begun when a batch would
//! make the last one longer than `rotate_bytes`. A `path` that ends with `/` names a directory, and
//! its files `events.000001.jsonl`, ….
//!
//! A call whose cost is corrected gets another line, with the same `tollkeeper.settlement.event_id`
//! and a higher `revision` beside it. The line with the highest revision holds.
//!
//! An alert (`send: alerts`, `send: both`) is a line with an `alert_id`.
//!
//! # Nothing twice
//!
//! The collector delivers a batch again, under the same name, until it hears that it is stored. It
//! may die after the batch was written and before it wrote that down. So the files themselves have
//! to tell whether a batch is in them. Beside them lies `<path>.state.json`, a *mark*: up to where
//! which file is filled, and the names of the batches that came last.
//!
//! A delivery, in this order:
//! 1. The mark is read. If it names the batch, that was all.
//! 2. What lies behind the mark was left by an attempt that did not get to its end: it is cut off.
//! 3. The batch is written, in one piece, and synced.
//! 4. A new mark is written to another file, synced, and renamed over the old one.
//!
//! Whatever breaks off before the rename leaves the old mark, and step 2 undoes it. Whatever breaks
//! off after it leaves the new mark, and step 1 sees it. The rename is atomic, so there is no third
//! case. With `fsync: false` this holds for a crash of the process; after one of the machine the
//! file may be shorter than its mark says, and then it is left alone and the next one is begun, so
//! that no line is joined to half of another.
//!
//! Only the end of the last file is ever changed, and a file that has no mark is never touched.
//!
//! All of this is done on one blocking thread for each batch, under a lock: if the delivery is
//! dropped, the thread goes on, and the redelivery waits for it and finds the batch marked.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sink::{Batch, BatchLimits, Receipt, Sink, SinkEnv, SinkError, SinkErrorKind, Takes};

mod config;
mod shelf;

pub use self::config::Config;
use self::shelf::Shelf;

/// A buffer larger than this is not kept between batches.
const SPARE_BYTES_MAX: usize = 4 << 20;

/// See the [module](self).
#[derive(Debug)]
pub struct File {
    shelf: Arc<Mutex<Shelf>>,
    /// The last batch's buffer, for the next one.
    spare: Arc<Mutex<Vec<u8>>>,
}

impl Sink for File {
    const KIND: &'static str = "file";
    type Config = Config;

    fn open(config: Config, _env: &SinkEnv) -> Result<Self, SinkError> {
        Ok(Self {
            shelf: Arc::new(Mutex::new(Shelf::new(config)?)),
            spare: Arc::default(),
        })
    }

    fn takes(&self) -> Takes {
        Takes::Both
    }

    /// One batch at a time, since there is one end of the file.
    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items_max: 5_000,
            bytes_max: 2 << 20,
            age_max: Duration::from_secs(1),
            concurrency_max: 1,
        }
    }

    async fn probe(&self) -> Result<(), SinkError> {
        self.on_the_shelf(|shelf| shelf.probe()).await
    }

    async fn deliver(&self, batch: &Batch<'_>) -> Result<Receipt, SinkError> {
        let (name, spare) = (batch.name().to_owned(), Arc::clone(&self.spare));
        let mut lines = mem::take(&mut *locked(&spare));
        write_lines(&mut lines, batch);
        self.on_the_shelf(move |shelf| {
            let put = shelf.put(&name, &lines);
            if lines.capacity() <= SPARE_BYTES_MAX {
                *locked(&spare) = lines;
            }
            put
        })
        .await?;
        Ok(Receipt::default())
    }
}

impl File {
    async fn on_the_shelf(
        &self,
        work: impl FnOnce(&Shelf) -> Result<(), SinkError> + Send + 'static,
    ) -> Result<(), SinkError> {
        let shelf = Arc::clone(&self.shelf);
        let done = tokio::task::spawn_blocking(move || work(&locked(&shelf)));
        done.await.unwrap_or_else(|error| {
            // The runtime is stopping, and what was begun is undone by the next delivery.
            Err(SinkError::new(SinkErrorKind::Failing).with_source(error))
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_lines(lines: &mut Vec<u8>, batch: &Batch<'_>) {
    lines.clear();
    lines.reserve_exact(batch.items().iter().map(|item| item.json().len() + 1).sum());
    for item in batch.items() {
        let start = lines.len();
        lines.extend_from_slice(item.json());
        // JSON has line breaks only between its values, where any blank will do.
        if lines[start..].contains(&b'\n') {
            for byte in lines[start..].iter_mut().filter(|byte| **byte == b'\n') {
                *byte = b' ';
            }
        }
        lines.push(b'\n');
    }
}

#[cfg(feature = "conformance")]
mod stand;
#[cfg(feature = "conformance")]
pub use self::stand::Stand;

#[cfg(test)]
mod tests;
