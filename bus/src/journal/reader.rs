//! A group's reader of a journal, in the writer's process or in another one.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    Batch, BoxFuture, BusError, GapReason, Lag, Position, ReadLimit, Reader,
    journal::{
        cursor::Cursor,
        disk::{Disk, RealDisk},
        segment,
        shared::Head,
        tail::Tail,
    },
};

const POLL_MIN: Duration = Duration::from_millis(5);
const POLL_MAX: Duration = Duration::from_millis(50);

/// Reads a journal that another process writes. Needs write access to its cursors only.
pub struct JournalReader {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    tail: Tail,
    cursor: Cursor,
    wake: Wake,
    corrupt: Arc<AtomicU64>,
}

/// How a reader learns that there is something new.
pub(crate) enum Wake {
    /// The writer is in this process.
    Head(watch::Receiver<Head>),
    /// Looks again after a while.
    Poll,
}

impl JournalReader {
    /// Registers `group` and reads from its committed cursor, or from the oldest record left. The
    /// writer need not have created the journal: reading waits for it.
    ///
    /// # Errors
    /// [`BusError::GroupName`], [`BusError::CursorCorrupt`], or the disk.
    pub fn open(dir: &Path, group: &str) -> Result<Self, BusError> {
        Self::open_on(Arc::new(RealDisk), dir, (group, Wake::Poll), Arc::default())
    }

    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        (group, wake): (&str, Wake),
        corrupt: Arc<AtomicU64>,
    ) -> Result<Self, BusError> {
        let oldest = segment::list(&*disk, dir)?.first().copied().unwrap_or(0);
        let cursor = Cursor::open(&*disk, dir, group, oldest)?;
        Ok(Self {
            tail: Tail::new(Arc::clone(&disk), dir.to_owned(), cursor.next()),
            dir: dir.to_owned(),
            disk,
            cursor,
            wake,
            corrupt,
        })
    }

    fn head(&self) -> Option<Head> {
        match &self.wake {
            // After the writer is closed, another one may have gone on.
            Wake::Head(head) if head.has_changed().is_ok() => Some(*head.borrow()),
            Wake::Head(_) | Wake::Poll => None,
        }
    }
}

impl fmt::Debug for JournalReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalReader")
            .field("dir", &self.dir)
            .field("next", &self.tail.next())
            .field("committed", &self.cursor.committed())
            .finish_non_exhaustive()
    }
}

impl Reader for JournalReader {
    fn read(&mut self, limit: ReadLimit) -> BoxFuture<'_, Result<Batch, BusError>> {
        Box::pin(async move {
            let mut pause = POLL_MIN;
            loop {
                self.wake.mark_seen();
                let batch = self.try_read(limit)?;
                if !batch.is_empty() {
                    return Ok(batch);
                }
                self.wake.wait(&mut pause).await;
            }
        })
    }

    fn try_read(&mut self, limit: ReadLimit) -> Result<Batch, BusError> {
        let newest = self.head().map(|head| head.segment);
        let batch = self.tail.read(limit, newest)?;
        for gap in &batch.gaps {
            tracing::error!(
                dir = %self.dir.display(),
                from = gap.from.offset,
                to = gap.to.offset,
                bytes = gap.bytes,
                reason = ?gap.reason,
                "journal reader stepped over missing records"
            );
            if gap.reason == GapReason::Corrupt {
                self.corrupt.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(batch)
    }

    fn commit(&mut self, position: Position) -> Result<(), BusError> {
        self.cursor.commit(position)
    }

    fn seek(&mut self, position: Position) {
        self.tail.seek(position.offset);
    }

    fn committed(&self) -> Option<Position> {
        self.cursor.committed()
    }

    fn lag(&self) -> Lag {
        let head = self.head().map(|head| head.offset);
        // A disk that cannot be read stops the reader itself; a metric need not.
        self.tail.lag(head).unwrap_or_else(|_| Lag {
            records: head.unwrap_or(0).saturating_sub(self.tail.next()),
            bytes: 0,
        })
    }

    fn source(&self) -> Result<String, BusError> {
        match segment::read_source(&*self.disk, &self.dir)? {
            Some(source) => Ok(source.to_string()),
            None => Err(BusError::Absent {
                path: self.dir.clone(),
            }),
        }
    }
}

impl Wake {
    fn mark_seen(&mut self) {
        if let Self::Head(head) = self {
            head.borrow_and_update();
        }
    }

    async fn wait(&mut self, pause: &mut Duration) {
        if let Self::Head(head) = self {
            if head.changed().await.is_ok() {
                return;
            }
            // The writer is closed; another process may open the journal.
            *self = Self::Poll;
        }
        tokio::time::sleep(*pause).await;
        *pause = pause.saturating_mul(2).min(POLL_MAX);
    }
}
