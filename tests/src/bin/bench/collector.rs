//! Events per second that the collector prices, settles and delivers to a file.

use std::{fs, io, net::SocketAddr, time::Duration};

use bus::{Journal, JournalOptions, Log};
use event::{
    CallId, Extension, Json, Outcome, StandardLoggingPayload, Status, Timestamp, UsageSource, codec,
};
use serde_json::{Value, json};
use tests::{
    client::Client,
    machine::{epoch_seconds, say, setting},
};
use tokio::time::{Instant, sleep};

use crate::site::Site;

/// No run takes longer.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) async fn measure() -> io::Result<()> {
    let events: u64 = setting("TOLLKEEPER_BENCH_CALLS", 200_000);
    let site = Site::open().await?;
    let bytes = fill(&site, events)?;
    let folder = site.path("events").display().to_string();
    let sinks = format!("sinks:\n  events: {{kind: file, path: \"{folder}\"}}\n");
    fs::create_dir_all(site.path("events"))?;

    let began = Instant::now();
    let (collector, addresses) = site.tollkeeper("collector", &sinks, &["collector"]).await?;
    let settled = wait(addresses[0], "/global/spend", "/calls", events).await?;
    let settled = (settled.duration_since(began), collector.cpu());
    let delivered = wait(addresses[0], "/sinks", "/0/delivered", events).await?;
    let delivered = (delivered.duration_since(began), collector.cpu());

    say(format_args!(
        "## Collector: {events} events of {bytes} bytes, SQLite and the file sink\n"
    ));
    say("| until | wall s | events/s | CPU s | events per CPU second |");
    say("|---|---:|---:|---:|---:|");
    for (until, (wall, cpu)) in [("settled", settled), ("delivered", delivered)] {
        let per = |time: Duration| u128::from(events) * 1000 / time.as_millis().max(1);
        let seconds =
            |time: Duration| format!("{}.{:02}", time.as_secs(), time.subsec_millis() / 10);
        say(format_args!(
            "| {until} | {} | {} | {} | {} |",
            seconds(wall),
            per(wall),
            seconds(cpu),
            per(cpu)
        ));
    }
    Ok(())
}

/// Writes finished calls, as a gateway would have, and returns the size of one.
fn fill(site: &Site, events: u64) -> io::Result<usize> {
    let folder = site.path("data/bus/calls");
    fs::create_dir_all(&folder)?;
    let journal = Journal::open(&folder, JournalOptions::default()).map_err(io::Error::other)?;
    let now = epoch_seconds();
    let mut bytes = 0;
    for index in 0..events {
        let record = codec::encode_finished(&payload(index, now)?);
        bytes = record.len();
        journal.append(&[&record]).map_err(io::Error::other)?;
    }
    journal.close().map_err(io::Error::other)?;
    Ok(bytes)
}

pub(crate) fn payload(index: u64, now: u64) -> io::Result<StandardLoggingPayload> {
    let start = i64::try_from(now).map_err(io::Error::other)? * 1_000_000;
    let at = |offset| Timestamp::from_micros(start + offset);
    let text = "What is the capital of the country that this river flows through?";
    let (prompt, completion) = (100 + index % 900, 10 + index % 90);
    Ok(StandardLoggingPayload {
        id: format!("chatcmpl-{index}"),
        litellm_call_id: CallId::generate(),
        trace_id: format!("trace-{}", index / 3),
        call_type: "acompletion".to_owned(),
        status: Status::Success,
        custom_llm_provider: Some("openai".to_owned()),
        start_time: at(0),
        end_time: at(900_000),
        completion_start_time: at(200_000),
        model: "openai/gpt-4o".to_owned(),
        model_group: Some("mock".to_owned()),
        total_tokens: prompt + completion,
        prompt_tokens: prompt,
        completion_tokens: completion,
        end_user: Some(format!("user-{}", index % 50)),
        request_tags: vec![format!("team-{}", index % 20)],
        messages: Json::of(&json!([{"role": "user", "content": text}])),
        response: Json::of(&json!({"choices": [{"message": {"content": text}}]})),
        tollkeeper: Some(Box::new(Extension {
            outcome: Outcome::Success,
            usage_source: UsageSource::Provider,
            ..Extension::default()
        })),
        ..StandardLoggingPayload::default()
    })
}

/// Waits until a number in an answer is `wanted`, and returns when it was.
async fn wait(target: SocketAddr, path: &str, at: &str, wanted: u64) -> io::Result<Instant> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = Client::new(target).get(path).await;
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if json.pointer(at).and_then(Value::as_u64) == Some(wanted) {
            return Ok(Instant::now());
        }
        if Instant::now() > deadline {
            return Err(io::Error::other(format!(
                "{path} does not reach {wanted}: {json:#}"
            )));
        }
        sleep(Duration::from_millis(50)).await;
    }
}
