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
/// What opens the control API, and nothing else.
const CONTROL: &str = "sk-control";
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

/// Tells gateways this, as what follows on what the collector says of its own accord.
fn put(collector: &Collector, known: Snapshot) {
    let told = collector.directory().known();
    collector.directory().put(Snapshot {
        version: known.version + 100,
        prices: told.snapshot().prices.clone(),
        ..known
    });
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
        let collector = self.collector_with(port, json!({})).await;
        put(&collector, known);
        collector
    }

    async fn collector_with(&self, port: u16, prices: Value) -> Collector {
        let priced = Journal::open(&self.path().join("priced"), JournalOptions::default()).unwrap();
        let listen = format!("127.0.0.1:{port}");
        let config = serde_json::from_value(
            json!({ "listen": listen, "prices": prices, "control_key": CONTROL }),
        )
        .unwrap();
        let deps = Deps {
            calls: self.calls.reader("collector").unwrap(),
            priced: Arc::new(priced),
            data: self.path().join("data"),
            master_key: Some(event::Secret::new(MASTER.to_owned())),
            registrations: sinks::ALL,
        };
        Collector::start(config, Sinks::new(), deps).await.unwrap()
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
            }, {
                "model_name": "broken",
                "litellm_params": {
                    "model": "openai/a-model-of-ours", "api_base": "http://127.0.0.1:1/v1",
                    "api_key": "sk-upstream", "num_retries": 1,
                    "input_cost_per_token": 0, "output_cost_per_token": 0.001,
                },
            }, {
                "model_name": "also",
                "litellm_params": {
                    "model": "openai/a-model-of-ours", "api_base": "http://127.0.0.1:1/v1",
                    "api_key": "sk-upstream",
                    "input_cost_per_token": 0, "output_cost_per_token": 0.001,
                },
            }, {
                "model_name": "dear",
                "litellm_params": {
                    "model": "openai/a-dear-model-of-ours", "api_base": base,
                    "api_key": "sk-upstream",
                    "input_cost_per_token": 0, "output_cost_per_token": 0.01,
                },
            }, {
                "model_name": "by the map",
                "litellm_params": {
                    "model": "openai/of-the-file", "api_base": base, "api_key": "sk-upstream",
                },
            }],
            "general_settings": { "master_key": MASTER },
            "router_settings": { "num_retries": 0, "fallbacks": [{ "broken": ["also"] }, { "also": ["dear"] }] },
            "gateway": { "budget_wait": "1s" },
        });
        let (mut config, warnings) = gateway::Config::from_tree(tree.as_object().unwrap()).unwrap();
        assert_eq!(warnings, []);
        config.fill(&|_name| None).unwrap();
        config.control = Some(ControlSettings {
            url: format!("http://{collector}"),
            secret: Some(event::Secret::new(CONTROL.to_owned())),
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
fn is_final(answer: &Answer, cost: &str) -> bool {
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
    assert_eq!(amount("may cost"), usd(cost));
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
        if answer.status == 422 && is_final(&answer, COST) {
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
    put(&collector, state(2, true, None));
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

/// A chat that may have so many tokens of output, and has `used`.
async fn chat(client: &Client, model: &str, (max_tokens, used): (u64, u64)) -> Answer {
    let told = format!("[[mock: usage=3/{used}]]");
    let messages = json!([{ "role": "user", "content": told }]);
    client
        .chat(&json!({ "model": model, "max_tokens": max_tokens, "messages": messages }))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_call_did_not_use_is_free_at_once_and_what_does_not_fit_is_bounded() {
    let stand = Stand::new().await;
    // What 1000 tokens cost, and half as much again.
    let collector = stand.collector(0, state(1, false, Some("1.5"))).await;
    let gateway = stand.gateway(collector.address()).await;
    let client = client(&gateway);
    let address = collector.address();
    assert_eq!(chat(&client, "known", (1000, 10)).await.status, 200);
    // Nothing is settled from here on: what the first left is known at the gateway alone.
    for _ in 0..20 {
        let answer = chat(&client, "known", (1000, 10)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!answer.headers.contains_key("x-tollkeeper-max-tokens"));
    }
    // 0.21 is spent, 1.29 is left.
    let answer = chat(&client, "known", (5000, 990)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-tollkeeper-max-tokens"), "1290");
    let asked = stand.provider.entries().pop().unwrap().request;
    let asked: Value = serde_json::from_slice(&asked).unwrap();
    assert_eq!(asked["max_tokens"], 1290);
    // 0.3 is left.
    let answer = chat(&client, "known", (5000, 50)).await;
    assert_eq!(answer.header("x-tollkeeper-max-tokens"), "300");
    // 0.25 is left, and 256 tokens are the least that is of use.
    let answer = chat(&client, "known", (5000, 50)).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert_eq!(chat(&client, "known", (250, 50)).await.status, 200);
    spent(&collector, "1.3").await;
    assert_eq!(address, collector.address());
    gateway.stop().await;
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_reckons_with_the_prices_that_the_collector_settles_by() {
    let stand = Stand::new().await;
    let file = stand.path().join("prices.json");
    let write = |price: &str| {
        let entry = format!(
            r#"{{"openai/of-the-file": {{"litellm_provider": "openai", "mode": "chat",
            "input_cost_per_token": 0, "output_cost_per_token": {price}}}}}"#
        );
        std::fs::write(&file, entry).unwrap();
    };
    write("0.01");
    let collector = stand.collector_with(0, json!({ "file": &file })).await;
    let gateway = stand.gateway(collector.address()).await;
    let admin = Client {
        key: MASTER.to_owned(),
        ..Client::new(collector.address())
    };
    let asked = json!({ "max_budget": 1, "enforcement": "strict" });
    let made = admin.post("/key/generate", asked.to_string()).await;
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let client = Client {
        key,
        ..client(&gateway)
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    let first = loop {
        let answer = chat(&client, "by the map", (10, 10)).await;
        if answer.status != 401 {
            break answer;
        }
        assert!(Instant::now() < deadline, "{}", answer.text());
        sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(first.header("x-litellm-response-cost"), "0.1");
    // Five times as dear from now on: 0.1 is spent, and 10 tokens cost 0.5.
    write("0.05");
    loop {
        let answer = chat(&client, "by the map", (1, 1)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        if answer.header("x-litellm-response-cost") == "0.05" {
            break;
        }
        assert!(Instant::now() < deadline, "the price has not risen");
        sleep(Duration::from_millis(250)).await;
    }
    let answers = [(); 3].map(|()| chat(&client, "by the map", (10, 10)));
    let mut served = 0;
    for answer in answers {
        served += usize::from(answer.await.status == 200);
    }
    assert!(
        served <= 1,
        "{served} calls of 0.5 were paid of less than 0.9"
    );
    gateway.stop().await;
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_without_bounds_and_clients_that_hang_up_do_not_pass_a_strict_budget() {
    let stand = Stand::new().await;
    let collector = stand.collector(0, state(1, false, Some("1.7"))).await;
    let gateway = stand.gateway(collector.address()).await;
    let mut going = JoinSet::new();
    for number in 0..40_u64 {
        let client = client(&gateway);
        going.spawn(async move {
            let told = "[[mock: usage=3/200 delay_ms=60]]";
            let messages = json!([{ "role": "user", "content": told }]);
            let asked =
                json!({ "model": "known", "stream": number % 2 == 0, "messages": messages });
            if number % 4 < 2 {
                return usize::from(client.chat(&asked).await.status == 200);
            }
            // Gone before the provider has answered.
            let patience = Duration::from_millis(30 + number);
            drop(tokio::time::timeout(patience, client.chat(&asked)).await);
            0
        });
    }
    let served: usize = going.join_all().await.into_iter().sum();
    // Nothing is open any more once the gateway has stopped.
    gateway.stop().await;
    let asked = stand.provider.requests();
    assert!(asked <= 8, "{asked} calls of 0.2 were paid of 1.7");
    assert!(served > 0 || asked > 0);
    let cents = asked * 20;
    let wanted = format!("{}.{:02}", cents / 100, cents % 100);
    let wanted: f64 = wanted.parse().unwrap();
    spent(&collector, &wanted.to_string()).await;
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_paid_at_the_dearest_place_that_it_may_fall_back_to() {
    let stand = Stand::new().await;
    let collector = stand.collector(0, state(1, false, Some("1.05"))).await;
    let gateway = stand.gateway(collector.address()).await;
    let clients = std::iter::repeat_n(client(&gateway), 30);
    let going: JoinSet<_> = clients
        .map(|client| async move {
            let deadline = Instant::now() + Duration::from_secs(60);
            loop {
                let answer = chat(&client, "broken", (10, 10)).await;
                let is_over = match answer.status.as_u16() {
                    200 => true,
                    422 => is_final(&answer, "0.1"),
                    _ => false,
                };
                if is_over {
                    return answer.status;
                }
                assert!(Instant::now() < deadline, "{}", answer.text());
            }
        })
        .collect();
    let statuses = going.join_all().await;
    let served = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(served, 10, "{statuses:?}");
    spent(&collector, "1").await;
    gateway.stop().await;
    collector.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_for_gateways_opens_the_control_api_and_nothing_else() {
    let stand = Stand::new().await;
    let collector = stand.collector(0, state(1, false, None)).await;
    let with = |key: &str| Client {
        key: key.to_owned(),
        ..Client::new(collector.address())
    };
    for (key, path, status) in [
        (CONTROL, "/control/changes?since=7", 410),
        (CONTROL, "/global/spend", 401),
        (CONTROL, "/key/list", 401),
        (MASTER, "/control/changes?since=7", 401),
        (MASTER, "/global/spend", 200),
    ] {
        assert_eq!(with(key).get(path).await.status, status, "{key} {path}");
    }
    collector.stop().await;
}
