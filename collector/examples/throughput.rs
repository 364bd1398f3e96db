//! How many events a collector settles and delivers for a second of processor time: a calls journal
//! full of events, the books in SQLite, and one sink that writes files.
//!
//! `cargo run --release -p collector --example throughput [EVENTS [RECORDS_IN_A_BATCH]]`

#![expect(clippy::unwrap_used, reason = "a failed step is a failed measurement")]
#![expect(clippy::print_stdout, reason = "the figures are the output")]
#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "figures, not money"
)]

use std::{error::Error, path::Path, sync::Arc, time::Duration};

use bus::{Journal, JournalOptions, Log as _};
use collector::{Collector, Config, Deps, Sinks};
use event::{
    CallId, Extension, Json, Metadata, Outcome, StandardLoggingPayload, Status, Timestamp,
    UsageSource, codec,
};
use tokio::time::Instant;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const START: i64 = 1_795_176_000_000_000;
const PATIENCE: Duration = Duration::from_secs(600);

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let count = arguments.next().unwrap_or(Ok(300_000))?;
    let records = arguments.next().unwrap_or(Ok(2048))?;
    let data = tempfile::tempdir()?;
    let calls = Journal::open(&data.path().join("calls"), JournalOptions::default())?;
    let bytes = fill(&calls, count)?;
    let rss_before = peak_rss()?;
    let before = Used::now()?;
    let collector = start(data.path(), &calls, records).await?;
    let mut settled = None;
    while collector.sinks().iter().any(|sink| sink.delivered < count) || settled.is_none() {
        assert!(before.at.elapsed() < PATIENCE, "not done in time");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let calls = u64::try_from(collector.books().totals().await?.calls())?;
        if calls == count && settled.is_none() {
            settled = Some(before.at.elapsed().as_secs_f64());
        }
    }
    let after = Used::now()?;
    let events = count as f64;
    let (user, system) = (after.user - before.user, after.system - before.system);
    let (settled, wall) = (settled.unwrap(), before.at.elapsed().as_secs_f64());
    println!(
        "events            {count}, {} bytes each in the calls log, {} delivered",
        bytes / count,
        folder_bytes(&data.path().join("out"))? / count
    );
    println!(
        "settled           {:.0} events/s in {settled:.2} s",
        events / settled
    );
    println!(
        "and delivered     {:.0} events/s in {wall:.2} s",
        events / wall
    );
    println!("CPU               {user:.2} s user, {system:.2} s system");
    println!("events/CPU second {:.0}", events / (user + system));
    println!("CPU per event     {:.1} us", (user + system) * 1e6 / events);
    println!(
        "peak RSS          {} (filling the log: {rss_before})",
        peak_rss()?
    );
    let books = std::fs::metadata(data.path().join("data/books.sqlite"))?.len();
    println!("books             {} bytes per event", books / count);
    let audit = collector.books().audit().await?;
    println!(
        "audit             balanced: {}, spend {}",
        audit.balanced, audit.spend
    );
    collector.stop().await;
    Ok(())
}

async fn start(data: &Path, calls: &Journal, records: u64) -> Result<Collector, Box<dyn Error>> {
    let priced = Journal::open(&data.join("priced"), JournalOptions::default())?;
    let sinks: Sinks = serde_json::from_value(serde_json::json!({
        "files": { "kind": "file", "path": data.join("out/"), "from": "beginning" }
    }))?;
    let config: Config = serde_json::from_value(serde_json::json!({
        "listen": "127.0.0.1:0", "settle": { "records": records }
    }))?;
    let deps = Deps {
        calls: calls.reader("collector")?,
        priced: Arc::new(priced),
        data: data.join("data"),
        master_key: None,
        registrations: sinks::ALL,
    };
    Ok(Collector::start(config, sinks, deps).await?)
}

fn fill(calls: &Journal, count: u64) -> Result<u64, Box<dyn Error>> {
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

fn record(number: u64) -> Vec<u8> {
    let started = START + i64::try_from(number).unwrap_or_default() * 3_000;
    let (prompt, completion) = (200 + number % 1500, 20 + number % 400);
    let usage = serde_json::json!({
        "prompt_tokens": prompt, "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": { "cached_tokens": number % 128 },
        "completion_tokens_details": { "reasoning_tokens": number % 20 },
    });
    let models = [
        "gpt-4o",
        "gpt-4o-mini",
        "gpt-4.1",
        "gpt-4.1-mini",
        "o3-mini",
    ];
    let model = models[usize::try_from(number % 5).unwrap_or_default()];
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
struct Used {
    at: Instant,
    user: f64,
    system: f64,
}

impl Used {
    fn now() -> Result<Self, Box<dyn Error>> {
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

fn folder_bytes(folder: &Path) -> Result<u64, Box<dyn Error>> {
    let entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let sizes = entries
        .iter()
        .map(|entry| Ok(entry.metadata()?.len()))
        .collect::<Result<Vec<_>, std::io::Error>>()?;
    Ok(sizes.iter().sum())
}

fn peak_rss() -> Result<String, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.unwrap_or("?").trim().to_owned())
}
