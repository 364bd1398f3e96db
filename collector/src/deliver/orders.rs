//! What an operator wants of one sink: a look at it, its dead letters once more, a stretch of the
//! log once more.
//!
//! An order goes beside the lane, one batch at a time, at the sink's pace, and survives a restart:
//! it is a file until it is done. Batches are sealed by it anew; ids and keys of events are what they
//! were, so destinations that know them take nothing twice.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use event::Timestamp;
use serde::{Deserialize, Serialize};
use sink::{BatchLimits, Item};
use tokio::time::Instant;

use super::{
    attempt::{Delivery, Given, said},
    batcher::Batcher,
    dead_letters::{self, DeadLettersError, Letter, Page, Selection},
    gather::{Gathering, Sealed, time},
    lane::{LaneError, at, limit},
    policy::Filter,
    sealed::{KeptFile, Range},
};
use crate::{
    clock,
    config::FilterConfig,
    metrics::{SinkStatus, Skips},
};

/// The way to one sink for those who are not its lane.
pub(crate) struct Control {
    delivery: Arc<Delivery>,
    limits: BatchLimits,
    replay: KeptFile,
    aside: PathBuf,
    running: Mutex<bool>,
}

/// A stretch of the log to deliver once more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Replay {
    /// Events that ended, and alerts that were raised, from here on.
    pub(crate) since: Timestamp,
    /// Up to here, without the end.
    pub(crate) until: Option<Timestamp>,
    /// Which of them.
    #[serde(default)]
    pub(crate) r#where: FilterConfig,
    /// Where the log ended when it was ordered.
    #[serde(default)]
    pub(crate) end: u64,
}

