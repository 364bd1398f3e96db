//! The books: what every call cost, and the sums of it.
//!
//! They are a fold over the priced log: [`Books::settle`] adds a run of events, moves the marks of
//! their sources and the position in the priced log, all in one transaction. So whatever happens,
//! the books stand at one position of the priced log and hold what came before it, once.
//! There are guards against doubling: the transaction only goes through if the books stand
//! where the run begins, a row with a known source and sequence is an error, and a correction counts
//! only if its revision is higher than that of the row.

mod activity;
mod alerts;
mod audit;
mod batches;
mod corrections;
mod counts;
mod detail;
mod models;
mod money;
mod query;
mod rollups;
mod rows;
mod schema;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use chrono_tz::Tz;
use event::PricedEvent;
use sqlx::{
    Connection as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{Mutex, MutexGuard};

pub(crate) use self::activity::{Activity, Label, Span, Whose};
pub use self::{
    alerts::StoredAlert,
    audit::{Audit, Difference},
    corrections::{Correction, Scan, Spot},
    counts::{Counts, Entry},
    query::{Entity, Filter, Page, StoredCall},
    schema::MigrateError,
};
pub(crate) use self::{
    alerts::{Once, enter},
    batches::{Standing as BatchStanding, account, knew},
    money::Split,
};

use crate::{alerts::crossed, config::AlertingConfig, control::Directory, ledger};

/// Connections for reading.
const READERS: u32 = 4;
/// How long a reader waits for a lock before it gives up.
const BUSY: Duration = Duration::from_secs(10);
/// A row is about a kilobyte: a page of SQLite's usual size would hold three of them.
const PAGE_BYTES: u32 = 8 << 10;
/// The log is written back to the database when it has grown so far (64 MiB).
const CHECKPOINT_PAGES: &str = "8192";
/// Pages of SQLite's cache on the writing connection, in KiB (negative, as SQLite wants it). Rows
/// are only added, so what is needed again is the ends of the tables and the sums of today.
const CACHE_KIB: &str = "-8192";

/// The state store, in SQLite: one connection that writes, and a pool that reads.
#[derive(Clone, Debug)]
pub struct Books {
    writer: Arc<Mutex<SqliteConnection>>,
    cards: Arc<detail::Cards>,
    readers: SqlitePool,
    directory: Directory,
    zone: Tz,
    alerting: Arc<AlertingConfig>,
}

/// Where the books stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The last settled sequence of each source.
    pub marks: BTreeMap<String, u64>,
    /// The id of the priced log they were folded from; `None` for new books.
    pub priced_source: Option<String>,
    /// The position in it of the first event that is not in the books.
    pub priced_next: u64,
}

/// A run of events to be settled.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The events and the corrections, in the order of the priced log.
    pub events: &'a [Entry],
    /// The source whose mark moves, and where to.
    pub marks: &'a BTreeMap<String, u64>,
    /// The id of the priced log.
    pub priced_source: &'a str,
    /// Where the books must stand.
    pub from: u64,
    /// Where they stand afterwards.
    pub to: u64,
}

/// Why the books cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BooksError {
    /// The database refused or cannot be reached.
    #[error("books unavailable")]
    Database(#[from] sqlx::Error),
    /// They cannot be brought to the newest version.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// Somebody else has settled in the meantime.
    #[error(
        "books do not stand at position {expected} of the priced log: is another collector \
         running on them?"
    )]
    Moved {
        /// Where they should have stood.
        expected: u64,
    },
    /// A sequence or position that no column holds.
    #[error("position is out of range")]
    OutOfRange,
}

/// Why an event cannot be entered into the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Nine million dollars for one call.
    #[error("cost of one call is beyond 9.2 million USD")]
    Cost,
    /// A trillion tokens in one call.
    #[error("call reports more than a trillion tokens")]
    Tokens,
}

/// Whether the books can hold `event`; asked before it gets into the priced log.
///
/// # Errors
/// If one of its numbers is too large for a column.
pub fn fits(event: &PricedEvent) -> Result<(), Unfit> {
    let payload = event.payload();
    let tokens = [
        payload.prompt_tokens,
        payload.completion_tokens,
        payload.total_tokens,
    ];
    if tokens.iter().any(|count| *count > counts::TOKENS_MAX) {
        return Err(Unfit::Tokens);
    }
    let cost = event.cost().total.unwrap_or_default();
    i64::try_from(cost.picos())
        .map(|_| ())
        .map_err(|_beyond| Unfit::Cost)
}

