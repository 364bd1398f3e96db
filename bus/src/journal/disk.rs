//! The few operations that the journal needs from a disk, so that tests can bring a worse one.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// A place for files.
pub(crate) trait Disk: Send + Sync + 'static {
    /// Makes a directory and its parents, unless they exist.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Opens a file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>>;
    /// The names in a directory, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Deletes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations and deletions in a directory survive a power cut.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// The size of a file in bytes.
    fn len(&self, path: &Path) -> io::Result<u64>;
    /// The time since a file was last written to.
    fn age(&self, path: &Path) -> io::Result<Duration>;
}

/// An open file.
pub(crate) trait DiskFile: Send + Sync {
    /// Fills as much of `bytes` as there is in the file from byte `at`.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize>;
    /// Writes some of `bytes` at byte `at` and says how many.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize>;
    /// The size of the file in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Cuts the file at `len` bytes.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes the content survive a power cut.
    fn sync(&self) -> io::Result<()>;
}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It must exist.
    Read,
    /// It must exist.
    Write,
    /// Made anew, empty.
    Create,
}

/// The disk of this machine.
pub(crate) struct RealDisk;

struct RealFile {
    file: File,
    path: PathBuf,
}

impl Disk for RealDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir).map_err(|error| named(&error, "create", dir))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let file = File::options()
            .read(true)
            .write(access != Access::Read)
            .create(access == Access::Create)
            .truncate(access == Access::Create)
            .open(path)
            .map_err(|error| named(&error, "open", path))?;
        let path = path.to_owned();
        Ok(Arc::new(RealFile { file, path }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(dir)
            .and_then(|entries| {
                entries
                    .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                    .collect()
            })
            .map_err(|error| named(&error, "list", dir))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path).map_err(|error| named(&error, "remove", path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(|error| named(&error, "sync", dir))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        let metadata = fs::metadata(path).map_err(|error| named(&error, "look at", path))?;
        Ok(metadata.len())
    }

    fn age(&self, path: &Path) -> io::Result<Duration> {
        let modified = fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .map_err(|error| named(&error, "look at", path))?;
        // A file from the future is a clock that was set back: the file is young.
        Ok(modified.elapsed().unwrap_or_default())
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        self.file
            .read_at(bytes, at)
            .map_err(|error| named(&error, "read", &self.path))
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        self.file
            .write_at(bytes, at)
            .map_err(|error| named(&error, "write to", &self.path))
    }

    fn len(&self) -> io::Result<u64> {
        self.file
            .metadata()
            .map(|metadata| metadata.len())
            .map_err(|error| named(&error, "look at", &self.path))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file
            .set_len(len)
            .map_err(|error| named(&error, "cut", &self.path))
    }

    fn sync(&self) -> io::Result<()> {
        self.file
            .sync_data()
            .map_err(|error| named(&error, "sync", &self.path))
    }
}

/// Says which file it was, and keeps the kind, which callers branch on.
fn named(error: &io::Error, doing: &str, path: &Path) -> io::Error {
    let kind = error.kind();
    io::Error::new(
        kind,
        format!("cannot {doing} `{}`: {error}", path.display()),
    )
}

/// Writes all of `bytes` at `at`. After an error, tells how many bytes were written as well.
pub(crate) fn write_all_at(
    file: &dyn DiskFile,
    bytes: &[u8],
    at: u64,
) -> Result<(), (usize, io::Error)> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match file.write_at(rest, at + done as u64) {
            Ok(0) => return Err((done, io::ErrorKind::WriteZero.into())),
            Ok(written) => done += written,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((done, error)),
        }
    }
    Ok(())
}

/// Reads from `at` until `bytes` is full or the file ends, and says how many bytes came.
pub(crate) fn read_full_at(file: &dyn DiskFile, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Reads a small file whole; `None` when there is none. Files of more than 4 KiB are cut there.
pub(crate) fn read_small(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = vec![0; 4096];
    let read = read_full_at(&*file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// Writes a small file so that it is there, whole, after a power cut.
pub(crate) fn write_small(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = disk.open(path, Access::Create)?;
    write_all_at(&*file, bytes, 0).map_err(|(_, error)| error)?;
    file.sync()?;
    path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))
}
