//! One write for all the records that a worker has at one time.
//!
//! A worker's thread runs every call that is ready, then looks for what has become ready. The
//! records of the calls it ran wait here until then and go into the journal with one append: a
//! system call and a lock for many calls instead of for each. Whoever put a record here waits for
//! its place, so a call goes on no sooner than its record is stored.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus::{Appended, BusError, Log, Position};
use tokio::sync::{Notify, oneshot};

use crate::{
    admission::Permit,
    call::{Call, Open, StartedRecord},
    error::ApiError,
    gateway::Shared,
    open_calls::Ticket,
    report,
};

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Turn {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    records: Vec<Waits>,
    /// Nobody will look again: what comes is written at once.
    ended: bool,
}

/// A record that waits to be written.
pub(crate) struct Waits {
    pub(crate) record: Vec<u8>,
    pub(crate) of: Of,
}

/// What it is the record of, and who is told where it stands.
pub(crate) enum Of {
    /// A call that begins. It becomes a [`Call`] when its record is stored, whether or not its
    /// client still waits: if not, dropping it writes its event.
    Begun(Begun, oneshot::Sender<Result<Call, ApiError>>),
    /// A call that has ended, or was refused.
    Ended(Option<StartedRecord>, Permit, oneshot::Sender<Stored>),
}

/// Where a record stands, or `None` if it could not be written and need not be.
pub(crate) type Stored = Result<Option<Position>, ApiError>;

/// A call whose record is not stored yet.
pub(crate) struct Begun {
    pub(crate) shared: Arc<Shared>,
    pub(crate) open: Box<Open>,
}

impl Turn {
    /// Puts a record with the others.
    pub(crate) fn put(&self, shared: &Shared, waits: Waits) {
        let mut waiting = self.lock();
        if waiting.ended {
            drop(waiting);
            return write(shared, vec![waits]);
        }
        waiting.records.push(waits);
        if waiting.records.len() == 1 {
            self.more.notify_one();
        }
    }

    /// Writes what the calls bring, turn by turn, for ever.
    pub(crate) async fn run(&self, shared: &Shared) {
        loop {
            self.more.notified().await;
            let records = std::mem::take(&mut self.lock().records);
            write(shared, records);
        }
    }

    /// Writes what waits, and from now on everything at once.
    pub(crate) fn end(&self, shared: &Shared) {
        let records = {
            let mut waiting = self.lock();
            waiting.ended = true;
            std::mem::take(&mut waiting.records)
        };
        write(shared, records);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Appends records, and tells everybody what became of theirs.
fn write(shared: &Shared, records: Vec<Waits>) {
    if records.is_empty() {
        return;
    }
    let begun = records
        .iter()
        .filter(|waits| matches!(waits.of, Of::Begun(..)))
        .count();
    // Before the append, so that the cursor of open calls cannot pass their records.
    let mut tickets = shared.open_calls.begin(&*shared.log, begun).into_iter();
    let bytes: Vec<&[u8]> = records
        .iter()
        .map(|waits| waits.record.as_slice())
        .collect();
    let (places, error) = append(&*shared.log, &bytes);
    if let Some(error) = &error {
        shared.journal_refused();
        tracing::error!(
            error = error as &dyn std::error::Error,
            "records not written"
        );
    }
    let mut over = Vec::with_capacity(records.len());
    let places = places.into_iter().chain(std::iter::repeat(None));
    for (Waits { record, of }, place) in records.into_iter().zip(places) {
        match of {
            Of::Begun(begun, told) => {
                let Some(ticket) = tickets.next() else { break };
                let told_or_not = told.send(start(shared, begun, ticket, place, &mut over));
                // Nobody waits for it: the call ends here, and says so.
                drop(told_or_not);
            }
            Of::Ended(started, permit, told) => {
                let stored = match place {
                    Some(position) => {
                        over.extend(started.map(|started| started.ticket));
                        permit.stored(position.offset);
                        Ok(Some(position))
                    }
                    None => {
                        permit.kept();
                        keep(shared, started, record)
                    }
                };
                let _nobody_waits = told.send(stored);
            }
        }
    }
    shared.open_calls.end(over);
}

/// Makes a call of one whose record is stored, or need not be.
fn start(
    shared: &Shared,
    begun: Begun,
    ticket: Ticket,
    place: Option<Position>,
    over: &mut Vec<Ticket>,
) -> Result<Call, ApiError> {
    let Begun {
        shared: own,
        mut open,
    } = begun;
    open.started = place.map(|position| StartedRecord { position, ticket });
    if place.is_none() {
        over.push(ticket);
        if let Some(error) = report::not_written(shared) {
            return Err(error);
        }
    }
    Ok(Call::new(own, open))
}

/// Keeps an event that was not written.
fn keep(shared: &Shared, started: Option<StartedRecord>, record: Vec<u8>) -> Stored {
    if !shared.unwritten.keep(started, record) {
        shared.metrics.events_lost.inc();
    }
    report::not_written(shared).map_or(Ok(None), Err)
}

/// The place of each record that is stored: of all, or of the first so many, and then why not of
/// the others.
fn append(log: &dyn Log, records: &[&[u8]]) -> (Vec<Option<Position>>, Option<BusError>) {
    match log.append(records) {
        Ok(appended) => (positions(appended), None),
        // Nothing was written, and one of them must not be the ruin of the others.
        Err(BusError::TooLarge { .. }) if records.len() > 1 => one_by_one(log, records),
        Err(BusError::Full { stored }) => {
            let places = stored.map(positions).unwrap_or_default();
            (places, Some(BusError::Full { stored }))
        }
        Err(error) => (Vec::new(), Some(error)),
    }
}

fn one_by_one(log: &dyn Log, records: &[&[u8]]) -> (Vec<Option<Position>>, Option<BusError>) {
    let mut refused = None;
    let mut place = |record: &&[u8]| match log.append(&[record]) {
        Ok(appended) => Some(appended.first),
        Err(error) => {
            refused = Some(error);
            None
        }
    };
    let places = records.iter().map(&mut place).collect();
    (places, refused)
}

fn positions(Appended { first, last }: Appended) -> Vec<Option<Position>> {
    let at = |offset| Some(Position { offset, ..first });
    (first.offset..=last.offset).map(at).collect()
}

#[cfg(test)]
mod tests;
