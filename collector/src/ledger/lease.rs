//! What gateways say of themselves and ask for.

use std::collections::BTreeMap;

use event::{
    EntityId, Timestamp, WindowId,
    control::{BudgetAsk, BudgetLease, Hello, Known, LeaseReply, LeaseRequest, Spent},
    ledger::{Generation, GenerationClosed},
};
use sqlx::{Connection as _, SqliteConnection};

use super::store;
use crate::books::{Books, BooksError, Split};

/// How far a gateway's clock may be from this one's where a window begins.
const SKEW_MICROS: i64 = 300_000_000;

/// A generation begins. What an earlier one of the same source was lent is taken back once all of
/// it is settled.
///
/// # Errors
/// If the database refuses; within, if the generation is closed.
pub(crate) async fn hello(
    books: &Books,
    hello: &Hello,
    now: Timestamp,
) -> Result<Result<(), GenerationClosed>, BooksError> {
    let mut connection = books.writer().await;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut generations = store::generations(&mut transaction).await?;
    let source = &hello.generation.source;
    let below = store::settled_below(&mut transaction, source).await?;
    let mut closed = match generations.hello(&hello.generation, now) {
        Ok(closed) => closed,
        Err(closed) => return Ok(Err(closed)),
    };
    // The ledger does not follow marks of sources that it had not heard of.
    closed.extend(generations.settled_below(source, below));
    store::close(&mut transaction, &closed).await?;
    store::keep_generations(&mut transaction, &generations).await?;
    store::step(&mut transaction).await?;
    transaction.commit().await?;
    Ok(Ok(()))
}

/// Lends what a gateway asks for, as far as it is there.
///
/// # Errors
/// If the database refuses; within, if the generation is closed.
pub(crate) async fn lease(
    books: &Books,
    known: &Known,
    request: &LeaseRequest,
    now: Timestamp,
) -> Result<Result<LeaseReply, GenerationClosed>, BooksError> {
    let mut connection = books.writer().await;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let by = &request.generation;
    let mut generations = store::generations(&mut transaction).await?;
    if let Err(closed) = generations.heard(by, now) {
        return Ok(Err(closed));
    }
    store::keep_generations(&mut transaction, &generations).await?;
    let as_of = store::step(&mut transaction).await?;
    let below = store::settled_below(&mut transaction, &by.source).await?;
    let mut leases = Vec::with_capacity(request.asks.len());
    for ask in &request.asks {
        let (at, to) = ((now, below, as_of), by);
        leases.extend(lend(&mut transaction, known, ask, (at, to)).await?);
    }
    transaction.commit().await?;
    Ok(Ok(LeaseReply {
        sent_at: request.sent_at,
        leases,
        version: known.snapshot().version,
    }))
}

/// One ask; `None` for a budget or window that does not exist.
async fn lend(
    c: &mut SqliteConnection,
    known: &Known,
    BudgetAsk {
        budget,
        window,
        ask,
    }: &BudgetAsk,
    ((now, below, as_of), to): ((Timestamp, u64, u64), &Generation),
) -> Result<Option<BudgetLease>, BooksError> {
    let Some(found) = known.budget(budget) else {
        return Ok(None);
    };
    let is_near = [-SKEW_MICROS, 0, SKEW_MICROS].iter().any(|skew| {
        let instant = Timestamp::from_micros(now.micros().saturating_add(*skew));
        found.terms.window(instant).id == *window
    });
    // Of a window that is over, what is still held is told, and given back.
    if !is_near && store::settled(c, budget, window).await?.is_none() {
        return Ok(None);
    }
    let at = (budget, window);
    let mut grants = store::grants(c, at, found.terms.limit).await?;
    grants.ask(to, *ask);
    store::keep_grants(c, at, &grants).await?;
    Ok(Some(BudgetLease {
        budget: budget.clone(),
        window: window.clone(),
        lease: grants.lease(to, below, as_of),
    }))
}

/// What has been spent in the windows of now.
///
/// # Errors
/// If the database cannot be read.
pub(crate) async fn spent(
    books: &Books,
    known: &Known,
    now: Timestamp,
) -> Result<Vec<Spent>, BooksError> {
    let sql = "SELECT budget, window, cost_micros, cost_picos FROM ledger_windows";
    let rows: Vec<(String, String, i64, i64)> =
        sqlx::query_as(sql).fetch_all(books.readers()).await?;
    let mut windows: BTreeMap<EntityId, Option<WindowId>> = BTreeMap::new();
    let mut spent = Vec::new();
    for (budget, window, micros, picos) in rows {
        let (Ok(budget), Ok(window)) = (budget.parse::<EntityId>(), window.parse()) else {
            continue;
        };
        let current = windows.entry(budget.clone()).or_insert_with(|| {
            let found = known.budget(&budget);
            found.map(|found| found.terms.window(now).id)
        });
        if current.as_ref() == Some(&window) {
            spent.push(Spent {
                settled: Split { micros, picos }.usd(),
                budget,
                window,
            });
        }
    }
    Ok(spent)
}
