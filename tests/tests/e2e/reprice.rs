//! A model without a price gets one: the calls before it are corrected, everywhere.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{collections::BTreeMap, fs, process::Command, time::Duration};

use rust_decimal::Decimal;
use serde_json::{Value, json};
use tests::{
    client::Client,
    load::{self, Call, Plan, Stop},
    process::{Program, tollkeeper},
    stage::{MASTER_KEY, Running, Stage},
};
use tokio::time::{Instant, sleep};

const PATIENCE: Duration = Duration::from_secs(60);

/// A map with gpt-4o, and with these prices for the model that nobody knows.
fn write_map(stage: &Stage, unknown: Option<(&str, &str)>) {
    let entry = |input: &str, output: &str| {
        format!(
            r#"{{"litellm_provider":"openai","mode":"chat","input_cost_per_token":{input},"output_cost_per_token":{output}}}"#
        )
    };
    let mut map = format!(r#"{{"gpt-4o":{}"#, entry("2.5e-06", "1e-05"));
    if let Some((input, output)) = unknown {
        map += &format!(r#","a-model-that-nobody-knows":{}"#, entry(input, output));
    }
    // In one piece, as who replaces a map should.
    fs::write(stage.path("prices.json.new"), map + "}").unwrap();
    fs::rename(stage.path("prices.json.new"), stage.path("prices.json")).unwrap();
}

/// A stage whose collector reads that map.
async fn stage() -> Stage {
    let stage = Stage::new().await;
    write_map(&stage, None);
    let file = stage.path("config.yaml");
    let config = fs::read_to_string(&file).unwrap();
    let map = stage.path("prices.json").display().to_string();
    let config = config.replace(
        "collector: {",
        &format!("collector: {{prices: {{file: \"{map}\"}}, "),
    );
    fs::write(&file, config).unwrap();
    stage
}

/// Runs `tollkeeper reprice` over everything, and returns what it prints.
fn reprice(running: &Running, more: &[&str]) -> String {
    let collector = format!("http://{}", running.collector.unwrap());
    let there = ["--collector", &collector, "--key", MASTER_KEY];
    let output = Command::new(tollkeeper())
        .args(["reprice", "--since", "2020-01-01"])
        .args(more)
        .args(there)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    said
}

/// The report of a dry run over all calls, once the map has been read anew.
async fn under_the_new_map(running: &Running, corrected: u64) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let report: Value =
            serde_json::from_str(&reprice(running, &["--all", "--dry-run", "--json"])).unwrap();
        if report["corrected"] == corrected {
            return report;
        }
        assert!(Instant::now() < deadline, "{report:#}");
        sleep(Duration::from_millis(200)).await;
    }
}

