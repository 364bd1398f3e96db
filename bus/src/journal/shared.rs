//! What appenders share with the thread that syncs what they wrote and deletes what all have read.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::{
    Appended, BusError,
    journal::{
        JournalOptions, JournalStats, UNSYNCED_MAX, cursor,
        retention::{Sealed, expendable},
        segment,
        writer::{Writer, remove_segment, slowest},
    },
};

/// How often the thread looks for segments that may go.
const RETAIN_EVERY: Duration = Duration::from_secs(1);

/// The end of the log, for readers in this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// The offset of the next record.
    pub(crate) offset: u64,
    /// The base of the last segment.
    pub(crate) segment: u64,
}

/// What is on disk.
#[derive(Clone, Copy, Debug)]
struct Synced {
    /// Everything before this offset.
    offset: u64,
    /// It will never be more.
    poisoned: bool,
}

/// What the thread has to do.
#[derive(Debug, Default)]
struct Todo {
    sync: bool,
    stop: bool,
}

/// An open journal.
pub(crate) struct Shared {
    writer: Mutex<Writer>,
    options: JournalOptions,
    head: watch::Sender<Head>,
    synced: watch::Sender<Synced>,
    /// Held while syncing, so that `synced` grows in order. Taken before `writer`.
    sync_turn: Mutex<()>,
    todo: Mutex<Todo>,
    wake: Condvar,
    /// Gaps that readers of this process have met in damaged files.
    pub(crate) corrupt: Arc<AtomicU64>,
}

impl Shared {
    pub(crate) fn new(writer: Writer) -> Self {
        let head = Head {
            offset: writer.head,
            segment: writer.active.base,
        };
        let synced = Synced {
            offset: writer.head,
            poisoned: false,
        };
        Self {
            options: writer.options.clone(),
            writer: Mutex::new(writer),
            head: watch::Sender::new(head),
            synced: watch::Sender::new(synced),
            sync_turn: Mutex::default(),
            todo: Mutex::default(),
            wake: Condvar::new(),
            corrupt: Arc::default(),
        }
    }

