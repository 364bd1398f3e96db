//! What is true of a segment after its writer died.

use std::{io, sync::Arc};

use bytes::Bytes;

use crate::journal::{
    disk::DiskFile,
    scan::{Scan, Step},
    segment::{Header, Segment},
    size,
};

/// What a scan of a whole segment found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// The byte after the last good frame: what follows is a torn tail.
    pub(crate) len: u64,
    /// Bytes of the torn tail.
    pub(crate) torn: u64,
    /// The offset after the last good frame.
    pub(crate) head: u64,
    /// Damaged regions with good frames behind them, which readers step over.
    pub(crate) damaged: u64,
    /// Good frames.
    pub(crate) records: u64,
}

/// Scans a segment from its header to its end.
pub(crate) fn recover(segment: &Segment) -> io::Result<Recovered> {
    let mut scan = Scan::new(segment);
    let (mut damaged, mut records) = (0, 0);
    loop {
        match scan.step()? {
            Step::Frame { .. } => {
                scan.pass();
                records += 1;
            }
            Step::Damage { .. } => damaged += 1,
            Step::End { leftover } => {
                return Ok(Recovered {
                    len: scan.at(),
                    torn: leftover,
                    head: scan.expected(),
                    damaged,
                    records,
                });
            }
        }
    }
}

/// The records that recovery finds in the bytes of one segment, with their offsets: what a fuzzer
/// calls. It returns only what a writer has written, whatever the bytes are, and never panics.
#[doc(hidden)]
pub fn recover_bytes(bytes: &[u8]) -> Vec<(u64, Bytes)> {
    let Some(Ok(header)) = Header::decode(bytes) else {
        return Vec::new();
    };
    let segment = Segment {
        base: header.base,
        seed: header.seed(),
        previous_end: Some(header.previous_end),
        file: Arc::new(Frozen(bytes.to_vec())),
    };
    let mut scan = Scan::new(&segment);
    let mut records = Vec::new();
    while let Ok(step) = scan.step() {
        match step {
            Step::Frame { offset, payload } => {
                records.push((offset, Bytes::copy_from_slice(payload)));
                scan.pass();
            }
            Step::Damage { .. } => {}
            Step::End { .. } => break,
        }
    }
    records
}

/// A file that does not change.
struct Frozen(Vec<u8>);

impl DiskFile for Frozen {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let rest = self.0.get(size(at)..).unwrap_or_default();
        let len = rest.len().min(bytes.len());
        for (to, from) in bytes.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(len)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
