//! Which event a batch is billed with, by every name that the batch goes by.
//!
//! Decided before an event is priced (`pipeline/batches.rs`), and entered here with it: like all of
//! the books a fold over the priced log.

use event::{
    Batch, BatchStage, BatchTells, Cost, EventId, Origin, StandardLoggingPayload, Unpriced,
};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::{
    Books, BooksError, natural, query,
    query::StoredCall,
    rows::{self, Row},
    whole,
};

/// What is known of a batch. `T` says which call it is: in the books, the number of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing<T> {
    /// The call that created it.
    pub(crate) creator: Option<T>,
    /// The call that it is billed with.
    pub(crate) holder: Option<T>,
    /// What that one knew of what the batch consumed; one that knows more takes its place.
    pub(crate) knew: BatchTells,
}

impl<T> Default for Standing<T> {
    fn default() -> Self {
        Self {
            creator: None,
            holder: None,
            knew: BatchTells::Nothing,
        }
    }
}

impl<T> Standing<T> {
    /// With what another name of the same batch says.
    pub(crate) fn or(self, other: Self) -> Self {
        let creator = self.creator.or(other.creator);
        let is_other = self.holder.is_none() || (other.holder.is_some() && other.knew > self.knew);
        let (holder, knew) = match is_other {
            true => (other.holder, other.knew),
            false => (self.holder, self.knew),
        };
        Self {
            creator,
            holder,
            knew,
        }
    }
}

/// What an event with this cost knew: a price that could be found settles the batch.
pub(crate) fn knew(batch: &Batch, cost: &Cost) -> BatchTells {
    match cost.unpriced {
        Some(Unpriced::NoUsage) => batch.tells(),
        _ => BatchTells::All,
    }
}

/// Whose names they are: the provider and its address, without what differs between two ways of
/// writing the same.
pub(crate) fn account(payload: &StandardLoggingPayload) -> String {
    let provider = payload.custom_llm_provider.as_deref().unwrap_or_default();
    let base = payload.api_base.as_deref().unwrap_or_default();
    let base = base.split_once("://").map_or(base, |(_, rest)| rest);
    let base = base.trim_end_matches('/');
    let base = base.strip_suffix("/v1").unwrap_or(base);
    format!("{provider} {}", base.to_ascii_lowercase())
}

impl Books {
    /// What is known of the batch that goes by these names. Sees everything that has been settled.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn batch(
        &self,
        account: &str,
        names: &[String],
    ) -> Result<Standing<i64>, BooksError> {
        let mut connection = self.writer.lock().await;
        standing(&mut connection, account, names).await
    }

    /// The row of this number, unless it has gone.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn row(&self, number: i64) -> Result<Option<StoredCall>, BooksError> {
        let sql = format!("SELECT {} {} ", query::columns(), query::JOINED);
        let mut query = QueryBuilder::<Sqlite>::new(sql);
        query.push("WHERE calls.number = ").push_bind(number);
        let mut connection = self.writer.lock().await;
        let query = query.build_query_as();
        Ok(query.fetch_optional(&mut *connection).await?)
    }

    /// The event of this number, whether its row is there or not.
    ///
    /// # Errors
    /// If the database cannot be read, or no call can have the number.
    pub(crate) async fn event_of(&self, number: i64) -> Result<EventId, BooksError> {
        let sql = "SELECT source FROM sources WHERE id = ?";
        let query = sqlx::query_scalar(sql).bind(number.div_euclid(rows::SEQUENCES));
        let mut connection = self.writer.lock().await;
        Ok(EventId::of(&Origin {
            source: query.fetch_one(&mut *connection).await?,
            sequence: natural(number.rem_euclid(rows::SEQUENCES))?,
        }))
    }
}

/// Enters what an event tells of a batch.
pub(super) async fn enter(
    connection: &mut SqliteConnection,
    row: &Row<'_>,
) -> Result<(), BooksError> {
    let event = row.event;
    let payload = event.payload();
    let ours = payload.tollkeeper.as_deref();
    let Some(batch) = ours.and_then(|ours| ours.batch.as_deref()) else {
        return Ok(());
    };
    let sequence = whole(event.settlement().origin.sequence)?;
    let number = rows::number(row.source, sequence).ok_or(BooksError::OutOfRange)?;
    let account = account(payload);
    let mut now = standing(connection, &account, &batch.names).await?;
    if batch.stage == BatchStage::Created {
        now.creator = now.creator.or(Some(number));
    } else if batch.billed_with.is_none() {
        if now.holder.is_some() && now.knew == BatchTells::All {
            let event = event.id();
            tracing::error!(%event, ?batch.names, "batch is billed twice: two collectors?");
        }
        now.holder = Some(number);
        now.knew = knew(batch, event.cost());
    }
    let sql = "INSERT INTO batches (account, name, creator, holder, knew) \
               VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET creator = excluded.creator, \
               holder = excluded.holder, knew = excluded.knew";
    for name in &batch.names {
        let query = sqlx::query(sql).bind(&account).bind(name);
        let query = query
            .bind(now.creator)
            .bind(now.holder)
            .bind(level(now.knew));
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn standing(
    connection: &mut SqliteConnection,
    account: &str,
    names: &[String],
) -> Result<Standing<i64>, BooksError> {
    let sql = "SELECT creator, holder, knew FROM batches WHERE account = ? AND name = ?";
    let mut standing = Standing::default();
    for name in names {
        let query = sqlx::query_as(sql).bind(account).bind(name);
        let row: Option<(Option<i64>, Option<i64>, i64)> =
            query.fetch_optional(&mut *connection).await?;
        if let Some((creator, holder, knew)) = row {
            standing = standing.or(Standing {
                creator,
                holder,
                knew: of_level(knew),
            });
        }
    }
    Ok(standing)
}

/// As it stands in `batches.knew`. Persisted.
const fn level(knew: BatchTells) -> i64 {
    match knew {
        BatchTells::Nothing => 0,
        BatchTells::Sums => 1,
        BatchTells::All => 2,
    }
}

const fn of_level(level: i64) -> BatchTells {
    match level {
        0 => BatchTells::Nothing,
        1 => BatchTells::Sums,
        _ => BatchTells::All,
    }
}
