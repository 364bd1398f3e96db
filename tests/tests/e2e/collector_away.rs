//! Calls go on while the collector is away; the books catch up when it is back.

use std::time::Duration;

use tests::{
    load::{self, Call, Plan, Stop},
    machine::setting,
    stage::Stage,
};
use tokio::time::sleep;

/// Calls per second meanwhile.
const RATE: u64 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_collector_is_away_and_none_is_forgotten() {
    let away = Duration::from_secs(setting("TOLLKEEPER_AWAY_S", 5));
    let stage = Stage::new().await;
    let gateway = stage.gateway().await;
    let mut collector = stage.collector().await;

    let Some(target) = gateway.gateway else {
        return;
    };
    let plan = Plan::time(target, 16, away + Duration::from_secs(3)).at_rate(RATE);
    let calls = load::run(plan, Stop::default(), |index| {
        let script = format!(
            "[[mock: usage={}/{} chunks=5]]",
            100 + index % 50,
            10 + index % 7
        );
        Call::chat("mock", &script, index.is_multiple_of(2)).with_id(format!("away-{index}"))
    });
    let absence = async {
        sleep(Duration::from_secs(1)).await;
        assert!(collector.program.terminate().await.success());
        sleep(away).await;
        collector = stage.collector().await;
    };
    let (report, ()) = tokio::join!(calls, absence);
    let made = report.as_ref().map_or(0, |report| report.calls.len());
    let complete = report.as_ref().map_or(0, load::Report::complete);
    assert!(made > 0);
    assert_eq!(
        u64::try_from(made),
        Ok(complete),
        "calls failed: {report:?}"
    );

    let books = collector.books();
    let calls = books.settled(|calls| calls.len() >= made).await;
    assert_eq!(calls.len(), made);
    assert!(
        calls.values().all(|rows| rows.len() == 1),
        "a call stands more than once"
    );
    books.assert_balanced(calls.values().flatten()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_there_first_waits_for_a_gateway() {
    let stage = Stage::new().await;
    let collector = stage.collector().await;
    // Long enough for a few looks at a log that is not there.
    sleep(Duration::from_millis(500)).await;
    let gateway = stage.gateway().await;
    let call =
        serde_json::json!({"model": "mock", "messages": [{"role": "user", "content": "hello"}]});
    let answer = gateway.client().chat(&call).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    collector.books().row(answer.call_id()).await;
    let said = collector.program.errors();
    assert!(!said.contains("ERROR"), "{said}");
    assert!(said.contains("waiting for the first gateway"), "{said}");
}
