//! Do the books balance? Adds up the rows and compares with every sum that is kept.

use event::Usd;
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow};

use super::{Books, BooksError, money::Split};

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Whether every sum is the sum of its rows, to the last digit.
    pub balanced: bool,
    /// Rows that were added up.
    pub calls: i64,
    /// What they cost, as far as it is known.
    pub spend: Usd,
    /// Rows whose cost is not known.
    pub unpriced: i64,
    /// Corrections of a cost; what was known of it first, and `corrected`, are in `spend`.
    pub corrections: i64,
    /// By how much the corrections have changed what calls cost, together.
    pub corrected: Usd,
    /// Every sum that differs from its rows; at most a hundred.
    pub differences: Vec<Difference>,
}

/// A sum that differs from its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which sum: `totals`, `daily_models`, `daily_entities` of a kind; `corrections` for the last
    /// steps of rows that were corrected.
    pub of: String,
    /// Whose.
    pub id: String,
    /// What the rows say.
    pub rows: Sums,
    /// What the kept sum says.
    pub kept: Sums,
}

/// What is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Calls.
    pub calls: i64,
    /// Of them without a known cost.
    pub unpriced: i64,
    /// All tokens.
    pub tokens: i64,
    /// Money.
    pub spend: Usd,
}

/// A group of rows or sums, with its name.
#[derive(Debug, FromRow)]
struct Group {
    id: String,
    calls: i64,
    unpriced: i64,
    tokens: i64,
    micros: i64,
    picos: i64,
}

/// Differences that are named.
const NAMED_MAX: usize = 100;

/// Sums over call rows. The cost is added up in two parts, because SQLite's sum of whole amounts
/// ends at nine million dollars.
const ROWS: &str = "count(*) AS calls, coalesce(sum(cost IS NULL), 0) AS unpriced, \
    coalesce(sum(total_tokens), 0) AS tokens, coalesce(sum(cost / 1000000), 0) AS micros, \
    coalesce(sum(cost % 1000000), 0) AS picos";

/// Sums over kept sums.
const KEPT: &str = "coalesce(sum(successes + failures), 0) AS calls, \
    coalesce(sum(unpriced), 0) AS unpriced, coalesce(sum(total_tokens), 0) AS tokens, \
    coalesce(sum(cost_micros), 0) AS micros, coalesce(sum(cost_picos), 0) AS picos";

/// What the steps add up to, in the same parts.
const MOVED: &str = "SELECT '' AS id, count(*) AS calls, 0 AS unpriced, 0 AS tokens, \
    coalesce(sum(coalesce(cost, 0) / 1000000 - coalesce(was_cost, 0) / 1000000), 0) AS micros, \
    coalesce(sum(coalesce(cost, 0) % 1000000 - coalesce(was_cost, 0) % 1000000), 0) AS picos \
    FROM corrections";

/// The newest step of each row that has one, with the tokens of the row.
const LAST_STEPS: &str = "SELECT corrections.cost, total_tokens FROM corrections \
    JOIN calls ON calls.number = corrections.number AND calls.revision = corrections.revision";

/// The column of `calls` that says whose a row is, for each kind but the tags.
const COLUMNS: [(&str, &str); 7] = [
    ("key", "api_key"),
    ("user", "user_id"),
    ("team", "team_id"),
    ("organization", "org_id"),
    ("end_user", "end_user"),
    ("provider", "provider"),
    ("model", "model"),
];

impl Group {
    fn sums(&self) -> Sums {
        let spend = Split {
            micros: self.micros,
            picos: self.picos,
        }
        .usd();
        Sums {
            calls: self.calls,
            unpriced: self.unpriced,
            tokens: self.tokens,
            spend,
        }
    }
}

