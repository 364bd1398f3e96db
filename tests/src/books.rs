//! Reads the books over the collector's API, with money as the exact decimals it is.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tokio::time::{Instant, sleep};

use crate::client::Client;

/// Rows asked for at once.
const PAGE: usize = 1000;
/// How long the books may take to catch up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The books behind one collector.
#[derive(Clone, Debug)]
pub struct Books(Client);

/// One row of `/spend/logs`.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which call.
    pub call_id: String,
    /// What it cost; nothing if nobody knows.
    pub spend: Option<Decimal>,
    /// `success` or `failure`.
    pub status: String,
    /// How it ended, in our words.
    pub outcome: String,
    /// The row as it came.
    pub json: Value,
}

#[derive(Deserialize)]
struct Raw {
    litellm_call_id: Option<String>,
    request_id: Option<String>,
    spend: Option<Box<RawValue>>,
    status: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Box<RawValue>>,
}

impl Books {
    /// The books of the collector at `target`.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        Self(Client::new(target))
    }

    /// The rows of one call.
    pub async fn rows_of(&self, call_id: &str) -> Vec<Row> {
        self.page(&format!("/spend/logs?request_id={call_id}"))
            .await
    }

    /// The one row of a call, as soon as it is there.
    ///
    /// # Panics
    ///
    /// If there is none in time, or more than one.
    pub async fn row(&self, call_id: &str) -> Row {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut rows = self.rows_of(call_id).await;
            assert!(
                rows.len() <= 1,
                "`{call_id}` stands more than once: {rows:#?}"
            );
            if let Some(row) = rows.pop() {
                return row;
            }
            assert!(
                Instant::now() < deadline,
                "`{call_id}` does not come into the books"
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// All rows.
    pub async fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for page in 1.. {
            let path = format!("/spend/logs?page={page}&page_size={PAGE}");
            let more = self.page(&path).await;
            let last = more.len() < PAGE;
            rows.extend(more);
            if last {
                break;
            }
        }
        rows
    }

    /// All rows by call, once `enough` of them are there and no more come.
    ///
    /// # Panics
    ///
    /// If they do not come in time.
    pub async fn settled(&self, enough: impl Fn(&BTreeMap<String, Vec<Row>>) -> bool) -> ByCall {
        let deadline = Instant::now() + PATIENCE;
        let mut before = usize::MAX;
        loop {
            let rows = self.rows().await;
            let count = rows.len();
            let calls = by_call(rows);
            if count == before && enough(&calls) {
                return calls;
            }
            assert!(
                Instant::now() < deadline,
                "the books do not catch up: {count} rows"
            );
            before = count;
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// The sum that the books keep.
    ///
    /// # Panics
    ///
    /// If it is not a number.
    pub async fn total(&self) -> Decimal {
        let answer = self.0.get("/global/spend").await;
        let raw: Raw = serde_json::from_slice(&answer.body).unwrap();
        decimal(&raw.spend.unwrap()).unwrap()
    }

    /// What the collector says when it is asked whether the books balance.
    pub async fn audit(&self) -> Value {
        self.0.get("/audit").await.json()
    }

    /// Checks that the rows, their sum and the audit agree.
    ///
    /// # Panics
    ///
    /// If they do not.
    pub async fn assert_balanced(&self, rows: impl IntoIterator<Item = &Row>) {
        let sum: Decimal = rows.into_iter().filter_map(|row| row.spend).sum();
        assert_eq!(
            sum.normalize().to_string(),
            self.total().await.normalize().to_string()
        );
        let audit = self.audit().await;
        assert_eq!(audit["balanced"], true, "{audit:#}");
    }

    async fn page(&self, path: &str) -> Vec<Row> {
        let answer = self.0.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        // A plain list, or a page of one.
        let rows: Vec<Box<RawValue>> = serde_json::from_slice(&answer.body)
            .or_else(|_error| serde_json::from_slice::<Page>(&answer.body).map(|page| page.data))
            .unwrap();
        rows.iter().map(|raw| row(raw)).collect()
    }
}

/// The rows of each call.
pub type ByCall = BTreeMap<String, Vec<Row>>;

fn by_call(rows: Vec<Row>) -> ByCall {
    let mut calls = ByCall::new();
    for row in rows {
        calls.entry(row.call_id.clone()).or_default().push(row);
    }
    calls
}

fn row(raw: &RawValue) -> Row {
    let json: Value = serde_json::from_str(raw.get()).unwrap();
    let raw: Raw = serde_json::from_str(raw.get()).unwrap();
    let outcome = [
        "/outcome",
        "/tollkeeper/outcome",
        "/metadata/tollkeeper/outcome",
    ];
    let outcome = outcome.iter().find_map(|path| json.pointer(path)?.as_str());
    Row {
        call_id: raw.litellm_call_id.or(raw.request_id).unwrap(),
        spend: raw.spend.as_deref().and_then(decimal),
        status: raw.status.unwrap_or_default(),
        outcome: outcome.unwrap_or_default().to_owned(),
        json,
    }
}

/// A JSON number (or a string with one) as it is written; `null` is nothing.
fn decimal(raw: &RawValue) -> Option<Decimal> {
    let text = raw.get().trim_matches('"');
    match text {
        "null" => None,
        _ => Some(
            text.parse()
                .or_else(|_error| Decimal::from_scientific(text))
                .unwrap(),
        ),
    }
}
