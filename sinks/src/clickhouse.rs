//! Inserts calls into `ClickHouse`, one row for each, over its HTTP interface.
//!
//! A batch is one insert in `RowBinaryWithNamesAndTypes`, compressed with LZ4, with a deduplication
//! token: `ClickHouse` drops an insert whose token it has seen. The token is the batch's name and a
//! digest of the keys of its items, so that two sinks that insert into one table, each with a part of the
//! events, never have the same token for different rows.
//!
//! Behind that stands a second net: a row's sorting key and `revision` are the same whenever it is
//! inserted, and of rows with one key the view `calls` shows the one with the highest revision. So a
//! correction takes the place of what it corrects, and a row that is inserted again after its token
//! has been forgotten counts once.
//!
//! The tables are made when an insert finds them missing, so that a batch costs one request.

use std::time::Duration;

use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use sha2::{Digest, Sha256};
use sink::{
    Batch, BatchLimits, Item, Receipt, Settings, Sink, SinkEnv, SinkError, SinkErrorKind,
    http::{Answer, HeaderName, HeaderValue, HttpClient, Judge, Outgoing, header},
};

mod config;
mod judge;
mod row;
mod row_binary;
mod schema;

pub use self::config::{Config, ConfigError};

const USER: HeaderName = HeaderName::from_static("x-clickhouse-user");
const KEY: HeaderName = HeaderName::from_static("x-clickhouse-key");

/// What every insert is done with: the block that arrives is the block that is deduplicated and
/// stored, and the answer comes when it is. Months are partitions, and a batch may have calls of many.
const INSERT_SETTINGS: [(&str, &str); 4] = [
    ("async_insert", "0"),
    ("insert_deduplicate", "1"),
    ("max_partitions_per_insert_block", "0"),
    ("wait_end_of_query", "1"),
];

/// See the [module](self).
#[derive(Debug)]
pub struct ClickHouse {
    config: Config,
    http: HttpClient,
}

impl Sink for ClickHouse {
    const KIND: &'static str = "clickhouse";
    type Config = Config;

    fn variables(_written: &Settings) -> &'static [(&'static str, &'static str)] {
        &[
            ("url", "CLICKHOUSE_URL"),
            ("database", "CLICKHOUSE_DATABASE"),
        ]
    }

    fn open(config: Config, env: &SinkEnv) -> Result<Self, SinkError> {
        env.http.check(&config.url)?;
        Ok(Self {
            config,
            http: env.http.clone(),
        })
    }

    /// `ClickHouse` likes few large inserts. One is one block, so that it is stored whole or not at
    /// all, as long as it has fewer rows than `max_insert_block_size`.
    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items_max: 20_000,
            bytes_max: 32 << 20,
            age_max: Duration::from_secs(2),
            concurrency_max: 2,
        }
    }

    /// Asks for something that needs no table.
    async fn probe(&self) -> Result<(), SinkError> {
        nothing(&self.run("SELECT 1 FORMAT Null", judge::judge).await?)
    }

    async fn deliver(&self, batch: &Batch<'_>) -> Result<Receipt, SinkError> {
        let (events, receipt) = batch.events();
        if events.is_empty() {
            return Ok(receipt);
        }
        let insert = self.insert(batch, &row::rows(&events))?;
        let first = insert.clone().judge(judge::judge_first);
        let mut answer = self.http.send(first).await?;
        if judge::is_behind(&answer) {
            if self.config.create_tables {
                self.make_tables().await?;
            }
            answer = self.http.send(insert).await?;
        }
        nothing(&answer).map(|()| receipt)
    }
}

