//! Gateways that are not heard of any more: what they were lent is taken back, but for what their
//! open calls hold, which may have been spent.

use event::{EntityId, Reserved, Timestamp, Usd, WindowId, ledger::Generation};
use sqlx::{Connection as _, SqliteConnection};

use super::store;
use crate::books::{Books, BooksError, whole};

/// Notes what calls hold that have started and not ended, before anything passes their records by;
/// noting it again changes nothing.
///
/// # Errors
/// If the database refuses.
pub(crate) async fn open(
    books: &Books,
    source: &str,
    calls: &[(u64, Vec<Reserved>)],
) -> Result<(), BooksError> {
    if calls.is_empty() {
        return Ok(());
    }
    let mut connection = books.writer().await;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let sql = "INSERT OR IGNORE INTO ledger_open (source, position, budget, window, amount) \
               VALUES (?, ?, ?, ?, ?)";
    for (position, reserved) in calls {
        for held in reserved {
            let query = sqlx::query(sql).bind(source).bind(whole(*position)?);
            let query = query.bind(held.budget.as_str()).bind(held.window.as_str());
            let query = query.bind(held.amount.to_string());
            query.execute(&mut *transaction).await?;
        }
    }
    transaction.commit().await?;
    Ok(())
}

/// A call has ended.
///
/// # Errors
/// If the database refuses.
pub(super) async fn ended(
    c: &mut SqliteConnection,
    source: &str,
    started: u64,
) -> Result<(), BooksError> {
    sqlx::query("DELETE FROM ledger_open WHERE source = ? AND position = ?")
        .bind(source)
        .bind(whole(started)?)
        .execute(c)
        .await?;
    Ok(())
}

/// Takes back what generations were lent whose lease has run out for so long that none of their
/// calls can still run. All that is in the journal of `source` has been settled. Gives how many
/// there were.
///
/// # Errors
/// If the database refuses.
pub(crate) async fn end_silent(
    books: &Books,
    source: &str,
    now: Timestamp,
) -> Result<usize, BooksError> {
    let mut connection = books.writer().await;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut generations = store::generations(&mut transaction).await?;
    let ended = generations.end_silent(now, |name| name.as_str() == source);
    if ended.is_empty() {
        return Ok(0);
    }
    for generation in &ended {
        keep(&mut transaction, generation).await?;
    }
    store::keep_generations(&mut transaction, &generations).await?;
    store::step(&mut transaction).await?;
    transaction.commit().await?;
    Ok(ended.len())
}

/// Lowers what a generation was lent to what its open calls hold.
async fn keep(c: &mut SqliteConnection, generation: &Generation) -> Result<(), BooksError> {
    let sql = "SELECT budget, window FROM ledger_lent WHERE source = ? AND start = ?";
    let lent: Vec<(String, String)> = sqlx::query_as(sql)
        .bind(generation.source.as_str())
        .bind(whole(generation.start)?)
        .fetch_all(&mut *c)
        .await?;
    for (budget, window) in lent {
        let (budget, window): (EntityId, WindowId) = match (budget.parse(), window.parse()) {
            (Ok(budget), Ok(window)) => (budget, window),
            _ => continue,
        };
        let held = held(c, generation, (&budget, &window)).await?;
        // The limit only matters where something is lent.
        let mut grants = store::grants(c, (&budget, &window), Usd::ZERO).await?;
        grants.keep(generation, held);
        store::keep_grants(c, (&budget, &window), &grants).await?;
    }
    Ok(())
}

async fn held(
    c: &mut SqliteConnection,
    generation: &Generation,
    (budget, window): (&EntityId, &WindowId),
) -> Result<Usd, BooksError> {
    let sql = "SELECT amount FROM ledger_open \
               WHERE source = ? AND position >= ? AND budget = ? AND window = ?";
    let amounts: Vec<String> = sqlx::query_scalar(sql)
        .bind(generation.source.as_str())
        .bind(whole(generation.start)?)
        .bind(budget.as_str())
        .bind(window.as_str())
        .fetch_all(c)
        .await?;
    let mut sum = Usd::ZERO;
    for amount in amounts {
        let amount: Usd = amount
            .parse()
            .map_err(|error| BooksError::Database(sqlx::Error::Decode(Box::new(error))))?;
        sum += amount;
    }
    Ok(sum)
}
