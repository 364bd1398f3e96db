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

#[path = "shared/load.rs"]
mod load;

use self::load::{Used, fill, peak_rss};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

fn folder_bytes(folder: &Path) -> Result<u64, Box<dyn Error>> {
    let entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let sizes = entries
        .iter()
        .map(|entry| Ok(entry.metadata()?.len()))
        .collect::<Result<Vec<_>, std::io::Error>>()?;
    Ok(sizes.iter().sum())
}
