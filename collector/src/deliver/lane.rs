//! One sink's way through the priced log: gather, seal, deliver, move on.
//!
//! The cursor of the reader group `sink-<name>` stands after the last event whose fate is durable:
//! the destination has it, or the dead letters have. Nothing else is kept in memory that matters,
//! so a lane may be dropped at any moment, and a panic in a sink is no worse than that: the lane
//! begins again at its cursor.
//!
//! A batch is sealed before its first attempt: its range of positions is on disk. After a crash the
//! sealed range that lies beyond the cursor is read again and delivered first, so the destination
//! sees the same name with the same items. The log does not change, so the bytes are the same.
//!
//! Events reach the destination in the order of the log: there is one batch on its way at a time.

use std::{error::Error as StdError, num::NonZeroUsize, panic::AssertUnwindSafe, path::Path};

use bus::{BusError, Position, ReadLimit, Reader, Record};
use futures_util::FutureExt as _;
use memchr::memmem;
use sink::{BatchLimits, Item};
use tokio::time::Instant;

use super::{
    Opened, Shared,
    attempt::{Delivery, Given},
    backoff::{self, Backoff},
    batcher::Batcher,
    dead_letters::{DeadLetters, chain},
    sealed::{KeptFile, Range},
};
use crate::{
    clock,
    config::From,
    metrics::{Fates, LaneState},
};

/// One sink, its place in the log and its files.
pub(crate) struct Lane {
    opened: Opened,
    shared: Shared,
    limits: BatchLimits,
    sealed: KeptFile,
    /// Where the sink began, when it was new: its cursor until it has one.
    start: u64,
    dead_letters: DeadLetters,
}

/// A batch with its range fixed.
pub(super) struct Sealed {
    pub(super) range: Range,
    /// Each with its position.
    pub(super) items: Vec<Given>,
    /// Records that are no events.
    unopenable: Vec<(Record, String)>,
    /// Events in the range that are lost, or not for sinks.
    skipped: u64,
}

/// What was missing among the records that were read.
#[derive(Clone, Copy, Debug, Default)]
struct Missing {
    /// Where the last gap ends.
    end: Option<u64>,
    /// Records in all gaps.
    records: u64,
}

