//! The one way in which entities change: rows, audit rows and the control version, together.

use event::Timestamp;
use sqlx::{AssertSqlSafe, Connection as _, Sqlite, SqliteConnection, Transaction};

use super::{Stored, decode, read};
use crate::books::BooksError;

/// Who makes a change.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    /// The SHA-256 of the key, or `master key`.
    pub(crate) key: String,
    /// Its role.
    pub(crate) role: &'static str,
    /// As it is named in `created_by`: the key's user, or the key's id.
    pub(crate) name: String,
}

/// A transaction over entities. Dropped without [`commit`](Change::commit) it changes nothing.
pub(crate) struct Change<'c> {
    transaction: Transaction<'c, Sqlite>,
    actor: Actor,
    at: Timestamp,
    /// Where it leads to.
    version: i64,
    changed: bool,
}

/// What happens to a row.
enum Step {
    Created,
    Updated,
    Deleted,
}

impl Step {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}

impl<'c> Change<'c> {
    /// Begins one on the connection that writes.
    pub(crate) async fn begin(
        writer: &'c mut SqliteConnection,
        actor: Actor,
        at: Timestamp,
    ) -> Result<Self, BooksError> {
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
        let sql = "UPDATE control_version SET version = version + 1 RETURNING version";
        let version = sqlx::query_scalar(sql).fetch_one(&mut *transaction).await?;
        Ok(Self {
            transaction,
            actor,
            at,
            version,
            changed: false,
        })
    }

    /// When it is made.
    pub(crate) const fn at(&self) -> Timestamp {
        self.at
    }

    /// The entity with this id.
    pub(crate) async fn get<S: Stored>(&mut self, id: &str) -> Result<Option<S>, BooksError> {
        let text = self.text(S::TABLE, id).await?;
        text.map(|text| read(&text)).transpose()
    }

    /// Up to `limit` entities whose column has this value, oldest first. The column is never of the
    /// request's making.
    pub(crate) async fn find<S: Stored>(
        &mut self,
        column: &'static str,
        value: &str,
        limit: u32,
    ) -> Result<Vec<S>, BooksError> {
        let table = S::TABLE;
        let sql = format!("SELECT fields FROM {table} WHERE {column} = ? ORDER BY rowid LIMIT ?");
        let query = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(value)
            .bind(limit);
        let texts: Vec<String> = query.fetch_all(&mut *self.transaction).await?;
        texts.iter().map(|text| read(text)).collect()
    }

    /// Writes an entity, new or changed. One that is as it was leaves no trace.
    pub(crate) async fn put<S: Stored>(&mut self, row: &mut S) -> Result<(), BooksError> {
        let id = row.id();
        let was = self.text(S::TABLE, &id).await?;
        let became = serde_json::to_string(row).map_err(decode)?;
        if was.as_deref() == Some(&*became) {
            return Ok(());
        }
        let (at, name) = (self.at, self.actor.name.clone());
        let stamps = row.stamps();
        if was.is_none() {
            (stamps.created_at, stamps.created_by) = (at, name.clone());
        }
        (stamps.updated_at, stamps.updated_by) = (at, name);
        let became = serde_json::to_string(row).map_err(decode)?;
        let sql = format!(
            "INSERT INTO {} (id, fields) VALUES (?, ?) \
             ON CONFLICT (id) DO UPDATE SET fields = excluded.fields",
            S::TABLE
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(&id).bind(&became);
        query.execute(&mut *self.transaction).await?;
        let step = match was {
            Some(_) => Step::Updated,
            None => Step::Created,
        };
        let states = (was.as_deref(), Some(&*became));
        self.record(S::TABLE, &id, &step, states).await
    }

    /// Takes an entity away.
    pub(crate) async fn remove<S: Stored>(&mut self, row: &S) -> Result<(), BooksError> {
        let id = row.id();
        let was = self.text(S::TABLE, &id).await?;
        let sql = format!("DELETE FROM {} WHERE id = ?", S::TABLE);
        let query = sqlx::query(AssertSqlSafe(sql)).bind(&id);
        query.execute(&mut *self.transaction).await?;
        let states = (was.as_deref(), None);
        self.record(S::TABLE, &id, &Step::Deleted, states).await
    }

    /// Takes away every entity whose column has this value, and says how many they were.
    pub(crate) async fn remove_all<S: Stored>(
        &mut self,
        column: &'static str,
        value: &str,
    ) -> Result<u64, BooksError> {
        const STEP: u32 = 1000;
        let mut removed = 0;
        loop {
            let rows: Vec<S> = self.find(column, value, STEP).await?;
            if rows.is_empty() {
                return Ok(removed);
            }
            for row in &rows {
                self.remove(row).await?;
                removed += 1;
            }
        }
    }

    /// Makes it so. Where nothing was changed the version stays.
    pub(crate) async fn commit(self) -> Result<(), BooksError> {
        if self.changed {
            self.transaction.commit().await?;
        } else {
            self.transaction.rollback().await?;
        }
        Ok(())
    }

    async fn text(&mut self, table: &str, id: &str) -> Result<Option<String>, BooksError> {
        let sql = format!("SELECT fields FROM {table} WHERE id = ?");
        let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(id);
        Ok(query.fetch_optional(&mut *self.transaction).await?)
    }

    async fn record(
        &mut self,
        table: &str,
        id: &str,
        step: &Step,
        (was, became): (Option<&str>, Option<&str>),
    ) -> Result<(), BooksError> {
        self.changed = true;
        let sql = "INSERT INTO control_audit \
                   (version, at, actor, actor_role, action, entity, id, was, became) \
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let query = sqlx::query(sql)
            .bind(self.version)
            .bind(self.at.micros())
            .bind(&self.actor.key)
            .bind(self.actor.role)
            .bind(step.as_str())
            .bind(table)
            .bind(id)
            .bind(was)
            .bind(became);
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }
}
