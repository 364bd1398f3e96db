//! A log in files: one directory, one writer process, any number of reader processes.
//!
//! # Invariants
//! - Offsets grow with each record and are never given to another record. Between two segments
//!   they may jump; within a segment they do not.
//! - A file is only ever written at its end, by one process. What an acknowledged append wrote is
//!   in the page cache and survives `kill -9`; what [`Log::synced`] has confirmed is on disk.
//! - At most 2^20 records are not on disk. An append that would exceed this syncs first.
//! - Nothing is skipped silently: a reader that cannot return a record reports a [`Gap`].
//! - After a failed write or sync nothing is written until the journal is opened again. Only a
//!   full disk is survived: the half-written frame is cut off, and the append refused.
//!
//! # Format
//! All integers are little-endian.
//! ```text
//! lock                  held by the writer process
//! source                the writer's id, a UUID in text
//! clean                 after a clean end only: which end of which segment it vouches for
//! cursors/<group>       one cursor for each reader group, in text
//! 00000000000000000000.log   a segment, named by the offset of its first record
//!
//! segment = header frame*
//! header  = magic "TOLLJRNL", version u32, source [u8; 16], base u64, previous_end u64, crc u32
//! frame   = length u32, offset u64, crc u32, payload [u8; length]
//! ```
//! The header's CRC-32 covers what stands before it. A frame's covers length, offset and payload,
//! and starts from the CRC-32 of source and base, so that a frame of one segment is not valid in
//! another, nor in the payload of a record that someone made from a journal.
//!
//! `previous_end` is the offset at which the segment before ended. A reader whose next offset is
//! smaller has lost records; `base` being larger is a jump made on purpose.
//!
//! # After a crash
//! Without the marker of a clean end, the last segment is scanned, what follows its last good
//! frame is cut off, all files are synced, and the writer goes on in a new segment whose base is
//! 2^20 behind the recovered end. After a power cut a reader may have seen records that are gone,
//! and keeps a high-water mark; the jump makes sure that their offsets are not used again.
//! Damage before the last good frame stays where it is, for readers to report.

mod cursor;
mod disk;
mod frame;
mod opening;
mod reader;
mod recovery;
mod retention;
mod scan;
mod segment;
mod shared;
mod tail;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    fmt,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

pub(crate) use cursor::check_group;
pub use reader::JournalReader;
pub use recovery::recover_bytes;

use crate::{
    Appended, BoxFuture, BusError, Log, Position, Reader,
    journal::{
        disk::{Disk, RealDisk},
        reader::Wake,
        shared::Shared,
    },
};

#[cfg(doc)]
use crate::Gap;

/// So many records may be lost with the power, and so many offsets are skipped after a crash.
const UNSYNCED_MAX: u64 = 1 << 20;

/// What happens at the size limit while a group still needs the oldest segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtLimit {
    /// Appends are refused with [`BusError::Full`].
    #[default]
    Refuse,
    /// The oldest segment is deleted, loudly; the group's reader reports a gap.
    DropOldest,
}

/// How a journal is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalOptions {
    /// A segment ends before it would be larger, in bytes; only a single append that is larger
    /// makes a larger one. At most a quarter of `bytes_max`.
    pub segment_bytes: u64,
    /// All segments together, in bytes.
    pub bytes_max: Option<u64>,
    /// What happens there.
    pub at_limit: AtLimit,
    /// The time between an append and its sync, which bounds what a power cut can lose.
    pub sync_every: Duration,
    /// Segments that were written to in this time stay for replays even when every group has
    /// passed them, unless `bytes_max` would be exceeded. Segments that no group at all has been
    /// registered for stay in any case.
    pub keep_for: Duration,
    /// The largest record, in bytes; at most 1 GiB.
    pub record_bytes_max: usize,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            bytes_max: Some(16 << 30),
            at_limit: AtLimit::Refuse,
            sync_every: Duration::from_millis(10),
            keep_for: Duration::from_secs(24 * 60 * 60),
            record_bytes_max: 64 << 20,
        }
    }
}

/// What a journal has done and what it keeps, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalStats {
    /// Bytes of all segments.
    pub bytes: u64,
    /// Segment files.
    pub segments: usize,
    /// The offset of the next record.
    pub head: u64,
    /// Records appended since the journal was opened.
    pub appended: u64,
    /// Records that a power cut would lose now.
    pub unsynced: u64,
    /// Damaged places that readers made by this journal have stepped over, once for each reader.
    pub corrupt: u64,
    /// Records deleted at the size limit before every group had read them.
    pub trimmed: u64,
    /// Whether appends are refused until the journal is opened again.
    pub poisoned: bool,
}

