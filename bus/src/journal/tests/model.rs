//! Any operations in any order, on a disk that loses and damages things, against a simple model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    fake_disk::{Dice, Machine},
    open, options, remote,
};
use crate::{
    Batch, BusError, Journal, JournalReader, Log, Position, ReadLimit, Reader,
    journal::segment::HEADER,
};

#[derive(Clone, Debug)]
enum Op {
    /// Appends records of these sizes.
    Append(Vec<usize>),
    /// Reads at most so many records.
    Read(usize),
    /// Reads with a reader that is in the writer's process, from its cursor.
    ReadNear,
    Commit,
    Sync,
    /// Closes and opens.
    Reopen,
    /// `kill -9`, and opens.
    Kill,
    /// Takes the power away, and opens.
    PowerCut(u64),
    /// Flips a bit in a segment.
    Corrupt(prop::sample::Index),
    /// Lets an operation of the disk fail a little later.
    Fail(u64),
    /// Lets the disk be full for one append.
    Full(usize, usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => prop::collection::vec(0..300_usize, 1..4).prop_map(Op::Append),
        6 => (1..6_usize).prop_map(Op::Read),
        2 => Just(Op::ReadNear),
        3 => Just(Op::Commit),
        3 => Just(Op::Sync),
        2 => Just(Op::Reopen),
        2 => Just(Op::Kill),
        2 => (1..u64::MAX).prop_map(Op::PowerCut),
        1 => any::<prop::sample::Index>().prop_map(Op::Corrupt),
        1 => (0..6_u64).prop_map(Op::Fail),
        1 => (0..400_usize, 0..300_usize).prop_map(|(free, size)| Op::Full(free, size)),
    ]
}

struct World {
    machine: Machine,
    journal: Option<Journal>,
    reader: Option<JournalReader>,
    /// All that was ever given to an append, by the number it got or would have got.
    tried: BTreeMap<u64, Vec<u8>>,
    /// Acknowledged, and not lost to the power.
    required: BTreeSet<u64>,
    /// Required, and passed by the reader without returning it.
    missing: BTreeSet<u64>,
    /// The first offset that the reader has not passed.
    position: u64,
    /// What the group has committed, at most.
    committed: Option<Position>,
    /// The last record that was read.
    last_read: Option<Position>,
    flipped: usize,
    records: u64,
}

impl World {
    fn new() -> Self {
        let machine = Machine::default();
        let journal = Some(open(machine.disk(), options()));
        let reader = Some(remote(machine.disk(), "g"));
        Self {
            machine,
            journal,
            reader,
            tried: BTreeMap::new(),
            required: BTreeSet::new(),
            missing: BTreeSet::new(),
            position: 0,
            committed: None,
            last_read: None,
            flipped: 0,
            records: 0,
        }
    }

