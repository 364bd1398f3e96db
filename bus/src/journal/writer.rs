//! The end of a journal to which records are added, and the segments before it.

use std::{
    collections::VecDeque,
    io, mem,
    path::{Path, PathBuf},
    sync::Arc,
};

use uuid::Uuid;

use crate::{
    Appended, BusError, Position,
    journal::{
        AtLimit, JournalOptions, UNSYNCED_MAX, cursor,
        disk::{Access, Disk, DiskFile, write_all_at},
        frame::{FRAME_HEADER, RECORD_BYTES_CEILING, encode},
        retention::{Sealed, expendable},
        segment::{self, HEADER, Header},
    },
};

/// The encode buffer keeps at most so many bytes between appends.
const BUFFER_KEPT: usize = 8 << 20;

/// The segment that is being written.
pub(crate) struct Active {
    pub(crate) base: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) seed: u32,
    /// Bytes of whole frames and the header: where the next frame goes.
    pub(crate) len: u64,
}

/// What must be synced before everything before `head` is on disk.
pub(crate) struct Unsynced {
    pub(crate) files: Vec<Arc<dyn DiskFile>>,
    pub(crate) dir: bool,
    pub(crate) head: u64,
}

/// Adds records to the last segment of a journal.
pub(crate) struct Writer {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) dir: PathBuf,
    pub(crate) source: Uuid,
    pub(crate) options: JournalOptions,
    pub(crate) active: Active,
    sealed: VecDeque<Sealed>,
    /// Bytes of all of them.
    sealed_bytes: u64,
    /// The offset of the next record.
    pub(crate) head: u64,
    /// Nothing may be written any more: what is on disk is unknown.
    pub(crate) poisoned: bool,
    /// Records appended since the journal was opened.
    pub(crate) appended: u64,
    /// Records deleted before every group had read them.
    pub(crate) trimmed: u64,
    buffer: Vec<u8>,
    /// Sealed since the last sync.
    unsynced: Vec<Arc<dyn DiskFile>>,
    /// A file was created since the last sync.
    dir_unsynced: bool,
}

