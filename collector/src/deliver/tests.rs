//! Lanes with a scripted sink, in paused time.

mod identity;
mod orders;

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bus::{MemoryLog, Position, ReadLimit};
use event::{Cost, Origin, PricedEvent, codec};
use sink::{Batch, Receipt, Sink, SinkErrorKind};
use tempfile::TempDir;
use tokio::time::Instant;

use super::*;
use crate::{books::Books, metrics::SinkStatus, samples};

/// What the destination does next; when the script is over it takes everything.
#[derive(Debug)]
enum Step {
    Fail(SinkErrorKind),
    Throttle(Duration),
    Refuse(Vec<usize>),
    Defer(Vec<usize>),
    Take,
    Panic,
    Hang,
}

/// A destination that follows a script, and never takes the poison.
#[derive(Debug, Default)]
struct Scripted {
    script: Mutex<VecDeque<Step>>,
    poison: Vec<u64>,
    /// What was poison is none any more.
    cured: AtomicBool,
    /// What it says of poison.
    echo: Option<&'static str>,
    largest: Option<usize>,
    /// Batches it takes at once; 0 is 1.
    concurrency: usize,
    takes_time: Duration,
    locked: Mutex<bool>,
    seen: Mutex<Vec<Attempt>>,
}

/// One attempt as the destination saw it.
#[derive(Clone, Debug)]
struct Attempt {
    name: String,
    sequences: Vec<u64>,
    /// Those that it has stored.
    stored: Vec<u64>,
    taken: bool,
    at: Instant,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Sink for Scripted {
    const KIND: &'static str = "scripted";
    type Config = ();

    fn open(_config: (), _env: &SinkEnv) -> Result<Self, SinkError> {
        Ok(Self::default())
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            concurrency_max: self.concurrency.max(1),
            ..BatchLimits::default()
        }
    }

    async fn probe(&self) -> Result<(), SinkError> {
        if *locked(&self.locked) {
            return Err(SinkError::new(SinkErrorKind::Unauthorized));
        }
        Ok(())
    }

    async fn deliver(&self, batch: &Batch<'_>) -> Result<Receipt, SinkError> {
        let sequences: Vec<_> = batch
            .items()
            .iter()
            .map(|item| item.origin().sequence)
            .collect();
        let attempt = Attempt {
            name: batch.name().to_owned(),
            sequences,
            stored: Vec::new(),
            taken: false,
            at: Instant::now(),
        };
        let poisoned = attempt
            .sequences
            .iter()
            .any(|sequence| self.poison.contains(sequence))
            && !self.cured.load(Ordering::Relaxed);
        let too_large = self
            .largest
            .is_some_and(|largest| attempt.sequences.len() > largest);
        let number = {
            let mut seen = locked(&self.seen);
            seen.push(attempt);
            seen.len() - 1
        };
        let step = locked(&self.script).pop_front();
        if !self.takes_time.is_zero() {
            tokio::time::sleep(self.takes_time).await;
        }
        let mut receipt = Receipt::default();
        match step {
            Some(Step::Fail(kind)) => return Err(SinkError::new(kind)),
            Some(Step::Throttle(pause)) => {
                return Err(SinkError::new(SinkErrorKind::Throttled).with_retry_after(pause));
            }
            Some(Step::Panic) => panic!("as the script says"),
            Some(Step::Hang) => std::future::pending().await,
            Some(Step::Refuse(refused)) => {
                refused.iter().for_each(|at| receipt.refuse(*at, "no"));
            }
            Some(Step::Defer(deferred)) => deferred.iter().for_each(|at| receipt.defer(*at)),
            _ if poisoned => {
                let refused = SinkError::new(SinkErrorKind::Refused);
                return Err(refused.with_detail(self.echo.unwrap_or_default()));
            }
            _ if too_large => return Err(SinkError::new(SinkErrorKind::TooLarge)),
            Some(Step::Take) | None => {}
        }
        if let Some(attempt) = locked(&self.seen).get_mut(number) {
            attempt.taken = true;
            let left = |index: &usize| {
                let refused = receipt.refused().iter().any(|item| item.index == *index);
                !refused && !receipt.deferred().contains(index)
            };
            let indexes = (0..attempt.sequences.len()).filter(left);
            attempt.stored = indexes.map(|at| attempt.sequences[at]).collect();
        }
        Ok(receipt)
    }
}