impl Books {
    /// Adds up the rows and compares with every sum that is kept. Reads one state of the books,
    /// however long it takes, and holds nobody back.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn audit(&self) -> Result<Audit, BooksError> {
        let mut snapshot = self.readers.begin().await?;
        let mut differences = Vec::new();
        for (of, rows, kept) in pairs() {
            let rows = groups(&mut snapshot, rows).await?;
            let kept = groups(&mut snapshot, kept).await?;
            compare(&of, &rows, &kept, &mut differences);
        }
        let all = groups(&mut snapshot, all_rows()).await?;
        let all = all.first().map(Group::sums).unwrap_or_default();
        let moved = groups(&mut snapshot, MOVED.to_owned()).await?;
        let moved = moved.first().map(Group::sums).unwrap_or_default();
        let balanced = differences.is_empty();
        differences.truncate(NAMED_MAX);
        let Sums {
            calls,
            unpriced,
            spend,
            ..
        } = all;
        Ok(Audit {
            balanced,
            calls,
            spend,
            unpriced,
            corrections: moved.calls,
            corrected: moved.spend,
            differences,
        })
    }
}

/// What is compared: its name, the query that adds up rows, and the one that adds up kept sums.
fn pairs() -> Vec<(String, String, String)> {
    let days = format!(
        "SELECT strftime('%F', started / 1000000, 'unixepoch') AS id, {ROWS} FROM calls \
         GROUP BY id ORDER BY id"
    );
    let tags = format!(
        "SELECT id, {ROWS} FROM (SELECT DISTINCT number, cost, total_tokens, value AS id \
         FROM calls, json_each(calls.tags)) GROUP BY id ORDER BY id"
    );
    let totals = format!("SELECT '' AS id, {KEPT} FROM totals");
    let corrected = format!("{} WHERE revision > 0", all_rows());
    let steps = format!("SELECT '' AS id, {ROWS} FROM ({LAST_STEPS})");
    let mut pairs = vec![
        ("totals".to_owned(), all_rows(), totals),
        ("corrections".to_owned(), corrected, steps),
        ("daily_models".to_owned(), days, by_day("daily_models")),
        ("daily_entities of tag".to_owned(), tags, entities("tag")),
    ];
    for (kind, column) in COLUMNS {
        let rows = format!(
            "SELECT {column} AS id, {ROWS} FROM calls WHERE {column} IS NOT NULL \
             GROUP BY id ORDER BY id"
        );
        pairs.push((format!("daily_entities of {kind}"), rows, entities(kind)));
    }
    pairs
}

fn all_rows() -> String {
    format!("SELECT '' AS id, {ROWS} FROM calls")
}

fn by_day(table: &str) -> String {
    format!(
        "SELECT strftime('%F', day * 86400, 'unixepoch') AS id, {KEPT} FROM {table} \
         GROUP BY id ORDER BY id"
    )
}

fn entities(kind: &str) -> String {
    format!("SELECT id, {KEPT} FROM daily_entities WHERE kind = '{kind}' GROUP BY id ORDER BY id")
}

async fn groups(
    snapshot: &mut sqlx::SqliteConnection,
    sql: String,
) -> Result<Vec<Group>, sqlx::Error> {
    sqlx::query_as(AssertSqlSafe(sql)).fetch_all(snapshot).await
}

/// Walks two lists, both sorted by id, and names what is not the same in both.
fn compare(of: &str, rows: &[Group], kept: &[Group], differences: &mut Vec<Difference>) {
    let (mut rows, mut kept) = (rows.iter().peekable(), kept.iter().peekable());
    while let Some(id) = [rows.peek(), kept.peek()]
        .into_iter()
        .flatten()
        .map(|group| &group.id)
        .min()
    {
        let id = id.clone();
        let mine = rows
            .next_if(|group| group.id == id)
            .map(Group::sums)
            .unwrap_or_default();
        let theirs = kept
            .next_if(|group| group.id == id)
            .map(Group::sums)
            .unwrap_or_default();
        if mine != theirs {
            differences.push(Difference {
                of: of.to_owned(),
                id,
                rows: mine,
                kept: theirs,
            });
        }
    }
}