    /// The writer; refused after a panic in the midst of writing.
    fn writer(&self) -> Result<MutexGuard<'_, Writer>, BusError> {
        self.writer.lock().map_err(|_panicked| BusError::Poisoned)
    }

    pub(crate) fn head(&self) -> u64 {
        self.head.borrow().offset
    }

    /// Records at or after `offset`; without the jumps between segments if they can be known.
    pub(crate) fn records_from(&self, offset: u64) -> u64 {
        let head = self.head();
        self.writer().map_or_else(
            |_poisoned| head.saturating_sub(offset),
            |writer| writer.records_from(offset),
        )
    }

    pub(crate) fn watch_head(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    pub(crate) fn append(&self, records: &[&[u8]]) -> Result<Appended, BusError> {
        Writer::check(records, &self.options)?;
        let mut writer = loop {
            let writer = self.writer()?;
            let unsynced = writer.head - self.synced.borrow().offset;
            if writer.poisoned || unsynced + records.len() as u64 <= UNSYNCED_MAX {
                break writer;
            }
            drop(writer);
            self.sync()?;
        };
        let appended = writer.append(records);
        // Even after an error, some records may be in the log.
        let head = Head {
            offset: writer.head,
            segment: writer.active.base,
        };
        let is_new = head.offset != self.head.send_replace(head).offset;
        if writer.poisoned {
            self.synced.send_modify(|synced| synced.poisoned = true);
        }
        drop(writer);
        if is_new {
            self.ask_for_sync();
        }
        appended
    }

    fn ask_for_sync(&self) {
        let mut todo = self.todo();
        if !todo.sync {
            todo.sync = true;
            self.wake.notify_all();
        }
    }

    fn todo(&self) -> MutexGuard<'_, Todo> {
        self.todo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when everything before and at `offset` is on disk.
    pub(crate) async fn synced(&self, offset: u64) -> Result<(), BusError> {
        let mut synced = self.synced.subscribe();
        let is_known = |synced: &Synced| synced.offset > offset || synced.poisoned;
        match synced.wait_for(is_known).await {
            Ok(synced) if synced.offset > offset => Ok(()),
            Ok(_) | Err(_) => Err(BusError::Poisoned),
        }
    }

    /// Brings everything appended so far to the disk. Appends go on meanwhile.
    pub(crate) fn sync(&self) -> Result<(), BusError> {
        let turn = self.sync_turn.lock();
        let _turn = turn.unwrap_or_else(PoisonError::into_inner);
        let (work, disk, dir) = {
            let mut writer = self.writer()?;
            if writer.poisoned {
                return Err(BusError::Poisoned);
            }
            let work = writer.take_unsynced();
            (work, Arc::clone(&writer.disk), writer.dir.clone())
        };
        let mut done = work.files.iter().try_for_each(|file| file.sync());
        if work.dir {
            done = done.and_then(|()| disk.sync_dir(&dir));
        }
        if let Err(error) = done {
            // What a failed sync has left on disk cannot be known, and a second sync would lie:
            // <https://www.usenix.org/conference/atc20/presentation/rebello>.
            self.writer()?.poisoned = true;
            self.synced.send_modify(|synced| synced.poisoned = true);
            return Err(error.into());
        }
        self.synced.send_modify(|synced| synced.offset = work.head);
        Ok(())
    }

    /// Runs until [`Shared::stop`].
    pub(crate) fn run(&self) {
        let mut retained = Instant::now();
        let mut complaint = String::new();
        let mut failed = false;
        loop {
            let (sync, stop) = self.wait();
            if sync
                && !failed
                && let Err(error) = self.sync()
            {
                failed = true;
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "journal could not be synced and takes no more records"
                );
            }
            if stop {
                return;
            }
            if retained.elapsed() >= RETAIN_EVERY {
                retained = Instant::now();
                self.retain_or_complain(&mut complaint);
            }
        }
    }

    /// Waits for something to do, and then for more of it to come together.
    fn wait(&self) -> (bool, bool) {
        let idle = |todo: &mut Todo| !todo.sync && !todo.stop;
        let (todo, _) = self
            .wake
            .wait_timeout_while(self.todo(), RETAIN_EVERY, idle)
            .unwrap_or_else(PoisonError::into_inner);
        let gather = if todo.sync {
            self.options.sync_every
        } else {
            Duration::ZERO
        };
        let (mut todo, _) = self
            .wake
            .wait_timeout_while(todo, gather, |todo| !todo.stop)
            .unwrap_or_else(PoisonError::into_inner);
        let sync = std::mem::take(&mut todo.sync);
        (sync, todo.stop)
    }

    /// Makes [`Shared::run`] return.
    pub(crate) fn stop(&self) {
        self.todo().stop = true;
        self.wake.notify_all();
    }

    /// Syncs, and lets `mark` vouch for it.
    pub(crate) fn close(&self, mark: fn(&Writer) -> io::Result<()>) -> Result<(), BusError> {
        self.sync()?;
        mark(&*self.writer()?).map_err(BusError::from)
    }

    /// Says once what keeps segments from being deleted, not every second.
    fn retain_or_complain(&self, complaint: &mut String) {
        match self.retain() {
            Ok(_) => complaint.clear(),
            Err(error) => {
                let text = error.to_string();
                if *complaint != text {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "journal keeps segments that it might delete"
                    );
                    *complaint = text;
                }
            }
        }
    }

    /// Deletes the segments that may go, and says how many.
    pub(crate) fn retain(&self) -> Result<usize, BusError> {
        let (sealed, bytes, disk, dir) = {
            let writer = self.writer()?;
            let sealed: Vec<Sealed> = writer.sealed().iter().copied().collect();
            (
                sealed,
                writer.bytes(),
                Arc::clone(&writer.disk),
                writer.dir.clone(),
            )
        };
        if sealed.is_empty() {
            return Ok(0);
        }
        let slowest = slowest(&*disk, &dir)?;
        // One segment's room is made ahead, so that no append has to make it.
        let room = self.options.bytes_max.unwrap_or(u64::MAX);
        let over = bytes.saturating_sub(room.saturating_sub(self.options.segment_bytes));
        let is_old = |sealed: &Sealed| {
            let age = disk.age(&segment::path(&dir, sealed.base));
            age.is_ok_and(|age| age >= self.options.keep_for)
        };
        let count = expendable(&sealed, slowest, over, is_old);
        if count == 0 {
            return Ok(0);
        }
        cursor::sync_all(&*disk, &dir)?;
        for segment in sealed.iter().take(count) {
            remove_segment(&*disk, &dir, segment.base)?;
            // An append that made room may have been faster.
            let mut writer = self.writer()?;
            if writer.sealed().front() == Some(segment) {
                writer.forget_oldest();
            }
        }
        disk.sync_dir(&dir)?;
        Ok(count)
    }

    pub(crate) fn stats(&self) -> JournalStats {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        JournalStats {
            bytes: writer.bytes(),
            segments: writer.sealed().len() + 1,
            head: writer.head,
            appended: writer.appended,
            unsynced: writer.head - self.synced.borrow().offset,
            corrupt: self.corrupt.load(Ordering::Relaxed),
            trimmed: writer.trimmed,
            poisoned: writer.poisoned,
        }
    }
}