/// Why a lane begins again at its cursor.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// The log.
    #[error("priced log cannot be read")]
    Log(#[from] BusError),
    /// The disk.
    #[error("lane's files cannot be used")]
    Disk(#[from] std::io::Error),
}

impl Lane {
    /// Gives the lane its place in the log, and a reader that stands there. A new sink starts where
    /// its configuration says, and that is on disk before anything is delivered: a restart before
    /// the first delivery must not skip what came in the meantime.
    pub(super) async fn new(
        opened: Opened,
        limits: BatchLimits,
        data: &Path,
        shared: Shared,
    ) -> Result<(Self, Box<dyn Reader>), LaneError> {
        let name = &opened.name;
        let lanes = data.join("lanes");
        let sealed = KeptFile::new(lanes.join(format!("{name}.sealed")));
        let began = KeptFile::new(lanes.join(format!("{name}.start")));
        let letters = data.join("dead-letters").join(format!("{name}.jsonl"));
        let bytes_max = u64::try_from(opened.config.dead_letters_bytes_max.0.get());
        let dead_letters = DeadLetters::new(letters, bytes_max.unwrap_or(u64::MAX));
        let reader = shared.log.reader(&group(name))?;
        let start = match began.read().await? {
            Some(start) => start,
            None => {
                let start = match opened.config.from {
                    From::Now if reader.committed().is_none() => shared.log.head().offset,
                    From::Now | From::Beginning => 0,
                };
                began.write(&start).await?;
                start
            }
        };
        let lane = Self {
            opened,
            shared,
            limits,
            sealed,
            start,
            dead_letters,
        };
        lane.opened.stats.stands_at(lane.next(&*reader));
        Ok((lane, reader))
    }

    /// The first position whose fate is open.
    fn next(&self, reader: &dyn Reader) -> u64 {
        let committed = reader.committed();
        committed.map_or(self.start, |position| position.offset.saturating_add(1))
    }

    /// Delivers until told to stop; begins again after every failure of its own.
    pub(super) async fn run(self, first: Box<dyn Reader>) {
        let mut first = Some(first);
        let mut pauses = Backoff::new(backoff::seed());
        while !self.shared.tasks.is_stopping() {
            let round = AssertUnwindSafe(self.round(first.take(), &mut pauses))
                .catch_unwind()
                .await;
            let detail = match round {
                Ok(Ok(())) => return,
                Ok(Err(error)) => chain(&error),
                Err(_panic) => "the sink panicked".to_owned(),
            };
            let (name, pause) = (&self.opened.name, pauses.after_failure(None));
            tracing::error!(
                sink = name,
                detail,
                ?pause,
                "lane begins again at its cursor"
            );
            let message = format!("sink `{name}` begins again at its cursor: {detail}");
            self.shared
                .alerts
                .sink_failing(name, event::Severity::Critical, message)
                .await;
            self.opened.stats.is(LaneState::HalfOpen);
            self.opened.stats.retried();
            tokio::select! {
                () = self.shared.tasks.stopping() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// From the cursor on, until told to stop.
    async fn round(
        &self,
        first: Option<Box<dyn Reader>>,
        pauses: &mut Backoff,
    ) -> Result<(), LaneError> {
        let mut reader = match first {
            Some(reader) => reader,
            None => self.shared.log.reader(&group(&self.opened.name))?,
        };
        let next = self.next(&*reader);
        reader.seek(Position {
            partition: 0,
            offset: next,
        });
        self.opened.stats.stands_at(next);
        let sealed: Option<Range> = self.sealed.read().await?;
        if let Some(range) = sealed.filter(|range| range.last >= next) {
            let batch = self.read_again(&mut *reader, range).await?;
            if !self.deliver(&mut *reader, batch, pauses).await? {
                return Ok(());
            }
        }
        let mut batcher = Batcher::new(self.limits);
        loop {
            let Some(batch) = self.gather(&mut *reader, &mut batcher).await? else {
                return Ok(());
            };
            self.sealed.write(&batch.range).await?;
            if !self.deliver(&mut *reader, batch, pauses).await? {
                return Ok(());
            }
        }
    }

    /// Reads until a batch is full or due; `None` if it is time to stop.
    async fn gather(
        &self,
        reader: &mut dyn Reader,
        batcher: &mut Batcher,
    ) -> Result<Option<Sealed>, LaneError> {
        batcher.reset();
        let mut records = Vec::new();
        let mut missing = Missing::default();
        while !batcher.is_full() {
            let limit = limit(batcher.room(), batcher.room_bytes());
            let due = batcher.due();
            let read = tokio::select! {
                biased;
                () = self.shared.tasks.stopping() => return Ok(None),
                read = reader.read(limit) => read?,
                () = until(due) => break,
            };
            let now = Instant::now();
            for record in read.records {
                if !batcher.take(record.bytes.len(), now) {
                    // What follows it is read again with it, the gaps too.
                    let before = read.gaps.iter().filter(|gap| gap.to <= record.position);
                    self.report_gaps(before, &mut missing).await;
                    reader.seek(record.position);
                    return Ok(Some(seal(records, missing)));
                }
                records.push(record);
            }
            self.report_gaps(read.gaps.iter(), &mut missing).await;
            if records.is_empty() {
                // Only a gap: nothing to deliver, but the cursor moves past it.
                self.pass(reader, missing)?;
                missing = Missing::default();
            }
        }
        Ok(Some(seal(records, missing)))
    }

    fn pass(&self, reader: &mut dyn Reader, missing: Missing) -> Result<(), LaneError> {
        if let Some(last) = missing.end.and_then(|end| end.checked_sub(1)) {
            reader.commit(Position {
                partition: 0,
                offset: last,
            })?;
            let fates = Fates {
                skipped: missing.records,
                ..Fates::default()
            };
            self.opened.stats.moved(last + 1, fates, clock::now());
        }
        Ok(())
    }

    /// Reads a sealed range once more.
    async fn read_again(&self, reader: &mut dyn Reader, range: Range) -> Result<Sealed, LaneError> {
        reader.seek(Position {
            partition: 0,
            offset: range.first,
        });
        let mut records: Vec<Record> = Vec::new();
        let mut missing = Missing::default();
        loop {
            let read = reader.try_read(limit(usize::MAX, 1 << 20))?;
            let mine = read.gaps.iter().filter(|gap| gap.from.offset <= range.last);
            self.report_gaps(mine, &mut missing).await;
            let done = read.is_empty();
            let beyond = read
                .records
                .iter()
                .any(|record| record.position.offset > range.last);
            let mine = read
                .records
                .into_iter()
                .filter(|record| record.position.offset <= range.last);
            records.extend(mine);
            if done || beyond {
                break;
            }
        }
        reader.seek(Position {
            partition: 0,
            offset: range.last.saturating_add(1),
        });
        let mut batch = seal(records, missing);
        batch.range = range;
        Ok(batch)
    }

    /// Delivers a sealed batch and moves the cursor; `false` if it is time to stop.
    async fn deliver(
        &self,
        reader: &mut dyn Reader,
        batch: Sealed,
        pauses: &mut Backoff,
    ) -> Result<bool, LaneError> {
        let delivery = Delivery {
            name: &self.opened.name,
            sink: &*self.opened.sink,
            timeout: self.opened.config.timeout,
            dead_letters: &self.dead_letters,
            stats: &self.opened.stats,
            shared: &self.shared,
        };
        let Some(mut dead) = delivery.bury_unopenable(&batch.unopenable).await else {
            return Ok(false);
        };
        let given = u64::try_from(batch.items.len()).unwrap_or(u64::MAX);
        let Some(refused) = delivery.deliver(batch.range, batch.items, pauses).await else {
            return Ok(false);
        };
        dead += refused;
        reader.commit(Position {
            partition: 0,
            offset: batch.range.last,
        })?;
        let next = batch.range.last.saturating_add(1);
        let fates = Fates {
            delivered: given.saturating_sub(refused),
            dead,
            skipped: batch.skipped,
        };
        self.opened.stats.moved(next, fates, clock::now());
        Ok(true)
    }

    /// Says what is missing, and adds it up.
    async fn report_gaps(&self, gaps: impl Iterator<Item = &bus::Gap> + Send, all: &mut Missing) {
        for gap in gaps {
            let (from, to) = (gap.from.offset, gap.to.offset);
            all.end = all.end.max(Some(to));
            all.records += to.saturating_sub(from);
            tracing::error!(sink = self.opened.name, from, to, "events were skipped");
            self.shared
                .alerts
                .gap(&format!("sink-{}", self.opened.name), gap)
                .await;
        }
    }
}

fn group(name: &str) -> String {
    format!("sink-{name}")
}

fn limit(records: usize, bytes: usize) -> ReadLimit {
    let at_least_one = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
    ReadLimit {
        records: at_least_one(records),
        bytes: at_least_one(bytes),
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Fixes the range of a batch: from its first record to its last, or to the end of a gap after it.
fn seal(records: Vec<Record>, missing: Missing) -> Sealed {
    let first = records.first().map_or(0, |record| record.position.offset);
    let last = records.last().map_or(0, |record| record.position.offset);
    let last = missing
        .end
        .and_then(|end| end.checked_sub(1))
        .map_or(last, |end| end.max(last));
    let mut items = Vec::with_capacity(records.len());
    let mut unopenable = Vec::new();
    let mut skipped = missing.records;
    for record in records {
        match Item::open(&record.bytes) {
            Ok(item) if is_for_the_books_alone(&item) => skipped = skipped.saturating_add(1),
            Ok(item) => items.push(Given {
                position: record.position.offset,
                item,
            }),
            Err(error) => {
                let detail = chain(&error as &dyn StdError);
                unopenable.push((record, detail));
            }
        }
    }
    Sealed {
        range: Range { first, last },
        items,
        unopenable,
        skipped,
    }
}

/// As the codec writes it; where it is `false` it is left out.
const NO_LOG: &[u8] = b"\"no_log\":true";

/// Whether the client wanted the call in no sink. Only what looks like it is read: most sinks need
/// no more than the JSON of an event.
fn is_for_the_books_alone(item: &Item) -> bool {
    if memmem::find(item.json(), NO_LOG).is_none() {
        return false;
    }
    let ours = item
        .event()
        .and_then(|event| event.payload().tollkeeper.as_deref());
    ours.is_some_and(|ours| ours.no_log)
}
