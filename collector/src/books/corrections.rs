//! Corrections: a row takes a new cost, and what it was is kept.
//!
//! A row shows its newest revision. The steps that led there stand in `corrections`, each with the
//! cost before it, whole. The sums move by the difference in the same transaction.

use std::collections::HashMap;

use event::{EventId, Origin, Timestamp, Usd};
use sqlx::{FromRow, QueryBuilder, SqliteConnection};

use super::{
    Books, BooksError,
    counts::{Counts, Entry},
    detail,
    query::{JOINED, StoredCall, columns},
    rows, whole,
};

/// Which calls are to be looked at again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Calls that started then or later.
    pub from: Timestamp,
    /// Calls that started before then.
    pub before: Timestamp,
    /// Of these models, as the provider or the client names them; of all models if there is none.
    pub models: Vec<String>,
    /// Only calls whose cost is not known.
    pub unpriced: bool,
}

/// How far a scan has come. Rows come in the order of their start, and then of their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    started: i64,
    number: i64,
}

/// One step from a revision to the next.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Correction {
    /// The revision that it led to.
    pub revision: i64,
    /// When, in microseconds since the epoch.
    pub at: i64,
    /// Why.
    pub reason: String,
    /// What the status was: `priced`, `unpriced`, `nothing_consumed`.
    pub was_status: String,
    /// What the cost was, in pico-USD; `None` if it was not known.
    pub was_cost: Option<i64>,
    /// The whole cost as it was, as JSON.
    pub was_detail: String,
    /// What the status became.
    pub cost_status: String,
    /// What the cost became, in pico-USD.
    pub cost: Option<i64>,
    card: Option<String>,
}

impl Correction {
    /// What the cost was; `None` if it was not known.
    #[must_use]
    pub fn was(&self) -> Option<Usd> {
        usd(self.was_cost)
    }

    /// What the cost became.
    #[must_use]
    pub fn now(&self) -> Option<Usd> {
        usd(self.cost)
    }
}

fn usd(picos: Option<i64>) -> Option<Usd> {
    picos.map(|picos| Usd::from_picos(i128::from(picos)))
}

impl StoredCall {
    /// Where a scan that has come to this row goes on.
    #[must_use]
    pub const fn spot(&self) -> Spot {
        Spot {
            started: self.started,
            number: self.number,
        }
    }

    /// Where the call entered.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            source: self.source.clone(),
            sequence: u64::try_from(self.sequence).unwrap_or_default(),
        }
    }

    /// The id of its event.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        EventId::of(&self.origin())
    }
}

impl Books {
    /// The next rows of a scan, at most `take`. Their `cost_detail` is as it is stored.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn scan(
        &self,
        scan: &Scan,
        after: Option<Spot>,
        take: u32,
    ) -> Result<Vec<StoredCall>, BooksError> {
        let mut query = QueryBuilder::new(format!("SELECT {} {JOINED}", columns()));
        // A row value compares like the index that the rows are found by.
        let Spot { started, number } = after.unwrap_or(Spot {
            started: scan.from.micros(),
            number: i64::MIN,
        });
        query.push(" WHERE started >= ").push_bind(started);
        query.push(" AND (started, number) > (").push_bind(started);
        query.push(", ").push_bind(number).push(")");
        query
            .push(" AND started < ")
            .push_bind(scan.before.micros());
        if scan.unpriced {
            query.push(" AND cost IS NULL");
        }
        if !scan.models.is_empty() {
            for (column, before) in [("model", " AND ("), ("model_group", " OR ")] {
                query.push(before).push(column).push(" IN (");
                let mut list = query.separated(", ");
                scan.models.iter().for_each(|model| {
                    list.push_bind(model.clone());
                });
                query.push(")");
            }
            query.push(")");
        }
        query
            .push(" ORDER BY started, number LIMIT ")
            .push_bind(i64::from(take));
        Ok(query.build_query_as().fetch_all(&self.readers).await?)
    }

    /// The revision at which each of these calls stands; `None` where there is no such call. Sees
    /// everything that has been settled.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn revisions(
        &self,
        origins: impl Iterator<Item = &Origin> + Send,
    ) -> Result<Vec<Option<i64>>, BooksError> {
        let mut connection = self.writer.lock().await;
        let mut found = Vec::new();
        for origin in origins {
            let row = find(&mut connection, origin).await?;
            found.push(row.map(|row| row.revision));
        }
        Ok(found)
    }

    /// Every correction of one call, the first one first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn corrections(&self, origin: &Origin) -> Result<Vec<Correction>, BooksError> {
        let sql = "SELECT corrections.*, cards.card FROM corrections \
                   LEFT JOIN cards ON cards.id = corrections.was_card WHERE corrections.number = \
                   (SELECT id FROM sources WHERE source = ?) * ? + ? ORDER BY revision";
        let query = sqlx::query_as(sql)
            .bind(&origin.source)
            .bind(rows::SEQUENCES)
            .bind(whole(origin.sequence)?);
        let mut steps: Vec<Correction> = query.fetch_all(&self.readers).await?;
        for step in &mut steps {
            if let Some(card) = step.card.take() {
                step.was_detail = detail::join(&card, &step.was_detail, step.was())?;
            }
        }
        Ok(steps)
    }
}

