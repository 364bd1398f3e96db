//! Writes corrections: what a row was goes to `corrections`, what it becomes to the row.

use std::{collections::HashMap, mem, sync::LazyLock};

use event::Origin;
use sqlx::{
    Arguments as _, AssertSqlSafe, FromRow, SqliteConnection, error::BoxDynError,
    sqlite::SqliteArguments,
};

use super::usd;
use crate::books::{
    BooksError,
    counts::{Counts, Entry},
    detail::{self, Detail},
    insert,
    rollups::Rollups,
    rows, whole,
};

/// Rows in one statement.
const ROWS: usize = 32;

/// Statements for so many rows, and for one.
struct Statements {
    many: String,
    one: String,
}

impl Statements {
    fn new(of: impl Fn(usize) -> String) -> Self {
        Self {
            many: of(ROWS),
            one: of(1),
        }
    }

    /// The items in pieces, each with the statement for it.
    fn over<'a, T>(&'static self, items: &'a [T]) -> impl Iterator<Item = (&'static str, &'a [T])> {
        let (many, rest) = items.as_chunks::<ROWS>();
        let many = many
            .iter()
            .map(|chunk| (self.many.as_str(), chunk.as_slice()));
        many.chain(rest.chunks(1).map(|chunk| (self.one.as_str(), chunk)))
    }
}

static FIND: LazyLock<Statements> = LazyLock::new(|| {
    Statements::new(|rows| {
        let list = vec!["?"; rows].join(", ");
        format!(
            "SELECT number, revision, cost_status, cost, cost_detail, card FROM calls \
             WHERE number IN ({list})"
        )
    })
});

static KEEP: LazyLock<Statements> = LazyLock::new(|| {
    let columns = [
        "number",
        "revision",
        "at",
        "reason",
        "was_status",
        "was_cost",
        "was_detail",
        "was_card",
        "cost_status",
        "cost",
    ];
    Statements::new(|rows| insert("corrections", &columns, rows))
});

static CHANGE: LazyLock<Statements> = LazyLock::new(|| {
    Statements::new(|rows| {
        let list = vec!["(?, ?, ?, ?, ?, ?, ?)"; rows].join(", ");
        format!(
            "UPDATE calls SET revision = column2, cost_status = column3, cost = column4, \
             cost_detail = column5, card = column6, position = coalesce(column7, position) \
             FROM (VALUES {list}) WHERE number = column1"
        )
    })
});

/// A row before a correction.
#[derive(Clone, FromRow)]
pub(super) struct Was {
    number: i64,
    pub(super) revision: i64,
    cost_status: String,
    cost: Option<i64>,
    cost_detail: String,
    card: Option<i64>,
}

/// A row, what it was, and what it becomes.
struct Step<'a> {
    entry: &'a Entry,
    was: Was,
    detail: Detail,
}

/// The numbers of rows, by the ids of their sources.
#[derive(Default)]
pub(super) struct Numbers(HashMap<String, Option<i64>>);

impl Numbers {
    pub(super) async fn of(
        &mut self,
        connection: &mut SqliteConnection,
        origin: &Origin,
    ) -> Result<Option<i64>, BooksError> {
        if !self.0.contains_key(&origin.source) {
            let query = sqlx::query_scalar("SELECT id FROM sources WHERE source = ?");
            let found = query
                .bind(&origin.source)
                .fetch_optional(connection)
                .await?;
            self.0.insert(origin.source.clone(), found);
        }
        let source = self.0.get(&origin.source).copied().flatten();
        let sequence = whole(origin.sequence)?;
        Ok(source.and_then(|source| rows::number(source, sequence)))
    }
}

pub(super) async fn rows_before(
    connection: &mut SqliteConnection,
    numbers: &[i64],
) -> Result<HashMap<i64, Was>, BooksError> {
    let mut found = HashMap::with_capacity(numbers.len());
    for (statement, chunk) in FIND.over(numbers) {
        let query = sqlx::query_as(AssertSqlSafe(statement));
        let query = chunk
            .iter()
            .fold(query, |query, number| query.bind(*number));
        let rows: Vec<Was> = query.fetch_all(&mut *connection).await?;
        found.extend(rows.into_iter().map(|row| (row.number, row)));
    }
    Ok(found)
}

