//! A collector whose price map is replaced, by good and by hostile ones, while calls come in.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use bus::{Journal, JournalOptions, Log as _};
use collector::{Collector, Config, Deps, Sinks};
use event::{CallId, Extension, StandardLoggingPayload, Status, Timestamp, codec};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A collector that follows a file, and the gateway's journal.
struct Rig {
    folder: TempDir,
    calls: Journal,
    collector: Collector,
}

impl Rig {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open =
            |log| Journal::open(&folder.path().join(log), JournalOptions::default()).unwrap();
        let (calls, priced) = (open("calls"), open("priced"));
        let file = folder.path().join("map.json");
        fs::write(&file, map("0.01")).unwrap();
        let config = json!({ "listen": "127.0.0.1:0", "prices": { "file": file } });
        let config: Config = serde_json::from_value(config).unwrap();
        let deps = Deps {
            calls: calls.reader("collector").unwrap(),
            priced: Arc::new(priced),
            data: folder.path().join("data"),
            master_key: None,
            registrations: sinks::ALL,
        };
        let collector = Collector::start(config, Sinks::new(), deps).await.unwrap();
        Self {
            folder,
            calls,
            collector,
        }
    }

    fn replace(&self, bytes: impl AsRef<[u8]>) {
        let draft = self.folder.path().join("draft");
        fs::write(&draft, bytes).unwrap();
        fs::rename(draft, self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("map.json")
    }

    /// A call of one token that started then, and what it cost, with the version of the map.
    async fn cost(&self, name: &str, started: Timestamp) -> (String, String) {
        self.cost_of(call(name, started)).await
    }

    async fn cost_of(&self, call: StandardLoggingPayload) -> (String, String) {
        let name = call.litellm_call_id.to_string();
        self.calls
            .append(&[&codec::encode_finished(&call)])
            .unwrap();
        let row = async {
            loop {
                let rows = self.get(&format!("/spend/logs?request_id={name}")).await;
                if let Some(row) = rows.get(0) {
                    let cost = &row["tollkeeper"]["cost"];
                    break (cost["total"].to_string(), cost["price_map"].to_string());
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, row).await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        serde_json::from_str(&self.ask("GET", path, "").await).unwrap()
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.collector.address()).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// With everything confirmed that has been refused.
    async fn update(&self, confirm: bool) -> Value {
        let status = self.get("/prices").await;
        let digest = &status["refused"][0]["sha256"];
        let confirm = if confirm { json!([digest]) } else { json!([]) };
        let body = json!({ "confirm": confirm }).to_string();
        serde_json::from_str(&self.ask("POST", "/prices/update", &body).await).unwrap()
    }

    /// Waits until the file that was put there has been refused by itself.
    async fn refused(&self) -> String {
        let refused = async {
            loop {
                let status = self.get("/prices").await;
                if let Some(reason) = status["refused"][0]["reasons"][0].as_str() {
                    break reason.to_owned();
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, refused).await.unwrap()
    }
}

fn map(price: &str) -> String {
    format!(r#"{{"acme/one": {{"litellm_provider": "acme", "input_cost_per_token": {price}}}}}"#)
}

fn now() -> Timestamp {
    Timestamp::from(chrono::Utc::now())
}

fn call(name: &str, started: Timestamp) -> StandardLoggingPayload {
    StandardLoggingPayload {
        id: format!("chatcmpl-{name}"),
        litellm_call_id: CallId::parse(name).unwrap(),
        call_type: "acompletion".to_owned(),
        status: Status::Success,
        custom_llm_provider: Some("acme".to_owned()),
        start_time: started,
        end_time: started,
        model: "acme/one".to_owned(),
        total_tokens: 1,
        prompt_tokens: 1,
        ..StandardLoggingPayload::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_prices_deployments_by_another_name_is_in_use() {
    let rig = Rig::new().await;
    let ours = Extension {
        base_model: Some("acme/one".to_owned()),
        ..Extension::default()
    };
    let deployed = StandardLoggingPayload {
        model: "our-own".to_owned(),
        tollkeeper: Some(Box::new(ours)),
        ..call("deployed", now())
    };
    assert_eq!(rig.cost_of(deployed).await.0, "0.01");
    rig.replace(r#"{"acme/two": {"input_cost_per_token": 1}}"#);
    let updated = rig.update(false).await;
    assert_eq!(
        updated["sources"][0]["reasons"],
        json!(["`acme/one` (no provider) is in use and would have no price"])
    );
    rig.collector.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_has_the_price_of_its_own_time() {
    let rig = Rig::new().await;
    let first = now();
    let (cost, version) = rig.cost("a", first).await;
    assert_eq!(cost, "0.01");
    rig.replace(map("0.02"));
    assert_eq!(rig.update(false).await["sources"][0]["verdict"], "applied");
    let (new_cost, new_version) = rig.cost("b", now()).await;
    assert_eq!(new_cost, "0.02");
    assert_ne!(new_version, version);
    assert_eq!(rig.cost("late", first).await, (cost, version));
    assert!(rig.collector.books().audit().await.unwrap().balanced);
    rig.collector.stop().await;
}

/// Maps that do not come into force, each with its name and what it is refused with.
fn hostile() -> Vec<(&'static str, String, &'static str)> {
    let many: Vec<String> = (0..1_000_000).map(|n| format!(r#""m{n}":{{}}"#)).collect();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let huge = format!(r#"{{"{}":{{}}}}"#, "k".repeat(1 << 20));
    vec![
        ("empty", String::new(), "at line 1 column 0"),
        ("list", "[]".to_owned(), "expected an object"),
        ("cut", map("0.01")[..30].to_owned(), "EOF while parsing"),
        (
            "negative",
            map("-0.01"),
            "`input_cost_per_token` of `acme/one` is negative",
        ),
        ("words", map("\"free\""), "`acme/one` is not a number"),
        ("nan", map("NaN"), "at line 1 column"),
        ("deep", map(&deep), "`acme/one` in the price map has"),
        ("deeper", deep, "expected an object"),
        (
            "twice",
            format!(r#"{{"acme/one": {{}}, {}"#, &map("1")[1..]),
            "`acme/one` is in the price map twice",
        ),
        ("huge", huge, "is a name of 1048576 bytes"),
        (
            "many",
            format!("{{{}}}", many.join(",")),
            "more than 100,000 members",
        ),
        ("far", map("0.11"), "goes from 0.01 to 0.11 USD"),
        (
            "gone",
            r#"{"acme/two": {}}"#.to_owned(),
            "`acme/one` (acme) is in use",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_maps_change_nothing() {
    let rig = Rig::new().await;
    let before = rig.cost("before", now()).await;
    rig.replace(map("1e308"));
    let reason = rig.refused().await;
    assert!(
        reason.contains("`input_cost_per_token` of `acme/one` is not a number"),
        "{reason}"
    );

    for (name, bytes, words) in hostile() {
        rig.replace(bytes);
        let updated = rig.update(name == "twice").await;
        let reason = updated["sources"][0]["reasons"][0]
            .as_str()
            .unwrap_or_default();
        assert!(reason.contains(words), "{name}: {updated}");
        assert_eq!(rig.cost(name, now()).await, before, "{name}");
    }
    let metrics = rig.ask("GET", "/metrics", "").await;
    assert!(
        metrics.contains("tollkeeper_price_map_refused_total{layer=\"file\"} 14"),
        "{metrics}"
    );
    let alerts = rig.get("/alerts").await;
    let of_maps = |alert: &&Value| alert["kind"] == "price_map_refused";
    assert_eq!(
        alerts.as_array().unwrap().iter().filter(of_maps).count(),
        14
    );

    assert_eq!(rig.update(true).await["sources"][0]["verdict"], "applied");
    assert_eq!(
        rig.cost("after", now()).await.0,
        "null",
        "confirmed: the model has no price"
    );
    rig.collector.stop().await;
}