struct Rig {
    log: MemoryLog,
    data: TempDir,
    books: Books,
}

/// A lane that runs.
struct Running {
    sink: Arc<Scripted>,
    stats: Arc<LaneStats>,
    tasks: Tasks,
    control: Arc<Control>,
}

impl Rig {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let books = Books::open(&data.path().join("books.sqlite"))
            .await
            .unwrap();
        Self {
            log: MemoryLog::new(),
            data,
            books,
        }
    }

    fn add(&self, sequences: std::ops::Range<u64>) {
        for sequence in sequences {
            let origin = Origin {
                source: "journal".to_owned(),
                sequence,
            };
            let event = PricedEvent::new(samples::call(sequence), origin, Cost::nothing("map"));
            self.log.append(&[&codec::encode_priced(&event)]).unwrap();
        }
    }

    async fn start(&self, sink: Scripted) -> Running {
        self.start_with(
            sink,
            r#"{"kind":"scripted","from":"beginning","batch":{"items_max":4}}"#,
        )
        .await
    }

    async fn start_with(&self, sink: Scripted, config: &str) -> Running {
        let log: Arc<dyn Log> = Arc::new(self.log.clone());
        let stats = Arc::new(LaneStats::new("test", "scripted", Arc::clone(&log)));
        let sink = Arc::new(sink);
        let opened = Opened {
            name: "test".to_owned(),
            config: serde_json::from_str(config).unwrap(),
            sink: Arc::clone(&sink) as Arc<dyn sink::OpenSink>,
            takes: Takes::Events,
            stats: Arc::clone(&stats),
        };
        let tasks = Tasks::default();
        let metrics = Arc::new(Metrics::new(10, vec![Arc::clone(&stats)]));
        let alerts = Alerts::new(self.books.clone());
        let control = opened
            .start(
                self.data.path(),
                Shared {
                    log,
                    alerts,
                    metrics,
                    tasks: tasks.clone(),
                    directory: Directory::default(),
                },
            )
            .await
            .unwrap();
        Running {
            sink,
            stats,
            tasks,
            control,
        }
    }

    fn letters(&self) -> Vec<serde_json::Value> {
        let path = self.data.path().join("dead-letters/test.jsonl");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    async fn alerts(&self) -> Vec<String> {
        // SQLite's thread lives in real time, and paused time would run out on it.
        tokio::time::resume();
        self.books
            .alerts()
            .await
            .unwrap()
            .into_iter()
            .map(|alert| alert.kind)
            .collect()
    }
}

impl Running {
    /// Waits until nothing is pending.
    async fn settled(&self) -> SinkStatus {
        self.until(|status| status.pending == 0).await
    }

