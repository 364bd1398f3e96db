//! Crashes between any two steps, failing logs, bad records: each call stands in the books once.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use bus::{Appended, BoxFuture, MemoryLog};
use event::{PricedEvent, Usd, codec};
use proptest::prelude::*;
use tempfile::TempDir;

mod batches;
mod corrections;

use super::*;
use crate::{
    books::{Entry, Filter, Page},
    price::PriceMaps,
    samples,
};

/// What survives a crash.
struct Rig {
    calls: MemoryLog,
    priced: Arc<Flaky>,
    data: TempDir,
}

/// A log that appends half of a batch and fails, once.
struct Flaky {
    log: MemoryLog,
    fails: AtomicBool,
}

impl Log for Flaky {
    fn source(&self) -> &str {
        self.log.source()
    }

    fn append(&self, records: &[&[u8]]) -> Result<Appended, BusError> {
        if self.fails.swap(false, Ordering::Relaxed) {
            let half = &records[..records.len() / 2];
            let stored = match half {
                [] => None,
                half => Some(self.log.append(half)?),
            };
            return Err(BusError::Full { stored });
        }
        self.log.append(records)
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

/// After which step the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Dies {
    AfterIntake,
    HalfwayThroughAppend,
    AfterAppend,
    AfterSettle,
    AfterCommit,
}

const ALL: [Dies; 5] = [
    Dies::AfterIntake,
    Dies::HalfwayThroughAppend,
    Dies::AfterAppend,
    Dies::AfterSettle,
    Dies::AfterCommit,
];

impl Rig {
    fn new() -> Self {
        let priced = Flaky {
            log: MemoryLog::new(),
            fails: AtomicBool::new(false),
        };
        let data = tempfile::tempdir().unwrap();
        Self {
            calls: MemoryLog::new(),
            priced: Arc::new(priced),
            data,
        }
    }

    /// A process that has just started.
    async fn pipeline(&self) -> Pipeline {
        let books = Books::open(&self.data.path().join("books.sqlite"))
            .await
            .unwrap();
        let letters = self.bad_records();
        Pipeline {
            calls: self.calls.reader("collector").unwrap(),
            priced: Arc::clone(&self.priced) as Arc<dyn Log>,
            tail: None,
            alerts: Alerts::new(books.clone()),
            books,
            pricer: Pricer::new(PriceMaps::bundled()),
            bad_records: DeadLetters::new(letters, 1 << 20),
            metrics: Arc::new(Metrics::new(100, Vec::new())),
            health: Arc::default(),
            tap: Tap::new(),
            settle: SettleConfig {
                linger: Duration::ZERO,
                ..SettleConfig::default()
            },
            // Nobody sends any.
            corrections: mpsc::channel(1).1,
        }
    }

    fn bad_records(&self) -> PathBuf {
        self.data.path().join("bad.jsonl")
    }

    fn add(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.calls.append(&[&samples::started(number)]).unwrap();
            self.calls
                .append(&[&samples::finished(&samples::call(number))])
                .unwrap();
        }
    }

    /// Starts a process that settles one batch and dies there.
    async fn run_until(&self, dies: Dies) {
        let mut pipeline = self.pipeline().await;
        let mut place = pipeline.recover().await.unwrap();
        let batch = pipeline.calls.try_read(pipeline.limit()).unwrap();
        let mut intake = pipeline.take_in(&batch.records, &place).await.unwrap();
        if dies == Dies::AfterIntake || intake.events.is_empty() {
            return;
        }
        self.priced
            .fails
            .store(dies == Dies::HalfwayThroughAppend, Ordering::Relaxed);
        let appended = pipeline.append(&mut intake, &place).await;
        if dies <= Dies::AfterAppend {
            return;
        }
        place.mark = place
            .mark
            .max(batch.records.last().map(|record| record.position.offset));
        pipeline
            .settle(&intake, &mut place, appended.unwrap())
            .await
            .unwrap();
        if dies == Dies::AfterCommit {
            pipeline.commit(&mut place).unwrap();
        }
    }

    /// Starts a process that settles all there is.
    async fn run(&self) -> Pipeline {
        let mut pipeline = self.pipeline().await;
        let tasks = Tasks::default();
        tasks.stop(Duration::ZERO).await;
        pipeline.go(&tasks).await.unwrap();
        pipeline
    }

    fn priced(&self) -> Vec<PricedEvent> {
        let mut reader = self.priced.reader("test").unwrap();
        reader.seek(Position {
            partition: 0,
            offset: 0,
        });
        let limit = ReadLimit {
            records: recovery::RECORDS,
            bytes: recovery::BYTES,
        };
        let batch = reader.try_read(limit).unwrap();
        batch
            .records
            .iter()
            .map(|record| codec::decode_priced(&record.bytes).unwrap())
            .collect()
    }