async fn call(running: &Running, model: &str, usage: &str) -> String {
    let message = json!({"role": "user", "content": format!("[[mock: usage={usage}]]")});
    let body = json!({"model": model, "messages": [message]});
    let answer = running.client().chat(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    running.books().row(answer.call_id()).await.call_id
}

/// Every event that the webhook was given, by its key, with its type.
fn delivered(stage: &Stage) -> BTreeMap<String, (String, Value)> {
    let mut events = BTreeMap::new();
    for delivery in stage.hook.deliveries() {
        let body: Value = serde_json::from_slice(&delivery.body).unwrap();
        let kind = body["type"].as_str().unwrap().to_owned();
        let list = match body["data"]["events"].as_array() {
            Some(list) => list.clone(),
            None => vec![body["data"].clone()],
        };
        for event in list {
            let id = event["event_id"].as_str().unwrap();
            let key = match event["revision"].as_u64() {
                None => id.to_owned(),
                Some(revision) => format!("{id}-r{revision}"),
            };
            if body["data"]["events"].is_null() {
                assert_eq!(delivery.id, key, "the key of a delivery names the revision");
            }
            events.insert(key, (kind.clone(), event));
        }
    }
    events
}

async fn delivery(stage: &Stage, key: &str) -> (String, Value) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = delivered(stage).remove(key) {
            return found;
        }
        assert!(Instant::now() < deadline, "`{key}` is not delivered");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_that_comes_later_settles_the_calls_before_it() {
    let stage = stage().await;
    let mut running = stage.up().await;
    call(&running, "mock", "1000/10").await;
    let unknown = call(&running, "unpriced", "1000/10").await;
    let row = running.books().row(&unknown).await;
    assert_eq!(row.spend, None);
    let id = row.json["tollkeeper"]["event_id"].as_str().unwrap();
    let first = delivery(&stage, id).await;
    assert_eq!(
        first.1["tollkeeper"]["settlement"]["cost"]["status"],
        "unpriced"
    );
    let known = running.books().total().await;

    write_map(&stage, Some(("3e-06", "0.000007")));
    let report = under_the_new_map(&running, 1).await;
    assert_eq!(
        running.books().total().await,
        known,
        "a dry run changes nothing"
    );
    assert_eq!(report["models"][0]["newly_priced"], 1, "{report:#}");
    let said = reprice(&running, &["--model", "a-model-that-nobody-knows"]);
    let price = Decimal::new(307, 5);
    assert!(
        said.contains("corrected       1") && said.contains("0.00307 USD"),
        "{said}"
    );

    let books = running.books();
    assert_eq!(books.row(&unknown).await.spend, Some(price));
    assert_eq!(books.total().await, known + price);
    books.assert_balanced(&books.rows().await).await;
    check_revision(&stage, id).await;
    let explained = explain(&running, &unknown);
    assert!(
        explained.contains("unknown became 0.00307 USD"),
        "{explained}"
    );
    check_metrics(&running).await;

    // Killed and started again, and asked again: nothing more changes.
    running.program.kill();
    let running = stage.up().await;
    let again: Value = serde_json::from_str(&reprice(&running, &["--all", "--json"])).unwrap();
    assert_eq!(
        (&again["corrected"], &again["unchanged"]),
        (&json!(0), &json!(2))
    );
    assert_eq!(running.books().total().await, known + price);
    let audit = running.books().audit().await;
    assert_eq!(
        (&audit["balanced"], &audit["corrections"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(stage.hook.violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_cut_does_not_reach_the_calls_before_it() {
    let stage = stage().await;
    write_map(&stage, Some(("3e-06", "0.000007")));
    let running = stage.up().await;
    call(&running, "unpriced", "1000/10").await;
    let total = running.books().total().await;
    assert_eq!(total, Decimal::new(307, 5));

    write_map(&stage, Some(("1e-06", "0.000001")));
    let report = under_the_new_map(&running, 1).await;
    assert_eq!(report["difference"].to_string(), "-0.00206", "{report:#}");
    let said = reprice(&running, &["--model", "unpriced", "--model", "gpt-4oo"]);
    assert!(said.contains("calls           0 without a price"), "{said}");
    assert!(said.contains("the model `gpt-4oo`") && !said.contains("the model `unpriced`"));
    assert_eq!(running.books().total().await, total);

    let said = reprice(
        &running,
        &["--all", "--model", "openai/a-model-that-nobody-knows"],
    );
    assert!(said.contains("corrected       1"), "{said}");
    assert_eq!(running.books().total().await, Decimal::new(101, 5));
}

async fn check_revision(stage: &Stage, id: &str) {
    let (kind, revision) = delivery(stage, &format!("{id}-r1")).await;
    assert!(
        kind == "llm.call.corrected" || kind == "llm.calls.batch",
        "{kind}"
    );
    let settlement = &revision["tollkeeper"]["settlement"];
    assert_eq!(settlement["previous"]["status"], "unpriced");
    assert_eq!(revision["response_cost"].to_string(), "0.00307");
}

async fn check_metrics(running: &Running) {
    let metrics = Client::new(running.collector.unwrap())
        .get("/metrics")
        .await;
    let metrics = metrics.text();
    for line in [
        "collector_corrections_total 1",
        "collector_corrected_usd_total{sign=\"up\"} 0.00307",
    ] {
        assert!(metrics.contains(line), "no `{line}` in:\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_calls_are_corrected_neither_loses_nor_doubles_a_correction() {
    const CALLS: u64 = 600;
    let stage = stage().await;
    let mut running = stage.up().await;
    let plan = Plan::calls(running.gateway.unwrap(), 8, CALLS);
    let made = load::run(plan, Stop::default(), |index| {
        let script = format!("[[mock: usage={}/10]]", 1000 + index);
        Call::chat("unpriced", &script, false).with_id(format!("kill-{index}"))
    });
    assert_eq!(made.await.unwrap().complete(), CALLS);
    let settled = running.books().settled(|calls| calls.len() == 600).await;
    assert!(settled.values().flatten().all(|row| row.spend.is_none()));
    write_map(&stage, Some(("3e-06", "0.000007")));
    under_the_new_map(&running, CALLS).await;

    let collector = format!("http://{}", running.collector.unwrap());
    let order = [
        "reprice",
        "--since",
        "2020-01-01",
        "--collector",
        &collector,
    ];
    let order = [&order[..], &["--key", MASTER_KEY]].concat();
    let ordered = Program::start(tollkeeper(), &order, &stage.path("reprice.log"));
    let deadline = Instant::now() + PATIENCE;
    while running.books().total().await.is_zero() {
        assert!(Instant::now() < deadline, "nothing is corrected");
    }
    running.program.kill();
    drop(ordered);

    let running = stage.up().await;
    let report: Value = serde_json::from_str(&reprice(&running, &["--all", "--json"])).unwrap();
    assert_eq!(report["scanned"], CALLS, "{report:#}");
    let books = running.books();
    let rows = books.rows().await;
    let price = |index: u64| Decimal::from(1000 + index) * Decimal::new(3, 6) + Decimal::new(7, 5);
    let expected: Decimal = (0..CALLS).map(price).sum();
    assert_eq!(books.total().await, expected);
    assert!(
        rows.iter()
            .all(|row| row.json["tollkeeper"]["revision"] == 1)
    );
    books.assert_balanced(&rows).await;
    assert_eq!(books.audit().await["corrections"], CALLS);
    let deadline = Instant::now() + PATIENCE;
    while delivered(&stage).len() < 1200 {
        assert!(
            Instant::now() < deadline,
            "{} of 1200",
            delivered(&stage).len()
        );
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(stage.hook.violations(), Vec::<String>::new());
}

fn explain(running: &Running, call: &str) -> String {
    let collector = format!("http://{}", running.collector.unwrap());
    let there = ["--collector", &collector, "--key", MASTER_KEY];
    let output = Command::new(tollkeeper())
        .args(["explain", call])
        .args(there)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
