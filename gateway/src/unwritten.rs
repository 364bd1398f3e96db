//! Events that the journal did not take.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{call::StartedRecord, gateway::Core};

/// Bytes of events that wait in memory for a journal that does not take them.
const UNWRITTEN_BYTES_MAX: usize = 64 << 20;

/// Events that the journal did not take. They are tried again every second; what does not fit here
/// stays open in the journal and is closed as aborted at the next start.
#[derive(Debug, Default)]
pub(crate) struct Unwritten {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    records: VecDeque<Unstored>,
    bytes: usize,
}

/// The record of an ended call, and the started record that it closes.
pub(crate) type Unstored = (Option<StartedRecord>, Vec<u8>);

impl Unwritten {
    /// Keeps a record for later; `false` if there is no room.
    pub(crate) fn keep(&self, started: Option<StartedRecord>, record: Vec<u8>) -> bool {
        let mut waiting = self.lock();
        if waiting.bytes + record.len() > UNWRITTEN_BYTES_MAX {
            return false;
        }
        waiting.bytes += record.len();
        waiting.records.push_back((started, record));
        true
    }

    /// Writes what waits, until it is all written or the journal refuses again. Calls that end
    /// meanwhile do not wait for it. To be called by one at a time.
    pub(crate) fn retry(&self, core: &Core) {
        while let Some((started, record)) = self.take() {
            if core.log.append(&[&record]).is_err() {
                self.put_back((started, record));
                return;
            }
            if let Some(started) = started {
                core.open_calls.end([started.ticket]);
            }
        }
    }

    fn take(&self) -> Option<Unstored> {
        let mut waiting = self.lock();
        let first = waiting.records.pop_front()?;
        waiting.bytes -= first.1.len();
        Some(first)
    }

    fn put_back(&self, first: Unstored) {
        let mut waiting = self.lock();
        waiting.bytes += first.1.len();
        waiting.records.push_front(first);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
