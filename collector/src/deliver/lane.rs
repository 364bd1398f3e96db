//! One sink's way through the priced log: gather, seal, deliver, move on.
//!
//! The cursor of the reader group `sink-<name>` stands after the last event whose fate is durable:
//! the destination has it, or the dead letters have. Nothing else is kept in memory that matters,
//! so a lane may be dropped at any moment, and a panic in a sink is no worse than that: the lane
//! begins again at its cursor.
//!
//! A batch is sealed before its first attempt: its range of positions is on disk. After a crash the
//! sealed ranges that lie beyond the cursor are read again and delivered first, so the destination
//! sees the same names with the same items. The log does not change, so the bytes are the same, as
//! long as the sink's rules are.
//!
//! Several batches may be on their way at once, as many as the sink allows and its pace; the cursor
//! waits for the oldest. With one at a time events arrive in the order of the log.

use std::{
    num::NonZeroUsize, panic::AssertUnwindSafe, path::Path, path::PathBuf, pin::Pin, sync::Arc,
};

use bus::{BusError, Position, ReadLimit, Reader};
use event::Severity;
use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use sink::BatchLimits;
use tokio::time::Instant;

use super::{
    attempt::{Delivery, said},
    gather::{Gathering, Sealed},
    sealed::{KeptFile, Range},
    window::Window,
};
use crate::{clock, config::From, metrics::Fates};

/// One sink, its place in the log and its files.
pub(crate) struct Lane {
    delivery: Arc<Delivery>,
    limits: BatchLimits,
    sealed: KeptFile,
    /// Where the sink began, when it was new: its cursor until it has one.
    start: u64,
}

/// A batch on its way: where it begins, and what became of it; `None` if it is time to stop.
type Flight<'a> = Pin<Box<dyn Future<Output = (u64, Option<Fates>)> + Send + 'a>>;