/// The writer of a log in files. Dropping it syncs; so does [`Journal::close`], which also says
/// whether that worked.
pub struct Journal {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    source: String,
    thread: Option<JoinHandle<()>>,
    /// Released last.
    _lock: Option<File>,
}

impl Journal {
    /// Opens the journal in `dir` for writing, after making or recovering it, and starts the
    /// thread that syncs it and deletes what is no longer needed.
    ///
    /// # Errors
    /// [`BusError::Locked`] when it has a writer already, [`BusError::CursorCorrupt`],
    /// [`BusError::Version`], or the disk.
    pub fn open(dir: &Path, options: JournalOptions) -> Result<Self, BusError> {
        RealDisk.create_dir(dir)?;
        let lock = lock(dir)?;
        let mut journal = Self::open_on(Arc::new(RealDisk), dir, options)?;
        journal._lock = Some(lock);
        Ok(journal)
    }

    fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        mut options: JournalOptions,
    ) -> Result<Self, BusError> {
        if let Some(max) = options.bytes_max {
            options.segment_bytes = options.segment_bytes.min(max / 4);
        }
        let writer = opening::open(Arc::clone(&disk), dir.to_owned(), options)?;
        let source = writer.source.to_string();
        let shared = Arc::new(Shared::new(writer));
        let runs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("journal-sync".to_owned())
            .spawn(move || runs.run())?;
        Ok(Self {
            shared,
            disk,
            dir: dir.to_owned(),
            source,
            thread: Some(thread),
            _lock: None,
        })
    }

    /// Counts for metrics.
    pub fn stats(&self) -> JournalStats {
        self.shared.stats()
    }

    /// Syncs everything and notes that the next start has nothing to recover.
    ///
    /// # Errors
    /// [`BusError::Poisoned`] after an earlier error, or the disk's.
    pub fn close(mut self) -> Result<(), BusError> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Result<(), BusError> {
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        self.shared.stop();
        if thread.join().is_err() {
            return Err(BusError::Poisoned);
        }
        self.shared.close(opening::mark_clean)
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("dir", &self.dir)
            .field("source", &self.source)
            .field("head", &self.shared.head())
            .finish_non_exhaustive()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                dir = %self.dir.display(),
                "journal was not closed cleanly; it will be recovered at the next start"
            );
        }
    }
}

impl Log for Journal {
    fn source(&self) -> &str {
        &self.source
    }

    fn append(&self, records: &[&[u8]]) -> Result<Appended, BusError> {
        self.shared.append(records)
    }

    fn synced(&self, position: Position) -> BoxFuture<'_, Result<(), BusError>> {
        Box::pin(self.shared.synced(position.offset))
    }

    fn head(&self) -> Position {
        Position::at(self.shared.head())
    }

    fn records_from(&self, position: Position) -> u64 {
        self.shared.records_from(position.offset)
    }

    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, BusError> {
        let wake = Wake::Head(self.shared.watch_head());
        let disk = Arc::clone(&self.disk);
        let corrupt = Arc::clone(&self.shared.corrupt);
        let reader = JournalReader::open_on(disk, &self.dir, (group, wake), corrupt)?;
        Ok(Box::new(reader))
    }

    fn forget(&self, group: &str) -> Result<(), BusError> {
        cursor::remove(&*self.disk, &self.dir, group)
    }
}

/// The source id of the journal in `dir`, or nothing when it has not been created. May be called
/// from any process.
///
/// # Errors
/// When the disk cannot be read.
pub fn source_of(dir: &Path) -> Result<Option<String>, BusError> {
    let source = segment::read_source(&RealDisk, dir)?;
    Ok(source.map(|source| source.to_string()))
}

/// Forgets a reader group, so that it holds no segments any more. Does nothing when there is no
/// such group. May be called from any process.
///
/// # Errors
/// [`BusError::GroupName`], or the disk.
pub fn remove_group(dir: &Path, group: &str) -> Result<(), BusError> {
    cursor::remove(&RealDisk, dir, group)
}

fn lock(dir: &Path) -> Result<File, BusError> {
    let path = dir.join("lock");
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BusError::Locked {
            path: dir.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// A byte count as an index; what does not fit is larger than any slice.
fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
