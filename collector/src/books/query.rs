//! Reading the books: rows by filter, sums by entity.

use event::{Status, Timestamp, Usd};
use sqlx::{AssertSqlSafe, FromRow, QueryBuilder, Row as _, Sqlite, sqlite::SqliteRow};

use super::{
    Books, BooksError, Span,
    counts::{self, Counts},
    detail,
    rollups::KINDS,
};

/// Which calls are asked for; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The id of the call, or of the provider's response.
    pub request_id: Option<String>,
    /// The hash of the key.
    pub api_key: Option<String>,
    /// The key's user.
    pub user_id: Option<String>,
    /// The team.
    pub team_id: Option<String>,
    /// The application's own user.
    pub end_user: Option<String>,
    /// The upstream model, or the model as the client asked for it.
    pub model: Option<String>,
    /// What the key is called.
    pub key_alias: Option<String>,
    /// The status that the client was answered with, or the error's own code.
    pub error_code: Option<String>,
    /// The session.
    pub session_id: Option<String>,
    /// Calls that cost so much or more.
    pub min_spend: Option<Usd>,
    /// Calls that cost so much or less.
    pub max_spend: Option<Usd>,
    /// How the call ended.
    pub status: Option<Status>,
    /// Calls that started then or later.
    pub from: Option<Timestamp>,
    /// Calls that started before then.
    pub before: Option<Timestamp>,
}

/// Which part of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Rows to leave out, newest first.
    pub skip: u32,
    /// Rows to return, at most.
    pub take: u32,
}

/// A row of `calls`, with its source by name. Times are microseconds since the epoch.
#[derive(Clone, Debug, FromRow)]
#[expect(
    missing_docs,
    reason = "each is the column of the same name; see the schema"
)]
pub struct StoredCall {
    pub source: String,
    pub sequence: i64,
    pub call_id: String,
    pub response_id: Option<String>,
    pub started: i64,
    pub ended: i64,
    pub completion_started: i64,
    pub status: String,
    pub outcome: String,
    pub usage_source: String,
    pub call_type: String,
    pub model: String,
    pub model_group: Option<String>,
    pub model_id: Option<String>,
    pub provider: Option<String>,
    pub api_base: Option<String>,
    pub api_key: Option<String>,
    pub key_alias: Option<String>,
    pub user_id: Option<String>,
    pub team_id: Option<String>,
    pub org_id: Option<String>,
    pub end_user: Option<String>,
    pub tags: String,
    pub prompt_tokens: i64,
    pub completion_tokens: i64,
    pub total_tokens: i64,
    pub cost_status: String,
    pub cost: Option<i64>,
    pub cost_detail: String,
    pub error_code: Option<String>,
    pub error_class: Option<String>,
    pub error_message: Option<String>,
    pub cache_hit: Option<bool>,
    pub stream: Option<bool>,
    pub requester_ip: Option<String>,
    pub session_id: Option<String>,
    pub trace_id: Option<String>,
    pub metadata: String,
    pub revision: i64,
    pub position: Option<i64>,
    pub(super) number: i64,
    card: Option<String>,
}

/// Calls with their source and the card of their bill.
pub(super) const JOINED: &str = "FROM calls JOIN sources ON sources.id = calls.source \
                                 LEFT JOIN cards ON cards.id = calls.card";

impl StoredCall {
    /// What it cost; `None` if that is not known.
    #[must_use]
    pub fn spend(&self) -> Option<Usd> {
        self.cost.map(|picos| Usd::from_picos(i128::from(picos)))
    }

    /// Makes `cost_detail` the whole cost.
    pub(crate) fn whole(mut self) -> Result<Self, BooksError> {
        if let Some(card) = self.card.take() {
            self.cost_detail = detail::join(&card, &self.cost_detail, self.spend())?;
        }
        Ok(self)
    }
}

/// One entity and what its calls add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Whose.
    pub id: String,
    /// The sums.
    pub counts: Counts,
}

