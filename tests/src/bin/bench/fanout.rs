//! Events per second from the priced log to sinks, alone and beside sinks that misbehave.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use bus::{Journal, JournalOptions, Log};
use collector::{Collector, Config, Deps, SinkStatus, Sinks};
use event::{Cost, Origin, PricedEvent, codec};
use serde_json::{Value, json};
use sink::{Batch, BatchLimits, Receipt, Registration, Sink, SinkEnv, SinkError, SinkErrorKind};
use tempfile::TempDir;
use tests::{
    machine::{epoch_seconds, say, setting},
    process::{cpu, resident},
};
use tokio::time::{Instant, sleep};

use crate::collector::payload;

/// No run takes longer.
const PATIENCE: Duration = Duration::from_secs(300);
const KINDS: &[Registration] = &[
    Registration::of::<sinks::file::File>(),
    Registration::of::<Plain<0>>(),
    Registration::of::<Plain<1>>(),
    Registration::of::<Plain<2>>(),
    Registration::of::<Plain<3>>(),
];

/// A destination without a network: takes everything, is dead, is slow, or always wants less.
#[derive(Debug)]
struct Plain<const MANNER: u8>;

impl<const MANNER: u8> Sink for Plain<MANNER> {
    const KIND: &'static str = match MANNER {
        0 => "null",
        1 => "dead",
        2 => "slow",
        _ => "picky",
    };
    type Config = serde_json::Map<String, Value>;

    fn open(_config: Self::Config, _env: &SinkEnv) -> Result<Self, SinkError> {
        Ok(Self)
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items_max: 5_000,
            bytes_max: 8 << 20,
            concurrency_max: 4,
            ..BatchLimits::default()
        }
    }

    async fn probe(&self) -> Result<(), SinkError> {
        Ok(())
    }

    async fn deliver(&self, batch: &Batch<'_>) -> Result<Receipt, SinkError> {
        match (MANNER, batch.items().len()) {
            (0, _) => {}
            (1, _) => return Err(SinkError::new(SinkErrorKind::Unreachable)),
            (2, _) => sleep(Duration::from_secs(1)).await,
            (_, 0..=1000) => return Err(SinkError::new(SinkErrorKind::Throttled)),
            _ => return Err(SinkError::new(SinkErrorKind::TooLarge)),
        }
        Ok(Receipt::default())
    }
}

pub(crate) async fn measure() -> io::Result<()> {
    let events: u64 = setting("TOLLKEEPER_BENCH_CALLS", 200_000);
    let folder = TempDir::new()?;
    let bytes = fill(folder.path(), events)?;
    settle(folder.path(), events).await?;
    say(format_args!(
        "## Fan-out: {events} priced events of {bytes} bytes\n"
    ));
    say("| to | wall s | events/s | events per CPU second | memory MiB |");
    say("|---|---:|---:|---:|---:|");
    let bad =
        json!({"dead": {"kind": "dead"}, "slow": {"kind": "slow"}, "picky": {"kind": "picky"}});
    for (to, kind, beside) in [
        ("null", "null", json!({})),
        ("file", "file", json!({})),
        ("file, nothing redacted", "raw", json!({})),
        (
            "null, beside a dead, a slow and a picky one",
            "null",
            bad.clone(),
        ),
        ("file, beside the same", "file", bad),
    ] {
        case(folder.path(), events, (to, kind), beside).await?;
    }
    Ok(())
}

async fn case(
    folder: &Path,
    events: u64,
    (to, kind): (&str, &str),
    beside: Value,
) -> io::Result<()> {
    // Each case has cursors of its own.
    let case = uuid::Uuid::now_v7().simple().to_string();
    let name = |kind: &str| format!("{kind}-{}", case.get(20..).unwrap_or_default());
    let measured = name("measured");
    let mut sinks = json!({});
    let out = folder.join(&measured);
    fs::create_dir_all(&out)?;
    sinks[&measured] = match kind {
        "null" => json!({"kind": "null", "from": "beginning"}),
        "raw" => json!({
            "kind": "file", "path": out.join("x"), "from": "beginning",
            "privacy": {"redact": []},
        }),
        _ => json!({"kind": "file", "path": out.join("x"), "from": "beginning"}),
    };
    for (other, config) in beside.as_object().into_iter().flatten() {
        let mut config = config.clone();
        config["from"] = json!("beginning");
        sinks[&name(other)] = config;
    }
    let began = Instant::now();
    let before = cpu(std::process::id());
    let collector = start(folder, sinks).await?;
    let status = |status: SinkStatus| status.delivered;
    while collector
        .sinks()
        .into_iter()
        .find(|sink| sink.sink == measured)
        .map(status)
        != Some(events)
    {
        if began.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("{:#?}", collector.sinks())));
        }
        sleep(Duration::from_millis(2)).await;
    }
    let (wall, used) = (
        began.elapsed(),
        cpu(std::process::id()).saturating_sub(before),
    );
    let memory = resident(std::process::id()) >> 20;
    let per = |time: Duration| u128::from(events) * 1000 / time.as_millis().max(1);
    say(format_args!(
        "| {to} | {}.{:02} | {} | {} | {memory} |",
        wall.as_secs(),
        wall.subsec_millis() / 10,
        per(wall),
        per(used),
    ));
    collector.stop().await;
    fs::remove_dir_all(out)
}

/// Writes priced events, as a collector would have, and returns the size of one.
fn fill(folder: &Path, events: u64) -> io::Result<usize> {
    let journal = open(folder, "priced")?;
    let now = epoch_seconds();
    let mut bytes = 0;
    for sequence in 0..events {
        let source = "bench".to_owned();
        let cost = Cost::nothing("bench");
        let event = PricedEvent::new(payload(sequence, now)?, Origin { source, sequence }, cost);
        let record = codec::encode_priced(&event);
        bytes = record.len();
        journal.append(&[&record]).map_err(io::Error::other)?;
    }
    journal.close().map_err(io::Error::other)?;
    Ok(bytes)
}

/// Has the books take what stands in the log, so that the cases measure delivery alone.
async fn settle(folder: &Path, events: u64) -> io::Result<()> {
    let collector = start(folder, json!({})).await?;
    let wanted = i64::try_from(events).map_err(io::Error::other)?;
    loop {
        let totals = collector.books().totals().await.map_err(io::Error::other)?;
        if totals.calls() >= wanted {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    collector.stop().await;
    Ok(())
}

async fn start(folder: &Path, sinks: Value) -> io::Result<Collector> {
    let sinks: Sinks = serde_json::from_value(sinks)?;
    let config: Config = serde_json::from_value(json!({"listen": "127.0.0.1:0"}))?;
    let calls = open(folder, "calls")?;
    let deps = Deps {
        calls: calls.reader("collector").map_err(io::Error::other)?,
        priced: Arc::new(open(folder, "priced")?),
        data: folder.join("data"),
        master_key: None,
        registrations: KINDS,
    };
    let started = Collector::start(config, sinks, deps).await;
    started.map_err(io::Error::other)
}

fn open(folder: &Path, name: &str) -> io::Result<Journal> {
    let folder = folder.join(name);
    fs::create_dir_all(&folder)?;
    Journal::open(&folder, JournalOptions::default()).map_err(io::Error::other)
}
