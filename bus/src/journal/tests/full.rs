//! A disk, or a limit, that is reached.

use super::{all, append, fake_disk::Machine, open, options, read_all, remote, texts};
use crate::{BusError, Log, Reader};

#[test]
fn a_full_disk_refuses_an_append_and_takes_the_next_when_there_is_space() {
    for free in 0..60 {
        let machine = Machine::default();
        let journal = open(machine.disk(), options());
        append(&journal, "a");
        let mut reader = remote(machine.disk(), "g");
        machine.set_free(Some(free));
        let refused = journal.append(&["b".repeat(50).as_bytes()]);
        assert!(
            matches!(refused, Err(BusError::Full { .. })),
            "{free} bytes free"
        );
        assert_eq!(texts(&reader.try_read(all()).unwrap()), ["a"]);

        machine.set_free(None);
        assert_eq!(append(&journal, "c"), 1);
        assert_eq!(texts(&reader.try_read(all()).unwrap()), ["c"]);
        journal.close().unwrap();
        assert_eq!(read_all(machine.disk()), ["a", "c"]);
    }
}

#[test]
fn records_that_a_reader_may_have_seen_keep_their_numbers_on_a_full_disk() {
    let machine = Machine::default();
    let journal = open(machine.disk(), options());
    machine.set_free(Some(20));
    let Err(BusError::Full { stored }) = journal.append(&[b"a", b"b"]) else {
        panic!("not refused");
    };
    let stored = stored.map(|stored| (stored.first.offset, stored.last.offset));
    assert_eq!(stored, Some((0, 0)));
    machine.set_free(None);
    assert_eq!(append(&journal, "c"), 1);
    assert_eq!(read_all(machine.disk()), ["a", "c"]);
}

#[test]
fn a_full_disk_at_a_change_of_segments_is_survived() {
    for free in 0..70 {
        let machine = Machine::default();
        let journal = open(machine.disk(), options());
        append(&journal, &"a".repeat(550));
        drop(remote(machine.disk(), "read-all"));
        machine.set_free(Some(free));
        let refused = journal.append(&[b"bbbbbbbb"]);
        assert!(
            matches!(refused, Err(BusError::Full { .. })),
            "{free} bytes free"
        );
        machine.set_free(None);
        append(&journal, "c");
        assert_eq!(read_all(machine.disk())[1..], ["c"]);
    }
}
