//! Events per second that the `s3` sink puts into a bucket that is only read: lines, digest, compression
//! and signature.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use event::{Cost, Json, Origin, PricedEvent, StandardLoggingPayload, Timestamp, codec};
use serde_json::json;
use sink::{
    Batch, Clock, Item, Registration, SinkEnv,
    egress::EgressPolicy,
    http::{HttpClient, HttpOptions},
};
use tests::{
    machine::{epoch_seconds, say},
    process::cpu,
};
use tokio::time::Instant;

/// What a call's record is long.
const EVENT_BYTES: usize = 2_048;
/// As many as a batch of 16 MiB has.
const EVENTS: usize = 8_000;
const BATCHES: u128 = 25;

pub(crate) async fn measure() -> io::Result<()> {
    let items = items()?;
    let bytes = items.iter().map(|item| item.json().len()).sum::<usize>() / EVENTS;
    say(format_args!(
        "## S3: events of {bytes} bytes, {EVENTS} in an object, one object after the other\n"
    ));
    say("| compression | events/s | events per CPU second, server included |");
    say("|---|---:|---:|");
    for compression in ["gzip", "zstd", "none"] {
        case(compression, &items).await?;
    }
    Ok(())
}

async fn case(compression: &str, items: &[Item]) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || drop(swallow(&stream)));
        }
    });
    let http = HttpClient::new(HttpOptions {
        egress: EgressPolicy::with_loopback(),
        ..HttpOptions::default()
    });
    let env = SinkEnv {
        http: http.map_err(io::Error::other)?,
        clock: Clock::new(now),
    };
    let config = json!({
        "bucket": "bench", "endpoint": url, "compression": compression,
        "access_key_id": "AKIDBENCH", "secret_access_key": "bench",
    });
    let sink = Registration::of::<sinks::s3::S3>().open(config, &env);
    let sink = sink.map_err(io::Error::other)?;
    let (began, before) = (Instant::now(), cpu(std::process::id()));
    for number in 0..BATCHES {
        let name = format!("batch-{number}");
        let Some(batch) = Batch::new(&name, items) else {
            continue;
        };
        sink.deliver(&batch).await.map_err(io::Error::other)?;
    }
    let used = cpu(std::process::id()).saturating_sub(before);
    let events = BATCHES * u128::try_from(items.len()).unwrap_or(0);
    let per = |time: Duration| events * 1000 / time.as_millis().max(1);
    say(format_args!(
        "| {compression} | {} | {} |",
        per(began.elapsed()),
        per(used)
    ));
    Ok(())
}

/// Reads requests and says yes to each.
fn swallow(stream: &TcpStream) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(256 << 10, stream);
    let mut length = 0_u64;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        let lower = line.to_ascii_lowercase();
        if let Some(number) = lower.strip_prefix("content-length:") {
            length = number.trim().parse().map_err(io::Error::other)?;
        }
        if line == "\r\n" {
            io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
            let mut writer = stream;
            writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
        }
        line.clear();
    }
    Ok(())
}

fn now() -> Timestamp {
    let seconds = i64::try_from(epoch_seconds()).unwrap_or(0);
    Timestamp::from_micros(seconds * 1_000_000)
}

fn items() -> io::Result<Vec<Item>> {
    let item = |number: usize| {
        let mut payload = StandardLoggingPayload {
            id: format!("chatcmpl-{number}"),
            trace_id: format!("trace-{}", number / 3),
            model: "gpt-4o".to_owned(),
            start_time: now(),
            end_time: now(),
            prompt_tokens: 100,
            ..StandardLoggingPayload::default()
        };
        let sequence = u64::try_from(number).map_err(io::Error::other)?;
        let mut text = String::new();
        let mut record = Vec::new();
        while record.len() < EVENT_BYTES {
            text.push_str(&words(sequence, text.len()));
            payload.messages = Json::of(&[json!({ "role": "user", "content": text })]);
            let source = "bench".to_owned();
            let cost = Cost::nothing("bench");
            let origin = Origin { source, sequence };
            record = codec::encode_priced(&PricedEvent::new(payload.clone(), origin, cost));
        }
        Item::open(&record).map_err(io::Error::other)
    };
    (0..EVENTS).map(item).collect()
}

/// Text that compresses about as prose does.
fn words(seed: u64, at: usize) -> String {
    const WORDS: [&str; 16] = [
        "river", "the", "country", "of", "which", "capital", "answer", "flows", "through", "is",
        "question", "a", "mountain", "and", "called", "between",
    ];
    let mut state = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(u64::try_from(at).unwrap_or(0));
    let mut text = String::new();
    for _ in 0..8 {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let index = usize::try_from(state >> 60).unwrap_or(0);
        text.push_str(WORDS.get(index).copied().unwrap_or("it"));
        text.push(' ');
    }
    text
}
