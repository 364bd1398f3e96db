//! What models cost, asked of the program: with a collector and without.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    fs,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use tests::{client::Client, process::tollkeeper, stage::Stage};

/// Runs `tollkeeper prices …`.
fn prices(arguments: &[&str]) -> Output {
    let mut command = Command::new(tollkeeper());
    command.arg("prices").args(arguments).output().unwrap()
}

/// The exit code, and all that was printed.
fn said(output: &Output) -> (i32, String) {
    let text = [&*output.stdout, &*output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
    )
}

#[test]
fn show_explains_an_entry_and_names_what_is_like_an_unknown_model() {
    let (code, text) = said(&prices(&["show", "openai/gpt-4o-2024-11-20"]));
    assert_eq!(code, 0, "{text}");
    for words in [
        "entry       gpt-4o-2024-11-20",
        "0.0000025",
        "2.5",
        "by service tier",
        "in batches",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let (code, text) = said(&prices(&["show", "gpt-4oo"]));
    assert_eq!(code, 1);
    assert!(text.contains("the nearest are `gpt-4o`"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diff_says_what_changes_and_exits_as_diff_does() {
    let stage = Stage::new().await;
    let write = |name: &str, map: Value| {
        fs::write(stage.path(name), map.to_string()).unwrap();
        stage.path(name).display().to_string()
    };
    let many: Value = (0..30)
        .map(|n| (format!("new-{n:02}"), json!({})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let old = write(
        "old.json",
        json!({"a": {"input_cost_per_token": 0.5}, "\u{1b}[2Jb": {}}),
    );
    let mut new = many;
    new["a"] = json!({"input_cost_per_token": 0.75});
    let new = write("new.json", new);
    let (code, text) = said(&prices(&["diff", &new, "--against", &old]));
    assert_eq!(code, 1, "{text}");
    for words in [
        "30 new models",
        "… and 10 more",
        "1 vanished model",
        "0.5 → 0.75  +50%",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let (_, all) = said(&prices(&["diff", &new, "--against", &old, "--all"]));
    assert!(all.contains("new-29") && !text.contains("new-29"), "{all}");
    assert_eq!(said(&prices(&["diff", &old, "--against", &old])).0, 0);
    assert_eq!(said(&prices(&["diff", "missing.json"])).0, 2);
}

/// Runs `tollkeeper prices calculate`.
fn calculated(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(tollkeeper())
        .args(["prices", "calculate"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(input.as_bytes()).unwrap();
    drop(pipe);
    child.wait_with_output().unwrap()
}

/// Its answers.
pub(crate) fn calculate(arguments: &[&str], input: &str) -> Vec<Value> {
    let output = calculated(arguments, input);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

#[test]
fn calculate_answers_each_line() {
    let usage = json!({"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010});
    let question = json!({"model": "gpt-4o", "usage": usage}).to_string();
    let input = format!("{question}\nnonsense\n{question}\n");
    assert_eq!(calculated(&[], &input).status.code(), Some(1));
    let lines = calculate(&[], &input);
    assert_eq!(lines[0]["cost"], "0.0026");
    assert!(lines[1]["error"].is_string());
    assert_eq!(lines[2], lines[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_is_applied_refused_or_confirmed() {
    let stage = Stage::new().await;
    let config = fs::read_to_string(stage.path("config.yaml")).unwrap();
    let file = stage.path("prices.json");
    let price = |price: &str| {
        fs::write(
            &file,
            format!(r#"{{"acme/one": {{"input_cost_per_token": {price}}}}}"#),
        )
        .unwrap();
    };
    price("0.01");
    let section = format!("collector: {{prices: {{file: \"{}\"}}, ", file.display());
    let config = config.replacen("collector: {", &section, 1);
    fs::write(stage.path("config.yaml"), config).unwrap();
    let running = stage.up().await;
    let collector = format!("http://{}", running.collector.unwrap());
    let ask = |arguments: &[&str]| {
        said(&prices(
            &[arguments, &["--collector", &collector, "--key", "sk-1234"]].concat(),
        ))
    };
    let shown = || ask(&["show", "acme/one", "--running"]).1;
    assert!(shown().contains(" 0.01 "), "{}", shown());

    price("0.02");
    let (code, text) = ask(&["update"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("file: applied"), "{text}");
    assert!(shown().contains(" 0.02 "), "{}", shown());
    // A call is priced by the map of its time: here and there.
    let then = r#"{"model":"acme/one","usage":{"total_tokens":1},"at":"2020-01-01T00:00:00Z"}"#;
    let now = r#"{"model":"acme/one","usage":{"total_tokens":1}}"#;
    let there = ["--collector", &collector, "--key", "sk-1234"];
    let lines = calculate(
        &[&["--running"], &there[..]].concat(),
        &format!("{then}\n{now}\n"),
    );
    assert_eq!(
        (&lines[0]["cost"], &lines[1]["cost"]),
        (&json!("0.01"), &json!("0.02"))
    );
    let client = Client::new(running.collector.unwrap());
    for (question, line) in [then, now].into_iter().zip(&lines) {
        let answer = client.post("/spend/calculate", question).await;
        assert_eq!(answer.json(), *line);
    }

    price("2");
    let (code, text) = ask(&["update"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("goes from 0.02 to 2 USD"), "{text}");
    assert!(shown().contains(" 0.02 "), "{}", shown());
    assert_eq!(ask(&["update", "--confirm"]).0, 0);
    differs(file.to_str().unwrap(), &ask);
}

/// What `diff` says of the file that is in force.
fn differs(file: &str, ask: &impl Fn(&[&str]) -> (i32, String)) {
    let (code, text) = ask(&["diff", file, "--running"]);
    assert_eq!(
        code, 0,
        "laid over the other maps, it changes nothing: {text}"
    );
    let (code, text) = ask(&["diff", file, "--running", "--alone"]);
    assert_eq!(
        code, 1,
        "the compiled-in models are not in the file: {text}"
    );
    assert!(
        text.contains("vanished models") && !text.contains("changed"),
        "{text}"
    );
}
