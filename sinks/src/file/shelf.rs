//! The files of one sink. See the [parent](super) for what has to hold.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, ErrorKind, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sink::{SinkError, SinkErrorKind};

use super::Config;

/// Names that a mark remembers. The collector redelivers the last batch, or, where an operator has
/// allowed several at once, one of the last.
const NAMES_MAX: usize = 32;

#[derive(Debug)]
pub(super) struct Shelf {
    config: Config,
    directory: PathBuf,
    prefix: String,
}

/// How far the files are filled.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    /// The number of the last file.
    file: u64,
    /// Bytes of it that count.
    length: u64,
    /// The batches that came last, oldest first.
    batches: VecDeque<String>,
}

impl Shelf {
    pub(super) fn new(config: Config) -> Result<Self, SinkError> {
        let misfit =
            |detail: &str| SinkError::new(SinkErrorKind::Misconfigured).with_detail(detail);
        let Some(path) = config.path.to_str() else {
            return Err(misfit("`path` is not Unicode"));
        };
        let (directory, prefix) = path.rsplit_once('/').unwrap_or((".", path));
        let directory = if path.starts_with('/') && directory.is_empty() {
            "/"
        } else {
            directory
        };
        let prefix = if prefix.is_empty() { "events" } else { prefix };
        if path.is_empty() || matches!(prefix, "." | "..") {
            return Err(misfit(
                "`path` must name files, or a directory with `/` at its end",
            ));
        }
        let (directory, prefix) = (directory.into(), prefix.to_owned());
        Ok(Self {
            config,
            directory,
            prefix,
        })
    }

    /// Appends `lines`, unless they were appended under this name before.
    pub(super) fn put(&self, name: &str, lines: &[u8]) -> Result<(), SinkError> {
        fs::create_dir_all(&self.directory).map_err(|error| failed(&self.directory, error))?;
        let directory =
            File::open(&self.directory).map_err(|error| failed(&self.directory, error))?;
        let _lock = self.lock()?;
        let mark = match self.read_mark()? {
            Some(mark) => mark,
            None => self.first_mark(&directory)?,
        };
        if mark.batches.iter().any(|stored| stored == name) {
            return self.settle(&mark, &directory);
        }
        let next = self.append(&mark, lines)?;
        let mut batches = mark.batches;
        batches.push_back(name.to_owned());
        batches.drain(..batches.len().saturating_sub(NAMES_MAX));
        self.write_mark(&Mark { batches, ..next }, &directory)?;
        if next.file != mark.file {
            self.forget_oldest(next.file)?;
        }
        Ok(())
    }

