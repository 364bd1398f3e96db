//! Reading sums by day: grouped by what is asked for, and of those whom the asker may see.

use sqlx::{QueryBuilder, Row as _, Sqlite, sqlite::SqliteRow};

use super::{
    Books, BooksError,
    counts::{self, Counts},
    query::read_counts,
};

/// What sums can be told apart by: a column of `daily_models`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Day,
    Model,
    ModelGroup,
    Provider,
    ApiKey,
    User,
    Team,
    Organization,
}

impl Label {
    const fn column(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Model => "model",
            Self::ModelGroup => "model_group",
            Self::Provider => "provider",
            Self::ApiKey => "api_key",
            Self::User => "user_id",
            Self::Team => "team_id",
            Self::Organization => "organization_id",
        }
    }
}

/// Days, both within, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl Span {
    /// All days.
    pub(crate) const EVER: Self = Self {
        first: i64::MIN,
        last: i64::MAX,
    };
}

/// A condition: the label has one of these values.
type Condition = (Label, Vec<String>);

/// Whose sums: those for which every condition of one of the alternatives holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Whose {
    /// `None` for everybody's.
    any: Option<Vec<Vec<Condition>>>,
    /// Beside that, of all alternatives.
    all: Vec<Condition>,
}

impl Whose {
    /// Nobody's, so far.
    pub(crate) fn nobody() -> Self {
        Self {
            any: Some(Vec::new()),
            all: Vec::new(),
        }
    }

    /// Also those for which all of these hold; without a condition nobody's.
    pub(crate) fn or(mut self, conditions: Vec<Condition>) -> Self {
        let any = self.any.get_or_insert_default();
        if !conditions.is_empty() {
            any.push(conditions);
        }
        self
    }

    /// Only those with one of these values.
    pub(crate) fn only(mut self, label: Label, values: Vec<String>) -> Self {
        self.all.push((label, values));
        self
    }

    fn write(&self, query: &mut QueryBuilder<Sqlite>) {
        for condition in &self.all {
            query.push(" AND ");
            write(query, condition);
        }
        let Some(any) = &self.any else { return };
        query.push(" AND (0");
        for conditions in any {
            query.push(" OR (1");
            for condition in conditions {
                query.push(" AND ");
                write(query, condition);
            }
            query.push(")");
        }
        query.push(")");
    }
}

fn write(query: &mut QueryBuilder<Sqlite>, (label, values): &Condition) {
    // One parameter, however many values there are.
    let values = serde_json::Value::from(values.clone()).to_string();
    query.push(label.column());
    query
        .push(" IN (SELECT value FROM json_each(")
        .push_bind(values)
        .push("))");
}

/// What the calls of one day or label add up to.
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    /// The labels in the order in which they were asked for; a day as its number.
    pub(crate) labels: Vec<String>,
    pub(crate) counts: Counts,
}

impl Books {
    /// The sums of calls by labels, in the order of the labels; at most `limit`.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn activity(
        &self,
        whose: &Whose,
        span: Span,
        labels: &[Label],
        limit: u32,
    ) -> Result<Vec<Activity>, BooksError> {
        let columns: Vec<_> = labels.iter().map(|label| label.column()).collect();
        let columns = columns.join(", ");
        let mut query = QueryBuilder::new(format!(
            "SELECT {columns}, {} FROM daily_models WHERE day BETWEEN ",
            counts::sums()
        ));
        query.push_bind(span.first).push(" AND ");
        query.push_bind(span.last);
        whose.write(&mut query);
        query.push(format_args!(
            " GROUP BY {columns} ORDER BY {columns} LIMIT "
        ));
        query.push_bind(limit);
        let rows = query.build().fetch_all(&self.readers).await?;
        rows.iter().map(|row| read(row, labels)).collect()
    }

    /// The sums by day and id of one kind of entity, as `daily_entities` names it; at most `limit`.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn entity_days(
        &self,
        kind: &str,
        span: Span,
        ids: Option<Vec<String>>,
        limit: u32,
    ) -> Result<Vec<Activity>, BooksError> {
        let columns = counts::COLUMNS.join(", ");
        let mut query = QueryBuilder::new(format!(
            "SELECT day, id, {columns} FROM daily_entities WHERE kind = "
        ));
        query.push_bind(kind).push(" AND day BETWEEN ");
        query.push_bind(span.first).push(" AND ");
        query.push_bind(span.last);
        if let Some(ids) = ids {
            let ids = serde_json::Value::from(ids).to_string();
            query.push(" AND id IN (SELECT value FROM json_each(");
            query.push_bind(ids).push("))");
        }
        query.push(" ORDER BY day, id LIMIT ").push_bind(limit);
        let rows = query.build().fetch_all(&self.readers).await?;
        let labels = [Label::Day, Label::User];
        rows.iter().map(|row| read(row, &labels)).collect()
    }
}

fn read(row: &SqliteRow, labels: &[Label]) -> Result<Activity, BooksError> {
    let label = |(at, label): (usize, &Label)| match label {
        Label::Day => row.try_get::<i64, _>(at).map(|day| day.to_string()),
        _ => row.try_get(at),
    };
    let names: Result<Vec<String>, _> = labels.iter().enumerate().map(label).collect();
    Ok(Activity {
        labels: names?,
        counts: read_counts(row, labels.len())?,
    })
}
