//! What is deleted, and who is told.

use std::{path::Path, time::Duration};

use super::{DIR, all, append, fake_disk::Machine, open, options, remote, texts};
use crate::{AtLimit, BusError, GapReason, JournalOptions, Log, Position, Reader, journal::cursor};

/// Each record of 600 bytes has a segment of its own.
fn big(text: &str) -> String {
    text.repeat(600)
}

fn limited(at_limit: AtLimit) -> JournalOptions {
    JournalOptions {
        bytes_max: Some(2400),
        at_limit,
        ..options()
    }
}

#[test]
fn segments_go_when_all_groups_have_passed_them_and_they_are_old() {
    let machine = Machine::default();
    let journal = open(machine.disk(), options());
    let offsets = ["a", "b", "c"].map(|text| append(&journal, &big(text)));
    machine.set_age(options().keep_for);
    assert_eq!(journal.shared.retain().unwrap(), 0, "nobody has read it");

    let (mut fast, mut slow) = (
        remote(machine.disk(), "fast"),
        remote(machine.disk(), "slow"),
    );
    fast.commit(Position::at(offsets[1])).unwrap();
    assert_eq!(journal.shared.retain().unwrap(), 0, "slow needs all");
    slow.commit(Position::at(offsets[0])).unwrap();
    machine.set_age(options().keep_for - Duration::from_secs(1));
    assert_eq!(journal.shared.retain().unwrap(), 0, "too young");
    machine.set_age(options().keep_for);
    assert_eq!(journal.shared.retain().unwrap(), 1);

    cursor::remove(&machine.disk(), Path::new(DIR), "slow").unwrap();
    assert_eq!(journal.shared.retain().unwrap(), 1, "slow is gone");
    assert_eq!(journal.stats().segments, 1);
    assert_eq!(
        remote(machine.disk(), "new").try_read(all()).unwrap().gaps,
        []
    );
}

#[test]
fn at_the_limit_appends_are_refused_while_a_group_needs_the_oldest() {
    let machine = Machine::default();
    let journal = open(machine.disk(), limited(AtLimit::Refuse));
    let mut reader = remote(machine.disk(), "g");
    for text in ["a", "b", "c"] {
        append(&journal, &big(text));
    }
    let refused = journal.append(&[big("d").as_bytes()]);
    assert!(matches!(refused, Err(BusError::Full { .. })));

    reader.commit(Position::at(0)).unwrap();
    append(&journal, &big("d"));
    assert_eq!(journal.stats().segments, 3);
    assert!(journal.stats().bytes <= 2400);
}

#[test]
fn at_the_limit_the_oldest_is_dropped_if_that_is_wanted_and_readers_are_told() {
    let machine = Machine::default();
    let journal = open(machine.disk(), limited(AtLimit::DropOldest));
    let behind = remote(machine.disk(), "behind");
    let mut inside = remote(machine.disk(), "inside");
    append(&journal, &big("a"));
    assert_eq!(inside.try_read(all()).unwrap().records.len(), 1);
    for text in ["b", "c", "d", "e", "f"] {
        append(&journal, &big(text));
    }
    assert_eq!(journal.stats().trimmed, 3);

    for (mut reader, first) in [(behind, 0), (inside, 1)] {
        let batch = reader.try_read(all()).unwrap();
        let [gap] = batch.gaps[..] else {
            panic!("one gap: {:?}", batch.gaps)
        };
        assert_eq!((gap.from.offset, gap.to.offset), (first, 3));
        assert_eq!(gap.reason, GapReason::Trimmed);
        assert_eq!(texts(&batch), [big("d"), big("e"), big("f")]);
        assert!(reader.try_read(all()).unwrap().is_empty());
    }
}

#[test]
fn an_open_cursor_survives_the_deletion_of_what_it_has_passed() {
    let machine = Machine::default();
    let journal = open(machine.disk(), limited(AtLimit::Refuse));
    let mut reader = remote(machine.disk(), "g");
    for text in ["a", "b", "c", "d", "e", "f", "g"] {
        let offset = append(&journal, &big(text));
        let batch = reader.try_read(all()).unwrap();
        assert_eq!(texts(&batch), [big(text)]);
        assert_eq!(batch.gaps, []);
        reader.commit(Position::at(offset)).unwrap();
    }
    // The power goes, and comes back: the cursor was synced before the segments went.
    machine.power_cut(&mut super::fake_disk::Dice(1));
    let mut reader = remote(machine.disk(), "g");
    assert_eq!(reader.try_read(all()).unwrap().gaps, []);
}

#[test]
fn a_reader_says_how_far_it_is_behind() {
    let machine = Machine::default();
    let journal = open(machine.disk(), options());
    let (mut near, mut far) = (
        journal.reader("near").unwrap(),
        remote(machine.disk(), "far"),
    );
    for _ in 0..3 {
        append(&journal, &big("a"));
    }
    for lag in [near.lag(), far.lag()] {
        assert!(lag.records >= 3);
        assert_eq!(lag.bytes, 3 * 616);
    }
    near.try_read(all()).unwrap();
    far.try_read(all()).unwrap();
    for lag in [near.lag(), far.lag()] {
        assert_eq!(lag, crate::Lag::default());
    }
}
