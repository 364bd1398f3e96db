//! How a journal is opened: made anew, continued after a clean end, or recovered after a crash.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use uuid::Uuid;

use crate::{
    BusError,
    journal::{
        JournalOptions, UNSYNCED_MAX, cursor,
        disk::{Access, Disk, read_small, write_small},
        recovery::{Recovered, recover},
        retention::Sealed,
        segment::{self, Header, Opened, Segment},
        writer::{Active, Writer, create_segment},
    },
};

const CLEAN_FILE: &str = "clean";

/// Opens the journal in `dir` for writing. The caller holds the lock.
pub(crate) fn open(
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: JournalOptions,
) -> Result<Writer, BusError> {
    disk.create_dir(&cursor::cursors(&dir))?;
    let (source, active, head) = match last_segment(&*disk, &dir)? {
        Some((segment, recovered)) => go_on(&*disk, &dir, &segment, recovered)?,
        None => start_anew(&*disk, &dir)?,
    };
    let sealed = sealed_before(&*disk, &dir, active.base)?;
    let mut writer = Writer::new(disk, dir, source, options, (active, head));
    for segment in sealed {
        writer.add_sealed(segment);
    }
    Ok(writer)
}

/// Says that everything is on disk and nothing needs to be recovered. The caller has synced.
pub(crate) fn mark_clean(writer: &Writer) -> io::Result<()> {
    let active = &writer.active;
    let (source, base, len, head) = (writer.source, active.base, active.len, writer.head);
    let marker = format!("{source} {base} {len} {head}\n");
    let path = writer.dir.join(CLEAN_FILE);
    write_small(&*writer.disk, &path, marker.as_bytes())
}

/// What the marker of a clean end vouches for, so that one that is out of date is not believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Clean {
    base: u64,
    len: u64,
    head: u64,
}

fn read_clean(disk: &dyn Disk, dir: &Path, source: Uuid) -> io::Result<Option<Clean>> {
    let bytes = read_small(disk, &dir.join(CLEAN_FILE))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let Some((id, numbers)) = text.split_once(' ') else {
        return Ok(None);
    };
    let numbers: Vec<u64> = numbers.split_whitespace().flat_map(str::parse).collect();
    match numbers.as_slice() {
        [base, len, head] if id == source.to_string() && text.ends_with('\n') => Ok(Some(Clean {
            base: *base,
            len: *len,
            head: *head,
        })),
        _ => Ok(None),
    }
}

/// The last segment whose header was written, and what is in it.
fn last_segment(disk: &dyn Disk, dir: &Path) -> Result<Option<(Segment, Recovered)>, BusError> {
    for base in segment::list(disk, dir)?.into_iter().rev() {
        match segment::open(disk, dir, base, Access::Write)? {
            Opened::Segment(segment) => {
                let recovered = recover(&segment)?;
                return Ok(Some((segment, recovered)));
            }
            // The writer died while making it: nothing in it was ever acknowledged as synced.
            Opened::Unfinished => disk.remove(&segment::path(dir, base))?,
            Opened::Gone => {}
        }
    }
    Ok(None)
}

/// Makes a new journal. Groups that were registered before it are kept: if any of them has
/// committed something, the segments were deleted by hand, and the offsets go on behind that.
fn start_anew(disk: &dyn Disk, dir: &Path) -> Result<(Uuid, Active, u64), BusError> {
    let source = Uuid::now_v7();
    segment::write_source(disk, dir, source)?;
    forget_clean(disk, dir)?;
    let base = furthest_commit(disk, dir)?.map_or(0, |offset| offset + UNSYNCED_MAX);
    let header = Header {
        source,
        base,
        previous_end: base,
    };
    Ok((source, create_synced(disk, dir, &header)?, base))
}

fn go_on(
    disk: &dyn Disk,
    dir: &Path,
    segment: &Segment,
    recovered: Recovered,
) -> Result<(Uuid, Active, u64), BusError> {
    let Some(source) = segment::read_source(disk, dir)? else {
        let text = format!(
            "the source id of the journal in `{}` is lost",
            dir.display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, text).into());
    };
    let clean = read_clean(disk, dir, source)?.unwrap_or_default();
    let found = Clean {
        base: segment.base,
        len: recovered.len,
        head: recovered.head,
    };
    if clean == found && recovered.torn == 0 {
        forget_clean(disk, dir)?;
        let active = Active {
            base: segment.base,
            file: Arc::clone(&segment.file),
            seed: segment.seed,
            len: recovered.len,
        };
        return Ok((source, active, recovered.head));
    }
    tracing::warn!(
        dir = %dir.display(),
        segment = segment.base,
        records = recovered.records,
        cut_bytes = recovered.torn,
        damaged = recovered.damaged,
        "journal recovered after an unclean end"
    );
    segment::write_source(disk, dir, source)?;
    // Readers of the next segment take everything before it for final.
    if recovered.torn > 0 {
        segment.file.set_len(recovered.len)?;
    }
    sync_segments(disk, dir)?;
    let seen = furthest_commit(disk, dir)?.unwrap_or(0);
    // If more was there at a clean end, it was not torn off but damaged, and readers must know.
    let end = recovered.head.max(clean.head);
    let header = Header {
        source,
        base: end.max(seen) + UNSYNCED_MAX,
        previous_end: end,
    };
    let active = create_synced(disk, dir, &header)?;
    forget_clean(disk, dir)?;
    Ok((source, active, header.base))
}

fn create_synced(disk: &dyn Disk, dir: &Path, header: &Header) -> io::Result<Active> {
    let active = create_segment(disk, dir, header)?;
    active.file.sync()?;
    disk.sync_dir(dir)?;
    Ok(active)
}

/// What a killed process has left in the page cache is not yet on disk.
fn sync_segments(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    for base in segment::list(disk, dir)? {
        disk.open(&segment::path(dir, base), Access::Write)?
            .sync()?;
    }
    disk.sync_dir(dir)
}

fn forget_clean(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    match disk.remove(&dir.join(CLEAN_FILE)) {
        Ok(()) => disk.sync_dir(dir),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The first offset that no group has committed.
fn furthest_commit(disk: &dyn Disk, dir: &Path) -> Result<Option<u64>, BusError> {
    let cursors = cursor::all(disk, dir)?;
    let committed = cursors.iter().filter(|cursor| cursor.committed);
    Ok(committed.map(|cursor| cursor.next).max())
}

/// The segments before `active`, each of which ends where the next one says.
fn sealed_before(disk: &dyn Disk, dir: &Path, active: u64) -> Result<Vec<Sealed>, BusError> {
    let bases = segment::list(disk, dir)?;
    let mut sealed = Vec::with_capacity(bases.len());
    for (base, next) in bases.iter().zip(bases.iter().skip(1)) {
        if *next > active {
            break;
        }
        let end = match segment::open(disk, dir, *next, Access::Read)? {
            Opened::Segment(segment) => segment.previous_end.unwrap_or(*next),
            Opened::Unfinished | Opened::Gone => *next,
        };
        sealed.push(Sealed {
            base: *base,
            end,
            bytes: disk.len(&segment::path(dir, *base))?,
        });
    }
    Ok(sealed)
}