impl Writer {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        source: Uuid,
        options: JournalOptions,
        (active, head): (Active, u64),
    ) -> Self {
        Self {
            disk,
            dir,
            source,
            options,
            active,
            sealed: VecDeque::new(),
            sealed_bytes: 0,
            head,
            poisoned: false,
            appended: 0,
            trimmed: 0,
            buffer: Vec::new(),
            unsynced: Vec::new(),
            dir_unsynced: false,
        }
    }

    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.sealed_bytes + self.active.len
    }

    /// The segments before the active one, oldest first.
    pub(crate) fn sealed(&self) -> &VecDeque<Sealed> {
        &self.sealed
    }

    /// Records at or after `offset`. Between segments offsets jump, within them they do not. What
    /// was deleted is counted by its offsets: nobody knows any more where they jumped.
    pub(crate) fn records_from(&self, offset: u64) -> u64 {
        let oldest = self
            .sealed
            .front()
            .map_or(self.active.base, |first| first.base);
        let deleted = oldest.saturating_sub(offset);
        let sealed: u64 = self
            .sealed
            .iter()
            .map(|segment| segment.needed(Some(offset)))
            .sum();
        deleted + sealed + self.head.saturating_sub(offset.max(self.active.base))
    }

    /// Notes a segment before the active one and after the others.
    pub(crate) fn add_sealed(&mut self, sealed: Sealed) {
        self.sealed_bytes += sealed.bytes;
        self.sealed.push_back(sealed);
    }

    /// Notes that the file of the oldest segment was deleted.
    pub(crate) fn forget_oldest(&mut self) {
        let bytes = self.sealed.pop_front().map_or(0, |sealed| sealed.bytes);
        self.sealed_bytes -= bytes;
    }

    /// Says whether the log would ever take these records.
    pub(crate) fn check(records: &[&[u8]], options: &JournalOptions) -> Result<(), BusError> {
        let max = options.record_bytes_max.min(RECORD_BYTES_CEILING);
        let largest = records.iter().map(|record| record.len()).max();
        let Some(size) = largest else {
            return Err(BusError::Empty);
        };
        if size > max {
            let unit = "bytes";
            return Err(BusError::TooLarge { size, max, unit });
        }
        if records.len() as u64 > UNSYNCED_MAX {
            let (size, unit) = (records.len(), "records");
            let max = usize::try_from(UNSYNCED_MAX).unwrap_or(usize::MAX);
            return Err(BusError::TooLarge { size, max, unit });
        }
        Ok(())
    }

    /// Appends records that [`Writer::check`] has passed.
    pub(crate) fn append(&mut self, records: &[&[u8]]) -> Result<Appended, BusError> {
        if self.poisoned {
            return Err(BusError::Poisoned);
        }
        let sizes = records.iter().map(|record| FRAME_HEADER + record.len());
        let bytes = sizes.sum::<usize>() as u64;
        let is_over = self.active.len + bytes > self.options.segment_bytes;
        let rotates = is_over && self.head > self.active.base;
        let header = if rotates { HEADER as u64 } else { 0 };
        self.make_room(bytes + header)?;
        if rotates {
            self.rotate()?;
        }
        self.write(records)
    }

    fn write(&mut self, records: &[&[u8]]) -> Result<Appended, BusError> {
        let mut buffer = mem::take(&mut self.buffer);
        buffer.clear();
        let sizes = records.iter().map(|record| FRAME_HEADER + record.len());
        buffer.reserve_exact(sizes.sum());
        for (offset, record) in (self.head..).zip(records) {
            encode(&mut buffer, self.active.seed, offset, record);
        }
        let written = write_all_at(&*self.active.file, &buffer, self.active.len);
        let len = buffer.len() as u64;
        if buffer.capacity() <= BUFFER_KEPT {
            self.buffer = buffer;
        }
        match written {
            Ok(()) => Ok(self.advance(records.len() as u64, len)),
            Err((done, error)) if is_full(&error) => Err(self.take_back(records, done)),
            Err((_, error)) => Err(self.poison(error)),
        }
    }

    fn advance(&mut self, records: u64, bytes: u64) -> Appended {
        let first = self.head;
        self.active.len += bytes;
        self.head += records;
        self.appended += records;
        Appended {
            first: Position::at(first),
            last: Position::at(self.head.saturating_sub(1)),
        }
    }

    /// Cuts off the half-written frame at the end, on a full disk. Whole frames before it stay: a
    /// reader may have seen them, and their offsets must not go to other records.
    fn take_back(&mut self, records: &[&[u8]], done: usize) -> BusError {
        let (mut whole, mut bytes) = (0, 0);
        for record in records {
            let end = bytes + FRAME_HEADER + record.len();
            if end > done {
                break;
            }
            (whole, bytes) = (whole + 1, end);
        }
        match self.active.file.set_len(self.active.len + bytes as u64) {
            Ok(()) => {
                let stored = (whole > 0).then(|| self.advance(whole, bytes as u64));
                BusError::Full { stored }
            }
            Err(error) => self.poison(error),
        }
    }

    /// Refuses everything from now on.
    fn poison(&mut self, error: io::Error) -> BusError {
        self.poisoned = true;
        error.into()
    }

    /// Goes on in a new segment.
    fn rotate(&mut self) -> Result<(), BusError> {
        let header = Header {
            source: self.source,
            base: self.head,
            previous_end: self.head,
        };
        let active = match create_segment(&*self.disk, &self.dir, &header) {
            Ok(active) => active,
            Err(error) => {
                // An empty file with a later name would tell readers that this one is finished.
                let path = segment::path(&self.dir, self.head);
                let is_gone = match self.disk.remove(&path) {
                    Ok(()) => true,
                    Err(error) => error.kind() == io::ErrorKind::NotFound,
                };
                // Nothing was written, so a later append may try again.
                return Err(match is_gone {
                    true if is_full(&error) => BusError::Full { stored: None },
                    true if is_out_of_files(&error) => BusError::OutOfFiles,
                    _ => self.poison(error),
                });
            }
        };
        let old = mem::replace(&mut self.active, active);
        self.add_sealed(Sealed {
            base: old.base,
            end: self.head,
            bytes: old.len,
        });
        self.unsynced.push(old.file);
        self.dir_unsynced = true;
        Ok(())
    }

    /// Takes what is to be synced; the caller syncs it without holding up appends.
    pub(crate) fn take_unsynced(&mut self) -> Unsynced {
        let mut files = mem::take(&mut self.unsynced);
        files.push(Arc::clone(&self.active.file));
        Unsynced {
            files,
            dir: mem::take(&mut self.dir_unsynced),
            head: self.head,
        }
    }

    /// Sees to it that `bytes` more stay within the limit, at the price that the options name.
    fn make_room(&mut self, bytes: u64) -> Result<(), BusError> {
        let Some(max) = self.options.bytes_max else {
            return Ok(());
        };
        let total = self.bytes().saturating_add(bytes);
        let over = total.saturating_sub(max);
        if over == 0 {
            return Ok(());
        }
        let drops = self.options.at_limit == AtLimit::DropOldest;
        let slowest = match slowest(&*self.disk, &self.dir) {
            Ok(slowest) => slowest,
            Err(_) if drops => None,
            Err(error) => return Err(error),
        };
        let sealed = self.sealed.make_contiguous();
        let expendable = expendable(sealed, slowest, over, |_| false);
        if expendable > 0 {
            cursor::sync_all(&*self.disk, &self.dir)?;
        }
        let mut freed = 0;
        for index in 0.. {
            if freed >= over {
                return Ok(());
            }
            if index >= expendable && !drops {
                return Err(BusError::Full { stored: None });
            }
            freed += self.drop_oldest(slowest)?;
        }
        Ok(())
    }

    /// Deletes the oldest sealed segment and says how many bytes that freed.
    fn drop_oldest(&mut self, slowest: Option<u64>) -> Result<u64, BusError> {
        let Some(oldest) = self.sealed.front().copied() else {
            return Err(BusError::Full { stored: None });
        };
        remove_segment(&*self.disk, &self.dir, oldest.base)?;
        self.forget_oldest();
        let needed = oldest.needed(slowest);
        if needed > 0 {
            self.trimmed += needed;
            tracing::error!(
                dir = %self.dir.display(),
                segment = oldest.base,
                records = needed,
                "journal dropped records at its size limit before every group had read them"
            );
        }
        Ok(oldest.bytes)
    }
}

/// Makes the file of a segment, with its header.
pub(crate) fn create_segment(disk: &dyn Disk, dir: &Path, header: &Header) -> io::Result<Active> {
    let file = disk.open(&segment::path(dir, header.base), Access::Create)?;
    write_all_at(&*file, &header.encode(), 0).map_err(|(_, error)| error)?;
    Ok(Active {
        base: header.base,
        file,
        seed: header.seed(),
        len: HEADER as u64,
    })
}

/// Deletes a segment, unless it is gone already.
pub(crate) fn remove_segment(disk: &dyn Disk, dir: &Path, base: u64) -> io::Result<()> {
    match disk.remove(&segment::path(dir, base)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The first offset that not all groups have committed; `None` when there is no group.
pub(crate) fn slowest(disk: &dyn Disk, dir: &Path) -> Result<Option<u64>, BusError> {
    let cursors = cursor::all(disk, dir)?;
    Ok(cursors.iter().map(|cursor| cursor.next).min())
}

/// `EMFILE` and `ENFILE`: the process or the system has no file descriptor left.
fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
