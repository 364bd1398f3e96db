//! The commands for people: what they print, and what they say when something is wrong.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{
    process::{Program, tollkeeper},
    stage::Stage,
};
use tokio::time::{Instant, sleep};

const PATIENCE: Duration = Duration::from_secs(60);

fn run(arguments: &[&str]) -> Output {
    Command::new(tollkeeper()).args(arguments).output().unwrap()
}

/// The one event of a line.
fn event(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Runs what must fail, and returns what it says.
fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    said
}

#[test]
fn check_names_the_line_that_is_wrong() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("config.yaml");
    let path = file.to_str().unwrap();
    let kinds: Vec<_> = sinks::ALL.iter().map(|known| known.kind).collect();
    let kinds = kinds.join(", ");
    for (text, words) in [
        ("model_list: [\n", "this is not YAML"),
        (
            "model_list:\n  - model_name: a\n    litellm_params:\n      modle: b\n",
            "config.yaml:4: `model_list[0].litellm_params.modle`: unknown key, did you mean `model`",
        ),
        ("\ngeneral_setings: {}\n", "config.yaml:2: "),
        ("sinks:\n  a:\n    knid: file\n", "config.yaml:2: "),
        (
            "sinks:\n  a:\n    kind: wehbook\n",
            &format!("config.yaml:2: sink `a` has kind `wehbook`, which is not one of {kinds}"),
        ),
        (
            "bus: {}\nsinks:\n  a: {kind: webhook, url: nowhere}\n",
            "config.yaml:3: sink `a` cannot be opened",
        ),
        (
            "collector:\n  prices: {file: missing.json}\n",
            "config.yaml:2: price map `missing.json` cannot be read",
        ),
        (
            "collector:\n  prices: {max_change: 1}\n",
            "config.yaml:2: `collector.prices.max_change`: expected a factor above 1",
        ),
        (
            "collector:\n  prices: {url: 'https://169.254.169.254/'}\n",
            "config.yaml:2: price map cannot be fetched from its URL",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let said = refused(&["check", "--config", path]);
        assert!(said.contains(words), "{text}\n{said}");
    }
    assert!(refused(&["check", "--config", "missing.yaml"]).contains("`missing.yaml`"));
}

#[test]
fn check_accepts_what_works_and_names_what_has_no_effect() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("config.yaml");
    fs::write(&file, "litellm_settings:\n  set_verbose: true\n").unwrap();
    let output = run(&["check", "--config", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(
        said.contains("warning: line 2: `litellm_settings.set_verbose`"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_start_says_what_to_do() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let (gateway, collector) = (running.gateway.unwrap(), running.collector.unwrap());
    let (gateway, collector) = (gateway.to_string(), collector.to_string());
    let (used, free) = (stage.path("data"), stage.path("other"));
    let (used, free) = (used.to_str().unwrap(), free.to_str().unwrap());
    let any = "127.0.0.1:0";
    let up = |data: &str, listen: &str, collector_listen: &str| {
        let listen = ["--listen", listen, "--collector-listen", collector_listen];
        refused(&[&["up", "--data", data][..], &listen].concat())
    };

    let said = up(free, &gateway, any);
    assert!(
        said.contains(&gateway) && said.contains("--listen"),
        "{said}"
    );
    let said = up(free, any, &collector);
    assert!(
        said.contains(&collector) && said.contains("--collector-listen"),
        "{said}"
    );
    let said = up(used, any, any);
    assert!(said.contains(used) && said.contains("--data"), "{said}");
    let said = refused(&["collector", "--data", used, "--collector-listen", any]);
    assert!(said.contains(used) && said.contains("--data"), "{said}");
    let said = up(free, "0.0.0.0:0", any);
    assert!(said.contains("master_key"), "{said}");
    assert!(refused(&["up", "--config", "missing.yaml"]).contains("`missing.yaml`"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tap_shows_a_call_as_soon_as_it_is_settled() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let collector = format!("http://{}", running.collector.unwrap());
    let said = refused(&["tap", "--collector", &collector]);
    assert!(said.contains("--key"), "{said}");

    let arguments = ["tap", "--collector", &collector, "--key", "sk-1234"];
    let mut tap = Program::start(tollkeeper(), &arguments, &stage.path("tap.log"));
    // What was settled before is not shown, and when the tap is open cannot be seen from outside.
    let message = json!({"role": "user", "content": "[[mock: usage=1000/10]]"});
    let body = json!({"model": "mock", "messages": [message]});
    let mut asked = Vec::new();
    while tap.said().is_empty() {
        let answer = running.client().chat(&body).await;
        running.books().row(answer.call_id()).await;
        asked.push(answer.call_id().to_owned());
    }
    let line = tap.line("{").await;
    let event = event(&line);
    let id = event["litellm_call_id"].as_str().unwrap();
    assert!(asked.iter().any(|call| call == id), "{event:#}");
    assert!(line.contains("\"response_cost\":0.0026,"), "{line}");

    drop(running);
    assert!(!tap.ended().await.success(), "the collector has gone");
    assert!(tap.errors().contains("collector"), "{}", tap.errors());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_says_when_there_is_nothing_to_explain() {
    let stage = Stage::new().await;
    let running = stage.up().await;
    let collector = format!("http://{}", running.collector.unwrap());
    let there = ["--collector", &collector, "--key", "sk-1234"];
    let said = refused(&[&["explain", "no/such call"][..], &there].concat());
    assert!(
        said.contains("no call `no/such call` in the books"),
        "{said}"
    );
    let wrong = ["--collector", &collector, "--key", "sk-wrong"];
    let said = refused(&[&["explain", "any"][..], &wrong].concat());
    assert!(said.contains("--key"), "{said}");
    let said = refused(&["explain", "any", "--collector", "http://127.0.0.1:1"]);
    assert!(said.contains("is it running?"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_sink_writes_one_line_for_each_call() {
    let stage = Stage::new().await;
    let mut running = stage.up().await;
    let mut asked = Vec::new();
    for stream in [false, true] {
        let message = json!({"role": "user", "content": "one\ntwo"});
        // A request that stands on several lines, as people write it.
        let body = format!(
            "{:#}",
            json!({"model": "mock", "stream": stream, "messages": [message]})
        );
        let answer = running.client().post("/v1/chat/completions", body).await;
        running.books().row(answer.call_id()).await;
        asked.push(answer.call_id().to_owned());
    }
    assert!(running.program.terminate().await.success());
    let collector = stage.collector().await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut written: Vec<String> = lines(stage.path("config.yaml").parent().unwrap())
            .iter()
            .filter_map(|line| event(line)["litellm_call_id"].as_str().map(str::to_owned))
            .collect();
        written.sort();
        if written == asked {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "{written:?} instead of {asked:?}"
        );
        sleep(Duration::from_millis(100)).await;
    }
    drop(collector);
}

/// The lines that the file sink has written.
fn lines(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "jsonl"));
    files.sort();
    let text: String = files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    text.lines().map(str::to_owned).collect()
}
