//! What is left after a crash, in cases chosen by hand.

use std::sync::Arc;

use super::{
    all, append,
    fake_disk::{Dice, Machine},
    open, options, read_all, remote, texts,
};
use crate::{
    BusError, GapReason, Log, Position, Reader,
    journal::{UNSYNCED_MAX, segment::HEADER},
};

#[test]
fn a_killed_writer_loses_nothing_and_goes_on_behind_a_jump() {
    let machine = Machine::default();
    let journal = open(machine.disk(), options());
    let last = append(&journal, "a");
    machine.kill();
    drop(journal);

    let journal = open(machine.disk(), options());
    assert_eq!(append(&journal, "b"), last + 1 + UNSYNCED_MAX);
    let batch = remote(machine.disk(), "g").try_read(all()).unwrap();
    assert_eq!(texts(&batch), ["a", "b"]);
    assert_eq!(batch.gaps, []);
}

#[test]
fn a_closed_journal_goes_on_where_it_was() {
    let machine = Machine::default();
    let journal = open(machine.disk(), options());
    let source = journal.source().to_owned();
    append(&journal, "a");
    journal.close().unwrap();

    let journal = open(machine.disk(), options());
    assert_eq!(journal.source(), source);
    assert_eq!(append(&journal, "b"), 1);
    assert_eq!(read_all(machine.disk()), ["a", "b"]);
}

#[test]
fn what_was_synced_survives_any_power_cut_and_no_number_is_used_twice() {
    for seed in 1..200 {
        let machine = Machine::default();
        let journal = open(machine.disk(), options());
        for text in ["a", "b", "c"] {
            append(&journal, text);
        }
        journal.shared.sync().unwrap();
        let seen = append(&journal, &"d".repeat(700));
        let seen = seen.max(append(&journal, "e"));
        machine.power_cut(&mut Dice(seed));
        drop(journal);

        let journal = open(machine.disk(), options());
        assert_eq!(read_all(machine.disk())[..3], ["a", "b", "c"]);
        assert!(append(&journal, "f") > seen);
        assert_eq!(read_all(machine.disk()).last().unwrap(), "f");
    }
}

#[test]
fn a_torn_tail_is_cut_at_every_byte() {
    let machine = Machine::default();
    let journal = open(machine.disk(), options());
    append(&journal, "first");
    append(&journal, "second");
    journal.close().unwrap();
    let (path, whole) = machine.segments().remove(0);

    for len in HEADER..whole.len() {
        machine.kill();
        machine.overwrite(&path, &whole[..len]);
        let recovered = crate::recover_bytes(&whole[..len]).len();
        let journal = open(machine.disk(), options());
        drop(journal);
        let records = read_all(machine.disk());
        assert_eq!(records, ["first", "second"][..recovered], "{len} bytes");
        for (later, _) in machine.segments().drain(1..) {
            crate::journal::disk::Disk::remove(&machine.disk(), &later).unwrap();
        }
        let cursors = crate::journal::cursor::cursors(std::path::Path::new(super::DIR));
        let _none = crate::journal::disk::Disk::remove(&machine.disk(), &cursors.join("read-all"));
    }
}

#[test]
fn a_damaged_record_in_the_middle_is_reported_and_stepped_over() {
    let machine = Machine::default();
    let journal = open(machine.disk(), options());
    for text in ["a", "b", "c"] {
        append(&journal, text);
    }
    journal.close().unwrap();
    let (path, mut bytes) = machine.segments().remove(0);
    bytes[HEADER + 17 + 16] ^= 1;
    machine.overwrite(&path, &bytes);

    let journal = open(machine.disk(), options());
    let mut reader = journal.reader("g").unwrap();
    let batch = reader.try_read(all()).unwrap();
    assert_eq!(texts(&batch), ["a", "c"]);
    let [gap] = batch.gaps[..] else {
        panic!("one gap: {:?}", batch.gaps)
    };
    assert_eq!((gap.from.offset, gap.to.offset, gap.bytes), (1, 2, 17));
    assert_eq!(gap.reason, GapReason::Corrupt);
    assert!(reader.try_read(all()).unwrap().is_empty());
    assert_eq!(journal.stats().corrupt, 1);
}

#[test]
fn a_damaged_end_of_a_closed_journal_is_not_mistaken_for_a_torn_tail() {
    let machine = Machine::default();
    let journal = open(machine.disk(), options());
    append(&journal, "a");
    append(&journal, "b");
    journal.close().unwrap();
    let (path, mut bytes) = machine.segments().remove(0);
    *bytes.last_mut().unwrap() ^= 1;
    machine.overwrite(&path, &bytes);

    let journal = open(machine.disk(), options());
    append(&journal, "c");
    let batch = remote(machine.disk(), "g").try_read(all()).unwrap();
    assert_eq!(texts(&batch), ["a", "c"]);
    assert_eq!(batch.gaps.len(), 1);
    assert_eq!(batch.gaps[0].from, Position::at(1));
    assert_eq!(batch.gaps[0].to, Position::at(2));
}