impl Books {
    /// Opens the books at `path`, and makes them if they are not there.
    ///
    /// # Errors
    /// If the file cannot be used, or a newer program has written it.
    pub async fn open(path: &Path) -> Result<Self, BooksError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // The log is synced with each commit: what is settled survives a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .foreign_keys(true)
            .pragma("cache_size", CACHE_KIB)
            .page_size(PAGE_BYTES)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES);
        let mut writer = SqliteConnection::connect_with(&options).await?;
        schema::migrate(&mut writer).await?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(BUSY);
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_lazy_with(options);
        Ok(Self {
            writer: Arc::new(Mutex::new(writer)),
            cards: Arc::default(),
            directory: Directory::default(),
            zone: Tz::UTC,
            alerting: Arc::default(),
            readers,
        })
    }

    /// The same, with the alerts that they raise where a budget's threshold is crossed.
    #[must_use]
    pub fn with_alerting(self, alerting: AlertingConfig) -> Self {
        Self {
            alerting: Arc::new(alerting),
            ..self
        }
    }

    /// Where the books stand.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn standing(&self) -> Result<Standing, BooksError> {
        let mut connection = self.writer.lock().await;
        let marks: Vec<(String, i64)> = sqlx::query_as("SELECT source, mark FROM sources")
            .fetch_all(&mut *connection)
            .await?;
        let priced: Option<(String, i64)> = sqlx::query_as("SELECT source, next FROM priced")
            .fetch_optional(&mut *connection)
            .await?;
        let mut standing = Standing::default();
        for (source, mark) in marks {
            standing.marks.insert(source, natural(mark)?);
        }
        if let Some((source, next)) = priced {
            standing.priced_source = Some(source);
            standing.priced_next = natural(next)?;
        }
        Ok(standing)
    }

    /// Says from which priced log, and from which position of it, the books go on.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn follow(&self, priced_source: &str, next: u64) -> Result<(), BooksError> {
        let sql = "INSERT INTO priced (only_row, source, next) VALUES (1, ?, ?) \
                   ON CONFLICT DO UPDATE SET source = excluded.source, next = excluded.next";
        let mut connection = self.writer.lock().await;
        let query = sqlx::query(sql).bind(priced_source).bind(whole(next)?);
        query.execute(&mut *connection).await?;
        Ok(())
    }

    /// Adds a run of events and corrections: all of it or, after an error, nothing. A correction
    /// that is in the books already changes nothing.
    ///
    /// # Errors
    /// If the books do not stand where the run begins, an event is in them already, or the
    /// database refuses.
    pub async fn settle(&self, run: Run<'_>) -> Result<(), BooksError> {
        let mut connection = self.writer.lock().await;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        move_on(&mut transaction, &run).await?;
        let ids = move_marks(&mut transaction, &run).await?;
        let mut cards = self.cards.take();
        let mut table = Vec::with_capacity(run.events.len());
        let mut sums = rollups::Rollups::default();
        let (calls, corrections): (Vec<_>, Vec<_>) = run
            .events
            .iter()
            .partition(|entry| entry.event.revision() == 0);
        for entry in calls {
            let Entry { event, counts, .. } = entry;
            let source = event.settlement().origin.source.as_str();
            table.push(rows::Row {
                source: *ids.get(source).ok_or(BooksError::OutOfRange)?,
                event,
                detail: detail::part(&mut transaction, &mut cards, event.cost()).await?,
                position: entry.position,
            });
            sums.add(event, counts);
        }
        rows::insert(&mut transaction, &table).await?;
        for row in &table {
            batches::enter(&mut transaction, row).await?;
        }
        // After the rows that they correct.
        corrections::apply(&mut transaction, &mut cards, &corrections, &mut sums).await?;
        if !run.events.is_empty() {
            sums.write(&mut transaction).await?;
        }
        let known = self.directory.known();
        let moved = ledger::settle(&mut transaction, &known, &run).await?;
        let crossed = crossed(&self.alerting, &known, &moved, &run);
        enter(&mut transaction, &crossed).await?;
        transaction.commit().await?;
        self.cards.put_back(cards);
        Ok(())
    }

    /// Whose budgets the events count in.
    #[must_use]
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The same books, whose budgets begin by the calendar of `zone` where they name none.
    #[must_use]
    pub(crate) fn in_zone(self, zone: Tz) -> Self {
        Self { zone, ..self }
    }

    /// In whose calendar budgets begin that name no zone.
    pub(crate) const fn zone(&self) -> Tz {
        self.zone
    }

    /// Which alerts are raised, and when.
    pub(crate) fn alerting(&self) -> &AlertingConfig {
        &self.alerting
    }

    /// The connection that writes, for as long as it is held.
    pub(crate) async fn writer(&self) -> MutexGuard<'_, SqliteConnection> {
        self.writer.lock().await
    }

    /// The connections that read.
    pub(crate) const fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Closes the connections, so that the file is whole without its log.
    pub async fn close(&self) {
        self.readers.close().await;
    }
}

async fn move_on(connection: &mut SqliteConnection, run: &Run<'_>) -> Result<(), BooksError> {
    let moved = sqlx::query("UPDATE priced SET next = ? WHERE source = ? AND next = ?")
        .bind(whole(run.to)?)
        .bind(run.priced_source)
        .bind(whole(run.from)?)
        .execute(connection)
        .await?;
    match moved.rows_affected() {
        1 => Ok(()),
        _ => Err(BooksError::Moved { expected: run.from }),
    }
}

async fn move_marks<'a>(
    connection: &mut SqliteConnection,
    run: &Run<'a>,
) -> Result<BTreeMap<&'a str, i64>, BooksError> {
    let sql = "INSERT INTO sources (source, mark) VALUES (?, ?) \
               ON CONFLICT DO UPDATE SET mark = max(mark, excluded.mark) RETURNING id";
    let mut ids = BTreeMap::new();
    for (source, mark) in run.marks {
        let query = sqlx::query_scalar(sql).bind(source).bind(whole(*mark)?);
        ids.insert(source.as_str(), query.fetch_one(&mut *connection).await?);
    }
    Ok(ids)
}

/// `INSERT INTO table (columns) VALUES (?, …), …` for so many rows.
fn insert(table: &str, columns: &[&str], rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns.len()].join(", "));
    format!(
        "INSERT INTO {table} ({}) VALUES {}",
        columns.join(", "),
        vec![row; rows].join(", ")
    )
}

pub(crate) fn whole(position: u64) -> Result<i64, BooksError> {
    i64::try_from(position).map_err(|_beyond| BooksError::OutOfRange)
}

pub(crate) fn natural(column: i64) -> Result<u64, BooksError> {
    u64::try_from(column).map_err(|_negative| BooksError::OutOfRange)
}
