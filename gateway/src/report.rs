//! Writes records down, and keeps what the journal does not take.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bus::Position;
use event::{Outcome, codec};

use crate::{
    call::{Ending, Open, StartedRecord},
    config::{Accounting, Durability},
    draft::Draft,
    error::{ApiError, ErrorClass},
    gateway::{Core, Shared},
    payload,
};

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
    records: VecDeque<(Option<StartedRecord>, Vec<u8>)>,
    bytes: usize,
}

/// Writes the started record of a call.
///
/// # Errors
///
/// If it cannot be written and accounting is required.
pub(crate) fn begin(
    shared: &Shared,
    record: &[u8],
) -> Result<(Option<StartedRecord>, Written), ApiError> {
    let ticket = shared.open_calls.begin(&*shared.log);
    match shared.log.append(&[record]) {
        Ok(appended) => {
            let record = StartedRecord {
                position: appended.first,
                ticket,
            };
            Ok((Some(record), Written::at(shared, appended.first)))
        }
        Err(error) => {
            shared.open_calls.end(ticket);
            shared.journal_refused();
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "started record not written"
            );
            not_written(shared).map_or(Ok((None, Written::default())), Err)
        }
    }
}

/// Writes the event of an admitted call.
///
/// # Errors
///
/// If it cannot be written now and accounting is required.
pub(crate) fn finish(shared: &Shared, open: Open, ending: Ending) -> Result<Written, ApiError> {
    let now = (shared.clock)();
    shared
        .metrics
        .call_ended(&open.deployment.model_name, ending.outcome);
    let started = open.started;
    let record = codec::encode_finished(&payload::of_call(shared, open, ending, now));
    write(shared, started, record)
}

/// Writes the event of a request that was not admitted.
///
/// # Errors
///
/// If it cannot be written now and accounting is required.
pub(crate) fn reject(shared: &Shared, draft: Draft, error: &ApiError) -> Result<Written, ApiError> {
    let now = (shared.clock)();
    shared.metrics.call_ended("", Outcome::Rejected);
    let payload = payload::of_rejected(shared, draft, error, now);
    write(shared, None, codec::encode_finished(&payload))
}

fn write(
    shared: &Shared,
    started: Option<StartedRecord>,
    record: Vec<u8>,
) -> Result<Written, ApiError> {
    match shared.log.append(&[&record]) {
        Ok(appended) => {
            if let Some(started) = started {
                shared.open_calls.end(started.ticket);
            }
            Ok(Written::at(shared, appended.last))
        }
        Err(error) => {
            shared.journal_refused();
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "event not written"
            );
            if !shared.unwritten.keep(started, record) {
                shared.metrics.events_lost.inc();
            }
            not_written(shared).map_or(Ok(Written::default()), Err)
        }
    }
}

/// A record that may have to reach the disk before its call goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "a call must not go on before its record is as durable as the configuration says"]
pub(crate) struct Written(Option<Position>);

impl Written {
    fn at(shared: &Shared, position: Position) -> Self {
        let waits = shared.config.settings.durability == Durability::Fsync;
        Self(waits.then_some(position))
    }

    /// Whether there is nothing to wait for.
    pub(crate) const fn is_enough(self) -> bool {
        self.0.is_none()
    }

    /// Waits until the record is on disk, if it has to be.
    ///
    /// # Errors
    ///
    /// If it cannot be known to be, and accounting is required.
    pub(crate) async fn durable(self, shared: Arc<Shared>) -> Result<(), ApiError> {
        let Some(position) = self.0 else {
            return Ok(());
        };
        match shared.log.synced(position).await {
            Ok(()) => Ok(()),
            Err(error) => {
                shared.journal_refused();
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "record not synced"
                );
                not_written(&shared).map_or(Ok(()), Err)
            }
        }
    }
}

/// What a client is told, if it has to be told.
fn not_written(shared: &Shared) -> Option<ApiError> {
    match shared.config.settings.accounting {
        Accounting::Required => Some(ApiError::new(
            ErrorClass::ServiceUnavailable,
            "this call cannot be written down, and accounting is required: the gateway's disk is \
             full or failing",
        )),
        Accounting::BestEffort => None,
    }
}

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

    /// Writes what waits, until it is all written or the journal refuses again.
    pub(crate) fn retry(&self, core: &Core) {
        let mut waiting = self.lock();
        while let Some((started, record)) = waiting.records.pop_front() {
            if core.log.append(&[&record]).is_err() {
                waiting.records.push_front((started, record));
                return;
            }
            waiting.bytes -= record.len();
            if let Some(started) = started {
                core.open_calls.end(started.ticket);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
