//! A reading position that follows the segments of a journal, whoever writes them.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;

use crate::{
    Batch, BusError, Gap, GapReason, Lag, Position, ReadLimit, Record, Room,
    journal::{
        disk::{Access, Disk},
        scan::{Scan, Step},
        segment::{self, HEADER, Opened},
    },
};

/// A reading position.
pub(crate) struct Tail {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// The first offset that has not been returned.
    next: u64,
    place: Option<Place>,
    /// Records and bytes passed in segments, for guessing how many records some bytes are.
    passed: (u64, u64),
}

/// What came of going to a segment.
enum Went {
    There,
    /// There is none yet.
    Nowhere,
    /// It was deleted in between. The next look at the directory will find another one.
    Missed,
}

/// So many deletions in between are believed before the caller is asked to try again.
const MISSES_MAX: u32 = 8;

/// A place in a segment.
struct Place {
    base: u64,
    scan: Scan,
    /// A later segment was there before the last look at this one, so this one will not grow.
    is_final: bool,
}

impl Tail {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, next: u64) -> Self {
        Self {
            disk,
            dir,
            next,
            place: None,
            passed: (0, 0),
        }
    }

    /// The first offset that has not been returned.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Goes to the first record at or after `offset`.
    pub(crate) fn seek(&mut self, offset: u64) {
        if offset != self.next {
            self.place = None;
            self.next = offset;
        }
    }

    /// Returns what is there. `newest` is the base of the last segment, if the caller knows.
    pub(crate) fn read(
        &mut self,
        limit: ReadLimit,
        newest: Option<u64>,
    ) -> Result<Batch, BusError> {
        let mut batch = Batch::default();
        let mut room = Room::new(limit);
        match self.fill(&mut batch, &mut room, newest) {
            Ok(()) => Ok(batch),
            // What was read before the error is still good, and the error will come again.
            Err(_) if !batch.is_empty() => Ok(batch),
            Err(error) => Err(error),
        }
    }

    fn fill(
        &mut self,
        batch: &mut Batch,
        room: &mut Room,
        newest: Option<u64>,
    ) -> Result<(), BusError> {
        let mut missed = 0;
        while missed < MISSES_MAX {
            let Some(place) = &mut self.place else {
                match self.enter(batch)? {
                    Went::There => continue,
                    Went::Nowhere => return Ok(()),
                    Went::Missed => missed += 1,
                }
                continue;
            };
            match place.scan.step()? {
                Step::Frame { offset, payload } => {
                    let bytes = payload.len();
                    if offset >= self.next {
                        if !room.take(bytes) {
                            return Ok(());
                        }
                        batch.records.push(Record {
                            position: Position::at(offset),
                            bytes: Bytes::copy_from_slice(payload),
                        });
                        self.next = offset + 1;
                    }
                    place.scan.pass();
                    self.passed = (self.passed.0 + 1, self.passed.1 + bytes as u64);
                }
                Step::Damage { from, to, bytes } => {
                    self.report(batch, (from, to), bytes, GapReason::Corrupt);
                }
                Step::End { leftover } if place.is_final => match self.leave(batch, leftover)? {
                    Went::There => {}
                    Went::Nowhere => return Ok(()),
                    Went::Missed => missed += 1,
                },
                Step::End { .. } => {
                    let is_last = match newest {
                        Some(newest) => newest <= place.base,
                        None => self.later()?.is_empty(),
                    };
                    if is_last {
                        return Ok(());
                    }
                    // What the writer added before it went on has not been looked at yet.
                    if let Some(place) = &mut self.place {
                        place.is_final = true;
                    }
                }
            }
        }
        Ok(())
    }

    /// Finds the segment of the next offset.
    fn enter(&mut self, batch: &mut Batch) -> Result<Went, BusError> {
        let bases = self.later()?;
        self.go_to_first(batch, &bases, (0, GapReason::Trimmed))
    }

    /// Goes to the segment after this one, of which `leftover` bytes could not be read.
    fn leave(&mut self, batch: &mut Batch, leftover: u64) -> Result<Went, BusError> {
        let later = self.later()?;
        let here = self.place.as_ref().map_or(0, |place| place.base);
        // The oldest go first: if the next one was deleted, so was this one.
        let bases = segment::list(&*self.disk, &self.dir)?;
        let reason = if bases.contains(&here) {
            GapReason::Corrupt
        } else {
            GapReason::Trimmed
        };
        self.go_to_first(batch, &later, (leftover, reason))
    }

    /// Goes to the start of the first of these segments and reports what is missing before it.
    fn go_to_first(
        &mut self,
        batch: &mut Batch,
        bases: &[u64],
        (mut bytes, mut reason): (u64, GapReason),
    ) -> Result<Went, BusError> {
        for base in bases.iter().copied() {
            match segment::open(&*self.disk, &self.dir, base, Access::Read)? {
                Opened::Segment(segment) => {
                    let previous_end = segment.previous_end.unwrap_or(base);
                    self.report(batch, (self.next, previous_end), bytes, reason);
                    self.next = self.next.max(base);
                    self.place = Some(Place {
                        base,
                        scan: Scan::new(&segment),
                        is_final: false,
                    });
                    return Ok(Went::There);
                }
                Opened::Gone => return Ok(Went::Missed),
                // The last one is being made; others were lost with the power.
                Opened::Unfinished => {
                    bytes += HEADER as u64;
                    reason = GapReason::Corrupt;
                }
            }
        }
        Ok(Went::Nowhere)
    }

    /// Reports that the records in `from..to` are missing, as far as they have not been returned.
    fn report(&mut self, batch: &mut Batch, (from, to): (u64, u64), bytes: u64, reason: GapReason) {
        let from = from.max(self.next);
        if from >= to {
            return;
        }
        self.next = to;
        batch.gaps.push(Gap {
            from: Position::at(from),
            to: Position::at(to),
            bytes,
            reason,
        });
    }

    /// The segments after the one that is being read; those from the next record on when none is.
    fn later(&self) -> Result<Vec<u64>, BusError> {
        let mut bases = segment::list(&*self.disk, &self.dir)?;
        let first = match &self.place {
            Some(place) => bases.partition_point(|base| *base <= place.base),
            None => bases
                .partition_point(|base| *base <= self.next)
                .saturating_sub(1),
        };
        bases.drain(..first);
        Ok(bases)
    }

    /// How far this is behind the end of the log, at most. The records are a guess unless the
    /// caller knows the head.
    pub(crate) fn lag(&self, head: Option<u64>) -> Result<Lag, BusError> {
        let mut bytes = 0;
        if let Some(place) = &self.place {
            bytes += place.scan.rest()?;
        }
        let mut last = self.place.as_ref().map(|place| place.base);
        let mut in_last = bytes;
        for base in self.later()? {
            let len = self.disk.len(&segment::path(&self.dir, base)).unwrap_or(0);
            in_last = len.saturating_sub(HEADER as u64);
            last = Some(base);
            bytes += in_last;
        }
        let behind = |head: u64| head.saturating_sub(self.next);
        let records = match head {
            Some(head) => behind(head),
            None if bytes == 0 => 0,
            None => {
                let (records, passed) = self.passed;
                let mean = passed.checked_div(records).unwrap_or(0).max(1);
                behind(last.unwrap_or(0)) + in_last.div_ceil(mean)
            }
        };
        Ok(Lag { records, bytes })
    }
}