    /// Waits for something, checking the identity all the while.
    async fn until(&self, reached: fn(&SinkStatus) -> bool) -> SinkStatus {
        for _ in 0..100_000 {
            let status = self.stats.status();
            let fated = status.delivered + status.dead + status.skipped;
            assert_eq!(status.received, fated + status.pending, "{status:?}");
            if reached(&status) {
                return status;
            }
            // The disk's threads need real time while the runtime's time is paused.
            tokio::task::spawn_blocking(|| ()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not reached: {:?}", self.stats.status());
    }

    fn seen(&self) -> Vec<Attempt> {
        locked(&self.sink.seen).clone()
    }

    /// What the destination has, in its order.
    fn taken(&self) -> Vec<u64> {
        let taken = self.seen().into_iter().filter(|attempt| attempt.taken);
        taken.flat_map(|attempt| attempt.stored).collect()
    }
}

fn script(steps: impl IntoIterator<Item = Step>) -> Scripted {
    Scripted {
        script: Mutex::new(steps.into_iter().collect()),
        ..Scripted::default()
    }
}

#[tokio::test(start_paused = true)]
async fn events_arrive_in_order_in_batches_of_the_size_asked_for() {
    let rig = Rig::new().await;
    rig.add(0..10);
    let lane = rig.start(Scripted::default()).await;
    let status = lane.settled().await;
    assert_eq!(lane.taken(), (0..10).collect::<Vec<_>>());
    assert_eq!((status.delivered, status.dead, status.skipped), (10, 0, 0));
    let names: Vec<_> = lane
        .seen()
        .into_iter()
        .map(|attempt| attempt.name)
        .collect();
    let log: String = rig
        .log
        .source()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let range = "00000000000000000000-00000000000000000003";
    assert_eq!(
        names[0],
        format!("{}-{range}", &log[log.len().saturating_sub(12)..])
    );
    assert_eq!(names.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_for_the_books_alone_goes_nowhere_and_is_counted() {
    let rig = Rig::new().await;
    rig.add(0..1);
    for sequence in 1..3 {
        let mut payload = samples::call(sequence);
        payload.tollkeeper.get_or_insert_default().no_log = true;
        let source = "journal".to_owned();
        let event = PricedEvent::new(payload, Origin { source, sequence }, Cost::nothing("map"));
        rig.log.append(&[&codec::encode_priced(&event)]).unwrap();
    }
    rig.add(3..4);
    let lane = rig.start(Scripted::default()).await;
    let status = lane.settled().await;
    assert_eq!(lane.taken(), [0, 3]);
    assert_eq!((status.delivered, status.dead, status.skipped), (2, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_is_repeated_as_it_was() {
    let rig = Rig::new().await;
    rig.add(0..2);
    let fail = || Step::Fail(SinkErrorKind::Failing);
    let lane = rig
        .start(script([fail(), fail(), fail(), fail(), fail(), fail()]))
        .await;
    let status = lane.settled().await;
    let seen = lane.seen();
    assert_eq!(seen.len(), 7);
    assert!(seen.iter().all(|attempt| attempt.name == seen[0].name));
    assert!(seen.iter().all(|attempt| attempt.sequences == [0, 1]));
    assert_eq!((status.delivered, status.retries), (2, 6));
    assert_eq!(rig.alerts().await, ["sink_failing"]);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_kept() {
    let rig = Rig::new().await;
    rig.add(0..1);
    let lane = rig
        .start(script([Step::Throttle(Duration::from_secs(90))]))
        .await;
    lane.settled().await;
    let seen = lane.seen();
    assert!(seen[1].at - seen[0].at >= Duration::from_secs(90));
}

#[tokio::test(start_paused = true)]
async fn a_sink_on_hold_keeps_its_events_and_probes() {
    let rig = Rig::new().await;
    rig.add(0..3);
    let sink = script([Step::Fail(SinkErrorKind::Unauthorized)]);
    *locked(&sink.locked) = true;
    let lane = rig.start(sink).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(lane.seen().len(), 1);
    assert_eq!(lane.stats.status().pending, 3);
    assert_eq!(lane.stats.status().circuit_state, 2);
    *locked(&lane.sink.locked) = false;
    assert_eq!(lane.settled().await.delivered, 3);
    assert_eq!(rig.alerts().await, ["sink_failing"]);
}

#[tokio::test(start_paused = true)]
async fn a_poison_event_is_isolated_and_buried() {
    let rig = Rig::new().await;
    rig.add(0..8);
    let lane = rig
        .start(Scripted {
            poison: vec![2, 7],
            ..Scripted::default()
        })
        .await;
    let status = lane.settled().await;
    assert_eq!(lane.taken(), [0, 1, 3, 4, 5, 6]);
    assert_eq!((status.delivered, status.dead), (6, 2));
    let letters = rig.letters();
    assert_eq!(letters.len(), 2);
    assert_eq!(
        (&letters[0]["kind"], &letters[0]["position"]),
        (&"refused".into(), &2.into())
    );
    assert_eq!(letters[0]["event"]["litellm_call_id"], "call-2");
    assert_eq!(rig.alerts().await, ["dead_letters"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_too_large_is_halved() {
    let rig = Rig::new().await;
    rig.add(0..4);
    let lane = rig
        .start(Scripted {
            largest: Some(1),
            ..Scripted::default()
        })
        .await;
    assert_eq!(lane.settled().await.delivered, 4);
    assert_eq!(lane.taken(), [0, 1, 2, 3]);
    assert!(rig.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn refused_items_are_buried_and_the_rest_is_delivered() {
    let rig = Rig::new().await;
    rig.add(0..4);
    let lane = rig.start(script([Step::Refuse(vec![3, 1, 1, 99])])).await;
    let status = lane.settled().await;
    assert_eq!((status.delivered, status.dead), (2, 2));
    let positions: Vec<_> = rig
        .letters()
        .into_iter()
        .map(|letter| letter["position"].clone())
        .collect();
    assert_eq!(positions, [1, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_or_a_hang_costs_the_lane_a_pause_and_no_event() {
    let rig = Rig::new().await;
    rig.add(0..6);
    let lane = rig
        .start(script([Step::Panic, Step::Hang, Step::Panic]))
        .await;
    let status = lane.settled().await;
    assert_eq!(lane.taken(), (0..6).collect::<Vec<_>>());
    assert_eq!((status.received, status.delivered), (6, 6));
    let seen = lane.seen();
    assert!(
        seen.iter()
            .take(4)
            .all(|attempt| attempt.name == seen[0].name)
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_a_sealed_batch_has_the_same_name_and_items() {
    let rig = Rig::new().await;
    rig.add(0..2);
    let lane = rig.start(script([Step::Hang])).await;
    while lane.seen().is_empty() {
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(
        !lane.tasks.stop(Duration::from_millis(1)).await,
        "the attempt is under way"
    );
    let before = lane.seen().remove(0);
    rig.add(2..9);
    let lane = rig.start(Scripted::default()).await;
    lane.settled().await;
    let after = lane.seen().remove(0);
    assert_eq!(
        (after.name, after.sequences),
        (before.name, before.sequences)
    );
    assert_eq!(lane.taken(), (0..9).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_new_sink_starts_with_what_comes_from_now_on() {
    let rig = Rig::new().await;
    rig.add(0..5);
    let lane = rig
        .start_with(Scripted::default(), r#"{"kind":"scripted"}"#)
        .await;
    rig.add(5..7);
    let status = lane.settled().await;
    assert_eq!((status.received, status.delivered), (2, 2));
    assert_eq!(lane.taken(), [5, 6]);
}

#[tokio::test(start_paused = true)]
async fn a_new_sink_that_dies_before_its_first_delivery_skips_nothing() {
    let rig = Rig::new().await;
    let config = r#"{"kind":"scripted"}"#;
    let lane = rig.start_with(Scripted::default(), config).await;
    lane.tasks.stop(Duration::from_secs(60)).await;
    rig.add(0..3);
    let lane = rig.start_with(Scripted::default(), config).await;
    lane.settled().await;
    assert_eq!(lane.taken(), [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_no_event_becomes_a_dead_letter() {
    let rig = Rig::new().await;
    rig.add(0..1);
    rig.log.append(&[b"nonsense"]).unwrap();
    rig.add(1..2);
    let lane = rig.start(Scripted::default()).await;
    let status = lane.settled().await;
    assert_eq!((status.delivered, status.dead), (2, 1));
    assert_eq!(rig.letters()[0]["kind"], "unreadable");
}

#[tokio::test(start_paused = true)]
async fn at_the_limit_of_dead_letters_the_lane_waits() {
    let rig = Rig::new().await;
    rig.add(0..2);
    let config = r#"{"kind":"scripted","from":"beginning","dead_letters_bytes_max":1,
        "batch":{"items_max":1}}"#;
    let lane = rig
        .start_with(
            Scripted {
                poison: vec![0, 1],
                ..Scripted::default()
            },
            config,
        )
        .await;
    lane.until(|status| status.circuit_state == 2).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(
        (lane.stats.status().dead, lane.stats.status().pending),
        (1, 1)
    );
    let path = rig.data.path().join("dead-letters/test.jsonl");
    std::fs::rename(&path, path.with_extension("seen")).unwrap();
    assert_eq!(lane.settled().await.dead, 2);
}

#[tokio::test(start_paused = true)]
async fn the_cursor_is_where_the_log_is_read_from_next() {
    let rig = Rig::new().await;
    rig.add(0..5);
    let lane = rig.start(Scripted::default()).await;
    lane.settled().await;
    assert!(lane.tasks.stop(Duration::from_secs(60)).await);
    let reader = rig.log.reader("sink-test").unwrap();
    assert_eq!(
        reader.committed(),
        Some(Position {
            partition: 0,
            offset: 4
        })
    );
    let one = std::num::NonZeroUsize::MIN;
    let mut reader = reader;
    assert!(
        reader
            .try_read(ReadLimit {
                records: one,
                bytes: one
            })
            .unwrap()
            .is_empty()
    );
}
