//! Whatever a provider sends, the gateway's memory stays bounded, the client is told in OpenAI's
//! shape, and the books hold one row that says what went wrong.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod bytes;
mod provider;

use std::fs;

use serde_json::{Value, json};
use tests::{
    client::Answer,
    stage::{MASTER_KEY, Running, Stage},
};

use self::provider::Hostile;

const MIB: u64 = 1 << 20;
/// What a call may add to the memory at its peak: an answer up to `response_bytes_max`, which is
/// 8 MiB here, or an element of a stream up to 32 MiB, and what reading it takes.
const GROWTH_MAX: u64 = 64 * MIB;

/// Models by dialect: what a deployment says beside its address.
const DIALECTS: &[(&str, &str)] = &[
    (
        "openai",
        "model: openai/gpt-4o, api_key: k, api_base: \"BASE\"",
    ),
    (
        "anthropic",
        "model: anthropic/claude-sonnet-4-5, api_key: k, api_base: \"BASE/v1/messages\"",
    ),
    (
        "gemini",
        "model: gemini/gemini-2.5-flash, api_key: k, api_base: \"BASE\"",
    ),
    ("ollama", "model: ollama_chat/qwen3, api_base: \"BASE\""),
    (
        "bedrock",
        "model: bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0, aws_access_key_id: a, \
         aws_secret_access_key: b, aws_region_name: eu-west-1, aws_bedrock_runtime_endpoint: \"BASE\"",
    ),
];

/// A harm, the dialects that it is tried with, whether in a stream, and the class of the error.
struct Harm(&'static str, &'static [&'static str], bool, &'static str);

const ALL: &[&str] = &["openai", "anthropic", "gemini", "ollama", "bedrock"];
const SOME: &[&str] = &["openai", "anthropic"];
const TRANSLATED: &[&str] = &["anthropic", "gemini", "ollama", "bedrock"];
const CONNECTION: &str = "APIConnectionError";
const GATEWAY: &str = "BadGatewayError";

const WHOLE: &[Harm] = &[
    Harm("close", SOME, false, CONNECTION),
    Harm("tls", SOME, false, CONNECTION),
    Harm("not_http", SOME, false, CONNECTION),
    Harm("status", SOME, false, CONNECTION),
    Harm("header", SOME, false, CONNECTION),
    Harm("headers", SOME, false, CONNECTION),
    Harm("two_lengths", SOME, false, CONNECTION),
    Harm("too_long", SOME, false, CONNECTION),
    Harm("too_short", SOME, false, GATEWAY),
    Harm("chunks", SOME, false, CONNECTION),
    Harm("chunk_size", SOME, false, CONNECTION),
    Harm("gzip", ALL, false, GATEWAY),
    Harm("bomb", ALL, false, GATEWAY),
    Harm("deep", TRANSLATED, false, GATEWAY),
    Harm("huge", ALL, false, GATEWAY),
    Harm("huge_chunked", SOME, false, GATEWAY),
    Harm("huge_error", SOME, false, "InternalServerError"),
    Harm("swelling", ALL, false, GATEWAY),
    Harm("trickle", SOME, false, "Timeout"),
];

const STREAMS: &[Harm] = &[
    Harm("close", SOME, true, CONNECTION),
    Harm("headers", SOME, true, CONNECTION),
    Harm(
        "line",
        &["openai", "anthropic", "gemini", "ollama"],
        true,
        CONNECTION,
    ),
    Harm(
        "lines",
        &["openai", "anthropic", "gemini"],
        true,
        CONNECTION,
    ),
    Harm(
        "comments",
        &["openai", "anthropic", "gemini"],
        true,
        CONNECTION,
    ),
    Harm(
        "deep_stream",
        &["openai", "anthropic", "gemini", "ollama"],
        true,
        "",
    ),
    Harm(
        "binary",
        &["openai", "anthropic", "gemini", "ollama"],
        true,
        "",
    ),
    Harm("frame_length", &["bedrock"], true, CONNECTION),
    Harm("frame_headers", &["bedrock"], true, CONNECTION),
    Harm("frame_small", &["bedrock"], true, CONNECTION),
    Harm("frame_crc", &["bedrock"], true, CONNECTION),
    Harm("frame_cut", &["bedrock"], true, CONNECTION),
    Harm("frame_noise", &["bedrock"], true, CONNECTION),
];

/// A gateway with a deployment for each harm and dialect.
async fn stage(provider: &Hostile, harms: &[Harm]) -> Stage {
    let stage = Stage::new().await;
    let mut config = "model_list:\n".to_owned();
    for Harm(what, dialects, ..) in harms {
        for (dialect, params) in DIALECTS.iter().filter(|(name, _)| dialects.contains(name)) {
            let params = params.replace("BASE", &format!("http://{}/{what}", provider.address));
            config +=
                &format!("  - {{model_name: {dialect}-{what}, litellm_params: {{{params}}}}}\n");
        }
    }
    // What it takes to count tokens is loaded once.
    config += &format!(
        "  - {{model_name: first, litellm_params: {{model: openai/gpt-4o, api_key: k, \
         api_base: \"http://{}/too_long\"}}}}\n",
        provider.address
    );
    // Half a record, where TLS was asked for.
    config += &format!(
        "  - {{model_name: secure, litellm_params: {{model: openai/gpt-4o, api_key: k, \
         api_base: \"https://{}/tls\"}}}}\n",
        provider.address
    );
    config += &format!(
        "general_settings: {{master_key: {MASTER_KEY}}}\n\
         router_settings: {{num_retries: 0, disable_cooldowns: true}}\n\
         gateway: {{upstream_timeout: 3s, response_bytes_max: 8388608}}\n"
    );
    fs::write(stage.path("config.yaml"), config).unwrap();
    stage
}

/// Makes the peak what is resident now; returns that.
fn reset_peak(running: &Running) -> u64 {
    fs::write(format!("/proc/{}/clear_refs", running.program.id()), "5").unwrap();
    peak(running)
}

/// The most that has been resident since then.
fn peak(running: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", running.program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib << 10
}

/// The error that a client was told, whole or as the last element of a stream.
fn told(answer: &Answer, stream: bool) -> Value {
    if !stream || answer.status != 200 {
        return answer.json()["error"].clone();
    }
    let end = &answer.body[answer.body.len().saturating_sub(4096)..];
    let end = String::from_utf8_lossy(end);
    let last = end
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("data: "));
    let last: Value = serde_json::from_str(last.unwrap_or_default()).unwrap_or_default();
    last["error"].clone()
}

