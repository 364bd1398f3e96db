//! What settled events cost the budgets they count in.

use std::collections::{BTreeMap, btree_map};

use event::{
    EntityId, PricedEvent, Usd, WhenUnpriced, WindowId,
    control::{Known, Whom},
    ledger::{Generation, Generations, Grants},
};
use sqlx::SqliteConnection;

use super::{silent, store};
use crate::books::{BooksError, Run};

/// What one event does to one budget in one window.
struct Charge {
    budget: EntityId,
    window: WindowId,
    /// Who admitted it with something held of this budget.
    by: Option<Generation>,
    /// What the budget is charged if the cost is not known.
    unknown: Usd,
}

/// What was spent of a budget in a window.
#[derive(Clone, Debug)]
pub(crate) struct Spent {
    pub(crate) budget: EntityId,
    pub(crate) window: WindowId,
    /// Before the run of events.
    pub(crate) before: Usd,
    /// With it.
    pub(crate) settled: Usd,
}

/// Counts a run of events, and takes back what generations were lent that are over with it. Says
/// what was spent in the windows that it touched, before and after.
///
/// # Errors
/// If the database refuses.
pub(crate) async fn settle(
    c: &mut SqliteConnection,
    known: &Known,
    run: &Run<'_>,
) -> Result<Vec<Spent>, BooksError> {
    let mut generations = store::generations(c).await?;
    let mut touched: BTreeMap<(EntityId, WindowId), (Usd, Grants)> = BTreeMap::new();
    for entry in run.events {
        for charge in charges(known, &generations, &entry.event) {
            let at = (charge.budget.clone(), charge.window.clone());
            let (_, grants) = match touched.entry(at) {
                btree_map::Entry::Occupied(there) => there.into_mut(),
                btree_map::Entry::Vacant(free) => {
                    let (budget, window) = free.key();
                    // The limit only matters where something is lent.
                    let grants = store::grants(c, (budget, window), Usd::ZERO).await?;
                    free.insert((grants.settled(), grants))
                }
            };
            apply(grants, &charge, &entry.event);
        }
        let ours = entry.event.payload().tollkeeper.as_deref();
        let started = ours.filter(|ours| !ours.reserved.is_empty());
        if let Some(started) = started.and_then(|ours| ours.started_sequence) {
            let source = &entry.event.settlement().origin.source;
            silent::ended(c, source, started).await?;
        }
    }
    for ((budget, window), (_, grants)) in &touched {
        store::keep_grants(c, (budget, window), grants).await?;
    }
    let before = generations.clone();
    for (source, mark) in run.marks {
        // A source with an impossible name has never said hello.
        let Ok(source) = source.parse() else { continue };
        let closed = generations.settled_below(&source, mark.saturating_add(1));
        store::close(c, &closed).await?;
    }
    let moved = generations != before;
    if moved {
        store::keep_generations(c, &generations).await?;
    }
    if moved || !touched.is_empty() {
        store::step(c).await?;
    }
    let spent = touched
        .into_iter()
        .map(|((budget, window), (before, grants))| Spent {
            settled: grants.settled(),
            budget,
            window,
            before,
        });
    Ok(spent.collect())
}

fn apply(grants: &mut Grants, charge: &Charge, event: &PricedEvent) {
    let now = event.cost().total.unwrap_or(charge.unknown);
    match &event.settlement().previous {
        None => grants.settle(charge.by.as_ref(), now),
        Some(previous) => grants.correct(now - previous.total.unwrap_or(charge.unknown)),
    }
}

/// The budgets that an event counts in: those it was admitted with, in the window it was admitted
/// in, and those that have come since or that nothing was held of.
fn charges(known: &Known, generations: &Generations, event: &PricedEvent) -> Vec<Charge> {
    let payload = event.payload();
    let ours = payload.tollkeeper.as_deref();
    let reserved = ours.map(|ours| &*ours.reserved).unwrap_or_default();
    if reserved.is_empty() && known.is_without_budgets() {
        return Vec::new();
    }
    let started = ours.and_then(|ours| ours.started_sequence);
    let source = event.settlement().origin.source.parse().ok();
    let by = source
        .zip(started)
        .and_then(|(source, started)| generations.of(&source, started));
    let unknown = |budget: &EntityId, held: Usd| {
        let terms = known.budget(budget).map(|budget| budget.terms.unpriced);
        match terms {
            Some(WhenUnpriced::Charge(amount)) => amount,
            Some(WhenUnpriced::Refuse) | None => held,
        }
    };
    let mut charges: Vec<Charge> = reserved
        .iter()
        .map(|held| Charge {
            budget: held.budget.clone(),
            window: held.window.clone(),
            by: by.clone(),
            unknown: unknown(&held.budget, held.amount),
        })
        .collect();
    for budget in known.budgets(&Whom::of(payload)) {
        if reserved.iter().any(|held| held.budget == budget.id) {
            continue;
        }
        charges.push(Charge {
            window: budget.terms.window(payload.start_time).id,
            by: None,
            unknown: unknown(&budget.id, Usd::ZERO),
            budget: budget.id,
        });
    }
    charges
}
