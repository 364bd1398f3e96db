//! Calls that have a started record and no finished one yet.
//!
//! The journal is the truth: a started record without a finished one is a call in flight, or one
//! that died with the gateway. A cursor of the journal stays in front of the oldest open call, so
//! that the next start reads no further back than it must, and no segment with an open call goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bus::{BusError, Log, Position, ReadLimit, Reader};
use event::{CallRecord, Started, Timestamp, codec};

/// The group of the cursor.
const GROUP: &str = "gateway-open-calls";

const READ: ReadLimit = ReadLimit {
    records: NonZeroUsize::new(4096).expect("is not zero"),
    bytes: NonZeroUsize::new(16 << 20).expect("is not zero"),
};

/// The calls in flight, each with a place at or before its started record.
#[derive(Debug, Default)]
pub(crate) struct OpenCalls {
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    /// Place and ticket.
    open: BTreeSet<(Position, u64)>,
    tickets: u64,
}

impl Places {
    fn open(&mut self, place: Position) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(place, self.tickets);
        self.open.insert((ticket.0, ticket.1));
        ticket
    }
}

/// One open call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(Position, u64);

impl OpenCalls {
    /// Opens `count` calls whose started records will stand at `log`'s head or behind it. To be
    /// asked for before the records are written, so that the cursor cannot pass them.
    pub(crate) fn begin(&self, log: &dyn Log, count: usize) -> Vec<Ticket> {
        if count == 0 {
            return Vec::new();
        }
        let mut places = self.lock();
        // Asked for under the lock: no cursor moves in between.
        let head = log.head();
        (0..count).map(|_| places.open(head)).collect()
    }

    /// Opens a call whose started record stands at `position` already.
    pub(crate) fn reopen(&self, position: Position) -> Ticket {
        self.lock().open(position)
    }

