//! The official client gets through the gateway exactly what the provider sent.

use std::path::Path;

use tests::{process::Program, stage::Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_python_client_cannot_tell_the_difference() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("../target/venv/bin/python");
    assert!(
        python.exists(),
        "`{}` is missing: run `make venv`",
        python.display()
    );
    let script = here.join("python/openai_client.py");

    let stage = Stage::new().await;
    let running = stage.up().await;
    let gateway = format!("http://{}/v1", running.gateway.unwrap());
    let provider = format!("http://{}", stage.provider.address());
    let arguments = [script.to_str().unwrap(), &gateway, &provider];
    let mut client = Program::start(&python, &arguments, &stage.path("python.log"));
    let status = client.ended().await;
    assert!(
        status.success(),
        "{:#?}\n{}",
        client.said(),
        client.errors()
    );
    assert!(
        client
            .said()
            .iter()
            .any(|line| line == "all as the provider sent it")
    );
    let rows = running.books().settled(|calls| calls.len() >= 9).await;
    assert!(
        rows.values().flatten().all(|row| row.spend.is_some()),
        "{rows:#?}"
    );
}
