//! Discounts and margins: from LiteLLM's section into the bill, the breakdown and a correction.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{fs, process::Command};

use rust_decimal::Decimal;
use serde_json::{Value, json};
use tests::{
    client::Client,
    process::tollkeeper,
    stage::{MASTER_KEY, Running, Stage},
};

use crate::prices::calculate;

/// As in LiteLLM's example of a payload with both.
const THEIRS: &str = "litellm_settings:\n  cost_discount_config: {openai: 0.1}\n  \
    cost_margin_config: {openai: {percentage: 0.2, fixed_amount: 0.001}}";

async fn call(running: &Running, usage: &str) -> String {
    let message = json!({"role": "user", "content": format!("[[mock: usage={usage}]]")});
    let body = json!({"model": "mock", "messages": [message]});
    let answer = running.client().chat(&body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    running.books().row(answer.call_id()).await.call_id
}

async fn calculated(running: &Running, question: &str) -> Value {
    let collector = Client::new(running.collector.unwrap());
    let answer = collector.post("/spend/calculate", question.to_owned());
    answer.await.json()["cost"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn discount_and_margin_are_lines_of_every_bill() {
    let stage = Stage::with(THEIRS).await;
    let mut running = stage.up().await;
    // 57 tokens of a prompt, 32 of them cached, and 17 of an answer.
    let id = call(&running, "57/17/32").await;
    let books = running.books();
    let row = books.row(&id).await;
    // 0.0002725 less a tenth, a fifth on top of that, and a thousandth of a USD.
    let expected = Decimal::new(12943, 7);
    assert_eq!(row.spend, Some(expected));
    let breakdown = &row.json["metadata"]["cost_breakdown"];
    for (part, amount) in [
        ("input_cost", 0.000_102_5),
        ("output_cost", 0.000_17),
        ("total_cost", 0.001_294_3),
        ("original_cost", 0.000_272_5),
        ("cache_read_cost", 0.000_04),
        ("discount_percent", 0.1),
        ("discount_amount", 0.000_027_25),
        ("margin_percent", 0.2),
        ("margin_fixed_amount", 0.001),
        ("margin_total_amount", 0.001_049_05),
    ] {
        assert_eq!(breakdown[part], json!(amount), "{part} in {breakdown:#}");
    }
    let items = row.json["tollkeeper"]["cost"]["items"].as_array().unwrap();
    let keys: Vec<&str> = items
        .iter()
        .filter_map(|item| item["key"].as_str())
        .collect();
    assert_eq!(
        keys[3..],
        [
            "cost_discount_config.openai",
            "cost_margin_config.openai",
            "cost_margin_config.openai.fixed_amount"
        ]
    );

    // The same question gets the same bill, from the collector and without one.
    let question = r#"{"model":"openai/gpt-4o","usage":{"prompt_tokens":57,"completion_tokens":17,"total_tokens":74,"prompt_tokens_details":{"cached_tokens":32}}}"#;
    assert_eq!(calculated(&running, question).await, "0.0012943");
    let config = stage.path("config.yaml").display().to_string();
    let alone = |options: &[&str]| calculate(options, question)[0]["cost"].clone();
    assert_eq!(alone(&["--config", &config]), "0.0012943");
    assert_eq!(alone(&[]), "0.0002725");

    // Another margin alone is a reason for a correction.
    assert_eq!(reprice(&running)["unchanged"], 1);
    running.program.kill();
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("0.001}", "0.002}")).unwrap();
    let running = stage.up().await;
    let report = reprice(&running);
    assert_eq!(report["corrected"], 1, "{report:#}");
    assert_eq!(report["difference"].to_string(), "0.001");
    let books = running.books();
    assert_eq!(books.row(&id).await.spend, Some(Decimal::new(22943, 7)));
    books.assert_balanced(&books.rows().await).await;
}

fn reprice(running: &Running) -> Value {
    let collector = format!("http://{}", running.collector.unwrap());
    let there = ["--collector", &collector, "--key", MASTER_KEY, "--json"];
    let output = Command::new(tollkeeper())
        .args(["reprice", "--all", "--since", "2020-01-01"])
        .args(there)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}
