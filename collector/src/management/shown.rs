//! Entities as they are shown: their fields, what they cost, when their budget begins anew.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use event::{Entity, EntityKind, Timestamp, Usd};
use serde::Serialize;

use crate::{
    api::answer::Refusal,
    books::{Books, Page},
    clock,
    entities::{
        self, BudgetRow, EndUser, Filter, Key, Limits, Organization, Since, Spend, Stored, Tag,
        Team, User,
    },
    ledger, rfc3339,
};

/// An entity that spends.
pub(super) trait Spends: Stored {
    /// As the books' sums name its kind.
    const KIND: &'static str;

    /// The budget it shares.
    fn budget_id(&self) -> Option<&str> {
        None
    }

    /// Its own limits.
    fn own_limits(&self) -> Option<&Limits> {
        None
    }
}

/// An entity and what goes with it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Shown<S> {
    #[serde(flatten)]
    pub(super) row: S,
    #[serde(flatten)]
    pub(super) spend: Spend,
    #[serde(with = "rfc3339::option")]
    pub(super) budget_reset_at: Option<Timestamp>,
    pub(super) litellm_budget_table: Option<BudgetShown>,
}

/// A budget and when it begins anew.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BudgetShown {
    #[serde(flatten)]
    pub(super) row: BudgetRow,
    #[serde(with = "rfc3339::option")]
    pub(super) budget_reset_at: Option<Timestamp>,
}

impl BudgetShown {
    /// As it stands now; `usual` is the zone of budgets that name none.
    pub(super) fn of(row: BudgetRow, usual: Tz, now: Timestamp) -> Self {
        let budget_reset_at = row.limits.resets_at(usual, now);
        Self {
            row,
            budget_reset_at,
        }
    }
}

/// Entities with their spend and budgets, in two queries.
pub(super) async fn all<S: Spends>(books: &Books, rows: Vec<S>) -> Result<Vec<Shown<S>>, Refusal> {
    let now = clock::now();
    let budgets = budgets(books, &rows).await?;
    let windows = rows.iter().map(|row| {
        let shared = row.budget_id().and_then(|id| budgets.get(id));
        let shared = shared.map(|budget| &budget.limits);
        let mut limits = row.own_limits().into_iter().chain(shared);
        let zone = limits.clone().find_map(|limits| limits.budget_timezone);
        let duration = limits.find_map(|limits| limits.budget_duration);
        (duration, zone.unwrap_or(books.zone()))
    });
    let windows: Vec<_> = windows.collect();
    let asked: Vec<_> = rows
        .iter()
        .zip(&windows)
        .map(|(row, (duration, zone))| (row.id(), Since::of(*duration, *zone, now)))
        .collect();
    let mut spends = entities::spends(books, S::KIND, &asked).await?;
    for (id, _) in asked.iter().filter(|(_, since)| *since == Since::Unknown) {
        if let Some(spend) = spends.get_mut(id) {
            spend.spend = within_day(books, (S::KIND, id), now).await?;
        }
    }
    let shown = |(row, (duration, zone)): (S, _)| {
        let budget = row.budget_id().and_then(|id| budgets.get(id)).cloned();
        Shown {
            spend: spends.get(&row.id()).copied().unwrap_or_default(),
            budget_reset_at: entities::now_in(duration, zone, now).end,
            litellm_budget_table: budget.map(|budget| BudgetShown::of(budget, books.zone(), now)),
            row,
        }
    };
    Ok(rows.into_iter().zip(windows).map(shown).collect())
}

/// What an entity spent in a window that began within a day, which the sums of days do not say: its
/// budget does, if it has one.
async fn within_day(
    books: &Books,
    (kind, id): (&str, &str),
    now: Timestamp,
) -> Result<Option<Usd>, Refusal> {
    let known = books.directory().known();
    let kind = EntityKind::ALL.into_iter().find(|one| one.as_str() == kind);
    let entity = kind.and_then(|kind| Entity::of(kind, id.parse().ok()?).ok());
    let budget = entity.and_then(|entity| known.budget(&entity.to_string().parse().ok()?));
    let Some(budget) = budget else {
        return Ok(None);
    };
    let window = budget.terms.window(now);
    let spent = ledger::spent_in(books, (&budget.id, &window.id)).await?;
    Ok(Some(spent))
}

/// One entity with its spend and budget.
pub(super) async fn one<S: Spends>(books: &Books, row: S) -> Result<Shown<S>, Refusal> {
    let mut shown = all(books, vec![row]).await?;
    shown
        .pop()
        .ok_or_else(|| Refusal::unavailable("entity not shown"))
}

async fn budgets<S: Spends>(
    books: &Books,
    rows: &[S],
) -> Result<BTreeMap<String, BudgetRow>, Refusal> {
    let ids: Vec<String> = rows
        .iter()
        .filter_map(|row| row.budget_id().map(str::to_owned))
        .collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let page = Page {
        skip: 0,
        take: u32::try_from(ids.len()).unwrap_or(u32::MAX),
    };
    let filter = Filter::default().within("id", ids);
    let rows: Vec<BudgetRow> = entities::page(books, &filter, page).await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.budget_id.clone(), row))
        .collect())
}

impl Spends for Key {
    const KIND: &'static str = "key";

    fn budget_id(&self) -> Option<&str> {
        self.budget_id.as_deref()
    }

    fn own_limits(&self) -> Option<&Limits> {
        Some(&self.limits)
    }
}

impl Spends for User {
    const KIND: &'static str = "user";

    fn own_limits(&self) -> Option<&Limits> {
        Some(&self.limits)
    }
}

impl Spends for Team {
    const KIND: &'static str = "team";

    fn own_limits(&self) -> Option<&Limits> {
        Some(&self.limits)
    }
}

impl Spends for Organization {
    const KIND: &'static str = "organization";

    fn budget_id(&self) -> Option<&str> {
        self.budget_id.as_deref()
    }
}

impl Spends for EndUser {
    const KIND: &'static str = "end_user";

    fn budget_id(&self) -> Option<&str> {
        self.budget_id.as_deref()
    }
}

impl Spends for Tag {
    const KIND: &'static str = "tag";

    fn budget_id(&self) -> Option<&str> {
        self.budget_id.as_deref()
    }
}
