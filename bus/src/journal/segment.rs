//! One file of a journal: its name, its header, and finding it among the others.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crc32fast::Hasher;
use uuid::Uuid;

use crate::{
    BusError,
    journal::{
        disk::{Access, Disk, DiskFile, read_full_at, read_small, write_small},
        size,
    },
};

/// Bytes before the first frame.
pub(crate) const HEADER: usize = 48;

const MAGIC: &[u8; 8] = b"TOLLJRNL";
const VERSION: u32 = 1;
const SOURCE_FILE: &str = "source";

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The writer's id.
    pub(crate) source: Uuid,
    /// The offset of the first record.
    pub(crate) base: u64,
    /// The offset after the last record of the segment before; less than `base` when offsets
    /// were skipped on purpose.
    pub(crate) previous_end: u64,
}

impl Header {
    /// The bytes of the header.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(self.source.as_bytes());
        bytes.extend_from_slice(&self.base.to_le_bytes());
        bytes.extend_from_slice(&self.previous_end.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        debug_assert_eq!(bytes.len(), HEADER);
        bytes
    }

    /// The header in `bytes`, or the version if it is not ours, or nothing if it is damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Result<Self, u32>> {
        let (content, _) = bytes.split_at_checked(HEADER - 4)?;
        let checksum = crc32fast::hash(content).to_le_bytes();
        if bytes.get(HEADER - 4..HEADER)? != checksum || content.get(..8)? != MAGIC {
            return None;
        }
        let version = u32::from_le_bytes(*content.get(8..)?.first_chunk()?);
        if version != VERSION {
            return Some(Err(version));
        }
        Some(Ok(Self {
            source: Uuid::from_bytes(*content.get(12..)?.first_chunk()?),
            base: u64::from_le_bytes(*content.get(28..)?.first_chunk()?),
            previous_end: u64::from_le_bytes(*content.get(36..)?.first_chunk()?),
        }))
    }

    /// Where the checksums of this segment's frames start from.
    pub(crate) fn seed(&self) -> u32 {
        seed(self.source, self.base)
    }
}

/// Where the checksums of a segment's frames start from. Frames of another segment, copied into a
/// record by a client who logs journals, are then no frames here.
pub(crate) fn seed(source: Uuid, base: u64) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(source.as_bytes());
    hasher.update(&base.to_le_bytes());
    hasher.finalize()
}

/// The file of the segment that begins at `base`. Names sort as offsets do.
pub(crate) fn path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}.log"))
}

/// The first offsets of all segments, in order. Nothing when there is no directory.
pub(crate) fn list(disk: &dyn Disk, dir: &Path) -> io::Result<Vec<u64>> {
    let names = match disk.list(dir) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut bases: Vec<u64> = names
        .iter()
        .filter_map(|name| name.strip_suffix(".log"))
        .filter(|digits| digits.len() == 20)
        .filter_map(|digits| digits.parse().ok())
        .collect();
    bases.sort_unstable();
    Ok(bases)
}

/// A segment that can be read.
pub(crate) struct Segment {
    pub(crate) base: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) seed: u32,
    /// Unknown when the header is damaged.
    pub(crate) previous_end: Option<u64>,
}

/// What came of opening a segment.
pub(crate) enum Opened {
    /// It can be read.
    Segment(Segment),
    /// Its header is not all there.
    Unfinished,
    /// There is no such file (any more).
    Gone,
}

/// Opens the segment that begins at `base`. With a damaged header it is still read, since all
/// that the frames need is the source id, which stands in a file of its own.
pub(crate) fn open(
    disk: &dyn Disk,
    dir: &Path,
    base: u64,
    access: Access,
) -> Result<Opened, BusError> {
    let path = path(dir, base);
    let file = match disk.open(&path, access) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Opened::Gone),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = [0; HEADER];
    let there = read_full_at(&*file, &mut bytes, 0)?;
    let header = match Header::decode(&bytes) {
        _ if there < HEADER => return Ok(Opened::Unfinished),
        Some(Err(version)) => return Err(BusError::Version { path, version }),
        Some(Ok(header)) if header.base == base => Some(header),
        Some(Ok(_)) | None => None,
    };
    let seed = match header {
        Some(header) => header.seed(),
        None => match read_source(disk, dir)? {
            Some(source) => seed(source, base),
            // Without an id no frame can be told from noise: all of it will be a gap.
            None => seed(Uuid::nil(), base),
        },
    };
    Ok(Opened::Segment(Segment {
        base,
        file,
        seed,
        previous_end: header.map(|header| header.previous_end),
    }))
}

/// The id of the writer of the journal in `dir`, if it has one.
pub(crate) fn read_source(disk: &dyn Disk, dir: &Path) -> Result<Option<Uuid>, BusError> {
    let bytes = read_small(disk, &dir.join(SOURCE_FILE))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    if let Ok(source) = Uuid::parse_str(text.trim_end()) {
        return Ok(Some(source));
    }
    for base in list(disk, dir)? {
        let Some(bytes) = read_small(disk, &self::path(dir, base))? else {
            continue;
        };
        if let Some(Ok(header)) = Header::decode(&bytes) {
            return Ok(Some(header.source));
        }
    }
    Ok(None)
}

/// Stores the id of the writer.
pub(crate) fn write_source(disk: &dyn Disk, dir: &Path, source: Uuid) -> io::Result<()> {
    let text = format!("{source}\n");
    write_small(disk, &dir.join(SOURCE_FILE), text.as_bytes())
}

/// How much of a file can be addressed on this machine.
pub(crate) fn len(file: &dyn DiskFile) -> io::Result<usize> {
    file.len().map(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_back_and_every_flipped_bit_is_noticed() {
        let header = Header {
            source: Uuid::now_v7(),
            base: 1 << 40,
            previous_end: 17,
        };
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Some(Ok(header)));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&damaged), None, "bit {bit}");
        }
        assert_eq!(Header::decode(&bytes[..HEADER - 1]), None);
    }
}
