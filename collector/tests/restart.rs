//! A collector on real journals that dies without a word, and the one that comes after it.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{collections::BTreeSet, fs, path::Path, sync::Arc, time::Duration};

use bus::{Journal, JournalOptions, Log as _};
use collector::{Collector, Config, Deps, SinkStatus, Sinks};
use event::{CallId, StandardLoggingPayload, Status, Timestamp, codec};
use tempfile::TempDir;
use tokio::{runtime::Runtime, time::Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// What survives the process.
struct Rig {
    data: TempDir,
}

/// A process. Dropping it kills it: nothing is told to stop.
struct Process {
    collector: Collector,
    // Dropped last, with every task that runs on it.
    runtime: Runtime,
}

impl Rig {
    fn new() -> Self {
        Self {
            data: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> &Path {
        self.data.path()
    }

    /// Starts a process with a file sink that begins with what comes from now on.
    fn start(&self) -> Process {
        self.start_with("10ms")
    }

    /// The same, with a batch that waits so long for more.
    fn start_with(&self, age_max: &str) -> Process {
        let runtime = Runtime::new().unwrap();
        let collector = runtime.block_on(async {
            let open = |log| Journal::open(&self.path().join(log), JournalOptions::default());
            let (calls, priced) = (open("calls").unwrap(), open("priced").unwrap());
            let sinks: Sinks = serde_json::from_value(serde_json::json!({ "files": {
                "kind": "file", "path": self.path().join("out/calls"), "batch": { "age_max": age_max }
            }}))
            .unwrap();
            let config: Config = serde_json::from_str(r#"{"listen":"127.0.0.1:0"}"#).unwrap();
            let deps = Deps {
                calls: calls.reader("collector").unwrap(),
                priced: Arc::new(priced),
                data: self.path().join("data"),
                master_key: None,
                registrations: sinks::ALL,
            };
            Collector::start(config, sinks, deps).await.unwrap()
        });
        Process { collector, runtime }
    }

    fn add(&self, numbers: std::ops::Range<u64>) {
        let log = Journal::open(&self.path().join("calls"), JournalOptions::default()).unwrap();
        for number in numbers {
            log.append(&[&call(number)]).unwrap();
        }
    }

    /// Makes the end of a log look like that of a process that was killed.
    fn forget_clean_end(&self, log: &str) {
        fs::remove_file(self.path().join(log).join("clean")).unwrap();
    }

    /// The calls in the sink's files, each line one.
    fn delivered(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path().join("out/calls.000001.jsonl"));
        let id = |line: &str| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["litellm_call_id"].as_str().unwrap().to_owned()
        };
        text.unwrap_or_default().lines().map(id).collect()
    }

    fn check(&self, count: u64) {
        let delivered = self.delivered();
        let ids: BTreeSet<_> = delivered.iter().cloned().collect();
        let expected: BTreeSet<_> = (0..count).map(|number| format!("call-{number}")).collect();
        assert_eq!((ids, delivered.len() as u64), (expected, count));
    }
}

impl Process {
    /// Lets it run for a while.
    fn pause(&self, millis: u64) {
        let pause = Duration::from_millis(millis);
        self.runtime
            .block_on(async { tokio::time::sleep(pause).await });
    }

    /// Waits until the sink is where it should be, checking the identity all the while.
    fn until(&self, reached: impl Fn(&SinkStatus) -> bool) -> SinkStatus {
        let begun = Instant::now();
        loop {
            let status = self.collector.sinks().remove(0);
            let fated = status.delivered + status.dead + status.skipped;
            assert_eq!(status.received, fated + status.pending, "{status:?}");
            if reached(&status) {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "not reached: {status:?}");
            self.pause(10);
        }
    }

    fn settled(&self, count: i64) {
        let begun = Instant::now();
        let calls = || self.runtime.block_on(self.collector.books().totals());
        while calls().unwrap().calls() < count {
            assert!(begun.elapsed() < PATIENCE, "not settled");
            self.pause(10);
        }
        let audit = self.runtime.block_on(self.collector.books().audit());
        assert!(audit.unwrap().balanced);
    }

    fn alerts(&self) -> Vec<String> {
        let alerts = self.runtime.block_on(self.collector.books().alerts());
        alerts
            .unwrap()
            .into_iter()
            .map(|alert| alert.kind)
            .collect()
    }
}

fn call(number: u64) -> Vec<u8> {
    let started = 1_795_176_000_000_000 + i64::try_from(number).unwrap() * 1_000_000;
    codec::encode_finished(&StandardLoggingPayload {
        id: format!("chatcmpl-{number}"),
        litellm_call_id: CallId::parse(&format!("call-{number}")).unwrap(),
        status: Status::Success,
        custom_llm_provider: Some("openai".to_owned()),
        start_time: Timestamp::from_micros(started),
        end_time: Timestamp::from_micros(started + 250_000),
        model: "openai/gpt-4o".to_owned(),
        total_tokens: 1010,
        prompt_tokens: 1000,
        completion_tokens: 10,
        ..StandardLoggingPayload::default()
    })
}

#[test]
fn a_sink_that_was_started_on_an_empty_log_gets_everything_after_a_crash() {
    let rig = Rig::new();
    // One that dies before there is anything, and one that dies before its first delivery.
    drop(rig.start());
    rig.add(0..5);
    let process = rig.start_with("1h");
    process.settled(5);
    drop(process);
    rig.check(0);
    let process = rig.start();
    process.until(|status| rig.delivered().len() == 5 && status.pending == 0);
    rig.check(5);
}

#[test]
fn crashes_neither_lose_nor_double_a_call_on_its_way_to_the_files() {
    let rig = Rig::new();
    drop(rig.start());
    let mut count = 0;
    for (more, pause) in [(50, 0), (200, 30), (1, 5), (500, 60), (20, 150)] {
        rig.add(count..count + more);
        count += more;
        let process = rig.start();
        process.pause(pause);
        drop(process);
        rig.forget_clean_end("priced");
    }
    let process = rig.start();
    process.settled(i64::try_from(count).unwrap());
    process.until(|status| rig.delivered().len() as u64 == count && status.pending == 0);
    rig.check(count);
}

#[test]
fn positions_that_the_log_jumped_over_are_no_events() {
    let rig = Rig::new();
    drop(rig.start());
    rig.add(0..3);
    let process = rig.start();
    process.until(|status| status.delivered == 3);
    drop(process);
    rig.forget_clean_end("priced");
    rig.add(3..7);
    let process = rig.start();
    let status = process.until(|status| status.delivered == 4 && status.pending == 0);
    assert_eq!((status.received, status.skipped, status.dead), (4, 0, 0));
    rig.check(7);
}

#[test]
fn a_damaged_record_that_is_not_settled_is_reported_and_the_rest_is_settled() {
    let rig = Rig::new();
    rig.add(0..5);
    let process = rig.start();
    process.settled(5);
    drop(process);
    // With new books the whole priced log is a tail that has to be settled.
    for name in ["books.sqlite", "books.sqlite-wal", "books.sqlite-shm"] {
        let _gone = fs::remove_file(rig.path().join("data").join(name));
    }
    let segment = rig.path().join("priced/00000000000000000000.log");
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(6).position(|text| text == b"call-2").unwrap();
    bytes[at] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let process = rig.start();
    process.settled(4);
    assert!(process.alerts().contains(&"log_gap".to_owned()));
}
