//! Answers in files, one for each, which outlive the process.
//!
//! A file is written under another name and then moved to its own, so it is whole or absent; one
//! that a power cut damaged has the wrong checksum, is removed, and is a miss. Nothing is synced:
//! what is lost is asked for again. What was not asked for lately makes room. The directory belongs
//! to one gateway.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    num::NonZeroUsize,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use event::Timestamp;
use lru::LruCache;
use tokio::task::spawn_blocking;

use super::{
    ANSWER_BYTES_MAX, Key, framed,
    store::{Answer, OpenError, Store, StoreError, Work},
};

/// Files that are kept, whatever their size.
const FILES_MAX: NonZeroUsize = NonZeroUsize::new(100_000).expect("is not zero");

/// Letters of a file's name: the key's digest in hexadecimal.
const NAME: usize = 64;

/// What the name of a file ends with that is not whole yet.
const DRAFT: &str = ".draft";

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    bytes_max: u64,
    files: Mutex<Files>,
    drafts: AtomicU64,
}

/// The size of every file, by its name.
#[derive(Debug)]
struct Files {
    sizes: LruCache<String, u64>,
    bytes: u64,
}

impl Disk {
    /// Answers in `folder`, of at most so many bytes together; those of an earlier run among them.
    ///
    /// # Errors
    ///
    /// If the directory cannot be made, or read.
    pub(super) fn open(folder: &Path, bytes_max: usize) -> Result<Self, OpenError> {
        let files = Files {
            sizes: LruCache::new(FILES_MAX),
            bytes: 0,
        };
        let disk = Self {
            folder: folder.to_owned(),
            bytes_max: u64::try_from(bytes_max).unwrap_or(u64::MAX),
            files: Mutex::new(files),
            drafts: AtomicU64::new(0),
        };
        disk.take_stock().map_err(|source| OpenError::Folder {
            folder: folder.to_owned(),
            source,
        })?;
        Ok(disk)
    }

    /// Lists what an earlier run left, the oldest first, and removes what it had not finished.
    fn take_stock(&self) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if name.ends_with(DRAFT) {
                fs::remove_file(entry.path())?;
            } else if name.len() == NAME && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                let about = entry.metadata()?;
                found.push((about.modified()?, name, about.len()));
            }
        }
        found.sort();
        for (_, name, size) in found {
            self.add(name, size);
        }
        Ok(())
    }

    /// Notes a file, and removes others to make room for it.
    fn add(&self, name: String, size: u64) {
        let mut gone = Vec::new();
        {
            let mut files = self.lock();
            files.forget(&name);
            files.bytes = files.bytes.saturating_add(size);
            let pushed_out = files.sizes.push(name, size);
            gone.extend(pushed_out);
            while files.bytes.saturating_sub(sum(&gone)) > self.bytes_max {
                let Some(oldest) = files.sizes.pop_lru() else {
                    break;
                };
                gone.push(oldest);
            }
            files.bytes = files.bytes.saturating_sub(sum(&gone));
        }
        for (name, _) in gone {
            // One that is gone already has made room as well.
            let _removed = fs::remove_file(self.folder.join(name));
        }
    }

    fn remove(&self, name: &str) {
        self.lock().forget(name);
        let _removed = fs::remove_file(self.folder.join(name));
    }

    fn read(&self, name: &str, now: Timestamp) -> Result<Option<Answer>, StoreError> {
        let file = match File::open(self.folder.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::Disk(error)),
        };
        let bytes_max = u64::try_from(framed::HEAD + ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        file.take(bytes_max)
            .read_to_end(&mut bytes)
            .map_err(StoreError::Disk)?;
        match framed::read(&bytes.into()) {
            Ok(answer) if answer.until > now => {
                self.lock().sizes.promote(name);
                Ok(Some(answer))
            }
            Ok(_over) => {
                self.remove(name);
                Ok(None)
            }
            Err(damaged) => {
                self.remove(name);
                Err(damaged)
            }
        }
    }

    fn write(&self, name: String, answer: &Answer) -> io::Result<()> {
        let bytes = framed::written(answer);
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        let draft = self.folder.join(format!("{number}{DRAFT}"));
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut file| file.write_all(&bytes))
            .and_then(|()| fs::rename(&draft, self.folder.join(&name)));
        if let Err(error) = written {
            let _removed = fs::remove_file(&draft);
            return Err(error);
        }
        self.add(name, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn forget(&mut self, name: &str) {
        if let Some(size) = self.sizes.pop(name) {
            self.bytes = self.bytes.saturating_sub(size);
        }
    }
}

fn sum(files: &[(String, u64)]) -> u64 {
    files.iter().map(|(_, size)| size).sum()
}

/// Disks may take their time, and a worker's thread has other calls.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(StoreError::Disk(io::Error::other(error))))
}

impl Store for Disk {
    fn get(self: Arc<Self>, key: Key, now: Timestamp) -> Work<Result<Option<Answer>, StoreError>> {
        Box::pin(aside(move || self.read(&key.digest(), now)))
    }

    fn put(self: Arc<Self>, key: Key, answer: Answer) -> Option<Work<Result<(), StoreError>>> {
        let write = move || {
            let written = self.write(key.digest(), &answer);
            written.map_err(StoreError::Disk)
        };
        Some(Box::pin(aside(write)))
    }
}