    /// Whether each of the calls `0..count` stands in the books and in the priced log once.
    async fn check(&self, books: &Books, count: u64) {
        let priced = self.priced();
        let ids: BTreeSet<_> = priced.iter().map(PricedEvent::id).collect();
        assert_eq!(
            (priced.len(), ids.len()),
            (usize::try_from(count).unwrap(), priced.len())
        );
        let page = Page {
            skip: 0,
            take: 10_000,
        };
        let rows = books.calls(&Filter::default(), page).await.unwrap();
        let calls: BTreeSet<_> = rows.iter().map(|row| row.call_id.clone()).collect();
        let expected: BTreeSet<_> = (0..count).map(|number| format!("call-{number}")).collect();
        assert_eq!((calls, rows.len()), (expected, priced.len()));
        let spend: Usd = priced.iter().filter_map(|event| event.cost().total).sum();
        let rows: Usd = rows
            .iter()
            .filter_map(crate::books::StoredCall::spend)
            .sum();
        assert_eq!(rows, spend);
        assert_eq!(books.totals().await.unwrap().cost, spend);
        let audit = books.audit().await.unwrap();
        assert!(audit.balanced, "{audit:?}");
        assert_eq!(audit.spend, spend);
    }
}

#[tokio::test]
async fn a_crash_between_any_two_steps_neither_loses_nor_doubles_a_call() {
    for dies in ALL {
        let rig = Rig::new();
        rig.add(0..10);
        rig.run_until(dies).await;
        rig.add(10..15);
        let pipeline = rig.run().await;
        rig.check(&pipeline.books, 15).await;
    }
}

#[tokio::test]
async fn an_append_that_fails_halfway_is_taken_up_where_it_ended() {
    let rig = Rig::new();
    rig.add(0..9);
    rig.priced.fails.store(true, Ordering::Relaxed);
    let mut pipeline = rig.pipeline().await;
    let tasks = Tasks::default();
    tasks.stop(Duration::ZERO).await;
    assert!(matches!(
        pipeline.go(&tasks).await,
        Err(PipelineError::Priced(BusError::Full { .. }))
    ));
    pipeline.go(&tasks).await.unwrap();
    rig.check(&pipeline.books, 9).await;
}

#[tokio::test]
async fn a_bad_record_becomes_a_dead_letter_and_the_rest_goes_on() {
    let rig = Rig::new();
    rig.add(0..1);
    rig.calls.append(&[b"\x63nonsense"]).unwrap();
    let mut huge = samples::call(7);
    huge.total_tokens = u64::MAX;
    rig.calls.append(&[&samples::finished(&huge)]).unwrap();
    rig.add(1..2);
    let pipeline = rig.run().await;
    rig.check(&pipeline.books, 2).await;
    let letters = std::fs::read_to_string(rig.bad_records()).unwrap();
    assert_eq!(letters.lines().count(), 2);
    let alerts = pipeline.books.alerts().await.unwrap();
    assert_eq!(
        alerts.iter().map(|alert| &*alert.kind).collect::<Vec<_>>(),
        ["bad_record"]
    );
    rig.run().await;
    assert_eq!(std::fs::read_to_string(rig.bad_records()).unwrap(), letters);
}

#[tokio::test]
async fn a_call_without_a_price_is_not_free_and_somebody_is_told() {
    let rig = Rig::new();
    rig.calls
        .append(&[&samples::finished(&samples::unpriced(0))])
        .unwrap();
    let pipeline = rig.run().await;
    rig.check(&pipeline.books, 1).await;
    let rows = pipeline
        .books
        .calls(&Filter::default(), Page { skip: 0, take: 9 })
        .await
        .unwrap();
    assert_eq!(rows[0].cost, None);
    assert_eq!(pipeline.books.totals().await.unwrap().unpriced, 1);
    let alerts = pipeline.books.alerts().await.unwrap();
    assert_eq!(
        alerts[0].key,
        "model_unpriced/no_such_model/acme/unheard-of"
    );
}

#[tokio::test]
async fn the_same_run_twice_is_refused() {
    let rig = Rig::new();
    rig.add(0..3);
    let pipeline = rig.run().await;
    let events: Vec<_> = rig.priced().into_iter().map(Entry::new).collect();
    let source = rig.calls.source().to_owned();
    let marks = BTreeMap::from([(source, 5)]);
    let priced_source = rig.priced.source();
    let run = Run {
        events: &events,
        marks: &marks,
        priced_source,
        from: 0,
        to: 3,
    };
    let refused = pipeline.books.settle(run).await;
    assert!(matches!(refused, Err(BooksError::Moved { expected: 0 })));
    let run = Run {
        from: 3,
        to: 6,
        ..run
    };
    let refused = pipeline.books.settle(run).await.unwrap_err();
    assert!(
        crate::deliver::dead_letters::chain(&refused).contains("UNIQUE"),
        "{refused}"
    );
    rig.check(&pipeline.books, 3).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_the_crashes_the_books_are_the_sum_of_the_calls(
        lives in prop::collection::vec((0_u64..12, 0_usize..ALL.len()), 1..8)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let rig = Rig::new();
            let mut count = 0;
            for (more, dies) in lives {
                rig.add(count..count + more);
                count += more;
                rig.run_until(ALL[dies]).await;
            }
            let pipeline = rig.run().await;
            rig.check(&pipeline.books, count).await;
        });
    }
}
