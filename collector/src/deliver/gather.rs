//! The next batch of a sink in the making: what the sink gets of the records that were read, and
//! the fates of the rest.

use bus::{Batch, Gap, Record};
use event::Timestamp;
use serde::Deserialize;
use sink::{BatchLimits, Item};
use tokio::time::Instant;

use super::{
    attempt::Given,
    batcher::Batcher,
    dead_letters::chain,
    policy::{Admitted, Policy},
    sealed::Range,
};
use crate::metrics::{Skip, Skips};

/// A record that is no event, and why.
#[derive(Debug)]
pub(super) struct Unopenable {
    pub(super) position: u64,
    pub(super) detail: String,
    /// The record, where the sink may have all of it.
    pub(super) bytes: Option<bytes::Bytes>,
}

/// A batch with its range fixed.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) range: Range,
    pub(super) given: Vec<Given>,
    pub(super) unopenable: Vec<Unopenable>,
    /// Events of the range that do not go to the sink.
    pub(super) skips: Skips,
    /// The time of its first event.
    pub(super) oldest: Option<Timestamp>,
    /// Whether it is given up when it is too old. What an operator wants once more is not.
    pub(super) ages: bool,
}

impl Sealed {
    /// A range of which nothing is left.
    pub(super) fn empty(range: Range) -> Self {
        Self {
            range,
            given: Vec::new(),
            unopenable: Vec::new(),
            skips: Skips::default(),
            oldest: None,
            ages: true,
        }
    }
}

/// Gathers records until a batch is full or due.
#[derive(Debug)]
pub(super) struct Gathering<'a> {
    policy: &'a Policy,
    batcher: Batcher,
    first: Option<u64>,
    /// The position after the last one that it covers.
    end: u64,
    given: Vec<Given>,
    unopenable: Vec<Unopenable>,
    skips: Skips,
    gaps: Vec<Gap>,
    expired: u64,
    full: bool,
}

impl<'a> Gathering<'a> {
    pub(super) fn new(policy: &'a Policy, limits: BatchLimits) -> Self {
        Self {
            policy,
            batcher: Batcher::new(limits),
            first: None,
            end: 0,
            given: Vec::new(),
            unopenable: Vec::new(),
            skips: Skips::default(),
            gaps: Vec::new(),
            expired: 0,
            full: false,
        }
    }

    /// Takes what was read, up to the first item that does not fit any more; its position is where
    /// to read on.
    pub(super) fn take(&mut self, read: Batch, now: (Instant, Timestamp)) -> Option<bus::Position> {
        let mut gaps = read.gaps.into_iter().peekable();
        for record in read.records {
            while let Some(gap) = gaps.next_if(|gap| gap.to <= record.position) {
                self.miss(gap);
            }
            let position = record.position;
            if !self.take_record(&record, now) {
                self.full = true;
                return Some(position);
            }
        }
        gaps.for_each(|gap| self.miss(gap));
        self.full |= self.batcher.is_full();
        None
    }

    fn take_record(&mut self, record: &Record, (instant, now): (Instant, Timestamp)) -> bool {
        let position = record.position.offset;
        let opened = Item::open(&record.bytes).map_err(|error| chain(&error));
        match opened.map(|item| self.policy.admit(item, now)) {
            Ok(Admitted::Item(item)) => {
                if !self.batcher.take(item.json().len(), instant) {
                    return false;
                }
                self.given.push(Given { position, item });
            }
            Ok(Admitted::Skip(reason)) => {
                self.skips.add(reason, 1);
                self.expired += u64::from(reason == Skip::Expired);
            }
            Ok(Admitted::Unreadable) => {
                self.put_aside(position, "its JSON is not an event".to_owned(), record);
            }
            Err(detail) => self.put_aside(position, detail, record),
        }
        self.cover(position, position.saturating_add(1));
        true
    }

    fn put_aside(&mut self, position: u64, detail: String, record: &Record) {
        let bytes = self.policy.shows_all().then(|| record.bytes.clone());
        self.unopenable.push(Unopenable {
            position,
            detail,
            bytes,
        });
    }

    fn miss(&mut self, gap: Gap) {
        let (from, to) = (gap.from.offset, gap.to.offset);
        self.skips.add(Skip::Lost, to.saturating_sub(from));
        self.cover(from, to);
        self.gaps.push(gap);
    }

    fn cover(&mut self, from: u64, to: u64) {
        self.first.get_or_insert(from);
        self.end = self.end.max(to);
    }

    /// Records that are missing, and have not been told of.
    pub(super) fn untold(&mut self) -> Vec<Gap> {
        std::mem::take(&mut self.gaps)
    }

    /// Events that were too old, and have not been told of.
    pub(super) fn untold_expired(&mut self) -> u64 {
        std::mem::take(&mut self.expired)
    }

    /// How much may be read at once.
    pub(super) fn room(&self) -> (usize, usize) {
        (self.batcher.room(), self.batcher.room_bytes())
    }

    /// When it has to go, full or not.
    pub(super) fn due(&self) -> Option<Instant> {
        self.batcher.due()
    }

    /// Whether nothing more fits.
    pub(super) const fn is_full(&self) -> bool {
        self.full
    }

    /// Whether there is something in it that the sink gets, or that is put aside.
    pub(super) fn is_empty(&self) -> bool {
        self.given.is_empty() && self.unopenable.is_empty()
    }

    /// The time of its first event.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        time(&self.given.first()?.item)
    }

    /// What has been gathered, and begins the next one; `None` if nothing was read.
    pub(super) fn seal(&mut self) -> Option<Sealed> {
        let first = self.first.take()?;
        let last = self.end.saturating_sub(1);
        let oldest = self.oldest();
        self.batcher.reset();
        self.full = false;
        Some(Sealed {
            range: Range { first, last },
            given: std::mem::take(&mut self.given),
            unopenable: std::mem::take(&mut self.unopenable),
            skips: std::mem::take(&mut self.skips),
            oldest,
            ages: true,
        })
    }
}

/// When a call ended or an alert was raised, without reading the rest.
pub(super) fn time(item: &Item) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Times {
        #[serde(rename = "endTime", alias = "at")]
        time: Timestamp,
    }
    let times: Times = serde_json::from_slice(item.json()).ok()?;
    Some(times.time)
}