/// Why an order is not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    /// There is one already.
    #[error("the sink has an order that is not done yet: wait until `pending` is 0")]
    Busy,
    /// The dead letters.
    #[error(transparent)]
    Letters(#[from] DeadLettersError),
    /// The files or the log.
    #[error(transparent)]
    Lane(#[from] LaneError),
}

impl Control {
    pub(super) fn new(
        delivery: Arc<Delivery>,
        limits: BatchLimits,
        data: &std::path::Path,
    ) -> Self {
        let name = &delivery.name;
        let folder = data.join("lanes");
        Self {
            replay: KeptFile::new(folder.join(format!("{name}.replay"))),
            aside: data
                .join("dead-letters")
                .join(format!("{name}.retry.jsonl")),
            limits,
            running: Mutex::new(false),
            delivery,
        }
    }

    /// The user's name for the sink.
    pub(crate) fn name(&self) -> &str {
        &self.delivery.name
    }

    /// How far it is.
    pub(crate) fn status(&self) -> SinkStatus {
        self.delivery.stats.status()
    }

    /// Asks the destination whether it would take something; what is wrong, if it would not.
    pub(crate) async fn check(&self) -> Result<(), String> {
        self.delivery.probe().await.map_err(|error| said(&error))
    }

    /// Some of its dead letters.
    pub(crate) async fn letters(
        &self,
        selection: &Selection,
        skip: usize,
        limit: usize,
    ) -> Result<Page, OrderError> {
        let letters = &self.delivery.dead_letters;
        Ok(letters.page(selection, skip, limit).await?)
    }

    /// Throws dead letters away; returns how many.
    pub(crate) async fn drop_letters(&self, selection: &Selection) -> Result<u64, OrderError> {
        let dropped = self.delivery.dead_letters.take_out(selection, None).await?;
        self.show_letters();
        Ok(dropped)
    }

    /// Has dead letters delivered once more; returns how many.
    pub(crate) async fn retry(self: &Arc<Self>, selection: &Selection) -> Result<u64, OrderError> {
        self.begin()?;
        let taken = self.take_aside(selection).await;
        match taken {
            Ok(taken) => {
                self.delivery.stats.again(taken);
                self.spawn_retry();
                Ok(taken)
            }
            Err(error) => {
                self.end();
                Err(error)
            }
        }
    }

    async fn take_aside(&self, selection: &Selection) -> Result<u64, OrderError> {
        let letters = &self.delivery.dead_letters;
        let taken = letters.take_out(selection, Some(&self.aside)).await?;
        self.show_letters();
        Ok(taken)
    }

    /// Has a stretch of the log delivered once more.
    pub(crate) async fn replay(self: &Arc<Self>, mut order: Replay) -> Result<(), OrderError> {
        self.begin()?;
        order.end = self.delivery.shared.log.head().offset;
        // A replay that was done left no group; this one begins at the oldest record.
        let written = self.replay.write(&order).await;
        if let Err(error) = written {
            self.end();
            return Err(LaneError::Disk(error).into());
        }
        self.spawn_replay(order);
        Ok(())
    }

    /// Goes on with what was ordered before a restart.
    pub(super) async fn resume(self: &Arc<Self>) -> Result<(), OrderError> {
        self.delivery.dead_letters.look().await?;
        self.show_letters();
        if tokio::fs::try_exists(&self.aside).await.unwrap_or_default() {
            self.begin()?;
            let letters = &self.delivery.dead_letters;
            let count = letters.forget_those_in(&self.aside).await?;
            self.delivery.stats.again(count);
            self.spawn_retry();
        } else if let Some(order) = self.replay.read().await.map_err(LaneError::Disk)? {
            self.begin()?;
            self.spawn_replay(order);
        }
        Ok(())
    }

    fn begin(&self) -> Result<(), OrderError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *running, true) {
            return Err(OrderError::Busy);
        }
        Ok(())
    }

    fn end(&self) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    fn show_letters(&self) {
        let letters = &self.delivery.dead_letters;
        self.delivery.stats.letters(letters.count());
    }

    fn spawn_retry(self: &Arc<Self>) {
        let control = Arc::clone(self);
        let tasks = self.delivery.shared.tasks.clone();
        tasks.spawn(async move {
            let done = control.deliver_letters().await;
            control.ended("retry", done);
        });
    }

    fn spawn_replay(self: &Arc<Self>, order: Replay) {
        let control = Arc::clone(self);
        let tasks = self.delivery.shared.tasks.clone();
        tasks.spawn(async move {
            let done = control.deliver_again(&order).await;
            control.ended("replay", done);
        });
    }

    fn ended(&self, what: &str, done: Result<(), LaneError>) {
        let name = self.name();
        match done {
            Ok(()) => tracing::info!(sink = name, what, "order of an operator has ended"),
            Err(error) => {
                let detail = said(&error);
                tracing::error!(sink = name, what, detail, "order of an operator broke off");
            }
        }
        self.end();
    }

    /// Delivers the letters that were taken aside.
    async fn deliver_letters(&self) -> Result<(), LaneError> {
        let Some(mut lines) = dead_letters::lines(&self.aside).await? else {
            return Ok(());
        };
        let mut batcher = Batcher::new(self.limits);
        let mut given: Vec<Given> = Vec::new();
        loop {
            let line = lines.next_line().await?;
            let letter = line.as_deref().map(serde_json::from_str::<Letter>);
            let next = letter.and_then(Result::ok).and_then(|letter| {
                let position = letter.position;
                letter.item().map(|item| Given { position, item })
            });
            let fits = next
                .as_ref()
                .is_some_and(|next| batcher.take(next.item.json().len(), Instant::now()));
            if !fits && !given.is_empty() {
                let sealed = sealed(std::mem::take(&mut given));
                if !self.deliver(sealed).await {
                    return Ok(());
                }
                batcher.reset();
                if let Some(next) = &next {
                    batcher.take(next.item.json().len(), Instant::now());
                }
            }
            given.extend(next);
            if line.is_none() {
                break;
            }
        }
        tokio::fs::remove_file(&self.aside).await?;
        Ok(())
    }

    /// Reads the log from its oldest record and delivers what the order wants.
    async fn deliver_again(&self, order: &Replay) -> Result<(), LaneError> {
        let (log, tasks) = (&self.delivery.shared.log, &self.delivery.shared.tasks);
        let group = format!("replay-{}", self.name());
        let mut reader = log.reader(&group)?;
        let policy = self.delivery.policy.ageless();
        let filter = Filter::new(order.r#where.clone());
        let mut gathering = Gathering::new(&policy, self.limits);
        while !tasks.is_stopping() {
            let (items, bytes) = gathering.room();
            let mut read = reader.try_read(limit(items, bytes))?;
            let done = read.is_empty()
                || read
                    .records
                    .iter()
                    .any(|record| record.position.offset >= order.end);
            read.gaps.clear();
            read.records.retain(|record| {
                record.position.offset < order.end && order.wants(&record.bytes, &filter)
            });
            if let Some(position) = gathering.take(read, (Instant::now(), clock::now())) {
                reader.seek(position);
            }
            if !gathering.is_full() && !done {
                // A long stretch that nobody wants keeps no others waiting.
                tokio::task::yield_now().await;
                continue;
            }
            if let Some(sealed) = gathering.seal() {
                let last = sealed.range.last;
                let sealed = Sealed {
                    skips: Skips::default(),
                    ages: false,
                    ..sealed
                };
                let count = sealed.given.len() + sealed.unopenable.len();
                self.delivery
                    .stats
                    .again(u64::try_from(count).unwrap_or(u64::MAX));
                if !self.deliver(sealed).await {
                    return Ok(());
                }
                reader.commit(at(last))?;
            } else if done {
                drop(reader);
                log.forget(&group)?;
                return Ok(self.replay.remove().await?);
            }
        }
        Ok(())
    }

    /// Delivers a batch, if it is not time to stop.
    async fn deliver(&self, sealed: Sealed) -> bool {
        let Some(fates) = self.delivery.deliver(sealed).await else {
            return false;
        };
        self.delivery.stats.done_again(fates);
        true
    }
}

impl Replay {
    fn wants(&self, record: &[u8], filter: &Filter) -> bool {
        let Ok(item) = Item::open(record) else {
            return false;
        };
        let in_time = time(&item)
            .is_some_and(|time| time >= self.since && self.until.is_none_or(|until| time < until));
        let wanted = || match (item.event(), item.alert()) {
            (Some(event), _) => filter.wants(event),
            (_, Some(alert)) => filter.wants_alert(alert),
            _ => false,
        };
        in_time && wanted()
    }
}

/// A batch of letters.
fn sealed(given: Vec<Given>) -> Sealed {
    let position = |given: Option<&Given>| given.map_or(0, |given| given.position);
    let range = Range {
        first: position(given.first()),
        last: position(given.last()),
    };
    Sealed {
        given,
        ages: false,
        ..Sealed::empty(range)
    }
}
