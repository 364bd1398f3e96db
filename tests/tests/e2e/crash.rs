//! Kills gateway and collector at random moments and checks the books.
//!
//! `TOLLKEEPER_CRASH_ROUNDS` says how many kills, `TOLLKEEPER_CRASH_SEED` which ones.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;
use tests::{
    books::ByCall,
    client::Client,
    load::{self, Call, Plan, Report, Stop},
    machine::{say, setting},
    mock_provider::{Entry, Usage},
    stage::{Running, Stage, price},
};
use tokio::time::{Instant, sleep};

/// Calls per second meanwhile.
const RATE: u64 = 300;
/// How long the webhook may take to get everything.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_stands_once_whoever_is_killed_when() {
    let rounds: u32 = setting("TOLLKEEPER_CRASH_ROUNDS", 3);
    let seed: u64 = setting("TOLLKEEPER_CRASH_SEED", 20_261_121);
    say(format_args!("crash test: {rounds} rounds, seed {seed}"));

    let stage = Stage::new().await;
    // The webhook is no better than others.
    stage.hook.fail_with(vec![500, 503, 429, 500]);
    let gateway = stage.gateway().await;
    let target = gateway.gateway.unwrap();
    let stop = Stop::default();
    let plan = Plan::time(target, 24, Duration::from_secs(3000)).at_rate(RATE);
    let load = load::run(plan, stop.clone(), call);
    let crashes = async {
        let mut gateway = gateway;
        let mut collector = stage.collector().await;
        let mut dice = Dice(seed);
        for _ in 0..rounds {
            sleep(Duration::from_millis(300 + dice.below(1200))).await;
            let kills_gateway = dice.below(2) == 0;
            let victim = if kills_gateway {
                &mut gateway
            } else {
                &mut collector
            };
            victim.program.kill();
            sleep(Duration::from_millis(dice.below(300))).await;
            *victim = if kills_gateway {
                stage.gateway().await
            } else {
                stage.collector().await
            };
        }
        sleep(Duration::from_millis(500)).await;
        stop.stop();
        (gateway, collector)
    };
    let (report, (_gateway, collector)) = tokio::join!(load, crashes);
    let report = report.unwrap();
    say(format_args!("crash test: {report}"));

    let reached = reached(&stage.provider.entries());
    let books = collector.books();
    let calls = books
        .settled(|calls| reached.iter().all(|id| calls.contains_key(id)))
        .await;
    check_books(&report, &reached, &calls);
    books.assert_balanced(calls.values().flatten()).await;
    check_deliveries(&stage, &collector, &calls).await;
}

/// The nth call: its id, and a usage that depends on it.
fn call(index: u64) -> Call {
    let Usage {
        prompt,
        completion,
        cached,
    } = usage(index);
    let script = format!(
        "[[mock: usage={prompt}/{completion}/{cached} tag={} chunks=5 chunk_delay_ms={} \
         delay_ms={}]]",
        id(index),
        index % 3,
        index % 7,
    );
    Call::chat("mock", &script, index.is_multiple_of(2)).with_id(id(index))
}

fn id(index: u64) -> String {
    format!("crash-{index}")
}

fn usage(index: u64) -> Usage {
    let prompt = 100 + index % 901;
    Usage {
        prompt,
        completion: 1 + index % 97,
        cached: prompt / (2 + index % 5),
    }
}

/// The calls that the provider has seen.
fn reached(entries: &[Entry]) -> BTreeSet<String> {
    let tag = |entry: &Entry| {
        let body: Value = serde_json::from_slice(&entry.request).unwrap();
        let text = body["messages"][0]["content"].as_str().unwrap().to_owned();
        let tag = text.split("tag=").nth(1).unwrap();
        tag.split(' ').next().unwrap().to_owned()
    };
    entries.iter().map(tag).collect()
}

fn check_books(report: &Report, reached: &BTreeSet<String>, calls: &ByCall) {
    let mut known = BTreeMap::new();
    for done in &report.calls {
        let id = id(done.index);
        let rows = calls.get(&id).map_or(&[][..], Vec::as_slice);
        assert!(
            rows.len() <= 1,
            "`{id}` stands {} times: {rows:#?}",
            rows.len()
        );
        if done.end.is_complete() {
            assert_eq!(rows.len(), 1, "`{id}` was answered in full and is missing");
            assert_eq!(rows[0].outcome, "success", "{:#}", rows[0].json);
            assert_eq!(
                rows[0].spend,
                Some(price(usage(done.index))),
                "{:#}",
                rows[0].json
            );
        }
        if let [row] = rows {
            let ends = ["success", "aborted", "client_disconnected", "interrupted"];
            assert!(
                ends.contains(&row.outcome.as_str()),
                "{:?}: {:#}",
                done.end,
                row.json
            );
        }
        known.insert(id, done.end);
    }
    for id in reached {
        let rows = calls.get(id).map_or(0, Vec::len);
        assert_eq!(
            rows,
            1,
            "`{id}` reached the provider; the client saw {:?}",
            known.get(id)
        );
    }
    for id in calls.keys() {
        assert!(known.contains_key(id), "`{id}` was never made");
    }
}

async fn check_deliveries(stage: &Stage, collector: &Running, calls: &ByCall) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let delivered = stage.hook.calls().unwrap();
        let missing: Vec<_> = calls
            .keys()
            .filter(|id| !delivered.contains_key(*id))
            .collect();
        if missing.is_empty() {
            break;
        }
        if Instant::now() > deadline {
            let lanes = Client::new(collector.collector.unwrap())
                .get("/sinks")
                .await
                .text();
            panic!(
                "not delivered: {} of {}: {missing:?}\n{lanes}",
                missing.len(),
                calls.len()
            );
        }
        sleep(Duration::from_millis(500)).await;
    }
    let violations = stage.hook.violations();
    assert!(violations.is_empty(), "{violations:#?}");
    for (id, count) in stage.hook.calls().unwrap() {
        assert_eq!(count, 1, "`{id}` was delivered under {count} ids");
    }
}

/// SplitMix64: the same seed gives the same kills.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}
