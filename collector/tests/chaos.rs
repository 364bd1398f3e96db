//! A collector that is killed again and again (`kill -9`) while its destinations misbehave: one is
//! dead, one never comes to an end, one wants less and smaller, one takes what it is sent and says
//! nothing. When they behave again, everything is everywhere, or in the dead letters of the one that
//! wanted less than a single call.
//!
//! The collector is another process: this program, started as its own child.
//! `TOLLKEEPER_CHAOS_KILLS` says how many kills.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed step is a failed test, which runs on a thread of its own"
)]

use std::{
    collections::BTreeSet,
    env, fs,
    path::Path,
    process::{Child, Command},
    sync::Arc,
    time::Duration,
};

use bus::{Journal, JournalOptions, JournalReader, Log as _};
use collector::{Collector, Config, Deps, Sinks};
use conformance::{Fault, http::HttpDestination};
use event::{CallId, StandardLoggingPayload, Status, Timestamp, codec};
use serde_json::{Value, json};
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(300);
const EVENTS: u64 = 1000;
const NAMES: [&str; 4] = ["dead", "endless", "picky", "silent"];

fn journal(path: &Path) -> Journal {
    fs::create_dir_all(path).unwrap();
    Journal::open(path, JournalOptions::default()).unwrap()
}

fn call(number: u64) -> Vec<u8> {
    let started = 1_795_176_000_000_000 + i64::try_from(number).unwrap() * 1_000;
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

/// Not a test: the collector that the test kills.
#[test]
#[ignore = "the collector's process, started by the test"]
fn collector_process() {
    let Ok(folder) = env::var("TOLLKEEPER_CHAOS_FOLDER") else {
        return;
    };
    let folder = Path::new(&folder);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let sinks: Sinks =
            serde_json::from_slice(&fs::read(folder.join("sinks.json")).unwrap()).unwrap();
        let config: Config = serde_json::from_value(json!({
            "listen": "127.0.0.1:0",
            "egress": {"allow": ["127.0.0.0/8"]},
        }))
        .unwrap();
        let calls = JournalReader::open(&folder.join("calls"), "collector").unwrap();
        let deps = Deps {
            calls: Box::new(calls),
            priced: Arc::new(journal(&folder.join("priced"))),
            data: folder.join("data"),
            master_key: None,
            registrations: sinks::ALL,
        };
        let collector = Collector::start(config, sinks, deps).await.unwrap();
        loop {
            let status = serde_json::to_vec(&collector.sinks()).unwrap();
            fs::write(folder.join("status.next"), status).unwrap();
            fs::rename(folder.join("status.next"), folder.join("status.json")).unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}

fn start(folder: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "collector_process", "--ignored", "--nocapture"])
        .env("TOLLKEEPER_CHAOS_FOLDER", folder)
        .spawn()
        .unwrap()
}

fn configuration(folder: &Path, destinations: &[HttpDestination]) -> Value {
    let mut sinks = json!({
        "files": {"kind": "file", "path": folder.join("out/calls"), "from": "beginning"},
    });
    for (name, destination) in NAMES.iter().zip(destinations) {
        sinks[*name] = json!({
            "kind": "webhook", "url": destination.url(), "from": "beginning", "timeout": "400ms",
            "secret": "whsec_dG9sbGtlZXBlciB3ZWJob29rIHRlc3Qga2V5IQ==",
            "batch": {"items_max": 20, "age_max": "50ms"},
        });
    }
    sinks
}

fn misbehave(destinations: &[HttpDestination], round: u64) {
    let picky = [
        Fault::Answers(413),
        Fault::Answers(429),
        Fault::AsksForPause(429, Duration::from_secs(1)),
    ];
    let silent = [
        Fault::StoresThenResets,
        Fault::StoresThenHangs,
        Fault::CutsAnswer,
    ];
    let at = usize::try_from(round % 3).unwrap();
    let faults = [Fault::Away, Fault::Drips, picky[at], silent[at]];
    for (destination, fault) in destinations.iter().zip(faults) {
        destination.suffer(fault);
    }
    // Whoever is picky takes something now and then.
    if round.is_multiple_of(4) {
        destinations[2].recover();
    }
}