impl Books {
    /// Rows that fit `filter`, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn calls(&self, filter: &Filter, page: Page) -> Result<Vec<StoredCall>, BooksError> {
        let mut query = QueryBuilder::new(format!("SELECT {} {JOINED} WHERE 1", columns()));
        filter.write(&mut query);
        query
            .push(" ORDER BY started DESC, number DESC LIMIT ")
            .push_bind(i64::from(page.take));
        query.push(" OFFSET ").push_bind(i64::from(page.skip));
        let rows: Vec<StoredCall> = query.build_query_as().fetch_all(&self.readers).await?;
        rows.into_iter().map(StoredCall::whole).collect()
    }

    /// How many rows fit `filter`.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn count(&self, filter: &Filter) -> Result<i64, BooksError> {
        let mut query = QueryBuilder::new("SELECT count(*) FROM calls WHERE 1");
        filter.write(&mut query);
        Ok(query.build_query_scalar().fetch_one(&self.readers).await?)
    }

    /// The sums over everything.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn totals(&self) -> Result<Counts, BooksError> {
        let sql = format!("SELECT {} FROM totals", counts::COLUMNS.join(", "));
        let row = sqlx::query(AssertSqlSafe(sql))
            .fetch_optional(&self.readers)
            .await?;
        row.map_or_else(|| Ok(Counts::default()), |row| Ok(read_counts(&row, 0)?))
    }

    /// The sums of every entity of a kind (`key`, `team`, `model`, …), dearest first; at most
    /// `limit`. A kind that does not exist has none.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn entities(
        &self,
        kind: &str,
        span: Span,
        limit: u32,
    ) -> Result<Vec<Entity>, BooksError> {
        if !KINDS.contains(&kind) {
            return Ok(Vec::new());
        }
        let sums = counts::sums();
        let sql = format!(
            "SELECT id, {sums} FROM daily_entities WHERE kind = ? AND day BETWEEN ? AND ? \
             GROUP BY id ORDER BY sum(cost_micros) DESC, id LIMIT ?"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(kind)
            .bind(span.first)
            .bind(span.last)
            .bind(i64::from(limit));
        let rows = query.fetch_all(&self.readers).await?;
        let entity = |row: &SqliteRow| {
            Ok(Entity {
                id: row.try_get(0)?,
                counts: read_counts(row, 1)?,
            })
        };
        rows.iter().map(entity).collect()
    }
}

impl Filter {
    fn write(&self, query: &mut QueryBuilder<Sqlite>) {
        if let Some(id) = &self.request_id {
            query.push(" AND (call_id = ").push_bind(id.clone());
            query
                .push(" OR response_id = ")
                .push_bind(id.clone())
                .push(")");
        }
        let texts = [
            ("api_key", &self.api_key),
            ("user_id", &self.user_id),
            ("team_id", &self.team_id),
            ("end_user", &self.end_user),
            ("key_alias", &self.key_alias),
            ("error_code", &self.error_code),
            ("session_id", &self.session_id),
        ];
        for (column, wanted) in texts {
            if let Some(wanted) = wanted {
                query
                    .push(" AND ")
                    .push(column)
                    .push(" = ")
                    .push_bind(wanted.clone());
            }
        }
        if let Some(model) = &self.model {
            query.push(" AND (model = ").push_bind(model.clone());
            query
                .push(" OR model_group = ")
                .push_bind(model.clone())
                .push(")");
        }
        if let Some(status) = self.status {
            query.push(" AND status = ").push_bind(status.as_str());
        }
        let amount = |usd: Usd| i64::try_from(usd.picos()).unwrap_or(i64::MAX);
        if let Some(least) = self.min_spend {
            query.push(" AND cost >= ").push_bind(amount(least));
        }
        if let Some(most) = self.max_spend {
            query.push(" AND cost <= ").push_bind(amount(most));
        }
        if let Some(from) = self.from {
            query.push(" AND started >= ").push_bind(from.micros());
        }
        if let Some(before) = self.before {
            query.push(" AND started < ").push_bind(before.micros());
        }
    }
}

/// The columns of [`StoredCall`]; the source by its name.
pub(super) fn columns() -> String {
    let rest = super::rows::COLUMNS
        .iter()
        .skip(2)
        .map(|column| match *column {
            "card" => "cards.card".to_owned(),
            column => format!("calls.{column}"),
        });
    ["sources.source", "calls.number", "calls.revision"]
        .map(str::to_owned)
        .into_iter()
        .chain(rest)
        .collect::<Vec<_>>()
        .join(", ")
}

pub(super) fn read_counts(row: &SqliteRow, first: usize) -> Result<Counts, sqlx::Error> {
    let mut columns = [0; counts::COLUMNS.len()];
    for (at, column) in columns.iter_mut().enumerate() {
        *column = row.try_get(first + at)?;
    }
    Ok(Counts::from_columns(columns))
}
