//! Keys and budgets with both sides in place: a gateway and a collector that talk over HTTP, in
//! front of a provider whose calls cost what is known beforehand.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use bus::{Journal, JournalOptions, Log as _};
use collector::{Collector, Deps, Sinks};
use event::{
    Budget, EntityId, Usd,
    control::{Key, Snapshot},
};
use gateway::{Gateway, config::ControlSettings};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tests::{
    client::{Answer, Client},
    mock_provider::MockProvider,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

const MASTER: &str = "sk-1234";
const VIRTUAL: &str = "sk-virtual";
/// What one call costs, in US dollars: ten tokens of output.
const COST: &str = "0.01";

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn hash() -> EntityId {
    let digest = Sha256::digest(VIRTUAL);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.parse().unwrap()
}

fn state(version: u64, blocked: bool, limit: Option<&str>) -> Snapshot {
    let budget = |limit: &str| -> Budget {
        let entity = format!("key:{}", hash());
        let limit: Value = serde_json::from_str(limit).unwrap();
        let terms = json!({ "limit": limit, "enforcement": "strict" });
        serde_json::from_value(json!({ "id": "b", "entity": entity, "terms": terms })).unwrap()
    };
    let key = Key {
        blocked,
        alias: Some("the key".parse().unwrap()),
        ..Key::default()
    };
    let budgets = limit.map(budget).into_iter();
    Snapshot {
        version,
        keys: BTreeMap::from([(hash(), key)]),
        budgets: budgets.map(|budget| (budget.id.clone(), budget)).collect(),
        ..Snapshot::default()
    }
}

struct Stand {
    provider: MockProvider,
    calls: Arc<Journal>,
    folder: tempfile::TempDir,
}

impl Stand {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let calls = Journal::open(&folder.path().join("calls"), JournalOptions::default()).unwrap();
        drop(calls.reader("collector").unwrap());
        Self {
            provider: MockProvider::start().await.unwrap(),
            calls: Arc::new(calls),
            folder,
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    async fn collector(&self, port: u16, known: Snapshot) -> Collector {
        let priced = Journal::open(&self.path().join("priced"), JournalOptions::default()).unwrap();
        let listen = format!("127.0.0.1:{port}");
        let config = serde_json::from_value(json!({ "listen": listen })).unwrap();
        let deps = Deps {
            calls: self.calls.reader("collector").unwrap(),
            priced: Arc::new(priced),
            data: self.path().join("data"),
            master_key: Some(event::Secret::new(MASTER.to_owned())),
            registrations: sinks::ALL,
        };
        let collector = Collector::start(config, Sinks::new(), deps).await.unwrap();
        collector.directory().put(known);
        collector
    }

    async fn gateway(&self, collector: SocketAddr) -> Gateway {
        let base = format!("http://{}/v1", self.provider.address());
        let tree = json!({
            "model_list": [{
                "model_name": "known",
                "litellm_params": {
                    "model": "openai/a-model-of-ours", "api_base": base,
                    "api_key": "sk-upstream",
                    "input_cost_per_token": 0, "output_cost_per_token": 0.001,
                },
            }],
            "general_settings": { "master_key": MASTER },
            "router_settings": { "num_retries": 0 },
            "gateway": { "budget_wait": "1s" },
        });
        let (mut config, warnings) = gateway::Config::from_tree(tree.as_object().unwrap()).unwrap();
        assert_eq!(warnings, []);
        config.fill(&|_name| None).unwrap();
        config.control = Some(ControlSettings {
            url: format!("http://{collector}"),
            secret: Some(event::Secret::new(MASTER.to_owned())),
            file: self.path().join("control.json"),
        });
        let log = Arc::clone(&self.calls) as Arc<dyn bus::Log>;
        let any = "127.0.0.1:0".parse().unwrap();
        Gateway::start(config, any, log).await.unwrap()
    }
}

fn client(gateway: &Gateway) -> Client {
    Client {
        target: gateway.address(),
        key: VIRTUAL.to_owned(),
    }
}

/// One call that costs [`COST`] and cannot cost more.
async fn call(client: &Client) -> Answer {
    let told = "[[mock: usage=3/10 delay_ms=5]]";
    let messages = json!([{ "role": "user", "content": told }]);
    client
        .chat(&json!({ "model": "known", "max_tokens": 10, "messages": messages }))
        .await
}

/// Whether nothing but what has been spent stands against the call, as its refusal says.
fn is_final(answer: &Answer) -> bool {
    assert_eq!(answer.status, 422, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["error"]["type"], "budget_exceeded");
    let message = body["error"]["message"].as_str().unwrap().to_owned();
    let amount = |after: &str| {
        let from = message.find(after).unwrap() + after.len();
        let digits = message[from..].trim_start();
        let end = digits.find([',', ')']).unwrap();
        usd(&digits[..end])
    };
    assert!(message.contains(answer.call_id()), "{message}");
    assert_eq!(amount("may cost"), usd(COST));
    amount(", spent") + amount("may cost") > amount(", limit")
}

/// Makes a call as often as it takes to be served or refused for good. Whether it was served.
async fn insist(client: Client) -> bool {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        assert!(
            Instant::now() < deadline,
            "neither served nor refused for good"
        );
        let answer = call(&client).await;
        if answer.status == 200 {
            return true;
        }
        if answer.status == 422 && is_final(&answer) {
            return false;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn served(clients: impl Iterator<Item = Client>) -> usize {
    let mut waiting: JoinSet<bool> = clients.map(insist).collect();
    let mut served = 0;
    while let Some(outcome) = waiting.join_next().await {
        served += usize::from(outcome.unwrap());
    }
    served
}

/// Waits until the books say that so much was spent by calls.
async fn spent(collector: &Collector, wanted: &str) {
    let client = Client::new(collector.address());
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = client.get("/global/spend").await;
        let told = answer.json()["spend"].as_f64().map(|told| told.to_string());
        if told.as_deref() == Some(wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "{}", answer.text());
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_budget_pays_for_every_call_that_it_can_and_for_no_more() {
    let stand = Stand::new().await;
    let collector = stand.collector(0, state(1, false, Some("1.375"))).await;
    let gateway = stand.gateway(collector.address()).await;
    let client = client(&gateway);
    let served = served(std::iter::repeat_n(client, 500)).await;
    assert_eq!(served, 137);
    spent(&collector, "1.37").await;
    gateway.stop().await;
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_and_a_collector_that_start_again_change_nothing() {
    let stand = Stand::new().await;
    let known = || state(1, false, Some("0.455"));
    let collector = stand.collector(0, known()).await;
    let address = collector.address();
    let gateway = stand.gateway(address).await;
    let mut first = 0;
    for _ in 0..10 {
        first += usize::from(call(&client(&gateway)).await.status == 200);
    }
    assert_eq!(first, 10);
    gateway.stop().await;
    let gateway = stand.gateway(address).await;
    let second = served(std::iter::repeat_n(client(&gateway), 10)).await;
    assert_eq!(second, 10);
    collector.stop().await;
    let collector = stand.collector(address.port(), known()).await;
    let third = served(std::iter::repeat_n(client(&gateway), 60)).await;
    assert_eq!(third, 25);
    spent(&collector, "0.45").await;
    gateway.stop().await;
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_key_stops_working_within_a_second() {
    let stand = Stand::new().await;
    let collector = stand.collector(0, state(1, false, None)).await;
    let gateway = stand.gateway(collector.address()).await;
    let client = client(&gateway);
    assert_eq!(call(&client).await.status, 200);
    collector.directory().put(state(2, true, None));
    sleep(Duration::from_secs(1)).await;
    let refused = call(&client).await;
    assert_eq!(refused.status, 401);
    assert!(
        refused.text().contains("Key is blocked"),
        "{}",
        refused.text()
    );
    gateway.stop().await;
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_knows_its_keys_without_the_collector() {
    let stand = Stand::new().await;
    let collector = stand.collector(0, state(1, false, None)).await;
    let away = collector.address();
    let gateway = stand.gateway(away).await;
    assert_eq!(call(&client(&gateway)).await.status, 200);
    gateway.stop().await;
    collector.stop().await;
    let gateway = stand.gateway(away).await;
    assert_eq!(call(&client(&gateway)).await.status, 200);
    let unknown = Client {
        key: "sk-unknown".to_owned(),
        ..client(&gateway)
    };
    assert_eq!(call(&unknown).await.status, 401);
    let written = std::fs::read_to_string(stand.path().join("control.json")).unwrap();
    assert!(!written.contains(VIRTUAL));
    gateway.stop().await;
}
