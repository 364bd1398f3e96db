//! Alerts in the books: one row for each key, however often it is noticed.

use event::{Alert, Timestamp};
use serde::{Serialize, Serializer};

use super::{Books, BooksError};

/// An alert as it stands in the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct StoredAlert {
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
}

impl Books {
    /// Enters an alert; one that is there already is counted.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn raise(&self, alert: &Alert) -> Result<(), BooksError> {
        let sql = "INSERT INTO alerts (key, kind, severity, first_at, last_at, count, message) \
                   VALUES (?1, ?2, ?3, ?4, ?4, 1, ?5) ON CONFLICT DO UPDATE SET \
                   last_at = ?4, count = count + 1, severity = ?3, message = ?5";
        let mut connection = self.writer.lock().await;
        sqlx::query(sql)
            .bind(&alert.key)
            .bind(name(&alert.kind))
            .bind(name(&alert.severity))
            .bind(alert.at.micros())
            .bind(&alert.message)
            .execute(&mut *connection)
            .await?;
        Ok(())
    }

    /// All alerts, the last noticed first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn alerts(&self) -> Result<Vec<StoredAlert>, BooksError> {
        let sql = "SELECT key, kind, severity, first_at, last_at, count, message \
                   FROM alerts ORDER BY last_at DESC, key LIMIT 1000";
        Ok(sqlx::query_as(sql).fetch_all(&self.readers).await?)
    }
}

/// An alert with its number, as it stands in the table.
type Numbered = (i64, String, String, String, i64, String);

impl Books {
    /// Alerts whose numbers are above `number`, in their order: each with its number.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn alerts_after(
        &self,
        number: i64,
        limit: u32,
    ) -> Result<Vec<(i64, Alert)>, BooksError> {
        let sql = "SELECT rowid, key, kind, severity, first_at, message FROM alerts \
                   WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";
        let rows: Vec<Numbered> = sqlx::query_as(sql)
            .bind(number)
            .bind(limit)
            .fetch_all(&self.readers)
            .await?;
        Ok(rows.into_iter().filter_map(read).collect())
    }
}

/// An alert of a kind that this program does not know is left out: a newer one has raised it.
fn read((number, key, kind, severity, at, message): Numbered) -> Option<(i64, Alert)> {
    let word = |name: String| serde_json::Value::String(name);
    let alert = Alert {
        key,
        kind: serde_json::from_value(word(kind)).ok()?,
        severity: serde_json::from_value(word(severity)).ok()?,
        at: Timestamp::from_micros(at),
        message,
    };
    Some((number, alert))
}

/// The name of a variant as it is written in JSON.
fn name(variant: &impl Serialize) -> String {
    let quoted = serde_json::to_string(variant).unwrap_or_default();
    quoted.trim_matches('"').to_owned()
}

fn rfc3339<S: Serializer>(micros: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    crate::rfc3339::serialize(&Timestamp::from_micros(*micros), serializer)
}
