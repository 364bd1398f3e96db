//! What every log promises, asked of the one in memory and of the one on disk.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step is a failed test"
)]

use std::{num::NonZeroUsize, time::Duration};

use bus::{Batch, BusError, Journal, JournalOptions, Log, MemoryLog, Position, ReadLimit, Reader};
use tokio::time::timeout;

type Law = (&'static str, fn(&dyn Log));

const LAWS: &[Law] = &[
    ("records come in order and as they were", in_order),
    ("a group sees again what it did not commit", uncommitted),
    ("groups do not disturb each other", groups),
    ("a cursor never moves backwards", backwards),
    ("a read keeps to its limits but returns a record", limits),
    ("a reader can be moved", seek),
    ("lag goes to nothing", lag),
    ("a waiting reader is woken", woken),
    ("what is synced is confirmed", synced),
    ("the reader knows whose records it reads", source),
    ("names of groups are checked", names),
    ("a forgotten group begins anew", forgotten),
    ("an append of nothing is refused", nothing),
];

#[test]
fn the_log_in_memory_keeps_the_laws() {
    for (name, law) in LAWS {
        println_law(name);
        law(&MemoryLog::new());
    }
}

#[test]
fn the_journal_keeps_the_laws() {
    for (name, law) in LAWS {
        println_law(name);
        let dir = tempfile::tempdir().unwrap();
        law(&Journal::open(dir.path(), JournalOptions::default()).unwrap());
    }
}

#[test]
fn the_journal_keeps_the_laws_in_small_segments() {
    for (name, law) in LAWS {
        println_law(name);
        let dir = tempfile::tempdir().unwrap();
        let options = JournalOptions {
            segment_bytes: 1,
            ..JournalOptions::default()
        };
        law(&Journal::open(dir.path(), options).unwrap());
    }
}

/// Shown with a failure.
#[expect(clippy::print_stdout, reason = "captured by the test harness")]
fn println_law(name: &str) {
    println!("law: {name}");
}

fn in_order(log: &dyn Log) {
    let first = append(log, &["a", "", "c"]);
    assert_eq!(
        log.head(),
        Position {
            partition: 0,
            offset: 3
        }
    );
    let batch = read(&mut *log.reader("g").unwrap());
    assert_eq!(texts(&batch), ["a", "", "c"]);
    assert_eq!(batch.records[0].position, first);
    assert!(batch.records.is_sorted_by(|a, b| a.position < b.position));
    assert_eq!(batch.gaps, []);
}

fn uncommitted(log: &dyn Log) {
    append(log, &["a", "b", "c"]);
    let mut reader = log.reader("g").unwrap();
    assert_eq!(reader.committed(), None);
    let first = read(&mut *reader).records[0].position;
    assert!(read(&mut *reader).is_empty());

    let mut reader = log.reader("g").unwrap();
    assert_eq!(texts(&read(&mut *reader)), ["a", "b", "c"]);
    reader.commit(first).unwrap();
    assert_eq!(reader.committed(), Some(first));

    let mut reader = log.reader("g").unwrap();
    assert_eq!(reader.committed(), Some(first));
    assert_eq!(texts(&read(&mut *reader)), ["b", "c"]);
}

fn groups(log: &dyn Log) {
    let first = append(log, &["a"]);
    let mut slack = log.reader("slack").unwrap();
    slack.commit(first).unwrap();
    assert_eq!(texts(&read(&mut *log.reader("s3").unwrap())), ["a"]);
}

fn backwards(log: &dyn Log) {
    let first = append(log, &["a"]);
    let last = append(log, &["b"]);
    append(log, &["c"]);
    let mut stale = log.reader("g").unwrap();
    let mut reader = log.reader("g").unwrap();
    reader.commit(last).unwrap();
    reader.commit(first).unwrap();
    stale.commit(first).unwrap();
    assert_eq!(log.reader("g").unwrap().committed(), Some(last));
    assert_eq!(texts(&read(&mut *log.reader("g").unwrap())), ["c"]);
}

fn limits(log: &dyn Log) {
    append(log, &["aaaa", "bb", "cc", "d"]);
    let mut reader = log.reader("g").unwrap();
    let mut next = |records, bytes| texts(&reader.try_read(limit(records, bytes)).unwrap());
    assert_eq!(next(9, 1), ["aaaa"]);
    assert_eq!(next(9, 4), ["bb", "cc"]);
    append(log, &["e"]);
    assert_eq!(next(1, 9), ["d"]);
    assert_eq!(next(9, 9), ["e"]);
}

fn seek(log: &dyn Log) {
    append(log, &["a", "b"]);
    let second = append(log, &["c"]);
    append(log, &["d"]);
    let mut reader = log.reader("g").unwrap();
    read(&mut *reader);
    reader.seek(second);
    assert_eq!(texts(&read(&mut *reader)), ["c", "d"]);
    let mut reader = log.reader("g").unwrap();
    reader.seek(second);
    assert_eq!(texts(&read(&mut *reader)), ["c", "d"]);
    assert_eq!(reader.committed(), None);
    reader.seek(log.head());
    assert!(read(&mut *reader).is_empty());
    append(log, &["e"]);
    assert_eq!(texts(&read(&mut *reader)), ["e"]);
}

fn lag(log: &dyn Log) {
    let mut reader = log.reader("g").unwrap();
    append(log, &["a", "b"]);
    assert_eq!(reader.lag().records, 2);
    assert!(reader.lag().bytes >= 2);
    read(&mut *reader);
    assert_eq!(reader.lag(), bus::Lag::default());
}

fn woken(log: &dyn Log) {
    block_on(async {
        let mut reader = log.reader("g").unwrap();
        for text in ["a", "b"] {
            let pause = timeout(Duration::from_millis(20), reader.read(limit(9, 9)));
            assert!(pause.await.is_err(), "there was nothing to read");
            let (batch, ()) = tokio::join!(reader.read(limit(9, 9)), async {
                tokio::task::yield_now().await;
                append(log, &[text]);
            });
            assert_eq!(texts(&batch.unwrap()), [text]);
        }
    });
}

fn synced(log: &dyn Log) {
    let last = append(log, &["a"]);
    block_on(async { log.synced(last).await }).unwrap();
}

fn source(log: &dyn Log) {
    assert_eq!(log.reader("g").unwrap().source().unwrap(), log.source());
}

fn names(log: &dyn Log) {
    for name in ["a", "slack-1.b_c", &"x".repeat(64)] {
        assert!(log.reader(name).is_ok(), "{name}");
    }
    for name in ["", "..", ".a", "A", "a/b", "a b", "ä", &"x".repeat(65)] {
        let refused = log.reader(name).err().expect(name);
        assert!(matches!(refused, BusError::GroupName { .. }), "{name}");
    }
}

fn forgotten(log: &dyn Log) {
    log.forget("g").unwrap();
    let first = append(log, &["a"]);
    log.reader("g").unwrap().commit(first).unwrap();
    log.forget("g").unwrap();
    assert_eq!(log.reader("g").unwrap().committed(), None);
    let refused = log.forget("../g").err();
    assert!(matches!(refused, Some(BusError::GroupName { .. })));
}

fn nothing(log: &dyn Log) {
    assert!(matches!(log.append(&[]), Err(BusError::Empty)));
}

fn append(log: &dyn Log, texts: &[&str]) -> Position {
    let records: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    log.append(&records).unwrap().first
}

fn read(reader: &mut dyn Reader) -> Batch {
    reader.try_read(limit(100, 1000)).unwrap()
}

fn limit(records: usize, bytes: usize) -> ReadLimit {
    ReadLimit {
        records: NonZeroUsize::new(records).unwrap(),
        bytes: NonZeroUsize::new(bytes).unwrap(),
    }
}

fn texts(batch: &Batch) -> Vec<String> {
    let records = batch.records.iter();
    records
        .map(|record| String::from_utf8_lossy(&record.bytes).into_owned())
        .collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async { timeout(Duration::from_secs(20), future).await.unwrap() })
}
