//! Prices stored calls again: under the same map, which must change nothing, and under another one,
//! where the corrections must add up to the difference, worked out here with whole numbers.
//!
//! `cargo run --release -p collector --example reprice [CALLS]`

#![expect(clippy::unwrap_used, reason = "a failed step is a failed measurement")]
#![expect(clippy::disallowed_methods, reason = "its calls are made in real time")]
#![expect(clippy::print_stdout, reason = "the figures are the output")]
#![expect(clippy::float_arithmetic, reason = "figures, not money")]

use std::{
    error::Error,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bus::{Journal, JournalOptions, Log as _};
use collector::{
    Collector, Config, Deps, Sinks,
    reprice::{Order, Report, State},
};
use event::Usd;
use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::time::Instant;

#[path = "shared/load.rs"]
mod load;

use self::load::{MODELS, Used, fill, peak_rss, tokens};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PATIENCE: Duration = Duration::from_secs(1800);
/// Calls that are made while others are corrected.
const MEANWHILE: u64 = 50;

/// Pico-USD for an input, a cached and an output token of each model.
type Prices = [[u64; 3]; 5];

const BEFORE: Prices = [
    [2_500_000, 1_250_000, 10_000_000],
    [150_000, 75_000, 600_000],
    [2_000_000, 500_000, 8_000_000],
    [400_000, 100_000, 1_600_000],
    [1_100_000, 550_000, 4_400_000],
];
/// One dearer, one cheaper, one the same, one with another price for cached tokens, one free.
const AFTER: Prices = [
    [2_500_001, 1_250_000, 10_000_003],
    [100_000, 50_000, 400_000],
    [2_000_000, 500_000, 8_000_000],
    [400_000, 99_999, 1_600_000],
    [0, 0, 0],
];

/// A folder with the journals, the books and the map.
struct Place {
    data: tempfile::TempDir,
    count: u64,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args()
        .nth(1)
        .map_or(Ok(1_000_000), |text| text.parse())?;
    let data = tempfile::tempdir()?;
    let place = Place { data, count };
    let first = sum(&BEFORE, count);
    let expected = sum(&AFTER, count) - first;
    println!("calls             {count}");

    let calls = Journal::open(&place.path("calls"), JournalOptions::default())?;
    fill(&calls, count)?;
    let used = Used::now()?;
    let collector = place.start(&calls, &BEFORE).await?;
    settled(&collector, count).await?;
    show("settled", &used)?;
    assert_eq!(collector.books().totals().await?.cost, first);

    let digest = place.digest().await?;
    let report = reprice(&collector, "same map", false).await?;
    assert_eq!(
        (report.scanned, report.unchanged),
        (count, count),
        "{report:?}"
    );
    assert_eq!(place.digest().await?, digest, "a row has changed");
    println!("digest of rows    {digest}, the same afterwards");
    collector.stop().await;

    let collector = place.start(&calls, &AFTER).await?;
    let report = reprice(&collector, "dry run", true).await?;
    assert_eq!((report.scanned, report.difference), (count, expected));
    assert_eq!(place.digest().await?, digest, "a dry run has changed a row");
    let meanwhile = meanwhile(&collector, &calls, count);
    let (report, slowest) = tokio::join!(reprice(&collector, "another map", false), meanwhile);
    let (report, slowest) = (report?, slowest?);
    assert_eq!(
        report.difference, expected,
        "the corrections are not the difference"
    );
    let by_model: Usd = report.models.iter().map(|sum| sum.difference).sum();
    assert_eq!(by_model, expected);
    let audit = collector.books().audit().await?;
    assert!(audit.balanced, "{audit:?}");
    assert_eq!(audit.corrected, expected);
    assert_eq!(audit.spend, sum(&AFTER, count) + sum(&AFTER, MEANWHILE));
    println!(
        "corrected         {} by {expected} USD, as it must be",
        report.corrected
    );
    println!("calls meanwhile   {MEANWHILE}, the slowest settled after {slowest:?}");
    let report = reprice(&collector, "once more", false).await?;
    assert_eq!(report.corrected, 0, "{report:?}");
    println!("audit             balanced, spend {}", audit.spend);
    println!("peak RSS          {}", peak_rss()?);
    collector.stop().await;
    Ok(())
}

/// What the first `count` calls cost.
fn sum(prices: &Prices, count: u64) -> Usd {
    let cost = |number: u64| {
        let [prompt, cached, completion] = tokens(number);
        let [input, read, output] = prices[usize::try_from(number % 5).unwrap()];
        i128::from((prompt - cached) * input + cached * read + completion * output)
    };
    Usd::from_picos((0..count).map(cost).sum())
}

/// Runs a job and prints what it took.
async fn reprice(
    collector: &Collector,
    name: &str,
    dry_run: bool,
) -> Result<Report, Box<dyn Error>> {
    let used = Used::now()?;
    let order = Order {
        all: true,
        dry_run,
        ..Order::default()
    };
    let report = collector
        .reprice(order)
        .await?
        .ok_or("the collector stops")?;
    assert_eq!(report.state, State::Done, "{report:?}");
    show(name, &used)?;
    Ok(report)
}

fn show(name: &str, before: &Used) -> Result<(), Box<dyn Error>> {
    let after = Used::now()?;
    let cpu = (after.user - before.user) + (after.system - before.system);
    let wall = before.at.elapsed().as_secs_f64();
    println!("{name:16}  {wall:7.2} s, {cpu:7.2} s CPU");
    Ok(())
}

/// Makes a call now and then, and returns the longest time that one took into the books.
async fn meanwhile(
    collector: &Collector,
    calls: &Journal,
    before: u64,
) -> Result<Duration, Box<dyn Error>> {
    let mut slowest = Duration::ZERO;
    for number in 0..MEANWHILE {
        // Begun now, so priced by the map in force now.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let started = i64::try_from(now.as_micros())?;
        calls.append(&[&load::record_at(number, started)])?;
        let begun = Instant::now();
        settled(collector, before + number + 1).await?;
        slowest = slowest.max(begun.elapsed());
    }
    Ok(slowest)
}

async fn settled(collector: &Collector, count: u64) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    while u64::try_from(collector.books().totals().await?.calls())? < count {
        assert!(begun.elapsed() < PATIENCE, "not settled in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

impl Place {
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.data.path().join(name)
    }

    async fn start(&self, calls: &Journal, prices: &Prices) -> Result<Collector, Box<dyn Error>> {
        // A file of its own for each map: one that changed so much would have to be confirmed.
        let file = self.path(&format!("prices-{prices:?}.json"));
        write_map(&file, prices)?;
        let priced = Journal::open(&self.path("priced"), JournalOptions::default())?;
        let config: Config = serde_json::from_value(serde_json::json!({
            "listen": "127.0.0.1:0", "prices": { "file": file }
        }))?;
        let deps = Deps {
            calls: calls.reader("collector")?,
            priced: Arc::new(priced),
            data: self.path("data"),
            master_key: None,
            registrations: sinks::ALL,
        };
        Ok(Collector::start(config, Sinks::default(), deps).await?)
    }

    /// The SHA-256 of every column of every row.
    async fn digest(&self) -> Result<String, Box<dyn Error>> {
        let options = SqliteConnectOptions::new()
            .filename(self.path("data/books.sqlite"))
            .read_only(true);
        let mut books = SqliteConnection::connect_with(&options).await?;
        let sql = "SELECT 'quote(' || name || ')' FROM pragma_table_info('calls')";
        let columns: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut books).await?;
        let sql = format!(
            "SELECT {} FROM calls WHERE sequence < {} ORDER BY number",
            columns.join(" || ',' || "),
            self.count
        );
        let mut rows = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql)).fetch(&mut books);
        let mut digest = Sha256::new();
        while let Some(row) = rows.try_next().await? {
            digest.update(row);
        }
        let digest = digest.finalize();
        Ok(digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }
}

fn write_map(path: &Path, prices: &Prices) -> Result<(), Box<dyn Error>> {
    let entry = |(model, [input, read, output]): (&&str, &[u64; 3])| {
        format!(
            r#""{model}":{{"litellm_provider":"openai","mode":"chat","input_cost_per_token":{input}e-12,"cache_read_input_token_cost":{read}e-12,"output_cost_per_token":{output}e-12}}"#
        )
    };
    let entries: Vec<String> = MODELS.iter().zip(prices).map(entry).collect();
    std::fs::write(path, format!("{{{}}}", entries.join(",")))?;
    Ok(())
}
