//! From the calls log into the books and the priced log, each call exactly once.
//!
//! The priced log is authoritative, and the books are a fold over it. A batch goes four steps:
//! 1. Read it from the calls log, drop what is at or below the mark of its source (the last
//!    sequence in the books), decode, price and encode the rest. A record that cannot be read, or
//!    that the books could not hold, becomes a dead letter; the others go on.
//! 2. Append the batch to the priced log with one append, and wait until it is on disk, so that a
//!    power cut cannot leave the books ahead of the log they are folded from.
//! 3. Settle it: rows, sums, the source's mark and the position in the priced log, in one
//!    transaction.
//! 4. Commit the cursors in both logs. They only let segments go; nothing depends on them.
//!
//! Whatever happens in between, and whoever fails, the way back is one: [`Pipeline::recover`]
//! settles what stands in the priced log beyond the books, with the cost it carries, and then
//! reads the calls log on after the mark. So
//! - a crash before 2 leaves nothing behind: the batch is read again;
//! - a crash or a failed append within 2 leaves some events of the batch in the priced log: they are
//!   settled from there, and what is read again begins after the last of them, because an append
//!   keeps the order;
//! - a crash before 3 leaves all of them there: the same;
//! - a crash before 4 has the batch read again and dropped by its marks.
//!
//! One thing is beyond this: damage to a record of the priced log after it was synced and before it
//! was settled, on a disk that loses what it has confirmed. The mark passes over such a call, so it
//! is missing from the books and from every sink alike. It is never missing silently: the recovery
//! raises an alert that names its position, logs it, and counts it as a gap; the call itself still
//! stands in the calls log. Pricing it again by itself is not worth its code: the transaction comes
//! milliseconds after the sync.
//!
//! A correction goes steps 2 to 4 alone, between two batches: it is a record of the priced log like
//! any other, and the books fold it in. What the recovery finds of it a second time has a revision
//! that the row has already.
//!
//! Sinks read the priced log and may have an event before it is settled; they will never have one
//! that is not going to be.

mod batches;
mod corrections;
mod intake;
mod recovery;

use std::{collections::BTreeMap, error::Error as StdError, sync::Arc, time::Duration};

use bus::{BusError, Log, Position, ReadLimit, Reader};
use tokio::{sync::mpsc, time::Instant};

pub(crate) use self::corrections::Corrections;
use self::intake::Intake;
use crate::{
    alerts::Alerts,
    books::{Books, BooksError, Run},
    clock,
    config::SettleConfig,
    deliver::dead_letters::{DeadLetters, DeadLettersError},
    health::Health,
    ledger,
    metrics::{self, Metrics},
    price::Pricer,
    tap::Tap,
    tasks::Tasks,
};

/// How often the cursors are moved, at most.
const COMMIT_EVERY: Duration = Duration::from_millis(100);
/// How often gateways are looked for that are not heard of any more.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Pauses after a failure, doubling from the first to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LAST: Duration = Duration::from_secs(10);

/// What the pipeline works with.
pub(crate) struct Pipeline {
    pub(crate) calls: Box<dyn Reader>,
    pub(crate) priced: Arc<dyn Log>,
    /// Keeps the priced log from deleting what is not settled yet; opened by the recovery.
    pub(crate) tail: Option<Box<dyn Reader>>,
    pub(crate) books: Books,
    pub(crate) pricer: Pricer,
    pub(crate) bad_records: DeadLetters,
    pub(crate) alerts: Alerts,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: Arc<Health>,
    pub(crate) tap: Tap,
    pub(crate) settle: SettleConfig,
    /// What is to be corrected. Never more than one at a time: who sends waits for the answer.
    pub(crate) corrections: mpsc::Receiver<Corrections>,
}

/// Where the pipeline is.
struct Place {
    /// The id of the calls log.
    source: String,
    /// The last sequence of it that is in the books.
    mark: Option<u64>,
    /// The position in the priced log of the first event that is not in the books.
    priced_next: u64,
    /// When the cursors were last moved.
    committed: Instant,
    /// When gateways were last looked for that are not heard of any more.
    looked: Instant,
    /// Whether something has been settled since.
    is_ahead: bool,
    /// When the last batch was settled: calls keep coming if that was just now.
    settled: Option<Instant>,
}