impl ClickHouse {
    fn insert(&self, batch: &Batch<'_>, rows: &[u8]) -> Result<Outgoing, SinkError> {
        let columns: Vec<_> = row::COLUMNS.iter().map(|column| column.name).collect();
        let query = format!(
            "INSERT INTO {} ({}) FORMAT RowBinaryWithNamesAndTypes",
            self.config.table("events"),
            columns.join(", ")
        );
        let token = token(batch);
        let named = [("query", &*query), ("insert_deduplication_token", &token)];
        let url = named
            .iter()
            .chain(&INSERT_SETTINGS)
            .fold(self.config.url.clone(), |url, (name, value)| {
                url.with_query(name, value)
            });
        let lz4 = HeaderValue::from_static("lz4");
        let binary = HeaderValue::from_static("application/octet-stream");
        let insert = Outgoing::post(url, compressed(rows)?)
            .header(header::CONTENT_ENCODING, lz4)
            .header(header::CONTENT_TYPE, binary);
        self.signed(insert.judge(judge::judge))
    }

    /// Any number of collectors may do this at once: each statement may run again.
    async fn make_tables(&self) -> Result<(), SinkError> {
        let ask = format!(
            "SELECT max(version) FROM {} FORMAT TabSeparated",
            self.config.table("versions")
        );
        let answer = self.run(&ask, judge::judge_first).await?;
        let from = if judge::is_behind(&answer) {
            0
        } else {
            number(&answer)?
        };
        // Also at the newest version, since what was made may have been dropped.
        let from = if from >= schema::VERSION { 0 } else { from };
        for statement in self.config.statements(from) {
            self.run(&statement, judge::judge).await?;
        }
        Ok(())
    }

    async fn run(&self, sql: &str, judge: Judge) -> Result<Answer, SinkError> {
        let url = self.config.url.with_query("wait_end_of_query", "1");
        let request = Outgoing::post(url, sql.to_owned()).judge(judge);
        self.http.send(self.signed(request)?).await
    }

    fn signed(&self, request: Outgoing) -> Result<Outgoing, SinkError> {
        let user = HeaderValue::from_str(&self.config.username)
            .map_err(|error| SinkError::new(SinkErrorKind::Misconfigured).with_source(error))?;
        let request = request.header(USER, user);
        request.secret_header(KEY, "", &self.config.password)
    }
}

/// The same for the same items of a batch, and for no others.
fn token(batch: &Batch<'_>) -> String {
    let mut digest = Sha256::new();
    for key in batch.items().iter().map(Item::key) {
        digest.update(key);
        digest.update(b"\n");
    }
    let digest: String = hex::encode(digest.finalize()).chars().take(16).collect();
    format!("{}-{digest}", batch.name())
}

/// The same rows always give the same bytes.
fn compressed(rows: &[u8]) -> Result<Vec<u8>, SinkError> {
    let info = FrameInfo::new()
        .block_size(BlockSize::Max4MB)
        .block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::with_capacity(rows.len() / 2));
    let written = std::io::Write::write_all(&mut encoder, rows);
    let refused = || SinkError::new(SinkErrorKind::Refused);
    written.map_err(|error| refused().with_source(error))?;
    encoder
        .finish()
        .map_err(|error| refused().with_source(error))
}

/// An insert is answered with an empty body: whoever has more to say is not `ClickHouse`, and its yes
/// means nothing.
fn nothing(answer: &Answer) -> Result<(), SinkError> {
    if answer.body.is_empty() {
        Ok(())
    } else {
        Err(stranger(answer))
    }
}

/// The number that was asked for.
fn number(answer: &Answer) -> Result<u32, SinkError> {
    let text = std::str::from_utf8(&answer.body).unwrap_or_default();
    text.trim().parse().map_err(|_error| stranger(answer))
}

fn stranger(answer: &Answer) -> SinkError {
    let detail = format!(
        "the answer ({}, {} bytes) is not one of ClickHouse's: is `url` its HTTP interface?",
        answer.status,
        answer.body.len()
    );
    SinkError::new(SinkErrorKind::Misconfigured).with_detail(&detail)
}

#[cfg(feature = "conformance")]
mod stand;
#[cfg(feature = "conformance")]
pub use self::stand::Stand;

#[cfg(test)]
mod tests;