/// Makes a call, and finds what is wrong with how it ends.
async fn call(running: &mut Running, model: &str, stream: bool, class: &str) -> Vec<String> {
    let body = json!({
        "model": model, "stream": stream, "messages": [{"role": "user", "content": "Hello"}],
    });
    let before = reset_peak(running);
    let answer = running.client().chat(&body).await;
    let growth = peak(running).saturating_sub(before);
    assert!(
        running.program.is_running(),
        "{model}: {}",
        running.program.errors()
    );
    let mut wrong = Vec::new();
    if growth > GROWTH_MAX {
        wrong.push(format!("{} MiB more in memory", growth / MIB));
    }
    let error = told(&answer, stream);
    let says = error["message"]
        .as_str()
        .is_some_and(|text| !text.is_empty() && text.len() < 5000);
    if !says || error.get("code").is_none() || !error["type"].is_string() {
        wrong.push(format!("{} with the error {error}", answer.status));
    }
    let row = running.books().row(answer.call_id()).await;
    let said = &row.json["metadata"]["error_information"]["error_class"];
    if row.status != "failure" || !(class.is_empty() || said == class) {
        wrong.push(format!("a row of {} {} {said}", row.status, row.outcome));
    }
    wrong
        .into_iter()
        .map(|it| format!("{model}: {it}"))
        .collect()
}

async fn calls(harms: &[Harm]) {
    let provider = Hostile::start().await;
    let stage = stage(&provider, harms).await;
    let mut running = stage.up().await;
    let mut wrong = Vec::new();
    let first = json!({"model": "first", "messages": [{"role": "user", "content": "Hello"}]});
    assert_eq!(running.client().chat(&first).await.status, 500);
    let mut count = 2;
    for Harm(what, dialects, stream, class) in harms {
        for dialect in *dialects {
            let model = format!("{dialect}-{what}");
            wrong.extend(call(&mut running, &model, *stream, class).await);
            count += 1;
        }
    }
    wrong.extend(call(&mut running, "secure", false, CONNECTION).await);
    assert_eq!(running.books().rows().await.len(), count);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_mean_harm_are_errors_of_bounded_size() {
    calls(WHOLE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_mean_harm_are_errors_of_bounded_size() {
    calls(STREAMS).await;
}

/// What OpenAI's dialect says goes through as it is, however odd it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_that_is_too_deep_for_most_readers_is_passed_on_and_accounted() {
    let provider = Hostile::start().await;
    let stage = stage(&provider, &[Harm("deep", &["openai"], false, "")]).await;
    let mut running = stage.up().await;
    let messages = json!([{"role": "user", "content": "Hello"}]);
    let body = json!({"model": "openai-deep", "messages": messages});
    let answer = running.client().chat(&body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body.len(), 200_000 + "{\"choices\":}".len());
    let row = running.books().row(answer.call_id()).await;
    assert_eq!(row.status, "success");
    running.books().assert_balanced([&row]).await;
    assert!(running.program.is_running());
}