/// Why the pipeline has to start over.
#[derive(Debug, thiserror::Error)]
enum PipelineError {
    #[error("calls log cannot be read")]
    Calls(#[source] BusError),
    #[error("priced log cannot be used")]
    Priced(#[source] BusError),
    #[error("priced log has records that this program cannot settle")]
    Orphan(#[source] event::DecodeError),
    #[error("batch cannot be settled")]
    Books(#[from] BooksError),
    #[error("bad record cannot be put aside")]
    BadRecords(#[from] DeadLettersError),
}

impl Pipeline {
    /// Runs until told to stop; starts over from the books and the logs after every failure.
    pub(crate) async fn run(mut self, tasks: Tasks) {
        let mut pause = PAUSE_FIRST;
        let mut waits = false;
        loop {
            let begun = Instant::now();
            let Err(error) = self.go(&tasks).await else {
                return;
            };
            if begun.elapsed() > PAUSE_LAST {
                pause = PAUSE_FIRST;
            }
            if let PipelineError::Calls(BusError::Absent { path }) = &error {
                // No gateway has written here yet: it is waited for, and that is no failure.
                pause = PAUSE_FIRST;
                self.health.works();
                if !std::mem::replace(&mut waits, true) {
                    tracing::info!(log = %path.display(), "waiting for the first gateway's calls");
                }
            } else {
                self.health.broke(&error);
                tracing::error!(
                    error = &error as &dyn StdError,
                    ?pause,
                    "pipeline starts over"
                );
            }
            tokio::select! {
                () = tasks.stopping() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = pause.saturating_mul(2).min(PAUSE_LAST);
        }
    }

    /// Recovers, then works until told to stop, and then once through what is there.
    async fn go(&mut self, tasks: &Tasks) -> Result<(), PipelineError> {
        let mut place = self.recover().await?;
        self.health.works();
        let limit = self.limit();
        loop {
            let batch = tokio::select! {
                biased;
                () = tasks.stopping() => break,
                Some(corrections) = self.corrections.recv() => {
                    self.correct(corrections, &mut place).await?;
                    continue;
                }
                batch = self.calls.read(limit) => batch.map_err(PipelineError::Calls)?,
                () = tokio::time::sleep_until(place.looked + LOOK_EVERY) => {
                    self.look_for_silent(&mut place).await?;
                    continue;
                }
                // No more calls may come until the room that they need has been made.
                () = tokio::time::sleep_until(place.committed + COMMIT_EVERY), if place.is_ahead => {
                    self.commit(&mut place)?;
                    continue;
                }
            };
            let batch = self.linger(batch, &place).await?;
            self.step(batch, &mut place).await?;
        }
        loop {
            let batch = self
                .calls
                .try_read(self.limit())
                .map_err(PipelineError::Calls)?;
            if batch.is_empty() {
                return self.commit(&mut place);
            }
            self.step(batch, &mut place).await?;
        }
    }

    /// Takes back what gateways were lent that are not heard of any more.
    async fn look_for_silent(&mut self, place: &mut Place) -> Result<(), PipelineError> {
        place.looked = Instant::now();
        if self.calls.lag().records > 0 {
            return Ok(());
        }
        let ended = ledger::end_silent(&self.books, &place.source, clock::now()).await?;
        if ended > 0 {
            tracing::warn!(
                ended,
                "gateways were not heard of any more: their leases are over"
            );
        }
        Ok(())
    }

    const fn limit(&self) -> ReadLimit {
        ReadLimit {
            records: self.settle.records,
            bytes: self.settle.bytes.0,
        }
    }

    /// Waits a little for more, while calls keep coming: a call that comes alone is settled at
    /// once, many are settled together.
    async fn linger(
        &mut self,
        mut batch: bus::Batch,
        place: &Place,
    ) -> Result<bus::Batch, PipelineError> {
        let busy = place
            .settled
            .is_some_and(|settled| settled.elapsed() < self.settle.linger);
        let bytes: usize = batch.records.iter().map(|record| record.bytes.len()).sum();
        let room = ReadLimit {
            records: match left(self.settle.records.get(), batch.records.len()) {
                Some(records) if busy => records,
                _ => return Ok(batch),
            },
            bytes: match left(self.settle.bytes.0.get(), bytes) {
                Some(bytes) => bytes,
                None => return Ok(batch),
            },
        };
        tokio::time::sleep(self.settle.linger).await;
        let more = self.calls.try_read(room).map_err(PipelineError::Calls)?;
        batch.records.extend(more.records);
        batch.gaps.extend(more.gaps);
        Ok(batch)
    }

    /// The four steps of one batch.
    async fn step(&mut self, batch: bus::Batch, place: &mut Place) -> Result<(), PipelineError> {
        self.report_gaps(&batch.gaps, &place.source).await;
        let Some(last) = batch.records.last().map(|record| record.position.offset) else {
            return Ok(());
        };
        let mut intake = self.take_in(&batch.records, place).await?;
        drop(batch);
        self.metrics.started.inc_by(intake.started);
        let mut open: Vec<_> = std::mem::take(&mut intake.open).into_iter().collect();
        open.retain(|(_, reserved)| !reserved.is_empty());
        ledger::open(&self.books, &place.source, &open).await?;
        if intake.events.is_empty() && intake.bad == 0 {
            // Nothing to settle; the mark moves with the next batch, the cursor waits for it.
            return Ok(());
        }
        let to = self.append(&mut intake, place).await?;
        place.mark = place.mark.max(Some(last));
        self.settle(&intake, place, to).await?;
        self.told(&intake).await;
        if place.committed.elapsed() >= COMMIT_EVERY {
            self.commit(place)?;
        }
        Ok(())
    }

    /// Step 2: each event gets its position. Returns the head of the priced log after the batch.
    async fn append(&mut self, intake: &mut Intake, place: &Place) -> Result<u64, PipelineError> {
        if intake.encoded.is_empty() {
            return Ok(place.priced_next);
        }
        let records: Vec<&[u8]> = intake.encoded.iter().map(|record| &**record).collect();
        let appended = self
            .priced
            .append(&records)
            .map_err(PipelineError::Priced)?;
        self.priced
            .synced(appended.last)
            .await
            .map_err(PipelineError::Priced)?;
        for (entry, position) in intake.events.iter_mut().zip(appended.first.offset..) {
            entry.position = Some(position);
        }
        Ok(appended.last.offset.saturating_add(1))
    }

    /// Step 3.
    async fn settle(
        &mut self,
        intake: &Intake,
        place: &mut Place,
        to: u64,
    ) -> Result<(), PipelineError> {
        let marks: BTreeMap<String, u64> = place
            .mark
            .map(|mark| (place.source.clone(), mark))
            .into_iter()
            .collect();
        let begun = Instant::now();
        let run = Run {
            events: &intake.events,
            marks: &marks,
            priced_source: self.priced.source(),
            from: place.priced_next,
            to,
        };
        self.books.settle(run).await?;
        self.metrics.settle.observe(begun.elapsed().as_secs_f64());
        place.priced_next = to;
        place.is_ahead = true;
        place.settled = Some(Instant::now());
        Ok(())
    }

    /// Step 4.
    fn commit(&mut self, place: &mut Place) -> Result<(), PipelineError> {
        if let Some(mark) = place.mark {
            let position = Position {
                partition: 0,
                offset: mark,
            };
            self.calls.commit(position).map_err(PipelineError::Calls)?;
        }
        if let (Some(last), Some(tail)) = (place.priced_next.checked_sub(1), &mut self.tail) {
            let position = Position {
                partition: 0,
                offset: last,
            };
            tail.commit(position).map_err(PipelineError::Priced)?;
        }
        place.committed = Instant::now();
        place.is_ahead = false;
        Ok(())
    }

    /// Tells those who look on what has been settled.
    async fn told(&mut self, intake: &Intake) {
        self.metrics.count(&intake.events);
        self.metrics
            .lag
            .set(i64::try_from(self.calls.lag().records).unwrap_or(i64::MAX));
        let head = self.priced.head().offset;
        self.metrics
            .head
            .set(i64::try_from(head).unwrap_or(i64::MAX));
        self.tap.tell(&intake.encoded);
        let events = intake.events.iter().map(|entry| &entry.event);
        let unpriced = events.filter(|event| metrics::is_unpriced(event) && event.revision() == 0);
        self.alerts.unpriced(unpriced).await;
    }
}

/// What is left of `whole` after `taken`, unless that is nothing.
fn left(whole: usize, taken: usize) -> Option<std::num::NonZeroUsize> {
    std::num::NonZeroUsize::new(whole.saturating_sub(taken))
}

#[cfg(test)]
mod tests;
