//! The clients that people have, as they come from PyPI, cannot tell the gateway from a provider.
//!
//! What each of them does and has to get stands in its script, `tests/python/NAME_client.py`; the
//! script also compares the books with what the provider sent, call by call.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{path::Path, time::Duration};

use tests::{process::Program, stage::Stage};

/// How long a client may take: most of it goes into importing the client, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// Runs the script of `client` with the Python of `venv`.
async fn run(client: &str, venv: &str) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let venv = here.join("../target").join(venv);
    let python = venv.join("bin/python");
    assert!(
        venv.join(".ready").exists(),
        "`{}` is missing or not complete: run `make venv`",
        venv.display()
    );
    let script = here.join(format!("python/{client}_client.py"));

    let stage = Stage::new().await;
    let running = stage.up().await;
    let cache = format!("PYTHONPYCACHEPREFIX={}", venv.join("pycache").display());
    let arguments = [
        // Else litellm asks the network for prices.
        "LITELLM_LOCAL_MODEL_COST_MAP=True",
        &cache,
        python.to_str().unwrap(),
        script.to_str().unwrap(),
        &format!("http://{}", running.gateway.unwrap()),
        &format!("http://{}", stage.provider.address()),
        &format!("http://{}", running.collector.unwrap()),
    ];
    let log = stage.path("python.log");
    let mut program = Program::start(Path::new("/usr/bin/env"), &arguments, &log);
    let status = program.ended_within(PATIENCE).await;
    let said = program.said();
    assert!(status.success(), "{said:#?}\n{}", program.errors());
    // A script that is cut short has not compared anything.
    let end = "each once in the books";
    assert!(said.iter().any(|line| line.ends_with(end)), "{said:#?}");
    let books = running.books();
    let rows = books.rows().await;
    books.assert_balanced(&rows).await;
}

macro_rules! clients {
    ($($name:ident in $venv:literal,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            run(stringify!($name), $venv).await;
        }
    )*};
}

clients! {
    openai in "venv",
    anthropic in "venv",
    litellm in "venv",
    litellm_proxy in "venv",
    llama_index in "venv",
    openai_agents in "venv",
    langchain in "venv",
    instructor in "venv-instructor",
}
