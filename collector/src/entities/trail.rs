//! Reading who changed what.

use event::{Json, Timestamp};
use serde::Serialize;
use sqlx::{FromRow, QueryBuilder};

use super::Filter;
use crate::{
    books::{Books, BooksError, Page},
    rfc3339,
};

/// An entity that somebody changed, under LiteLLM's names.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Audited {
    id: i64,
    /// The control version that it led to.
    version: i64,
    #[serde(with = "rfc3339")]
    updated_at: Timestamp,
    /// The digest of the key that did it, or `master key`.
    changed_by_api_key: String,
    changed_by_role: String,
    action: String,
    table_name: String,
    object_id: String,
    before_value: Json,
    updated_values: Json,
}

#[derive(FromRow)]
struct Row {
    number: i64,
    version: i64,
    at: i64,
    actor: String,
    actor_role: String,
    action: String,
    entity: String,
    id: String,
    was: Option<String>,
    became: Option<String>,
}

impl From<Row> for Audited {
    fn from(row: Row) -> Self {
        let json = |text: Option<String>| text.and_then(Json::parse).unwrap_or_default();
        Self {
            id: row.number,
            version: row.version,
            updated_at: Timestamp::from_micros(row.at),
            changed_by_api_key: row.actor,
            changed_by_role: row.actor_role,
            action: row.action,
            table_name: row.entity,
            object_id: row.id,
            before_value: json(row.was),
            updated_values: json(row.became),
        }
    }
}

/// The changes that fit, newest first, and how many there are.
pub(crate) async fn trail(
    books: &Books,
    filter: &Filter,
    page: Page,
) -> Result<(Vec<Audited>, u64), BooksError> {
    let mut query = QueryBuilder::new("SELECT count(*) FROM control_audit");
    filter.write(&mut query);
    let total: i64 = query
        .build_query_scalar()
        .fetch_one(books.readers())
        .await?;
    let mut query = QueryBuilder::new("SELECT * FROM control_audit");
    filter.write(&mut query);
    query
        .push(" ORDER BY number DESC LIMIT ")
        .push_bind(page.take);
    query.push(" OFFSET ").push_bind(page.skip);
    let rows: Vec<Row> = query.build_query_as().fetch_all(books.readers()).await?;
    let total = u64::try_from(total).map_err(|_negative| BooksError::OutOfRange)?;
    Ok((rows.into_iter().map(Audited::from).collect(), total))
}
