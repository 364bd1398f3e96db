//! The calls that the examples settle, and what a process has used.

use std::error::Error;

use bus::{Journal, Log as _};
use event::{
    CallId, Extension, Json, Metadata, Outcome, StandardLoggingPayload, Status, Timestamp,
    UsageSource, codec,
};
use tokio::time::Instant;

const START: i64 = 1_795_176_000_000_000;

/// The models that calls take in turns.
pub(crate) const MODELS: [&str; 5] = [
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4.1",
    "gpt-4.1-mini",
    "o3-mini",
];

/// Tokens of a call: input, how many of it were cached, and output.
pub(crate) fn tokens(number: u64) -> [u64; 3] {
    [200 + number % 1500, number % 128, 20 + number % 400]
}

/// Appends the calls `0..count`, and returns their bytes.
pub(crate) fn fill(calls: &Journal, count: u64) -> Result<u64, Box<dyn Error>> {
    let mut bytes = 0;
    for first in (0..count).step_by(1000) {
        let records: Vec<_> = (first..(first + 1000).min(count)).map(record).collect();
        bytes += records
            .iter()
            .map(|record| record.len() as u64)
            .sum::<u64>();
        calls.append(&records.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    }
    Ok(bytes)
}

/// A call that ended, some time ago.
fn record(number: u64) -> Vec<u8> {
    let started = START + i64::try_from(number).unwrap_or_default() * 3_000;
    record_at(number, started)
}

/// A call that began at `started`, in microseconds since the epoch.
pub(crate) fn record_at(number: u64, started: i64) -> Vec<u8> {
    let [prompt, cached, completion] = tokens(number);
    let usage = serde_json::json!({
        "prompt_tokens": prompt, "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": { "cached_tokens": cached },
        "completion_tokens_details": { "reasoning_tokens": number % 20 },
    });
    let model = MODELS[usize::try_from(number % 5).unwrap_or_default()];
    codec::encode_finished(&StandardLoggingPayload {
        id: format!("chatcmpl-{number:024}"),
        litellm_call_id: CallId::generate(),
        call_type: "acompletion".to_owned(),
        cache_hit: Some(false),
        stream: Some(true),
        status: Status::Success,
        custom_llm_provider: Some("openai".to_owned()),
        start_time: Timestamp::from_micros(started),
        end_time: Timestamp::from_micros(started + 1_250_000),
        completion_start_time: Timestamp::from_micros(started + 300_000),
        model: format!("openai/{model}"),
        model_group: Some(model.to_owned()),
        model_id: Some(format!("deployment-{}", number % 5)),
        api_base: Some("https://api.openai.com/v1".to_owned()),
        total_tokens: prompt + completion,
        prompt_tokens: prompt,
        completion_tokens: completion,
        request_tags: vec![format!("feature-{}", number % 20)],
        end_user: Some(format!("customer-{}", number % 1000)),
        requester_ip_address: Some("10.1.2.3".to_owned()),
        messages: Json::of(&serde_json::json!([{ "role": "user", "content": "x".repeat(10) }])),
        response: Json::empty_object(),
        metadata: metadata(number, &usage),
        tollkeeper: Some(Box::new(Extension {
            outcome: Outcome::Success,
            usage_source: UsageSource::Provider,
            span_id: format!("{number:016x}"),
            ..Extension::default()
        })),
        ..StandardLoggingPayload::default()
    })
}

fn metadata(number: u64, usage: &serde_json::Value) -> Metadata {
    Metadata {
        user_api_key_hash: Some(format!("{:064x}", number % 200)),
        user_api_key_alias: Some(format!("key-{}", number % 200)),
        user_api_key_user_id: Some(format!("user-{}", number % 100)),
        user_api_key_team_id: Some(format!("team-{}", number % 20)),
        user_api_key_org_id: Some("org-1".to_owned()),
        user_api_key_request_route: Some("/v1/chat/completions".to_owned()),
        usage_object: Json::of(usage),
        ..Metadata::default()
    }
}

/// What this process has used, in seconds.
pub(crate) struct Used {
    pub(crate) at: Instant,
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Used {
    pub(crate) fn now() -> Result<Self, Box<dyn Error>> {
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        let fields = stat.rsplit_once(')').ok_or("no process name")?.1;
        let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u32>);
        let mut seconds =
            || Ok::<_, Box<dyn Error>>(f64::from(ticks.next().ok_or("cut")??) / 100.0);
        Ok(Self {
            at: Instant::now(),
            user: seconds()?,
            system: seconds()?,
        })
    }
}

/// The most memory that this process has held.
pub(crate) fn peak_rss() -> Result<String, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.unwrap_or("?").trim().to_owned())
}