/// The calls that a destination has, each delivery counted once.
fn calls_at(destination: &HttpDestination) -> Vec<String> {
    let mut ids = BTreeSet::new();
    let mut calls = Vec::new();
    for request in destination.taken() {
        let id = request.header("webhook-id").unwrap_or_default().to_owned();
        if request.method != "POST" || !ids.insert(id) {
            continue;
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let one = std::slice::from_ref(&body["data"]);
        let events = body["data"]["events"].as_array().map_or(one, Vec::as_slice);
        let id = |event: &Value| event["litellm_call_id"].as_str().unwrap().to_owned();
        calls.extend(events.iter().map(id));
    }
    calls
}

fn calls_in_files(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder.join("out")) else {
        return Vec::new();
    };
    let mut calls = Vec::new();
    for entry in entries.flatten() {
        if entry.path().extension().is_some_and(|end| end == "jsonl") {
            let text = fs::read_to_string(entry.path()).unwrap();
            let lines = text
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            calls.extend(lines.map(|line| {
                let event: Value = serde_json::from_str(line).unwrap();
                event["litellm_call_id"].as_str().unwrap().to_owned()
            }));
        }
    }
    calls
}

/// The calls that stand in a sink's dead letters: whoever says 413 to one call alone does not get it.
fn calls_buried(folder: &Path, sink: &str) -> Vec<String> {
    let letters = folder
        .join("data/dead-letters")
        .join(format!("{sink}.jsonl"));
    let text = fs::read_to_string(letters).unwrap_or_default();
    let whole = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let buried = whole.map(|line| {
        let letter: Value = serde_json::from_str(line).unwrap();
        assert!(
            letter["detail"].as_str().unwrap().contains("413"),
            "{letter}"
        );
        letter["event"]["litellm_call_id"]
            .as_str()
            .unwrap()
            .to_owned()
    });
    buried.collect()
}

#[test]
fn everything_arrives_everywhere_whatever_destinations_do_and_whoever_is_killed() {
    let kills: u64 = env::var("TOLLKEEPER_CHAOS_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(5);
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let destinations: Vec<_> = NAMES
        .iter()
        .map(|_| HttpDestination::start().unwrap())
        .collect();
    let sinks = configuration(folder, &destinations);
    fs::write(folder.join("sinks.json"), sinks.to_string()).unwrap();
    let calls = journal(&folder.join("calls"));
    drop(calls.reader("collector").unwrap());
    let mut made = 0;
    for round in 0..kills {
        misbehave(&destinations, round);
        let until = EVENTS * (round + 1) / kills;
        for number in made..until {
            calls.append(&[&call(number)]).unwrap();
        }
        made = until;
        let mut child = start(folder);
        // At another moment of its life each time.
        let life = Duration::from_millis(600 + 170 * (round % 7));
        std::thread::sleep(life);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    destinations.iter().for_each(HttpDestination::recover);
    let mut child = start(folder);
    let begun = Instant::now();
    let whole = usize::try_from(EVENTS).unwrap();
    let is_done = || {
        let distinct = |calls: Vec<String>| calls.into_iter().collect::<BTreeSet<_>>().len();
        distinct(calls_in_files(folder)) == whole
            && destinations.iter().zip(NAMES).all(|(destination, name)| {
                let mut calls = calls_at(destination);
                calls.extend(calls_buried(folder, name));
                distinct(calls) == whole
            })
    };
    while !is_done() {
        let counts: Vec<_> = destinations.iter().map(|at| calls_at(at).len()).collect();
        let status = fs::read_to_string(folder.join("status.json")).unwrap_or_default();
        assert!(begun.elapsed() < PATIENCE, "{counts:?}\n{status}");
        std::thread::sleep(Duration::from_millis(200));
    }
    // What was halved for a 413 came under other names; files hold nothing twice whatever happened.
    let mut filed = calls_in_files(folder);
    filed.sort();
    filed.dedup();
    assert_eq!(filed.len(), calls_in_files(folder).len());
    each_has_one_fate(folder);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// `received = delivered + dead + pending + skipped`, and only who is picky has dead letters.
fn each_has_one_fate(folder: &Path) {
    let status: Value =
        serde_json::from_slice(&fs::read(folder.join("status.json")).unwrap()).unwrap();
    for sink in status.as_array().unwrap() {
        let count = |field: &str| sink[field].as_u64().unwrap();
        let fated = count("delivered") + count("dead") + count("skipped");
        assert_eq!(count("received"), fated + count("pending"), "{sink}");
        assert_eq!(count("dead"), 0, "{sink}");
        let buried = calls_buried(folder, sink["sink"].as_str().unwrap());
        assert!(buried.is_empty() || sink["sink"] == "picky", "{buried:?}");
    }
}
