//! The ledger's rows.

use event::{
    EntityId, Usd, WindowId,
    ledger::{Generation, Generations, Grants, Lent},
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::SqliteConnection;

use super::{LEASE, LONGEST_CALL};
use crate::books::{BooksError, Split, natural, whole};

/// The generations of gateways; none before the first has said hello.
pub(super) async fn generations(c: &mut SqliteConnection) -> Result<Generations, BooksError> {
    let text: Option<String> = sqlx::query_scalar("SELECT state FROM ledger_generations")
        .fetch_optional(c)
        .await?;
    let mut generations = match text {
        Some(text) => read(&text)?,
        None => Generations::new(LEASE, LONGEST_CALL),
    };
    generations.set_times(LEASE, LONGEST_CALL);
    Ok(generations)
}

pub(super) async fn keep_generations(
    c: &mut SqliteConnection,
    generations: &Generations,
) -> Result<(), BooksError> {
    let sql = "INSERT INTO ledger_generations (only_row, state) VALUES (1, ?) \
               ON CONFLICT DO UPDATE SET state = excluded.state";
    let text = write(generations)?;
    sqlx::query(sql).bind(text).execute(c).await?;
    Ok(())
}

/// One step of the number that rises with each change.
pub(super) async fn step(c: &mut SqliteConnection) -> Result<u64, BooksError> {
    let sql = "INSERT INTO ledger_steps (only_row, step) VALUES (1, 1) \
               ON CONFLICT DO UPDATE SET step = step + 1 RETURNING step";
    natural(sqlx::query_scalar(sql).fetch_one(c).await?)
}

/// Below which position everything of a source is settled.
pub(super) async fn settled_below(
    c: &mut SqliteConnection,
    source: &EntityId,
) -> Result<u64, BooksError> {
    let mark: Option<i64> = sqlx::query_scalar("SELECT mark FROM sources WHERE source = ?")
        .bind(source.as_str())
        .fetch_optional(c)
        .await?;
    match mark {
        Some(mark) => Ok(natural(mark)?.saturating_add(1)),
        None => Ok(0),
    }
}

/// What has been settled in a window; `None` if nothing has been said of it.
pub(super) async fn settled(
    c: &mut SqliteConnection,
    budget: &EntityId,
    window: &WindowId,
) -> Result<Option<Usd>, BooksError> {
    let sql = "SELECT cost_micros, cost_picos FROM ledger_windows WHERE budget = ? AND window = ?";
    let row: Option<(i64, i64)> = sqlx::query_as(sql)
        .bind(budget.as_str())
        .bind(window.as_str())
        .fetch_optional(c)
        .await?;
    Ok(row.map(|(micros, picos)| Split { micros, picos }.usd()))
}

/// A budget in a window.
pub(super) async fn grants(
    c: &mut SqliteConnection,
    (budget, window): (&EntityId, &WindowId),
    limit: Usd,
) -> Result<Grants, BooksError> {
    let settled = settled(c, budget, window).await?.unwrap_or_default();
    let sql = "SELECT source, start, lent FROM ledger_lent WHERE budget = ? AND window = ?";
    let rows: Vec<(String, i64, String)> = sqlx::query_as(sql)
        .bind(budget.as_str())
        .bind(window.as_str())
        .fetch_all(c)
        .await?;
    let mut lent: Vec<(Generation, Lent)> = Vec::with_capacity(rows.len());
    for (source, start, text) in rows {
        let source = source
            .parse()
            .map_err(|error| undecodable(Box::new(error)))?;
        let start = natural(start)?;
        lent.push((Generation { source, start }, read(&text)?));
    }
    Ok(Grants::restored(limit, settled, lent))
}

pub(super) async fn keep_grants(
    c: &mut SqliteConnection,
    (budget, window): (&EntityId, &WindowId),
    grants: &Grants,
) -> Result<(), BooksError> {
    let Split { micros, picos } = Split::of(grants.settled());
    let sql = "INSERT INTO ledger_windows (budget, window, cost_micros, cost_picos) \
               VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET \
               cost_micros = excluded.cost_micros, cost_picos = excluded.cost_picos";
    let query = sqlx::query(sql).bind(budget.as_str()).bind(window.as_str());
    query.bind(micros).bind(picos).execute(&mut *c).await?;
    let sql = "INSERT INTO ledger_lent (budget, window, source, start, lent) \
               VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET lent = excluded.lent";
    for (generation, lent) in grants.lent() {
        let query = sqlx::query(sql).bind(budget.as_str()).bind(window.as_str());
        let query = query.bind(generation.source.as_str());
        let query = query.bind(whole(generation.start)?).bind(write(lent)?);
        query.execute(&mut *c).await?;
    }
    Ok(())
}

/// Takes back what generations were lent of which everything is settled.
pub(super) async fn close(
    c: &mut SqliteConnection,
    closed: &[Generation],
) -> Result<(), BooksError> {
    for generation in closed {
        sqlx::query("DELETE FROM ledger_lent WHERE source = ? AND start = ?")
            .bind(generation.source.as_str())
            .bind(whole(generation.start)?)
            .execute(&mut *c)
            .await?;
    }
    Ok(())
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, BooksError> {
    serde_json::from_str(text).map_err(|error| undecodable(Box::new(error)))
}

fn write<T: Serialize>(value: &T) -> Result<String, BooksError> {
    serde_json::to_string(value).map_err(|error| undecodable(Box::new(error)))
}

fn undecodable(error: Box<dyn std::error::Error + Send + Sync>) -> BooksError {
    BooksError::Database(sqlx::Error::Decode(error))
}
