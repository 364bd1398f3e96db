//! Reading entities: one, the first that fits, or a page of them.

use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite};

use super::{Stored, read};
use crate::books::{Books, BooksError, Page};

/// Which entities are asked for: all conditions hold. Columns are never of a request's making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    equal: Vec<(&'static str, String)>,
    within: Option<(&'static str, Vec<String>)>,
    having: Option<&'static str>,
    containing: Option<(&'static str, String)>,
}

impl Filter {
    /// Only those whose column has this value.
    pub(crate) fn with(mut self, column: &'static str, value: impl Into<String>) -> Self {
        self.equal.push((column, value.into()));
        self
    }

    /// Only those whose column has one of these values.
    pub(crate) fn within(mut self, column: &'static str, values: Vec<String>) -> Self {
        self.within = Some((column, values));
        self
    }

    /// Only those whose column is set.
    pub(crate) fn having(mut self, column: &'static str) -> Self {
        self.having = Some(column);
        self
    }

    /// Only those whose column has this text in it.
    pub(crate) fn containing(mut self, column: &'static str, text: impl Into<String>) -> Self {
        self.containing = Some((column, text.into()));
        self
    }

    pub(super) fn write(&self, query: &mut QueryBuilder<Sqlite>) {
        query.push(" WHERE 1");
        for (column, value) in &self.equal {
            query.push(format_args!(" AND {column} = "));
            query.push_bind(value.clone());
        }
        if let Some(column) = self.having {
            query.push(format_args!(" AND {column} IS NOT NULL"));
        }
        if let Some((column, text)) = &self.containing {
            query.push(format_args!(" AND instr({column}, "));
            query.push_bind(text.clone()).push(") > 0");
        }
        if let Some((column, values)) = &self.within {
            // One parameter, however many values there are.
            let values = serde_json::Value::from(values.clone()).to_string();
            query.push(format_args!(
                " AND {column} IN (SELECT value FROM json_each("
            ));
            query.push_bind(values).push("))");
        }
    }
}

/// The entity with this id.
pub(crate) async fn get<S: Stored>(books: &Books, id: &str) -> Result<Option<S>, BooksError> {
    first(books, "id", id).await
}

/// The oldest entity whose column has this value.
pub(crate) async fn first<S: Stored>(
    books: &Books,
    column: &'static str,
    value: &str,
) -> Result<Option<S>, BooksError> {
    let table = S::TABLE;
    let sql = format!("SELECT fields FROM {table} WHERE {column} = ? ORDER BY rowid LIMIT 1");
    let query = sqlx::query_scalar(AssertSqlSafe(sql)).bind(value);
    let text: Option<String> = query.fetch_optional(books.readers()).await?;
    text.map(|text| read(&text)).transpose()
}

/// Entities that fit, newest first.
pub(crate) async fn page<S: Stored>(
    books: &Books,
    filter: &Filter,
    page: Page,
) -> Result<Vec<S>, BooksError> {
    let mut query = QueryBuilder::new(format!("SELECT fields FROM {}", S::TABLE));
    filter.write(&mut query);
    query
        .push(" ORDER BY rowid DESC LIMIT ")
        .push_bind(page.take);
    query.push(" OFFSET ").push_bind(page.skip);
    let query = query.build_query_scalar::<String>();
    let texts = query.fetch_all(books.readers()).await?;
    texts.iter().map(|text| read(text)).collect()
}

/// How many fit.
pub(crate) async fn count<S: Stored>(books: &Books, filter: &Filter) -> Result<u64, BooksError> {
    let mut query = QueryBuilder::new(format!("SELECT count(*) FROM {}", S::TABLE));
    filter.write(&mut query);
    let count: i64 = query
        .build_query_scalar()
        .fetch_one(books.readers())
        .await?;
    u64::try_from(count).map_err(|_negative| BooksError::OutOfRange)
}