/// The cost of a row before a correction.
#[derive(FromRow)]
struct Was {
    number: i64,
    revision: i64,
    cost: Option<i64>,
}

async fn find(
    connection: &mut SqliteConnection,
    origin: &Origin,
) -> Result<Option<Was>, BooksError> {
    let sql = "SELECT number, revision, cost FROM calls \
               WHERE number = (SELECT id FROM sources WHERE source = ?) * ? + ?";
    let query = sqlx::query_as(sql)
        .bind(&origin.source)
        .bind(rows::SEQUENCES)
        .bind(whole(origin.sequence)?);
    Ok(query.fetch_optional(connection).await?)
}

/// Gives a row its next cost, and returns by how much the sums move; `None` if the row has it
/// already, or is not in the books.
pub(super) async fn apply(
    connection: &mut SqliteConnection,
    cards: &mut HashMap<String, i64>,
    entry: &Entry,
) -> Result<Option<Counts>, BooksError> {
    let settlement = entry.event.settlement();
    let Some(was) = find(connection, &settlement.origin).await? else {
        tracing::error!(
            event = %settlement.event_id,
            revision = settlement.revision,
            "correction of a call that is not in the books"
        );
        return Ok(None);
    };
    let revision = i64::from(settlement.revision);
    if was.revision >= revision {
        return Ok(None);
    }
    let detail = detail::part(connection, cards, &settlement.cost).await?;
    let (status, cost) = (
        rows::cost_status(settlement.cost.status),
        settlement.cost.total,
    );
    let picos = cost.map(|cost| i64::try_from(cost.picos())).transpose();
    let picos = picos.map_err(|_beyond| BooksError::OutOfRange)?;
    let previous = settlement.previous.clone().unwrap_or_default();
    let sql = "INSERT INTO corrections (number, revision, at, reason, was_status, was_cost, \
               was_detail, was_card, cost_status, cost) SELECT number, ?, ?, ?, cost_status, cost, \
               cost_detail, card, ?, ? FROM calls WHERE number = ?";
    let query = sqlx::query(sql).bind(revision).bind(previous.at.micros());
    let query = query.bind(&previous.reason).bind(status).bind(picos);
    query.bind(was.number).execute(&mut *connection).await?;
    let sql = "UPDATE calls SET revision = ?, cost_status = ?, cost = ?, cost_detail = ?, card = ?, \
               position = coalesce(?, position) WHERE number = ?";
    let query = sqlx::query(sql).bind(revision).bind(status).bind(picos);
    let query = query.bind(detail.text).bind(detail.card);
    let query = query.bind(entry.position.map(whole).transpose()?);
    query.bind(was.number).execute(connection).await?;
    Ok(Some(Counts::of_correction(usd(was.cost), cost)))
}
