//! The log that tests run on.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    Appended, Batch, BoxFuture, BusError, Lag, Log, Position, ReadLimit, Reader, Record, Room,
    journal::check_group,
};

/// A log without a disk, for tests. Clones share its records and its cursors.
#[derive(Clone, Debug)]
pub struct MemoryLog {
    source: String,
    state: Arc<Mutex<State>>,
    head: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    records: Vec<Bytes>,
    /// For each group, how many records it has committed.
    cursors: HashMap<String, u64>,
}

struct MemoryReader {
    log: MemoryLog,
    group: String,
    next: u64,
    seen: watch::Receiver<u64>,
}

impl MemoryLog {
    /// An empty log with a source id of its own.
    pub fn new() -> Self {
        Self {
            source: Uuid::now_v7().to_string(),
            state: Arc::default(),
            head: watch::Sender::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl Log for MemoryLog {
    fn source(&self) -> &str {
        &self.source
    }

    fn append(&self, records: &[&[u8]]) -> Result<Appended, BusError> {
        if records.is_empty() {
            return Err(BusError::Empty);
        }
        let mut state = self.state();
        let first = state.records.len() as u64;
        let copies = records.iter().map(|record| Bytes::copy_from_slice(record));
        state.records.extend(copies);
        let head = state.records.len() as u64;
        // Under the lock, so that the head never goes backwards.
        self.head.send_replace(head);
        Ok(Appended {
            first: Position::at(first),
            last: Position::at(head - 1),
        })
    }

    fn synced(&self, position: Position) -> BoxFuture<'_, Result<(), BusError>> {
        let mut head = self.head.subscribe();
        Box::pin(async move {
            match head.wait_for(|head| *head > position.offset).await {
                Ok(_) => Ok(()),
                Err(_) => Err(BusError::Poisoned),
            }
        })
    }

    fn head(&self) -> Position {
        Position::at(*self.head.borrow())
    }

    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, BusError> {
        check_group(group)?;
        let next = *self.state().cursors.entry(group.to_owned()).or_default();
        Ok(Box::new(MemoryReader {
            group: group.to_owned(),
            next,
            seen: self.head.subscribe(),
            log: self.clone(),
        }))
    }

    fn forget(&self, group: &str) -> Result<(), BusError> {
        check_group(group)?;
        self.state().cursors.remove(group);
        Ok(())
    }
}

impl Reader for MemoryReader {
    fn read(&mut self, limit: ReadLimit) -> BoxFuture<'_, Result<Batch, BusError>> {
        Box::pin(async move {
            loop {
                self.seen.borrow_and_update();
                let batch = self.try_read(limit)?;
                if !batch.is_empty() {
                    return Ok(batch);
                }
                // This reader holds a clone of the log, so the sender cannot be gone.
                self.seen
                    .changed()
                    .await
                    .map_err(|_closed| BusError::Poisoned)?;
            }
        })
    }

    fn try_read(&mut self, limit: ReadLimit) -> Result<Batch, BusError> {
        let state = self.log.state();
        let skip = usize::try_from(self.next).unwrap_or(usize::MAX);
        let mut room = Room::new(limit);
        let mut batch = Batch::default();
        for (offset, bytes) in (0_u64..).zip(&state.records).skip(skip) {
            if !room.take(bytes.len()) {
                break;
            }
            batch.records.push(Record {
                position: Position::at(offset),
                bytes: bytes.clone(),
            });
            self.next = offset + 1;
        }
        Ok(batch)
    }

    fn commit(&mut self, position: Position) -> Result<(), BusError> {
        if position.partition != 0 {
            let partition = position.partition;
            return Err(BusError::Partition { partition });
        }
        let mut state = self.log.state();
        let cursor = state.cursors.entry(self.group.clone()).or_default();
        *cursor = (*cursor).max(position.offset.saturating_add(1));
        Ok(())
    }

    fn seek(&mut self, position: Position) {
        self.next = position.offset;
    }

    fn committed(&self) -> Option<Position> {
        let next = self.log.state().cursors.get(&self.group).copied()?;
        next.checked_sub(1).map(Position::at)
    }

    fn lag(&self) -> Lag {
        let state = self.log.state();
        let skip = usize::try_from(self.next).unwrap_or(usize::MAX);
        let behind = state.records.iter().skip(skip);
        behind.fold(Lag::default(), |lag, bytes| Lag {
            records: lag.records + 1,
            bytes: lag.bytes + bytes.len() as u64,
        })
    }

    fn source(&self) -> Result<String, BusError> {
        Ok(self.log.source.clone())
    }
}
