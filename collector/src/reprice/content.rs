//! Reads events back from the priced log, in the order of their positions.

use std::{collections::VecDeque, num::NonZeroUsize, sync::Arc};

use bus::{BusError, Log, Position, ReadLimit, Reader, Record};
use event::{EventId, PricedEvent, codec};

/// The reader while a job runs. It is forgotten afterwards, so that it holds no records back.
const GROUP: &str = "collector-reprice";

/// Read at once.
const RECORDS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);
const BYTES: NonZeroUsize = NonZeroUsize::MIN.saturating_add((1 << 20) - 1);
/// Beyond so many records it is cheaper to look for a position than to read on to it.
const FAR: u64 = 1 << 14;

/// A way through the priced log.
pub(super) struct Content {
    log: Arc<dyn Log>,
    reader: Box<dyn Reader>,
    ahead: VecDeque<Record>,
    /// The position after those that were read.
    next: u64,
}

impl Content {
    /// # Errors
    /// If the log cannot be read.
    pub(super) fn open(log: &Arc<dyn Log>) -> Result<Self, BusError> {
        Ok(Self {
            reader: log.reader(GROUP)?,
            log: Arc::clone(log),
            ahead: VecDeque::new(),
            next: 0,
        })
    }

    /// The event of this id and revision at `position`, if it is still there.
    pub(super) async fn event(
        &mut self,
        position: u64,
        (id, revision): (EventId, i64),
    ) -> Option<PricedEvent> {
        let record = match self.record(position).await {
            Ok(record) => record?,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, position, "content of a call cannot be read back");
                return None;
            }
        };
        let event = codec::decode_priced(&record.bytes).ok()?;
        // Another log may stand where this one stood when the row was written.
        let is_it = event.id() == id && i64::from(event.revision()) == revision;
        is_it.then_some(event)
    }

    async fn record(&mut self, position: u64) -> Result<Option<Record>, BusError> {
        let first = self.ahead.front().map(|record| record.position.offset);
        let begun = first.unwrap_or(self.next);
        if position < begun || position - begun > FAR {
            self.ahead.clear();
            self.reader.seek(Position {
                partition: 0,
                offset: position,
            });
            self.next = position;
        }
        loop {
            while let Some(record) = self.ahead.pop_front() {
                if record.position.offset == position {
                    return Ok(Some(record));
                }
                if record.position.offset > position {
                    self.ahead.push_front(record);
                    return Ok(None);
                }
            }
            let limit = ReadLimit {
                records: RECORDS,
                bytes: BYTES,
            };
            let batch = self.reader.try_read(limit)?;
            if batch.is_empty() {
                return Ok(None);
            }
            let ends = batch.gaps.iter().map(|gap| gap.to.offset);
            self.next = ends.max().unwrap_or(0).max(self.next);
            if let Some(last) = batch.records.last() {
                self.next = self.next.max(last.position.offset.saturating_add(1));
            }
            self.ahead = batch.records.into();
            if self.ahead.is_empty() && self.next > position {
                return Ok(None);
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        forget(&*self.log);
    }
}

/// Lets the log delete what was kept for the reader.
pub(super) fn forget(log: &dyn Log) {
    if let Err(error) = log.forget(GROUP) {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "priced log keeps more than it needs to");
    }
}

#[cfg(test)]
mod tests;
