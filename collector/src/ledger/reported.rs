//! Costs that no call of a gateway had: what somebody reports to have spent elsewhere.

use event::{EntityId, Usd, WindowId};
use sqlx::SqliteConnection;

use super::{settle::Spent, store};
use crate::books::{Books, BooksError, Split};

/// What has been spent of a budget in a window.
///
/// # Errors
/// If the database cannot be read.
pub(crate) async fn spent_in(
    books: &Books,
    (budget, window): (&EntityId, &WindowId),
) -> Result<Usd, BooksError> {
    let sql = "SELECT cost_micros, cost_picos FROM ledger_windows WHERE budget = ? AND window = ?";
    let row: Option<(i64, i64)> = sqlx::query_as(sql)
        .bind(budget.as_str())
        .bind(window.as_str())
        .fetch_optional(books.readers())
        .await?;
    let spent = row.map(|(micros, picos)| Split { micros, picos }.usd());
    Ok(spent.unwrap_or_default())
}

/// Counts a cost in a budget, as that of a call that nothing was held for; a negative one is taken
/// back. Part of a transaction.
///
/// # Errors
/// If the database refuses.
pub(crate) async fn charge(
    c: &mut SqliteConnection,
    (budget, window): (&EntityId, &WindowId),
    cost: Usd,
) -> Result<Spent, BooksError> {
    let mut grants = store::grants(c, (budget, window), Usd::ZERO).await?;
    let before = grants.settled();
    grants.correct(cost);
    store::keep_grants(c, (budget, window), &grants).await?;
    store::step(c).await?;
    Ok(Spent {
        budget: budget.clone(),
        window: window.clone(),
        before,
        settled: grants.settled(),
    })
}
