//! A program that is asked to end finishes what it has begun.

use std::time::Duration;

use serde_json::json;
use tests::{client::Client, stage::Stage};
use tokio::{net::TcpStream, time::sleep};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_in_flight_are_answered_to_the_end_and_no_new_ones_are_taken() {
    for role in ["up", "gateway"] {
        let stage = Stage::new().await;
        let mut running = if role == "up" {
            stage.up().await
        } else {
            stage.gateway().await
        };
        let target = running.gateway.unwrap();
        let content = "[[mock: chunks=30 chunk_delay_ms=50 usage=100/30]]";
        let message = json!({"role": "user", "content": content});
        let body = json!({"model": "mock", "stream": true, "messages": [message]});
        let in_flight = async {
            let answer = Client::new(target).chat(&body).await;
            assert!(
                answer.text().ends_with("data: [DONE]\n\n"),
                "{role}: {}",
                answer.text()
            );
            answer.call_id().to_owned()
        };
        let stop = async {
            while stage.provider.requests() == 0 {
                sleep(Duration::from_millis(10)).await;
            }
            sleep(Duration::from_millis(200)).await;
            running.program.signal("TERM");
            sleep(Duration::from_millis(300)).await;
            assert!(
                TcpStream::connect(target).await.is_err(),
                "{role}: still takes calls"
            );
        };
        let (call_id, ()) = tokio::join!(in_flight, stop);
        let status = running.program.ended().await;
        assert_eq!(
            status.code(),
            Some(0),
            "{role}: {}",
            running.program.errors()
        );

        let collector = stage.collector().await;
        let row = collector.books().row(&call_id).await;
        assert_eq!(row.outcome, "success", "{role}: {:#}", row.json);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_program_ends_at_once() {
    let stage = Stage::new().await;
    let mut running = stage.up().await;
    // An idle connection is no reason to wait.
    let _idle = TcpStream::connect(running.gateway.unwrap()).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), running.program.terminate()).await;
    assert!(ended.unwrap().success());
}