    /// Another process may still be at its last batch: a collector that is being replaced. The lock
    /// ends with the value.
    fn lock(&self) -> Result<File, SinkError> {
        let path = self.beside("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let file = file.map_err(|error| failed(&path, error))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let detail = format!("`{}` is held by another process", path.display());
                Err(SinkError::new(SinkErrorKind::Failing).with_detail(&detail))
            }
            // A file system that has no locks has to do without.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
        }
    }

    /// Writes `lines` behind the mark and returns where they end.
    fn append(&self, mark: &Mark, lines: &[u8]) -> Result<Mark, SinkError> {
        let bytes = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let path = self.file(mark.file);
        let present = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(failed(&path, error)),
        };
        let full =
            mark.length > 0 && mark.length.saturating_add(bytes) > self.config.rotate_bytes.get();
        // Somebody took the file away, or the machine crashed: nothing is put where it was.
        let shorter = present < mark.length;
        let (file, start) = if full || shorter {
            (mark.file + 1, 0)
        } else {
            (mark.file, mark.length)
        };
        if file == mark.file {
            // The attempt before this one may have begun the next file.
            remove(&self.file(file + 1))?;
        } else if present > mark.length {
            write_at(&path, mark.length, &[], false).map_err(|error| failed(&path, error))?;
        }
        let path = self.file(file);
        write_at(&path, start, lines, self.config.fsync).map_err(|error| failed(&path, error))?;
        Ok(Mark {
            file,
            length: start + bytes,
            batches: VecDeque::new(),
        })
    }

    fn read_mark(&self) -> Result<Option<Mark>, SinkError> {
        let path = self.beside("state.json");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, error)),
        };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            let detail = format!(
                "`{}` cannot be read; remove it to begin a new file",
                path.display()
            );
            SinkError::new(SinkErrorKind::Misconfigured)
                .with_detail(&detail)
                .with_source(error)
        })
    }

    /// Files without a mark are not ours to change: begins behind them. It is written before the
    /// first batch, so that an attempt that breaks off is seen to be one.
    fn first_mark(&self, directory: &File) -> Result<Mark, SinkError> {
        let last = self.numbers()?.into_iter().max().unwrap_or(0);
        let mark = Mark {
            file: last + 1,
            ..Mark::default()
        };
        self.write_mark(&mark, directory)?;
        Ok(mark)
    }

    fn write_mark(&self, mark: &Mark, directory: &File) -> Result<(), SinkError> {
        let (new, path) = (self.beside("state.tmp"), self.beside("state.json"));
        let write = || -> io::Result<()> {
            write_at(&new, 0, &serde_json::to_vec(mark)?, self.config.fsync)?;
            fs::rename(&new, &path)?;
            if self.config.fsync {
                directory.sync_all()
            } else {
                Ok(())
            }
        };
        write().map_err(|error| failed(&path, error))
    }

    /// For a batch that is marked already: the attempt that marked it may have failed to sync.
    fn settle(&self, mark: &Mark, directory: &File) -> Result<(), SinkError> {
        if !self.config.fsync {
            return Ok(());
        }
        let path = self.file(mark.file);
        let synced = match File::open(&path) {
            Ok(file) => file.sync_all(),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        synced
            .and_then(|()| directory.sync_all())
            .map_err(|error| failed(&path, error))
    }

    fn forget_oldest(&self, last: u64) -> Result<(), SinkError> {
        let Some(keep) = self.config.keep else {
            return Ok(());
        };
        let keep = u64::try_from(keep.get()).unwrap_or(u64::MAX);
        let old = self
            .numbers()?
            .into_iter()
            .filter(|number| number.saturating_add(keep) <= last);
        old.into_iter()
            .try_for_each(|number| remove(&self.file(number)))
    }

    /// The numbers of the files that are there.
    fn numbers(&self) -> Result<Vec<u64>, SinkError> {
        let found = |error| failed(&self.directory, error);
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(found)? {
            let name = entry.map_err(found)?.file_name();
            let number = name.to_str().and_then(|name| {
                let rest = name.strip_prefix(&self.prefix)?.strip_prefix('.')?;
                rest.strip_suffix(".jsonl")?.parse::<u64>().ok()
            });
            numbers.extend(number);
        }
        Ok(numbers)
    }

    /// Whether files can be made here. The directory need not be there yet.
    pub(super) fn probe(&self) -> Result<(), SinkError> {
        let there = self.directory.ancestors().find(|path| path.exists());
        let there = there.unwrap_or_else(|| Path::new("."));
        let path = there.join(format!(".{}.probe", self.prefix));
        let written = write_at(&path, 0, b"probe", false);
        let removed = remove(&path);
        written.map_err(|error| failed(&path, error))?;
        removed
    }

    pub(super) fn file(&self, number: u64) -> PathBuf {
        self.beside(&format!("{number:06}.jsonl"))
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(&self.prefix);
        name.push(".");
        name.push(ending);
        self.directory.join(name)
    }
}

/// Makes `bytes` all that the file has behind `start`.
fn write_at(path: &Path, start: u64, bytes: &[u8], sync: bool) -> io::Result<()> {
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    if file.metadata()?.len() > start {
        file.set_len(start)?;
    }
    file.seek(SeekFrom::Start(start))?;
    let written = file
        .write_all(bytes)
        .and_then(|()| if sync { file.sync_all() } else { Ok(()) });
    if written.is_err() {
        // The next delivery cuts it off too; until then nobody reads half a line.
        drop(file.set_len(start));
    }
    written
}

fn remove(path: &Path) -> Result<(), SinkError> {
    match fs::remove_file(path) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(failed(path, error))
        }
        _ => Ok(()),
    }
}

/// An operator has to set permissions and paths right; a full disk may have room again.
fn failed(path: &Path, error: io::Error) -> SinkError {
    let kind = match error.kind() {
        ErrorKind::AlreadyExists
        | ErrorKind::InvalidInput
        | ErrorKind::IsADirectory
        | ErrorKind::NotADirectory
        | ErrorKind::NotFound
        | ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem => SinkErrorKind::Misconfigured,
        _ => SinkErrorKind::Failing,
    };
    SinkError::new(kind)
        .with_detail(&format!("`{}`: {error}", path.display()))
        .with_source(error)
}
