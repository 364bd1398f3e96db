//! A group's position in a journal: `cursors/<group>`.
//!
//! The file has two slots, each within one sector of the disk. A commit overwrites the older slot
//! with one write of one line (generation, next offset, whether anything was ever committed,
//! checksum), so the newer one stays whole whatever happens. It is cheaper than replacing the file
//! and needs no sync: the file is synced when it is made, so a power cut can only take a cursor
//! back to an older slot, after which the group sees some records again.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    BusError, Position,
    journal::disk::{Access, Disk, DiskFile, read_full_at, write_all_at},
};

const SLOTS: [u64; 2] = [0, 512];
const SLOT: usize = 128;

/// What a cursor file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    generation: u64,
    /// The first offset that the group has not committed.
    pub(crate) next: u64,
    /// Whether it has committed anything: otherwise it only holds its place.
    pub(crate) committed: bool,
}

/// The cursor of one group.
pub(crate) struct Cursor {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    state: State,
}

impl Cursor {
    /// Opens the group's cursor, or registers the group at `oldest`.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        group: &str,
        oldest: u64,
    ) -> Result<Self, BusError> {
        check_group(group)?;
        let path = path(dir, group);
        match disk.open(&path, Access::Write) {
            Ok(file) if !is_unfinished(&*file)? => {
                let state = load(&*file)?;
                let Some(state) = state else {
                    return Err(BusError::CursorCorrupt { path });
                };
                Ok(Self { file, path, state })
            }
            Ok(_) => Self::register(disk, path, oldest),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk.create_dir(&cursors(dir))?;
                Self::register(disk, path, oldest)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn register(disk: &dyn Disk, path: PathBuf, oldest: u64) -> Result<Self, BusError> {
        let file = disk.open(&path, Access::Create)?;
        let state = State {
            generation: 0,
            next: oldest,
            committed: false,
        };
        store(&*file, state)?;
        file.sync()?;
        for dir in path.ancestors().skip(1).take(2) {
            disk.sync_dir(dir)?;
        }
        Ok(Self { file, path, state })
    }

    /// Moves the cursor behind `position`, never backwards, not even behind another reader of the
    /// same group.
    pub(crate) fn commit(&mut self, position: Position) -> Result<(), BusError> {
        if position.partition != 0 {
            let partition = position.partition;
            return Err(BusError::Partition { partition });
        }
        let Some(now) = load(&*self.file)? else {
            let path = self.path.clone();
            return Err(BusError::CursorCorrupt { path });
        };
        self.state = now;
        let next = position.offset.saturating_add(1);
        if now.committed && next <= now.next {
            return Ok(());
        }
        let state = State {
            generation: now.generation + 1,
            next: next.max(now.next),
            committed: true,
        };
        if let Err(error) = store(&*self.file, state) {
            // The older slot may be half overwritten, and the newer one is all there is: not even
            // a power cut may take it. The first error is the one to tell.
            let _second = self.file.sync();
            return Err(error.into());
        }
        self.state = state;
        Ok(())
    }

    /// The last committed position.
    pub(crate) fn committed(&self) -> Option<Position> {
        let last = self.state.next.checked_sub(1)?;
        self.state.committed.then_some(Position::at(last))
    }

    /// The first offset that the group has not committed.
    pub(crate) fn next(&self) -> u64 {
        self.state.next
    }
}

/// The cursors of all groups.
pub(crate) fn all(disk: &dyn Disk, dir: &Path) -> Result<Vec<State>, BusError> {
    let names = match disk.list(&cursors(dir)) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut states = Vec::with_capacity(names.len());
    for group in names.iter().filter(|name| check_group(name).is_ok()) {
        let path = path(dir, group);
        let file = match disk.open(&path, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        match load(&*file)? {
            Some(state) => states.push(state),
            None if is_unfinished(&*file)? => {}
            None => return Err(BusError::CursorCorrupt { path }),
        }
    }
    Ok(states)
}

/// Makes all cursors survive a power cut: before what they have passed is deleted.
pub(crate) fn sync_all(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    for group in disk.list(&cursors(dir))? {
        if check_group(&group).is_ok() {
            match disk.open(&path(dir, &group), Access::Write) {
                Ok(file) => file.sync()?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Forgets a group, so that it holds no segments any more.
pub(crate) fn remove(disk: &dyn Disk, dir: &Path, group: &str) -> Result<(), BusError> {
    check_group(group)?;
    match disk.remove(&path(dir, group)) {
        Ok(()) => Ok(disk.sync_dir(&cursors(dir))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether a group may have this name, which is also the name of a file.
pub(crate) fn check_group(name: &str) -> Result<(), BusError> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-');
    if (1..=64).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('.') {
        return Ok(());
    }
    let name = name.to_owned();
    Err(BusError::GroupName { name })
}

/// The directory of the cursor files.
pub(crate) fn cursors(dir: &Path) -> PathBuf {
    dir.join("cursors")
}

fn path(dir: &Path, group: &str) -> PathBuf {
    cursors(dir).join(group)
}

fn store(file: &dyn DiskFile, state: State) -> io::Result<()> {
    let [even, odd] = SLOTS;
    let slot = if state.generation.is_multiple_of(2) {
        even
    } else {
        odd
    };
    write_all_at(file, encode(state).as_bytes(), slot).map_err(|(_, error)| error)
}

/// Whether the registration did not come to its end: then the file was never synced, and holds the
/// beginning of a slot, or the zeros that a file system shows for what was lost with the power.
fn is_unfinished(file: &dyn DiskFile) -> io::Result<bool> {
    if file.len()? < SLOT as u64 {
        return Ok(true);
    }
    for slot in SLOTS {
        let mut bytes = [0; SLOT];
        read_full_at(file, &mut bytes, slot)?;
        if bytes != [0; SLOT] {
            return Ok(false);
        }
    }
    Ok(true)
}

fn load(file: &dyn DiskFile) -> io::Result<Option<State>> {
    let mut newest: Option<State> = None;
    for slot in SLOTS {
        let mut bytes = [0; SLOT];
        read_full_at(file, &mut bytes, slot)?;
        let state = std::str::from_utf8(&bytes).ok().and_then(decode);
        let newer = state.filter(|state| newest.is_none_or(|n| state.generation > n.generation));
        newest = newer.or(newest);
    }
    Ok(newest)
}

fn encode(state: State) -> String {
    let kind = if state.committed {
        "committed"
    } else {
        "registered"
    };
    let content = format!("{} {kind} {}", state.generation, state.next);
    let checksum = crc32fast::hash(content.as_bytes());
    // The checksum comes last in the slot, so that no part of a write is taken for the whole.
    format!("{content:<width$} {checksum:08x}\n", width = SLOT - 10)
}

fn decode(slot: &str) -> Option<State> {
    let (content, checksum) = slot.trim_end().rsplit_once(' ')?;
    let content = content.trim_end();
    if u32::from_str_radix(checksum, 16).ok()? != crc32fast::hash(content.as_bytes()) {
        return None;
    }
    let mut words = content.split(' ');
    let (generation, kind, next) = (words.next()?, words.next()?, words.next()?);
    Some(State {
        generation: generation.parse().ok()?,
        next: next.parse().ok()?,
        committed: kind == "committed",
    })
}
