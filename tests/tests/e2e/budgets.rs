//! A strict budget in front of the real program, while its processes are killed.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::time::Duration;

use event::Usd;
use serde_json::{Value, json};
use tests::{
    books::Books,
    client::{Answer, Client},
    stage::{Running, Stage},
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

/// What the key may spend, in US dollars: about twenty calls.
const LIMIT: &str = "0.0105";
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_budget_is_never_exceeded_whoever_is_killed_when() {
    let stage = Stage::new().await;
    let mut collector = stage.collector().await;
    let at = collector.collector.unwrap();
    stage.configure(&format!("gateway: {{collector: \"http://{at}\"}}"));
    let asked = json!({ "max_budget": 0.0105, "enforcement": "strict" });
    let books = Client::new(at);
    let made = books.post("/key/generate", asked.to_string()).await.json();
    let key = made["key"].as_str().unwrap().to_owned();
    let mut gateway = stage.gateway().await;
    let target = gateway.gateway.unwrap();
    let client = Client { target, key };
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        callers.spawn(spend(client.clone()));
    }
    for round in 0..4 {
        sleep(Duration::from_millis(250)).await;
        if round % 2 == 0 {
            gateway.program.kill();
            gateway = stage.gateway().await;
        } else {
            collector.program.kill();
            collector = stage.collector().await;
        }
    }
    while let Some(over) = callers.join_next().await {
        over.unwrap();
    }
    let spent = spent(&gateway, &collector).await;
    assert!(spent <= limit(), "{spent} of {LIMIT}");
    assert!(spent > Usd::ZERO);
}

fn limit() -> Usd {
    LIMIT.parse().unwrap()
}

/// Calls until nothing but what has been spent stands against the next call.
async fn spend(client: Client) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "never refused for good");
        if let Some(answer) = call(&client).await
            && answer.status == 422
            && is_final(&answer)
        {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// One call; `None` if nobody listens.
async fn call(client: &Client) -> Option<Answer> {
    let told = "[[mock: usage=10/50 delay_ms=30]]";
    let messages = json!([{ "role": "user", "content": told }]);
    let body = json!({ "model": "mock", "max_tokens": 50, "messages": messages });
    let request = client.request(
        http::Method::POST,
        "/v1/chat/completions",
        body.to_string().into(),
    );
    // A client that finds nobody panics: that is its own task's end.
    let (client, mut alone) = (client.clone(), JoinSet::new());
    alone.spawn(async move { client.try_send(request).await.ok() });
    alone.join_next().await?.ok().flatten()
}

fn is_final(answer: &Answer) -> bool {
    let message = answer.json()["error"]["message"].to_string();
    let amount = |after: &str| -> Option<Usd> {
        let from = message.find(after)? + after.len();
        let digits = message[from..].trim_start();
        digits[..digits.find([',', ')'])?].parse().ok()
    };
    let (spent, needed) = (amount(", spent"), amount("may cost"));
    spent.unwrap() + needed.unwrap() > limit()
}

/// What the calls of all clients have cost. Records are settled in their order: once a last call is
/// in the books, so is everything before it.
async fn spent(gateway: &Running, collector: &Running) -> Usd {
    let last = call(&Client::new(gateway.gateway.unwrap())).await.unwrap();
    assert_eq!(last.status, 200, "{}", last.text());
    let at = collector.collector.unwrap();
    let deadline = Instant::now() + PATIENCE;
    let own = loop {
        if let Some(row) = Books::new(at).rows_of(last.call_id()).await.pop() {
            break row.spend.unwrap();
        }
        assert!(Instant::now() < deadline, "the last call is not settled");
        sleep(Duration::from_millis(50)).await;
    };
    let told: Value = Client::new(at).get("/global/spend").await.json();
    let all: Usd = told["spend"].to_string().parse().unwrap();
    all - own.to_string().parse::<Usd>().unwrap()
}
