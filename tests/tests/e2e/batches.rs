//! A batch that the provider works through is in the books once, at the prices of batches, however
//! often somebody looks at it.

use http::Method;
use rust_decimal::Decimal;
use tests::stage::{Running, Stage};

/// 1000 x 0.00000125 + 100 x 0.000005.
fn cost() -> Decimal {
    Decimal::new(175, 5)
}

/// The spend of all calls so far, and how many have no price.
async fn spent(running: &Running) -> (Decimal, usize) {
    let rows = running.books().rows().await;
    let unpriced = rows.iter().filter(|row| row.spend.is_none()).count();
    (rows.iter().filter_map(|row| row.spend).sum(), unpriced)
}

async fn get(running: &Running, path: &str) {
    let answer = running.client().get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    running.books().row(answer.call_id()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_billed_once_across_restarts() {
    let stage = Stage::new().await;
    let mut running = stage.up().await;
    let client = running.client();
    let asked = "{\"input_file_id\":\"file-in\"}".to_owned();
    let created = client.post("/v1/batches", asked).await;
    // Several accounts keep batches here, so the id says whose it is.
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("batch_done-tk-"), "{id}");
    running.books().row(created.call_id()).await;
    get(&running, "/v1/batches/batch_running").await;
    get(&running, "/v1/batches").await;
    assert_eq!(spent(&running).await, (Decimal::ZERO, 0));
    for id in [&id, &id, "batch_done"] {
        get(&running, &format!("/v1/batches/{id}")).await;
    }
    assert_eq!(spent(&running).await, (cost(), 0));
    running.program.kill();
    let running = stage.up().await;
    get(&running, "/openai/v1/batches/batch_done").await;
    let results = "/v1/files/file-results-batch_done/content";
    get(&running, results).await;
    assert_eq!(spent(&running).await, (cost(), 0));
    let entry = stage.provider.entries().pop().unwrap();
    assert_eq!(entry.route, format!("{} {results}", Method::GET));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_does_not_tell_is_unknown_until_its_results_are_seen() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    get(&running, "/v1/batches/batch_untold").await;
    get(&running, "/v1/batches/batch_untold").await;
    assert_eq!(spent(&running).await, (Decimal::ZERO, 1));
    get(&running, "/v1/files/file-results-batch_untold/content").await;
    assert_eq!(spent(&running).await, (cost(), 0));
    get(&running, "/v1/batches/batch_untold").await;
    assert_eq!(spent(&running).await, (cost(), 0));
}