    fn journal(&self) -> &Journal {
        self.journal.as_ref().unwrap()
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Append(sizes) => self.append(sizes),
            Op::Read(records) => self.read(*records),
            Op::ReadNear => self.read_near(),
            Op::Commit => self.commit(),
            Op::Sync => drop(self.journal().shared.sync()),
            Op::Reopen => {
                self.machine.fail_after(u64::MAX);
                let poisoned = self.journal().stats().poisoned;
                let closed = self.journal.take().unwrap().close();
                assert_eq!(closed.is_err(), poisoned);
                self.open();
            }
            Op::Kill => {
                self.machine.kill();
                self.open();
                assert_eq!(self.reader.as_ref().unwrap().committed(), self.committed);
            }
            Op::PowerCut(seed) => self.power_cut(*seed),
            Op::Corrupt(place) => self.corrupt(*place),
            Op::Fail(skip) => self.machine.fail_after(*skip),
            Op::Full(free, size) => {
                self.machine.set_free(Some(*free));
                self.append(&[*size, 3, *size]);
                self.machine.set_free(None);
            }
        }
    }

    fn append(&mut self, sizes: &[usize]) {
        let records: Vec<Vec<u8>> = sizes.iter().map(|size| self.record(*size)).collect();
        let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        let first = self.journal().head().offset;
        let result = self.journal().append(&slices);
        let head = self.journal().head().offset;
        for (offset, record) in (first..).zip(records) {
            let was_cut_off = matches!(result, Err(BusError::Full { .. })) && offset >= head;
            if !was_cut_off && !matches!(result, Err(BusError::Poisoned)) {
                let before = self.tried.insert(offset, record);
                assert_eq!(before, None, "{offset} is used twice");
            }
        }
        let stored = match result {
            Ok(appended) => Some(appended),
            Err(BusError::Full { stored }) => {
                assert_eq!(stored.is_none(), head == first);
                stored
            }
            Err(_) => None,
        };
        if let Some(stored) = stored {
            assert_eq!(stored.first.offset, first);
            assert_eq!(stored.last.offset + 1, head);
            self.required.extend(first..head);
        }
    }

    fn record(&mut self, size: usize) -> Vec<u8> {
        self.records += 1;
        let mut record = self.records.to_le_bytes().to_vec();
        record.resize(8 + size, 0xab);
        record
    }

    fn read(&mut self, records: usize) {
        let limit = ReadLimit {
            records: records.try_into().unwrap(),
            bytes: 500.try_into().unwrap(),
        };
        let batch = self.reader.as_mut().unwrap().try_read(limit).unwrap();
        assert!(batch.records.len() <= records);
        self.check(&batch);
        self.last_read = batch.records.last().map(|record| record.position);
    }

    /// Whatever was required before the end of what was read is in it, or in a gap.
    fn check(&mut self, batch: &Batch) {
        let mut passed = self.position;
        for record in &batch.records {
            let offset = record.position.offset;
            assert!(offset >= passed, "{offset} comes after {passed}");
            assert_eq!(self.tried.get(&offset).unwrap(), &record.bytes.to_vec());
            self.find_missing(passed, offset);
            passed = offset + 1;
        }
        for gap in &batch.gaps {
            let (from, to) = (gap.from.offset, gap.to.offset);
            assert!(from >= self.position && from < to, "{gap:?}");
            self.find_missing(passed.max(from), to);
            passed = passed.max(to);
        }
        self.position = passed;
        let damaged = self.flipped;
        assert!(self.missing.len() <= damaged, "{:?}", self.missing);
    }

    fn find_missing(&mut self, from: u64, to: u64) {
        if from < to {
            self.missing.extend(self.required.range(from..to));
        }
    }

    fn read_near(&mut self) {
        let mut reader = match self.journal().reader("near") {
            Ok(reader) => reader,
            // Registering the group failed.
            Err(BusError::Unavailable(_)) => return,
            Err(error) => panic!("{error}"),
        };
        let batch = reader.try_read(super::all()).unwrap();
        for record in &batch.records {
            let offset = record.position.offset;
            assert_eq!(self.tried.get(&offset).unwrap(), &record.bytes.to_vec());
        }
        assert!(batch.records.is_sorted_by(|a, b| a.position < b.position));
    }

    fn commit(&mut self) {
        let Some(position) = self.last_read else {
            return;
        };
        match self.reader.as_mut().unwrap().commit(position) {
            Ok(()) => self.committed = self.committed.max(Some(position)),
            // Half of a cursor was written. The other half is the old one.
            Err(BusError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
        assert_eq!(self.reader.as_ref().unwrap().committed(), self.committed);
    }

    fn power_cut(&mut self, seed: u64) {
        let stats = self.journal().stats();
        let synced = stats.head - stats.unsynced;
        self.machine.power_cut(&mut Dice(seed));
        self.required.retain(|offset| *offset < synced);
        self.missing.retain(|offset| *offset < synced);
        self.open();
        let committed = self.reader.as_ref().unwrap().committed();
        assert!(committed <= self.committed);
        self.committed = committed;
    }

    /// Opens journal and reader again.
    fn open(&mut self) {
        self.journal = None;
        // Handles of the killed process must not meet the next one's.
        self.machine.kill();
        self.journal = Some(open(self.machine.disk(), options()));
        let reader = remote(self.machine.disk(), "g");
        self.position = reader.committed().map_or(0, |last| last.offset + 1);
        self.last_read = None;
        self.reader = Some(reader);
    }

    fn corrupt(&mut self, place: prop::sample::Index) {
        let mut segments = self.machine.segments();
        let index = place.index(segments.len());
        let (path, bytes) = &mut segments[index];
        if bytes.len() > HEADER {
            let bit = place.index((bytes.len() - HEADER) * 8);
            bytes[HEADER + bit / 8] ^= 1 << (bit % 8);
            self.machine.overwrite(path, bytes);
            self.flipped += 1;
        }
    }

    /// In the end everything that must be there has been read.
    fn finish(mut self) {
        self.machine.kill();
        self.open();
        self.append(&[1]);
        let last = self.journal().head().offset;
        for _ in 0..10_000 {
            if self.position >= last {
                break;
            }
            self.read(100);
        }
        assert_eq!(self.position, last, "the reader is stuck");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn nothing_is_lost_invented_or_numbered_twice(ops in prop::collection::vec(op(), 1..60)) {
        let mut world = World::new();
        for op in &ops {
            world.run(op);
        }
        world.finish();
    }
}
