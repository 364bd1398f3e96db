//! Writers and readers that share nothing but a directory, one of which is killed.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use bus::{
    BusError, Journal, JournalOptions, JournalReader, Log, ReadLimit, Reader, remove_group,
    source_of,
};
use tokio::time::timeout;

const LIMIT: ReadLimit = ReadLimit {
    records: NonZeroUsize::MAX,
    bytes: NonZeroUsize::MAX,
};

/// Tells the child process what to do.
const CHILD_DIR: &str = "BUS_TEST_CHILD_DIR";

fn options() -> JournalOptions {
    JournalOptions {
        segment_bytes: 20_000,
        ..JournalOptions::default()
    }
}

#[test]
fn what_was_acknowledged_before_a_kill_is_there_exactly_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut follower = JournalReader::open(dir.path(), "follower").unwrap();
    let mut followed = BTreeMap::new();
    let mut acknowledged = BTreeMap::new();
    let mut seed = 20_260_101_u64;
    for round in 0..20 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let kill_after = 1 + (seed >> 33) % 300;
        kill_a_writer(dir.path(), kill_after, &mut acknowledged);
        collect(&mut follower, &mut followed);

        let journal = Journal::open(dir.path(), options()).unwrap();
        let fresh = format!("round-{round}");
        let mut found = BTreeMap::new();
        collect(&mut *journal.reader(&fresh).unwrap(), &mut found);
        for (offset, text) in &acknowledged {
            assert_eq!(found.get(offset), Some(text), "at {offset}");
        }
        let mut texts: Vec<_> = found.values().collect();
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), found.len(), "a record is there twice");
        remove_group(dir.path(), &fresh).unwrap();
        collect(&mut follower, &mut followed);
        assert_eq!(followed, found, "the reader in another process");
    }
    assert!(acknowledged.len() > 1000);
}

/// Runs a child that appends, kills it after so many acknowledgements, and notes them all.
fn kill_a_writer(dir: &Path, after: u64, acknowledged: &mut BTreeMap<u64, String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child_that_appends", "--nocapture"])
        .env(CHILD_DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut left = after;
    for line in lines {
        let line = line.unwrap();
        let Some(words) = line.split("ack ").nth(1) else {
            continue;
        };
        let Some((offset, text)) = words.split_once(' ') else {
            panic!("`{line}` is no acknowledgement")
        };
        // The last line may be torn, but only before its final mark.
        if let Some(text) = text.strip_suffix(" .") {
            let before = acknowledged.insert(offset.parse().unwrap(), text.to_owned());
            assert_eq!(before, None, "{offset} was given out twice");
        }
        left = left.saturating_sub(1);
        if left == 0 {
            // Its other acknowledgements are still read from the pipe.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
}

/// Not a test of its own: what the processes run that are killed.
#[test]
fn the_child_that_appends() {
    let Some(dir) = std::env::var_os(CHILD_DIR).map(PathBuf::from) else {
        return;
    };
    let journal = Journal::open(&dir, options()).unwrap();
    let mut out = std::io::stdout();
    let process = std::process::id();
    for number in 0.. {
        let text = format!("{process}-{}-{number}", journal.head());
        let offset = journal.append(&[text.as_bytes()]).unwrap().first.offset;
        writeln!(out, "ack {offset} {text} .").unwrap();
    }
}

fn collect(reader: &mut dyn Reader, into: &mut BTreeMap<u64, String>) {
    loop {
        let batch = reader.try_read(LIMIT).unwrap();
        assert_eq!(batch.gaps, []);
        if batch.is_empty() {
            return;
        }
        for record in batch.records {
            let text = String::from_utf8(record.bytes.to_vec()).unwrap();
            let before = into.insert(record.position.offset, text);
            assert_eq!(before, None, "{} is there twice", record.position);
        }
    }
}

#[tokio::test]
async fn a_reader_waits_for_a_writer_that_comes_later() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("journal");
    assert_eq!(source_of(&dir).unwrap(), None);
    let mut reader = JournalReader::open(&dir, "g").unwrap();
    assert!(matches!(reader.source(), Err(BusError::Absent { .. })));
    assert!(reader.try_read(LIMIT).unwrap().is_empty());

    let (batch, journal) = tokio::join!(
        timeout(Duration::from_secs(20), reader.read(LIMIT)),
        async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let journal = Journal::open(&dir, options()).unwrap();
            journal.append(&[b"a"]).unwrap();
            journal
        }
    );
    assert_eq!(batch.unwrap().unwrap().records.len(), 1);
    assert_eq!(reader.source().unwrap(), journal.source());
    assert_eq!(source_of(&dir).unwrap().unwrap(), journal.source());
}

#[test]
fn a_journal_has_one_writer() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), options()).unwrap();
    let second = Journal::open(dir.path(), options());
    assert!(matches!(second, Err(BusError::Locked { .. })));
    drop(journal);
    Journal::open(dir.path(), options()).unwrap();
}

#[test]
fn a_reader_outlives_its_writer_and_follows_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), options()).unwrap();
    let mut reader = journal.reader("g").unwrap();
    journal.close().unwrap();
    let journal = Journal::open(dir.path(), options()).unwrap();
    for _ in 0..3 {
        journal.append(&[&[b'x'; 15_000]]).unwrap();
    }
    assert_eq!(reader.try_read(LIMIT).unwrap().records.len(), 3);
}

#[test]
fn readers_keep_up_with_writers_that_are_fast() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), options()).unwrap();
    let total = 20_000;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..total / 4 {
                    journal.append(&[b"first", &[b'x'; 100]]).unwrap();
                }
            });
        }
        for number in 0..2 {
            let mut reader = JournalReader::open(dir.path(), &format!("g{number}")).unwrap();
            scope.spawn(move || {
                let mut read = BTreeMap::new();
                while read.len() < total {
                    collect(&mut reader, &mut read);
                    std::thread::yield_now();
                }
                assert_eq!(*read.last_key_value().unwrap().0, total as u64 - 1);
            });
        }
    });
}
