//! Moves bytes from writers to readers, in order, at least once.
//!
//! The bus does not know what it carries. A [`Log`] is an ordered sequence of records; every
//! reader group has a cursor of its own in it, so a slow group holds nobody back. Reading does not
//! move the cursor, committing does: that is the whole delivery guarantee.
//!
//! [`Journal`] keeps a log in files, [`MemoryLog`] keeps one in memory for tests.

mod error;
mod journal;
mod memory;

use std::{fmt, future::Future, num::NonZeroUsize, pin::Pin};

use bytes::Bytes;

pub use crate::{
    error::BusError,
    journal::{
        AtLimit, Journal, JournalOptions, JournalReader, JournalStats, recover_bytes, remove_group,
        source_of,
    },
    memory::MemoryLog,
};

/// A future that a trait object can return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An ordered, durable sequence of records.
pub trait Log: Send + Sync {
    /// The stable id of this log's writer: made with the log, it survives restarts. Together with
    /// a record's position it names that record for ever.
    fn source(&self) -> &str;

    /// Appends `records` in order, with one write. When it returns they survive the death of this
    /// process, but not yet a power cut: for that, wait for [`Log::synced`].
    ///
    /// It does not await, because it is called from `Drop`.
    ///
    /// # Errors
    /// [`BusError::Full`] says which records are in the log all the same. After
    /// [`BusError::TooLarge`] none is; after any other error none or any number may be.
    fn append(&self, records: &[&[u8]]) -> Result<Appended, BusError>;

    /// Resolves when everything up to and including `position` is on disk.
    ///
    /// # Errors
    /// [`BusError::Poisoned`] when that can no longer be known.
    fn synced(&self, position: Position) -> BoxFuture<'_, Result<(), BusError>>;

    /// The position that the next record will get.
    fn head(&self) -> Position;

    /// How many records stand at or after `position`. Positions that were jumped over on purpose are
    /// not counted; those of records that are lost or damaged are.
    fn records_from(&self, position: Position) -> u64 {
        self.head().offset.saturating_sub(position.offset)
    }

    /// Registers `group` and reads from its committed cursor, or from the oldest record left.
    /// There is at most one reader of a group at a time.
    ///
    /// # Errors
    /// When the group's name is not allowed, or its cursor cannot be read.
    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, BusError>;

    /// Forgets `group`, so that it holds no records any more. Does nothing when there is no such
    /// group.
    ///
    /// # Errors
    /// When the group's name is not allowed, or its cursor cannot be deleted.
    fn forget(&self, group: &str) -> Result<(), BusError>;
}

/// One group's way through a log.
pub trait Reader: Send {
    /// Waits for at least one record, or for a gap, which may come without a record. Returns what
    /// is there up to `limit`, and moves the (volatile) reading position past it. May be cancelled
    /// without losing anything.
    fn read(&mut self, limit: ReadLimit) -> BoxFuture<'_, Result<Batch, BusError>>;

    /// The same, but returns an empty batch at once when there is nothing.
    ///
    /// # Errors
    /// When the log cannot be read; the reading position is then where the last record returned
    /// left it.
    fn try_read(&mut self, limit: ReadLimit) -> Result<Batch, BusError>;

    /// Durably moves the group's cursor: it will not see records up to and including `position`
    /// again, and they may be deleted once every group is past them. Never moves backwards.
    ///
    /// # Errors
    /// When the cursor cannot be stored; it is then where it was.
    fn commit(&mut self, position: Position) -> Result<(), BusError>;

    /// Moves the volatile reading position, so that the next read starts at the first record at or
    /// after `position`. For replays, and for readers that keep their position elsewhere. If the records
    /// there were deleted, the next read reports them as a gap.
    fn seek(&mut self, position: Position);

    /// The last committed position, if there is one.
    fn committed(&self) -> Option<Position>;

    /// How far the reading position is behind the head.
    fn lag(&self) -> Lag;

    /// The id of the writer of the log being read; see [`Log::source`].
    ///
    /// # Errors
    /// [`BusError::Absent`] while the log has not been created.
    fn source(&self) -> Result<String, BusError>;
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Always 0 in a journal; the Kafka partition otherwise.
    pub partition: u32,
    /// Grows with each record of a partition, mostly by one.
    pub offset: u64,
}

impl Position {
    /// The place `offset` in the only partition of a journal.
    pub(crate) fn at(offset: u64) -> Self {
        Self {
            partition: 0,
            offset,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.offset)
    }
}

/// Where the records of one append went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The position of the first record.
    pub first: Position,
    /// The position of the last record.
    pub last: Position,
}

/// A record and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub position: Position,
    /// What the writer appended.
    pub bytes: Bytes,
}

/// How much to read at once. One record is returned even if it alone is larger than `bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimit {
    /// At most so many records.
    pub records: NonZeroUsize,
    /// At most so many bytes of payload.
    pub bytes: NonZeroUsize,
}

/// What one read found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The records, in order.
    pub records: Vec<Record>,
    /// What is missing between them, before them or after them, in order.
    pub gaps: Vec<Gap>,
}

impl Batch {
    /// Whether there is neither a record nor a gap in it.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.gaps.is_empty()
    }
}

/// Records that should have been here and are not. Reported once, when a reader passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first position that is missing.
    pub from: Position,
    /// The position after the last one that is missing.
    pub to: Position,
    /// Bytes stepped over in the files; 0 when nothing is left of the records.
    pub bytes: u64,
    /// What happened to them.
    pub reason: GapReason,
}

/// What happened to the records of a [`Gap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapReason {
    /// Their bytes are damaged, or were lost with the power after a reader could see them.
    Corrupt,
    /// They were deleted, usually by the size limit, before this group read them.
    Trimmed,
}

/// How far a reader is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Records. An upper bound, since positions may jump; estimated from the records read so far
    /// when the writer is another process.
    pub records: u64,
    /// Bytes, with what the log adds to each record.
    pub bytes: u64,
}

/// Counts what still fits into a batch.
pub(crate) struct Room {
    records: usize,
    bytes: usize,
    empty: bool,
}

impl Room {
    pub(crate) fn new(limit: ReadLimit) -> Self {
        Self {
            records: limit.records.get(),
            bytes: limit.bytes.get(),
            empty: true,
        }
    }

    /// Takes the room for one record, or says that there is none.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        if self.records == 0 || (bytes > self.bytes && !self.empty) {
            return false;
        }
        self.records -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
        self.empty = false;
        true
    }
}
