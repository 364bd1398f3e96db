//! What becomes of each record when a log takes only some.

mod dropped;

use bus::{Appended, BoxFuture, BusError, Log, MemoryLog, Position, Reader};

use super::append;

/// Takes records of at most so many bytes, and only so many records.
struct Limited {
    log: MemoryLog,
    bytes: usize,
    records: u64,
}

impl Log for Limited {
    fn source(&self) -> &str {
        self.log.source()
    }

    fn append(&self, records: &[&[u8]]) -> Result<Appended, BusError> {
        let size = records.iter().map(|record| record.len()).max().unwrap_or(0);
        if size > self.bytes {
            let (max, unit) = (self.bytes, "bytes");
            return Err(BusError::TooLarge { size, max, unit });
        }
        let room = usize::try_from(self.records - self.head().offset).unwrap();
        if room >= records.len() {
            return self.log.append(records);
        }
        let stored = match &records[..room] {
            [] => None,
            some => Some(self.log.append(some)?),
        };
        Err(BusError::Full { stored })
    }

    fn synced(&self, position: Position) -> BoxFuture<'_, Result<(), BusError>> {
        self.log.synced(position)
    }

    fn head(&self) -> Position {
        self.log.head()
    }

    fn reader(&self, group: &str) -> Result<Box<dyn Reader>, BusError> {
        self.log.reader(group)
    }

    fn forget(&self, group: &str) -> Result<(), BusError> {
        self.log.forget(group)
    }
}

fn places(log: &Limited, records: &[&[u8]]) -> (Vec<Option<u64>>, bool) {
    let (places, error) = append(log, records);
    let offset = |place: Option<Position>| place.map(|position| position.offset);
    (places.into_iter().map(offset).collect(), error.is_some())
}

fn limited(bytes: usize, records: u64) -> Limited {
    let log = MemoryLog::default();
    Limited {
        log,
        bytes,
        records,
    }
}

#[test]
fn records_of_one_turn_stand_one_after_the_other() {
    let log = limited(9, 9);
    assert_eq!(places(&log, &[b"a", b"b"]), (vec![Some(0), Some(1)], false));
    assert_eq!(places(&log, &[b"c"]), (vec![Some(2)], false));
}

#[test]
fn what_a_full_log_has_taken_is_not_taken_for_refused() {
    let log = limited(9, 2);
    let (taken, refused) = places(&log, &[b"a", b"b", b"c"]);
    assert_eq!((taken, refused), (vec![Some(0), Some(1)], true));
    assert_eq!(places(&log, &[b"d"]), (Vec::new(), true));
}

#[test]
fn a_record_that_is_too_large_is_refused_alone() {
    let log = limited(3, 9);
    let (taken, refused) = places(&log, &[b"a", b"large", b"b"]);
    assert_eq!((taken, refused), (vec![Some(0), None, Some(1)], true));
}