/// Gives rows their next cost, in the order of `entries`, and adds to `sums` by how much they move.
/// What a row has already, or a call that is not in the books, changes nothing.
pub(in crate::books) async fn apply<'a>(
    connection: &mut SqliteConnection,
    cards: &mut HashMap<String, i64>,
    entries: &[&'a Entry],
    sums: &mut Rollups<'a>,
) -> Result<(), BooksError> {
    let mut numbers = Numbers::default();
    let mut together: Vec<(i64, &Entry)> = Vec::new();
    for entry in entries {
        let settlement = entry.event.settlement();
        let Some(number) = numbers.of(connection, &settlement.origin).await? else {
            missing(entry);
            continue;
        };
        // A call that is corrected twice in a run is corrected in two turns.
        if together.iter().any(|(other, _)| *other == number) {
            apply_once(connection, cards, &mem::take(&mut together), sums).await?;
        }
        together.push((number, entry));
    }
    apply_once(connection, cards, &together, sums).await
}

/// Corrects different calls.
async fn apply_once<'a>(
    connection: &mut SqliteConnection,
    cards: &mut HashMap<String, i64>,
    together: &[(i64, &'a Entry)],
    sums: &mut Rollups<'a>,
) -> Result<(), BooksError> {
    let numbers: Vec<i64> = together.iter().map(|(number, _)| *number).collect();
    let mut before = rows_before(connection, &numbers).await?;
    let mut steps = Vec::with_capacity(together.len());
    for (number, entry) in together {
        let event = &entry.event;
        match before.remove(number) {
            None => missing(entry),
            Some(was) if was.revision >= i64::from(event.revision()) => {}
            Some(was) => {
                let moved = Counts::of_correction(usd(was.cost), event.cost().total);
                sums.add(event, &moved);
                let detail = detail::part(connection, cards, event.cost()).await?;
                steps.push(Step { entry, was, detail });
            }
        }
    }
    write(connection, &KEEP, &steps, keep).await?;
    write(connection, &CHANGE, &steps, change).await
}

fn missing(entry: &Entry) {
    let event = entry.event.id();
    tracing::error!(%event, "correction of a call that is not in the books is passed over");
}

async fn write(
    connection: &mut SqliteConnection,
    statements: &'static Statements,
    steps: &[Step<'_>],
    push: fn(&Step<'_>, &mut SqliteArguments) -> Result<(), BoxDynError>,
) -> Result<(), BooksError> {
    for (statement, chunk) in statements.over(steps) {
        let mut values = SqliteArguments::default();
        for step in chunk {
            push(step, &mut values).map_err(sqlx::Error::Encode)?;
        }
        sqlx::query_with(AssertSqlSafe(statement), values)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// What it was, and what it becomes.
fn keep(step: &Step<'_>, values: &mut SqliteArguments) -> Result<(), BoxDynError> {
    let (settlement, was) = (step.entry.event.settlement(), &step.was);
    let previous = settlement.previous.as_ref();
    values.add(was.number)?;
    values.add(i64::from(settlement.revision))?;
    values.add(previous.map_or(0, |previous| previous.at.micros()))?;
    values.add(previous.map_or("", |previous| &previous.reason))?;
    values.add(was.cost_status.as_str())?;
    values.add(was.cost)?;
    values.add(was.cost_detail.as_str())?;
    values.add(was.card)?;
    cost(step, values)
}

fn change(step: &Step<'_>, values: &mut SqliteArguments) -> Result<(), BoxDynError> {
    values.add(step.was.number)?;
    values.add(i64::from(step.entry.event.revision()))?;
    cost(step, values)?;
    values.add(step.detail.text.as_str())?;
    values.add(step.detail.card)?;
    values.add(step.entry.position.map(i64::try_from).transpose()?)
}

fn cost(step: &Step<'_>, values: &mut SqliteArguments) -> Result<(), BoxDynError> {
    let cost = step.entry.event.cost();
    values.add(rows::cost_status(cost.status))?;
    let total = cost.total.map(|total| i64::try_from(total.picos()));
    values.add(total.transpose()?)
}
