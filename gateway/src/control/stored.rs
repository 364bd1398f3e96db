//! The last snapshot on disk, and beside it the prices that it names. They hold hashes of keys and
//! no key.

use std::{
    io,
    path::{Path, PathBuf},
};

use event::control::{self, Message};

/// What was known last; `None` if nothing is kept, or it cannot be used.
pub(super) fn read<T: Message>(file: &Path) -> Option<T> {
    let shown = file.display();
    let size = match file.metadata() {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(%error, "`{shown}` cannot be read: no key is known until the collector answers");
            return None;
        }
    };
    if usize::try_from(size).is_ok_and(|size| size > T::MAX) {
        tracing::warn!(size, "`{shown}` is larger than a {} can be", T::NAME);
        return None;
    }
    let bytes = std::fs::read(file).ok()?;
    match control::decode(&bytes) {
        Ok(snapshot) => Some(snapshot),
        Err(error) => {
            tracing::warn!(%error, "`{shown}` cannot be used: no key is known until the collector answers");
            None
        }
    }
}

/// Where the prices are that a snapshot names which is kept in `file`.
pub(super) fn prices(file: &Path) -> PathBuf {
    file.with_extension("prices.json")
}

/// Keeps what was told: the file is the old one or the new one, never a part.
pub(super) fn write(file: &Path, message: &impl Message) -> io::Result<()> {
    let bytes = control::encode(message).map_err(io::Error::other)?;
    let new = file.with_extension("new");
    let mut opened = std::fs::File::create(&new)?;
    io::Write::write_all(&mut opened, &bytes)?;
    opened.sync_all()?;
    std::fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use event::control::Snapshot;

    use super::*;

    #[test]
    fn what_was_known_is_read_back_and_what_is_broken_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("control.json");
        assert_eq!(read::<Snapshot>(&file), None);
        for version in [7, 8] {
            let snapshot = Snapshot {
                version,
                ..Snapshot::default()
            };
            write(&file, &snapshot).unwrap();
            assert_eq!(read(&file), Some(snapshot));
        }
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(read::<Snapshot>(&file), None);
    }
}