/// The sealed ranges as they are on disk.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Kept {
    Several(Vec<Range>),
    /// As it was written while there was one batch at a time.
    One(Range),
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
        delivery: Arc<Delivery>,
        limits: BatchLimits,
        from: From,
        data: &Path,
    ) -> Result<(Self, Box<dyn Reader>), LaneError> {
        let log = &delivery.shared.log;
        let lanes: PathBuf = data.join("lanes");
        let sealed = KeptFile::new(lanes.join(format!("{}.sealed", delivery.name)));
        let began = KeptFile::new(lanes.join(format!("{}.start", delivery.name)));
        let reader = log.reader(&group(&delivery.name))?;
        let start = match began.read().await? {
            Some(start) => start,
            None => {
                let start = match from {
                    From::Now if reader.committed().is_none() => log.head().offset,
                    From::Now | From::Beginning => 0,
                };
                began.write(&start).await?;
                start
            }
        };
        let lane = Self {
            delivery,
            limits,
            sealed,
            start,
        };
        lane.delivery.stats.stands_at(lane.next(&*reader));
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
        let shared = &self.delivery.shared;
        while !shared.tasks.is_stopping() {
            let round = AssertUnwindSafe(self.round(first.take()))
                .catch_unwind()
                .await;
            let detail = match round {
                Ok(Ok(())) => return,
                Ok(Err(error)) => said(&error),
                Err(_panic) => "the sink panicked".to_owned(),
            };
            let (name, pause) = (&self.delivery.name, self.delivery.pace.stumbled());
            tracing::error!(
                sink = name,
                detail,
                ?pause,
                "lane begins again at its cursor"
            );
            let message = format!("sink `{name}` begins again at its cursor: {detail}");
            shared
                .alerts
                .sink_failing(name, Severity::Critical, message)
                .await;
            self.delivery.stats.failed(&detail);
            tokio::select! {
                () = shared.tasks.stopping() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// From the cursor on, until told to stop; then until the attempts under way have ended.
    async fn round(&self, first: Option<Box<dyn Reader>>) -> Result<(), LaneError> {
        let delivery = &*self.delivery;
        let mut reader = match first {
            Some(reader) => reader,
            None => delivery.shared.log.reader(&group(&delivery.name))?,
        };
        let next = self.next(&*reader);
        reader.seek(at(next));
        delivery.stats.stands_at(next);
        let mut window = Window::default();
        let mut flights: FuturesUnordered<Flight<'_>> = FuturesUnordered::new();
        for sealed in self.begun(&mut *reader, next).await? {
            window.begin(sealed.range, sealed.oldest);
            flights.push(self.fly(sealed));
        }
        let mut gathering = Gathering::new(&delivery.policy, self.limits);
        loop {
            let room = flights.len() < delivery.pace.limit();
            let now = Instant::now();
            let due = gathering.due();
            if room && (gathering.is_full() || due.is_some_and(|due| due <= now)) {
                let Some(sealed) = gathering.seal() else {
                    continue;
                };
                window.begin(sealed.range, sealed.oldest);
                self.sealed.write(&window.ranges()).await?;
                flights.push(self.fly(sealed));
                continue;
            }
            let (items, bytes) = gathering.room();
            tokio::select! {
                biased;
                () = delivery.shared.tasks.stopping() => break,
                Some((first, fates)) = flights.next() => {
                    let Some(fates) = fates else { break };
                    window.land(first, fates);
                    self.pass(&mut *reader, &mut window)?;
                }
                read = reader.read(limit(items, bytes)), if room && !gathering.is_full() => {
                    let again = gathering.take(read?, (now, clock::now()));
                    if let Some(position) = again {
                        reader.seek(position);
                    }
                    self.step_over(&mut gathering, &mut window).await;
                    self.pass(&mut *reader, &mut window)?;
                }
                () = until(due), if room => {}
            }
            let oldest = window.oldest().or_else(|| gathering.oldest());
            delivery.stats.oldest(oldest);
        }
        while let Some((first, fates)) = flights.next().await {
            if let Some(fates) = fates {
                window.land(first, fates);
                self.pass(&mut *reader, &mut window)?;
            }
        }
        Ok(())
    }

    fn fly(&self, sealed: Sealed) -> Flight<'_> {
        let first = sealed.range.first;
        Box::pin(async move { (first, self.delivery.deliver(sealed).await) })
    }

    /// Tells of what is missing or too old. What has been read and is not for the sink needs no
    /// delivery: the cursor passes it.
    async fn step_over(&self, gathering: &mut Gathering<'_>, window: &mut Window) {
        self.report_gaps(&gathering.untold()).await;
        let expired = gathering.untold_expired();
        self.delivery.tell_of_expired(expired).await;
        if !gathering.is_empty() {
            return;
        }
        if let Some(sealed) = gathering.seal() {
            window.begin(sealed.range, None);
            let fates = Fates {
                skips: sealed.skips,
                ..Fates::default()
            };
            window.land(sealed.range.first, fates);
        }
    }

    /// Moves the cursor past what has its fate.
    fn pass(&self, reader: &mut dyn Reader, window: &mut Window) -> Result<(), LaneError> {
        if let Some((last, fates)) = window.pass() {
            reader.commit(at(last))?;
            self.delivery.stats.moved(last.saturating_add(1), fates);
        }
        Ok(())
    }

    /// The batches beyond the cursor that were on their way before.
    async fn begun(&self, reader: &mut dyn Reader, next: u64) -> Result<Vec<Sealed>, LaneError> {
        let ranges = match self.sealed.read().await? {
            Some(Kept::Several(ranges)) => ranges,
            Some(Kept::One(range)) => vec![range],
            None => Vec::new(),
        };
        let mut begun = Vec::new();
        for range in ranges.into_iter().filter(|range| range.last >= next) {
            begun.push(self.read_again(reader, range).await?);
        }
        Ok(begun)
    }

    /// Reads a sealed range once more.
    async fn read_again(&self, reader: &mut dyn Reader, range: Range) -> Result<Sealed, LaneError> {
        let endless = BatchLimits {
            items_max: usize::MAX,
            bytes_max: usize::MAX,
            ..self.limits
        };
        let mut gathering = Gathering::new(&self.delivery.policy, endless);
        reader.seek(at(range.first));
        loop {
            let mut read = reader.try_read(limit(usize::MAX, 1 << 20))?;
            let beyond = |offset| offset > range.last;
            let done = read.is_empty()
                || read
                    .records
                    .iter()
                    .any(|record| beyond(record.position.offset));
            read.records
                .retain(|record| !beyond(record.position.offset));
            read.gaps.retain(|gap| !beyond(gap.from.offset));
            gathering.take(read, (Instant::now(), clock::now()));
            if done {
                break;
            }
        }
        self.report_gaps(&gathering.untold()).await;
        reader.seek(at(range.last.saturating_add(1)));
        let mut sealed = gathering.seal().unwrap_or_else(|| Sealed::empty(range));
        sealed.range = range;
        Ok(sealed)
    }

    /// Says what is missing.
    async fn report_gaps(&self, gaps: &[bus::Gap]) {
        for gap in gaps {
            let (from, to) = (gap.from.offset, gap.to.offset);
            tracing::error!(sink = self.delivery.name, from, to, "events were skipped");
            let log = group(&self.delivery.name);
            self.delivery.shared.alerts.gap(&log, gap).await;
        }
    }
}

fn group(name: &str) -> String {
    format!("sink-{name}")
}

pub(super) const fn at(offset: u64) -> Position {
    Position {
        partition: 0,
        offset,
    }
}

pub(super) fn limit(records: usize, bytes: usize) -> ReadLimit {
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