#[test]
fn a_segment_with_a_damaged_header_is_still_read() {
    let machine = Machine::default();
    let journal = open(machine.disk(), options());
    append(&journal, &"a".repeat(600));
    append(&journal, "b");
    journal.close().unwrap();
    for (path, mut bytes) in machine.segments() {
        bytes[30] ^= 1;
        machine.overwrite(&path, &bytes);
    }
    let journal = open(machine.disk(), options());
    append(&journal, "c");
    assert_eq!(read_all(machine.disk())[1..], ["b", "c"]);
}

#[test]
fn a_segment_that_was_deleted_by_hand_is_reported() {
    let machine = Machine::default();
    let journal = open(machine.disk(), options());
    for text in ["a", "b", "c"] {
        append(&journal, &text.repeat(600));
    }
    let mut reader = remote(machine.disk(), "g");
    let (second, _) = machine.segments().remove(1);
    crate::journal::disk::Disk::remove(&machine.disk(), &second).unwrap();
    let batch = reader.try_read(all()).unwrap();
    assert_eq!(batch.records.len(), 2);
    assert_eq!((batch.gaps[0].from.offset, batch.gaps[0].to.offset), (1, 2));
}

#[test]
fn segments_without_a_header_do_not_stop_a_reader() {
    let machine = Machine::default();
    let journal = open(machine.disk(), options());
    for text in ["a", "b", "c", "d"] {
        append(&journal, &text.repeat(600));
    }
    for (path, bytes) in &machine.segments()[1..3] {
        machine.overwrite(path, &bytes[..HEADER - 1]);
    }
    let batch = remote(machine.disk(), "g").try_read(all()).unwrap();
    assert_eq!(texts(&batch), ["a".repeat(600), "d".repeat(600)]);
    assert_eq!((batch.gaps[0].from.offset, batch.gaps[0].to.offset), (1, 3));
    assert_eq!(batch.gaps[0].reason, GapReason::Corrupt);
}

#[test]
fn a_journal_whose_files_were_deleted_does_not_reuse_committed_numbers() {
    let machine = Machine::default();
    let journal = open(machine.disk(), options());
    let source = journal.source().to_owned();
    append(&journal, "a");
    let mut reader = journal.reader("g").unwrap();
    reader.commit(Position::at(0)).unwrap();
    journal.close().unwrap();
    let (path, _) = machine.segments().remove(0);
    crate::journal::disk::Disk::remove(&machine.disk(), &path).unwrap();

    let journal = open(machine.disk(), options());
    assert_ne!(journal.source(), source);
    assert!(append(&journal, "b") > 0);
    let batch = journal.reader("g").unwrap().try_read(all()).unwrap();
    assert_eq!(texts(&batch), ["b"]);
}

#[test]
fn after_a_failed_write_everything_is_refused_until_it_is_opened_again() {
    let machine = Machine::default();
    let journal = open(machine.disk(), options());
    append(&journal, "a");
    machine.fail_after(0);
    let failed = journal.append(&[b"b"]);
    assert!(matches!(failed, Err(BusError::Unavailable(_))));
    assert!(matches!(journal.append(&[b"c"]), Err(BusError::Poisoned)));
    assert!(journal.stats().poisoned);
    assert!(matches!(journal.close(), Err(BusError::Poisoned)));

    machine.kill();
    let journal = open(machine.disk(), options());
    append(&journal, "d");
    assert_eq!(read_all(machine.disk()), ["a", "d"]);
}

#[tokio::test]
async fn after_a_failed_sync_nobody_is_told_that_it_worked() {
    let machine = Machine::default();
    let journal = Arc::new(open(machine.disk(), options()));
    let offset = append(&journal, "a");
    machine.fail_after(0);
    assert!(journal.shared.sync().is_err());
    let synced = journal.synced(Position::at(offset)).await;
    assert!(matches!(synced, Err(BusError::Poisoned)));
    assert!(matches!(journal.append(&[b"b"]), Err(BusError::Poisoned)));
}

#[test]
fn an_append_syncs_when_too_much_could_be_lost() {
    let machine = Machine::default();
    let mut options = options();
    options.segment_bytes = 1 << 30;
    let journal = open(machine.disk(), options);
    let records = vec![&b""[..]; usize::try_from(UNSYNCED_MAX).unwrap()];
    journal.append(&records).unwrap();
    assert_eq!(journal.stats().unsynced, UNSYNCED_MAX);
    journal.append(&[b"one more"]).unwrap();
    assert_eq!(journal.stats().unsynced, 1);
}

#[test]
fn a_cursor_file_that_lies_is_refused_by_name() {
    let machine = Machine::default();
    let journal = open(machine.disk(), options());
    drop(journal.reader("g").unwrap());
    let path = crate::journal::cursor::cursors(std::path::Path::new(super::DIR)).join("g");
    machine.overwrite(&path, format!("0 committed 99 {:0>200}\n", 0).as_bytes());
    let Err(error) = journal.reader("g") else {
        panic!("a corrupt cursor was believed")
    };
    assert!(error.to_string().contains("/journal/cursors/g"));
    assert!(matches!(error, BusError::CursorCorrupt { .. }));
}
