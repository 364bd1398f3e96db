//! Corrections: a row takes a new cost, and what it was is kept.
//!
//! A row shows its newest revision. The steps that led there stand in `corrections`, each with the
//! cost before it, whole. The sums move by the difference in the same transaction.

mod apply;

use event::{EventId, Origin, Timestamp, Usd};
use sqlx::{FromRow, QueryBuilder};

pub(super) use self::apply::apply;
use self::apply::{Numbers, rows_before};
use super::{
    Books, BooksError, detail,
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
    /// Of these models, as the provider names them, with or without the provider in front, or as
    /// the client does; of all models if there is none.
    pub models: Vec<String>,
    /// Calls whose cost is known as well, not only those whose cost is not.
    pub all: bool,
}

/// What a call's model is called: as its row has it, with and without the provider in front, and as
/// the client named it.
const NAMES: [&str; 4] = [
    "model",
    "provider || '/' || model",
    "CASE WHEN substr(model, 1, length(provider) + 1) = provider || '/' \
     THEN substr(model, length(provider) + 2) END",
    "model_group",
];

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
        if !scan.all {
            query.push(" AND cost IS NULL");
        }
        if !scan.models.is_empty() {
            query.push(" AND (FALSE");
            for name in NAMES {
                query.push(" OR ").push(name).push(" IN (");
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
        let mut numbers = Numbers::default();
        let mut found = Vec::new();
        for origin in origins {
            found.push(numbers.of(&mut connection, origin).await?);
        }
        let wanted: Vec<i64> = found.iter().flatten().copied().collect();
        let rows = rows_before(&mut connection, &wanted).await?;
        let revision = |number: i64| rows.get(&number).map(|row| row.revision);
        Ok(found
            .into_iter()
            .map(|number| number.and_then(revision))
            .collect())
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
