//! The journal on a disk that misbehaves, against a model, and on bytes that nobody wrote.

mod crash;
mod fake_disk;
mod full;
mod model;
mod noise;
mod retention;

use std::{num::NonZeroUsize, path::Path, sync::Arc, time::Duration};

use crate::{
    Batch, Journal, JournalOptions, JournalReader, Log, ReadLimit, Reader,
    journal::{disk::Disk, reader::Wake},
};

/// Where journals are on the fake disk.
const DIR: &str = "/journal";

/// A limit that no test reaches.
fn all() -> ReadLimit {
    ReadLimit {
        records: NonZeroUsize::MAX,
        bytes: NonZeroUsize::MAX,
    }
}

/// Small segments, and no sync but those that a test asks for.
fn options() -> JournalOptions {
    JournalOptions {
        segment_bytes: 600,
        bytes_max: None,
        sync_every: Duration::from_secs(3600),
        ..JournalOptions::default()
    }
}

fn open(disk: impl Disk, options: JournalOptions) -> Journal {
    Journal::open_on(Arc::new(disk), Path::new(DIR), options).unwrap()
}

/// A reader as another process has it.
fn remote(disk: impl Disk, group: &str) -> JournalReader {
    let dir = Path::new(DIR);
    JournalReader::open_on(Arc::new(disk), dir, (group, Wake::Poll), Arc::default()).unwrap()
}

fn append(journal: &Journal, text: &str) -> u64 {
    journal.append(&[text.as_bytes()]).unwrap().first.offset
}

fn texts(batch: &Batch) -> Vec<String> {
    let records = batch.records.iter();
    records
        .map(|record| String::from_utf8_lossy(&record.bytes).into_owned())
        .collect()
}

/// Everything that a new group reads.
fn read_all(disk: impl Disk) -> Vec<String> {
    texts(&remote(disk, "read-all").try_read(all()).unwrap())
}