    pub(crate) fn end(&self, tickets: impl IntoIterator<Item = Ticket>) {
        let mut places = self.lock();
        for Ticket(place, number) in tickets {
            places.open.remove(&(place, number));
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().open.len()
    }

    /// The last position that no open call needs any more.
    fn settled(&self, log: &dyn Log) -> Option<Position> {
        let places = self.lock();
        let oldest = places
            .open
            .first()
            .map_or_else(|| log.head(), |(place, _ticket)| *place);
        let offset = oldest.offset.checked_sub(1)?;
        Some(Position { offset, ..oldest })
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a start found.
pub(crate) struct Recovered {
    pub(crate) recovery: Recovery,
    /// Calls that were closed.
    pub(crate) closed: usize,
    /// Events that the journal did not take, each with the place of its started record.
    pub(crate) unwritten: Vec<(Position, Vec<u8>)>,
}

/// The cursor in front of the oldest open call.
pub(crate) struct Recovery {
    reader: Box<dyn Reader>,
}

impl Recovery {
    /// Closes the calls that died with the last run: each gets the event of an aborted call.
    ///
    /// # Errors
    ///
    /// If the journal cannot be read.
    pub(crate) fn run(log: &dyn Log, found: Timestamp) -> Result<Recovered, BusError> {
        let mut reader = log.reader(GROUP)?;
        let mut open: BTreeMap<u64, Box<Started>> = BTreeMap::new();
        loop {
            let batch = reader.try_read(READ)?;
            if batch.is_empty() {
                break;
            }
            for record in batch.records {
                match codec::decode_call(&record.bytes) {
                    Ok(CallRecord::Started(started)) => {
                        open.insert(record.position.offset, started);
                    }
                    Ok(CallRecord::Finished(payload)) => {
                        if let Some(sequence) =
                            payload.tollkeeper.and_then(|ours| ours.started_sequence)
                        {
                            open.remove(&sequence);
                        }
                    }
                    // The collector reports it: it reads every record, this only some.
                    Err(_error) => {}
                }
            }
        }
        let (mut closed, mut unwritten) = (0, Vec::new());
        for (sequence, started) in open {
            let mut payload = started.aborted(found);
            if let Some(ours) = &mut payload.tollkeeper {
                ours.started_sequence = Some(sequence);
            }
            let record = codec::encode_finished(&payload);
            match log.append(&[&record]) {
                Ok(_appended) => closed += 1,
                // A full journal must not keep the gateway from starting: they are tried again.
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "event not written"
                    );
                    unwritten.push((
                        Position {
                            partition: 0,
                            offset: sequence,
                        },
                        record,
                    ));
                }
            }
        }
        Ok(Recovered {
            recovery: Self { reader },
            closed,
            unwritten,
        })
    }

    /// Moves the cursor up to the oldest open call.
    ///
    /// # Errors
    ///
    /// If the cursor cannot be written.
    pub(crate) fn advance(&mut self, open: &OpenCalls, log: &dyn Log) -> Result<(), BusError> {
        match open.settled(log) {
            Some(position) if Some(position) > self.reader.committed() => {
                self.reader.commit(position)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bus::MemoryLog;
    use event::{CallId, Outcome, StandardLoggingPayload, UsageSource};

    use super::*;

    fn start(log: &MemoryLog, id: &str) -> Position {
        let call_id = CallId::parse(id).unwrap();
        let started = Started {
            call_id,
            prompt_tokens: 3,
            completion_tokens: 5,
            ..Started::default()
        };
        log.append(&[&codec::encode_started(&started)])
            .unwrap()
            .first
    }

    fn payloads(log: &MemoryLog) -> Vec<StandardLoggingPayload> {
        let records = log.reader("test").unwrap().try_read(READ).unwrap().records;
        let finished = |record: bus::Record| match codec::decode_call(&record.bytes).unwrap() {
            CallRecord::Finished(payload) => Some(*payload),
            CallRecord::Started(_) => None,
        };
        records.into_iter().filter_map(finished).collect()
    }

    #[test]
    fn a_call_that_died_with_the_gateway_is_closed_once_with_its_estimate() {
        let log = MemoryLog::default();
        let position = start(&log, "a");
        for wanted in [1, 0] {
            let found = Recovery::run(&log, Timestamp::from_micros(9)).unwrap();
            assert_eq!(found.closed, wanted);
        }
        let [payload] = payloads(&log).try_into().unwrap();
        assert_eq!((payload.prompt_tokens, payload.completion_tokens), (3, 5));
        let ours = payload.tollkeeper.unwrap();
        assert_eq!(ours.outcome, Outcome::Aborted);
        assert_eq!(ours.usage_source, UsageSource::Estimated);
        assert_eq!(ours.started_sequence, Some(position.offset));
    }

    #[test]
    fn calls_with_one_id_are_told_apart() {
        let log = MemoryLog::default();
        let first = start(&log, "same");
        start(&log, "same");
        let mut payload = Started::default().aborted(Timestamp::default());
        payload.tollkeeper.as_mut().unwrap().started_sequence = Some(first.offset);
        log.append(&[&codec::encode_finished(&payload)]).unwrap();
        assert_eq!(Recovery::run(&log, Timestamp::default()).unwrap().closed, 1);
    }

    #[test]
    fn the_cursor_waits_for_the_oldest_open_call() {
        let log = MemoryLog::default();
        let mut recovery = Recovery::run(&log, Timestamp::default()).unwrap().recovery;
        let open = OpenCalls::default();
        start(&log, "ended");
        let tickets = open.begin(&log, 1);
        let oldest = start(&log, "a");
        start(&log, "b");
        recovery.advance(&open, &log).unwrap();
        assert_eq!(
            recovery.reader.committed().unwrap().offset,
            oldest.offset - 1
        );
        open.end(tickets);
        recovery.advance(&open, &log).unwrap();
        assert_eq!(
            recovery.reader.committed().unwrap().offset,
            log.head().offset - 1
        );
    }
}
