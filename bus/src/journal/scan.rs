//! Walks over the frames of a segment, and finds the next good one behind a damaged one.
//!
//! The writer fills a file strictly from front to back, so a reader sees a beginning of what it
//! writes. Hence a frame that cannot be read is half-written as long as nothing good follows it,
//! and damaged as soon as something does. One exception keeps this from being simple: on a full
//! disk the writer cuts a half-written frame and later writes another one in its place, so bytes
//! that were read in two pieces may belong to both. Before damage is declared they are read again.

use std::{io, ops::RangeInclusive, sync::Arc};

use crate::journal::{
    disk::{DiskFile, read_full_at},
    frame::{FRAME_HEADER, decode, plausible_size},
    segment::{HEADER, Segment, len},
    size,
};

/// Bytes to read at once, unless a frame is larger.
const CHUNK: usize = 256 << 10;

/// What stands at the place of a scan.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// A record. The scan stays in front of it until [`Scan::pass`].
    Frame { offset: u64, payload: &'a [u8] },
    /// Records that cannot be read, with good ones behind them. The scan has passed them.
    Damage { from: u64, to: u64, bytes: u64 },
    /// Nothing good (yet), in so many bytes.
    End { leftover: u64 },
}

/// A place in a segment.
pub(crate) struct Scan {
    window: Window,
    seed: u32,
    /// The byte that is looked at next.
    at: u64,
    /// The offset of the record that should stand there.
    expected: u64,
    /// Bytes of the frame in front of which the scan stands, 0 if that is not known.
    ahead: u64,
    /// The size of the file when nothing good was found in the rest of it.
    searched: u64,
}

impl Scan {
    /// Starts in front of the first frame.
    pub(crate) fn new(segment: &Segment) -> Self {
        Self {
            window: Window::new(Arc::clone(&segment.file)),
            seed: segment.seed,
            at: HEADER as u64,
            expected: segment.base,
            ahead: 0,
            searched: 0,
        }
    }

    /// The byte that is looked at next.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// The offset of the record that should stand there.
    pub(crate) fn expected(&self) -> u64 {
        self.expected
    }

    /// Bytes between the place of the scan and the end of the file.
    pub(crate) fn rest(&self) -> io::Result<u64> {
        Ok(self.window.file.len()?.saturating_sub(self.at))
    }

    /// Looks at what stands here.
    pub(crate) fn step(&mut self) -> io::Result<Step<'_>> {
        if self.look()? {
            return self.frame();
        }
        let len = self.window.file.len()?;
        let leftover = len.saturating_sub(self.at);
        if leftover == 0 || len == self.searched {
            return Ok(Step::End { leftover });
        }
        let Some((found, offset)) = self.search(len)? else {
            self.searched = len;
            return Ok(Step::End { leftover });
        };
        self.window.forget();
        if self.look()? {
            return self.frame();
        }
        let (from, bytes) = (self.expected, found - self.at);
        self.at = found;
        self.expected = offset;
        Ok(Step::Damage {
            from,
            to: offset,
            bytes,
        })
    }

    /// Goes past the frame that [`Scan::step`] returned.
    pub(crate) fn pass(&mut self) {
        debug_assert!(self.ahead > 0);
        self.at += self.ahead;
        self.expected += 1;
        self.ahead = 0;
    }

    /// Whether a good frame stands here.
    fn look(&mut self) -> io::Result<bool> {
        let size = self
            .window
            .frame(self.at, self.seed, self.expected..=self.expected)?
            .map(|(_, payload)| FRAME_HEADER + payload.len());
        self.ahead = size.unwrap_or(0) as u64;
        Ok(size.is_some())
    }

    /// The frame that [`Scan::look`] has just seen.
    fn frame(&mut self) -> io::Result<Step<'_>> {
        let view = self.window.view(self.at, size(self.ahead))?;
        let payload = view.get(FRAME_HEADER..size(self.ahead)).unwrap_or_default();
        let offset = self.expected;
        Ok(Step::Frame { offset, payload })
    }

    /// The byte and the offset of the next good frame in the first `len` bytes of the file.
    fn search(&mut self, len: u64) -> io::Result<Option<(u64, u64)>> {
        let mut at = self.at + 1;
        while at + FRAME_HEADER as u64 <= len {
            // Every frame that was here has at least a header.
            let furthest = self.expected + (len - self.at) / FRAME_HEADER as u64;
            let offsets = self.expected..=furthest;
            let view = self.window.view(at, FRAME_HEADER)?;
            let candidates = view.len().saturating_sub(FRAME_HEADER - 1);
            if candidates == 0 {
                return Ok(None);
            }
            let candidate = (0..candidates).find(|start| {
                let bytes = view.get(*start..).unwrap_or_default();
                plausible_size(bytes, &offsets)
                    .is_some_and(|size| at + (start + size) as u64 <= len)
            });
            let Some(start) = candidate else {
                at += candidates as u64;
                continue;
            };
            at += start as u64;
            let offsets = self.expected..=self.expected + (at - self.at) / FRAME_HEADER as u64;
            if let Some((offset, _)) = self.window.frame(at, self.seed, offsets)? {
                return Ok(Some((at, offset)));
            }
            at += 1;
        }
        Ok(None)
    }
}

/// A part of a file, kept in memory.
struct Window {
    file: Arc<dyn DiskFile>,
    bytes: Vec<u8>,
    start: u64,
    filled: usize,
}

impl Window {
    fn new(file: Arc<dyn DiskFile>) -> Self {
        Self {
            file,
            bytes: Vec::new(),
            start: 0,
            filled: 0,
        }
    }

    /// The good frame at byte `at`, if there is one.
    fn frame(
        &mut self,
        at: u64,
        seed: u32,
        offsets: RangeInclusive<u64>,
    ) -> io::Result<Option<(u64, &[u8])>> {
        let Some(size) = plausible_size(self.view(at, FRAME_HEADER)?, &offsets) else {
            return Ok(None);
        };
        Ok(decode(self.view(at, size)?, seed, &offsets))
    }

    /// At least `want` bytes from byte `at`, unless the file ends before.
    fn view(&mut self, at: u64, want: usize) -> io::Result<&[u8]> {
        let covered = at.checked_sub(self.start).map(size);
        if let Some(from) = covered.filter(|from| from.saturating_add(want) <= self.filled) {
            return Ok(self.bytes.get(from..self.filled).unwrap_or_default());
        }
        // A damaged length asks for what is not there.
        let there = len(&*self.file)?.saturating_sub(size(at));
        let read = want.min(there).max(CHUNK);
        if self.bytes.len() < read {
            self.bytes.resize(read, 0);
        } else if read == CHUNK && self.bytes.len() > 4 * CHUNK {
            self.bytes.truncate(CHUNK);
            self.bytes.shrink_to_fit();
        }
        self.start = at;
        self.filled = 0;
        self.filled = read_full_at(&*self.file, &mut self.bytes, at)?;
        Ok(self.bytes.get(..self.filled).unwrap_or_default())
    }

    /// Reads again what it is asked next.
    fn forget(&mut self) {
        self.filled = 0;
    }
}
