//! Reading back on a journal: forwards, backwards, far away, and where segments are gone.

use std::{fs, ops::Range, path::Path};

use bus::{Journal, JournalOptions};
use event::{Cost, Origin};

use super::*;
use crate::samples;

/// A few records each.
const SEGMENT_BYTES: u64 = 16 << 10;

fn event(sequence: u64) -> PricedEvent {
    let origin = Origin {
        source: "s".to_owned(),
        sequence,
    };
    PricedEvent::new(samples::call(sequence), origin, Cost::nothing("map"))
}

fn open(folder: &Path) -> Journal {
    let options = JournalOptions {
        segment_bytes: SEGMENT_BYTES,
        ..JournalOptions::default()
    };
    Journal::open(folder, options).unwrap()
}

/// Appends so many events, and returns each with its position.
fn fill(journal: &Journal, sequences: Range<u64>) -> Vec<(u64, PricedEvent)> {
    let append = |event: PricedEvent| {
        let appended = journal.append(&[&codec::encode_priced(&event)]).unwrap();
        (appended.first.offset, event)
    };
    sequences.map(event).map(append).collect()
}

#[tokio::test]
async fn what_is_there_is_found_and_what_is_gone_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    let mut all = fill(&journal, 0..100);
    drop(journal);
    // After an unclean end positions jump, so that some are far from others.
    fs::remove_file(folder.path().join("clean")).unwrap();
    let journal = open(folder.path());
    all.extend(fill(&journal, 100..200));
    assert!(all[100].0 - all[99].0 > FAR);
    let log: Arc<dyn Log> = Arc::new(journal);
    let mut content = Content::open(&log).unwrap();
    for at in [0, 1, 70, 69, 5, 199, 99, 100, 101, 3] {
        let (position, wanted) = all[at].clone();
        let found = content.event(position, (wanted.id(), 0)).await;
        assert_eq!(found, Some(wanted), "{at}");
    }
    let id = |at: usize| all[at].1.id();
    assert_eq!(content.event(log.head().offset, (id(0), 0)).await, None);
    assert_eq!(
        content.event(150, (id(0), 0)).await,
        None,
        "no such position"
    );
    assert_eq!(content.event(7, (id(8), 0)).await, None, "another event");
    assert_eq!(content.event(7, (id(7), 1)).await, None, "another revision");

    let first = format!("{:020}.log", 0);
    fs::remove_file(folder.path().join(first)).unwrap();
    let mut content = Content::open(&log).unwrap();
    assert_eq!(content.event(0, (id(0), 0)).await, None);
    let found = content.event(50, (id(50), 0)).await;
    assert_eq!(found, Some(all[50].1.clone()));
}
