//! Events per second from records of the priced log to `ClickHouse` inserts, on one core: read, mapped,
//! compressed and sent to a server that takes everything.

use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use event::{
    CallId, Class, Cost, CostStatus, Exact, Json, LineItem, Origin, PricedEvent,
    StandardLoggingPayload, Status, Timestamp, codec,
};
use http::Response;
use http_body_util::{BodyExt, Full};
use serde_json::json;
use sink::{
    Batch, Clock, Item, OpenSink, SinkEnv,
    egress::EgressPolicy,
    http::{HttpClient, HttpOptions},
};
use tests::{
    machine::{say, setting},
    serve::Server,
};
use tokio::time::Instant;

/// Beside these, an event has 2.6 KB of names, numbers and `null`.
const CONTENT_BYTES: usize = 500;
const BATCH: usize = 10_000;

/// What a run has cost the one thread that it had.
struct Spent {
    wall: Duration,
    cpu: Duration,
}

pub(crate) async fn measure() -> io::Result<()> {
    let events: usize = setting("TOLLKEEPER_BENCH_CALLS", 200_000);
    let sent = Arc::new(AtomicUsize::new(0));
    let server = null(Arc::clone(&sent)).await?;
    let url = format!("http://{}", server.address());
    let batches = events.div_ceil(BATCH);
    let records = records()?;
    let bytes = records.iter().map(Vec::len).sum::<usize>() / records.len();
    let run = tokio::task::spawn_blocking(move || run(&url, &records, batches));
    let spent = run.await.map_err(io::Error::other)??;
    let events = batches * BATCH;
    let per = |time: Duration| events as u128 * 1_000_000 / time.as_micros().max(1);
    say(format_args!(
        "## ClickHouse: {events} priced events of {bytes} bytes, one thread\n"
    ));
    say("| wall s | events/s | events per CPU second | bytes sent for an event |");
    say("|---:|---:|---:|---:|");
    say(format_args!(
        "| {}.{:02} | {} | {} | {} |",
        spent.wall.as_secs(),
        spent.wall.subsec_millis() / 10,
        per(spent.wall),
        per(spent.cpu),
        sent.load(Ordering::Relaxed) / events,
    ));
    Ok(())
}

/// A server that reads what it is sent, and says yes.
async fn null(sent: Arc<AtomicUsize>) -> io::Result<Server> {
    Server::start(0, move |request| {
        let sent = Arc::clone(&sent);
        async move {
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                sent.fetch_add(bytes, Ordering::Relaxed);
            }
            Response::new(Full::new(Bytes::new()))
        }
    })
    .await
}

fn run(url: &str, records: &[Vec<u8>], batches: usize) -> io::Result<Spent> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let sink = open(url).map_err(io::Error::other)?;
    let (began, before) = (Instant::now(), cpu()?);
    for number in 0..batches {
        let items: Result<Vec<_>, _> = records.iter().map(|record| Item::open(record)).collect();
        let items = items.map_err(io::Error::other)?;
        let name = format!("bench-{number}");
        let batch = Batch::new(&name, &items).ok_or_else(|| io::Error::other("no events"))?;
        let delivered = runtime.block_on(sink.deliver(&batch));
        delivered.map_err(io::Error::other)?;
    }
    Ok(Spent {
        wall: began.elapsed(),
        cpu: cpu()?.saturating_sub(before),
    })
}

fn open(url: &str) -> Result<Box<dyn OpenSink>, sink::SinkError> {
    let env = SinkEnv {
        http: HttpClient::new(HttpOptions {
            egress: EgressPolicy::with_loopback(),
            ..HttpOptions::default()
        })?,
        clock: Clock::new(Timestamp::default),
    };
    let registration = sink::Registration::of::<sinks::clickhouse::ClickHouse>();
    registration.open(json!({ "url": url }), &env)
}

/// CPU time of this thread.
fn cpu() -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text
        .split_whitespace()
        .next()
        .and_then(|text| text.parse().ok());
    nanoseconds
        .map(Duration::from_nanos)
        .ok_or_else(|| io::Error::other(text))
}

/// The records of a batch.
fn records() -> io::Result<Vec<Vec<u8>>> {
    (0..BATCH).map(record).collect()
}

fn record(index: usize) -> io::Result<Vec<u8>> {
    let sequence = u64::try_from(index).map_err(io::Error::other)?;
    let start = 1_795_261_334_000_000 + i64::try_from(index).map_err(io::Error::other)? * 1_000;
    let amount: Exact = "0.0012345".parse().map_err(io::Error::other)?;
    let cost = Cost {
        status: CostStatus::Priced,
        total: Some("0.0012345".parse().map_err(io::Error::other)?),
        items: vec![LineItem {
            class: Class::Output,
            quantity: "1".parse().map_err(io::Error::other)?,
            unit_price: amount,
            amount,
            key: "output_cost_per_token".to_owned(),
        }],
        price_map: "bench".to_owned(),
        ..Cost::default()
    };
    let mut payload = StandardLoggingPayload {
        id: format!("chatcmpl-{index}"),
        litellm_call_id: CallId::generate(),
        call_type: "acompletion".to_owned(),
        status: Status::Success,
        custom_llm_provider: Some("openai".to_owned()),
        start_time: Timestamp::from_micros(start),
        end_time: Timestamp::from_micros(start + 900_000),
        completion_start_time: Timestamp::from_micros(start + 200_000),
        model: "openai/gpt-4o".to_owned(),
        prompt_tokens: 100 + sequence % 900,
        completion_tokens: 10 + sequence % 90,
        end_user: Some(format!("user-{}", index % 50)),
        ..StandardLoggingPayload::default()
    };
    payload.metadata.user_api_key_team_id = Some(format!("team-{}", index % 20));
    let origin = Origin {
        source: "bench".to_owned(),
        sequence,
    };
    payload.messages = Json::of(&json!([{ "role": "user", "content": content(sequence) }]));
    Ok(codec::encode_priced(&PricedEvent::new(
        payload, origin, cost,
    )))
}

/// Text that is no easier to compress than what people write: words in no order.
fn content(seed: u64) -> String {
    let words: Vec<_> = include_str!("../../../../README.md")
        .split_whitespace()
        .collect();
    let mut random = seed;
    let mut text = String::new();
    while text.len() < CONTENT_BYTES {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let at = usize::try_from(random >> 33).unwrap_or_default() % words.len();
        text.push_str(words.get(at).copied().unwrap_or_default());
        text.push(' ');
    }
    text
}
