//! Alerts in the books: entered once and never edited but for how often they were noticed, in the
//! order of their ids.
//!
//! A key and a round make an alert unique. What has a window, a threshold or a day in its key has
//! one round; what goes wrong again, or still is after a long time, is a new round of the same key.

use event::{Alert, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use sqlx::{Connection as _, SqliteConnection};

use super::{Books, BooksError};

/// Alerts of one answer, at most.
const ANSWER_MAX: u32 = 1000;
/// How long an alert stays after its window has ended, in microseconds: 400 days.
const KEPT_MICROS: i64 = 400 * 86_400_000_000;

/// An alert as it stands in the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct StoredAlert {
    /// Its number: later alerts have higher ones, and none is used twice.
    pub id: i64,
    /// What it is about.
    pub key: String,
    /// What happened.
    pub kind: String,
    /// How bad it is.
    pub severity: String,
    /// When it was first noticed, in microseconds since the epoch; RFC 3339 in JSON.
    #[serde(serialize_with = "rfc3339")]
    pub first_at: i64,
    /// When it was last noticed.
    #[serde(serialize_with = "rfc3339")]
    pub last_at: i64,
    /// How often it was noticed.
    pub count: i64,
    /// What is wrong, where, and what to do; as last noticed.
    pub message: String,
    /// The same for programs: JSON of `event::AlertFacts`.
    #[serde(serialize_with = "raw")]
    pub facts: Option<String>,
}

/// An alert that is raised once, and when its window ends: long after that it is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Once {
    pub(crate) alert: Alert,
    pub(crate) ends: Option<Timestamp>,
}

const COLUMNS: &str = "id, key, kind, severity, first_at, last_at, count, message, facts";

impl StoredAlert {
    /// The alert as it was raised.
    ///
    /// # Errors
    /// If the row says what this program does not know.
    pub fn alert(&self) -> Result<Alert, BooksError> {
        fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, BooksError> {
            serde_json::from_str(text).map_err(decode)
        }
        let quoted = |name: &str| serde_json::Value::from(name).to_string();
        Ok(Alert {
            key: self.key.clone(),
            kind: read(&quoted(&self.kind))?,
            severity: read(&quoted(&self.severity))?,
            at: Timestamp::from_micros(self.first_at),
            message: self.message.clone(),
            facts: self.facts.as_deref().map(read).transpose()?,
        })
    }
}

impl Books {
    /// Enters an alert. One that is there is counted instead, if it was noticed within the last
    /// `quiet` microseconds and first raised within the last `again`.
    ///
    /// # Errors
    /// If the database refuses.
    pub(crate) async fn raise(
        &self,
        alert: &Alert,
        (quiet, again): (i64, i64),
    ) -> Result<(), BooksError> {
        let sql = "UPDATE alerts SET last_at = max(last_at, ?1), count = count + 1, \
                   severity = ?2, message = ?3 WHERE key = ?4 AND last_at > ?5 \
                   AND first_at > ?6 AND round = (SELECT max(round) FROM alerts WHERE key = ?4)";
        let mut connection = self.writer.lock().await;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let counted = sqlx::query(sql)
            .bind(alert.at.micros())
            .bind(name(&alert.severity))
            .bind(&alert.message)
            .bind(&alert.key)
            .bind(alert.at.micros().saturating_sub(quiet))
            .bind(alert.at.micros().saturating_sub(again))
            .execute(&mut *transaction)
            .await?;
        if counted.rows_affected() == 0 {
            let sql = "SELECT coalesce(max(round) + 1, 0) FROM alerts WHERE key = ?";
            let query = sqlx::query_scalar(sql).bind(&alert.key);
            let round = query.fetch_one(&mut *transaction).await?;
            insert(&mut transaction, (alert, None), round).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Enters alerts, each of them once for ever, in one transaction.
    ///
    /// # Errors
    /// If the database refuses.
    pub(crate) async fn raise_once(&self, alerts: &[Once]) -> Result<(), BooksError> {
        if alerts.is_empty() {
            return Ok(());
        }
        let mut connection = self.writer.lock().await;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        enter(&mut transaction, alerts).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Forgets alerts of windows that ended long ago.
    ///
    /// # Errors
    /// If the database refuses.
    pub(crate) async fn forget_alerts(&self, now: Timestamp) -> Result<(), BooksError> {
        let mut connection = self.writer.lock().await;
        sqlx::query("DELETE FROM alerts WHERE ends < ?")
            .bind(now.micros().saturating_sub(KEPT_MICROS))
            .execute(&mut *connection)
            .await?;
        Ok(())
    }

    /// The last alerts, the last noticed first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn alerts(&self) -> Result<Vec<StoredAlert>, BooksError> {
        let sql = format!("SELECT {COLUMNS} FROM alerts ORDER BY last_at DESC, id DESC LIMIT ?");
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(ANSWER_MAX);
        Ok(query.fetch_all(&self.readers).await?)
    }

    /// Alerts with a higher id than `id`, the lowest first; at most `limit`, and never more than a
    /// thousand. Who remembers the last id misses none: ids are given in the order of commits.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn alerts_after(&self, id: i64, limit: u32) -> Result<Vec<StoredAlert>, BooksError> {
        let sql = format!("SELECT {COLUMNS} FROM alerts WHERE id > ? ORDER BY id LIMIT ?");
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id);
        let query = query.bind(limit.min(ANSWER_MAX));
        Ok(query.fetch_all(&self.readers).await?)
    }
}

/// Enters alerts as part of a transaction; those that are there stay as they are.
pub(crate) async fn enter(
    connection: &mut SqliteConnection,
    alerts: &[Once],
) -> Result<(), BooksError> {
    for Once { alert, ends } in alerts {
        insert(connection, (alert, *ends), 0).await?;
    }
    Ok(())
}

async fn insert(
    connection: &mut SqliteConnection,
    (alert, ends): (&Alert, Option<Timestamp>),
    round: i64,
) -> Result<(), BooksError> {
    let sql = "INSERT INTO alerts (key, round, kind, severity, first_at, last_at, count, message, \
               facts, ends) VALUES (?1, ?2, ?3, ?4, ?5, ?5, 1, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
    let facts = alert.facts.as_ref().map(serde_json::to_string);
    sqlx::query(sql)
        .bind(&alert.key)
        .bind(round)
        .bind(name(&alert.kind))
        .bind(name(&alert.severity))
        .bind(alert.at.micros())
        .bind(&alert.message)
        .bind(facts.transpose().map_err(decode)?)
        .bind(ends.map(Timestamp::micros))
        .execute(connection)
        .await?;
    Ok(())
}

fn decode(error: serde_json::Error) -> BooksError {
    BooksError::Database(sqlx::Error::Decode(error.into()))
}

/// The name of a variant as it is written in JSON.
fn name(variant: &impl Serialize) -> String {
    let quoted = serde_json::to_string(variant).unwrap_or_default();
    quoted.trim_matches('"').to_owned()
}

fn rfc3339<S: Serializer>(micros: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    crate::rfc3339::serialize(&Timestamp::from_micros(*micros), serializer)
}

#[expect(clippy::ref_option, reason = "the form that serde asks for")]
fn raw<S: Serializer>(json: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let raw = json
        .clone()
        .and_then(|text| RawValue::from_string(text).ok());
    raw.serialize(serializer)
}
