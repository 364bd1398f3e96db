//! Whether a call may be made: what its key may do, how fast, and who pays.
//!
//! [`admit`] looks at all of it in LiteLLM's order and gives a [`Permit`], which holds what was
//! taken for the call: a part of each budget, and a place among those that run at the same time.
//! Both are given back when the permit goes, whichever way the call ends.

mod access;
mod bound;
mod purse;
mod rates;
mod recent;

use std::sync::Arc;

use event::{
    Budget, Enforcement, EntityKind, Metadata, Refusal, Reserved, Timestamp, WhenUnpriced,
    control::{Known, Whom},
};
use tokio::time::Instant;

pub(crate) use self::{access::aliased, purse::Purse, rates::Rates, recent::Recent};
use self::{
    purse::{Against, Want},
    rates::Place,
};
use crate::{
    config::Deployment,
    draft::Draft,
    error::{ApiError, ErrorClass},
    gateway::Shared,
    routing::Found,
};

/// How long a call may last, in microseconds: what it holds is held no longer.
const LONGEST_CALL: i64 = 3_600_000_000;

/// What a call was given to run with.
#[derive(Default)]
pub(crate) struct Permit {
    purse: Option<Arc<Purse>>,
    ticket: u64,
    pub(crate) reserved: Vec<Reserved>,
    place: Option<Place>,
}

/// Admits a call.
///
/// # Errors
///
/// Why it may not be made, in LiteLLM's words.
pub(crate) async fn admit(
    shared: &Shared,
    draft: &Draft,
    found: &Found,
    deployment: &Deployment,
) -> Result<Permit, ApiError> {
    let known = Arc::clone(&draft.identity.known);
    access::check(shared, draft, &known)?;
    let mut permit = Permit::default();
    let wants = wants(shared, draft, found, (deployment, &known))?;
    if !wants.is_empty() {
        permit.ticket = shared.control.purse.ticket();
        permit.purse = Some(Arc::clone(&shared.control.purse));
        permit.reserved = Box::pin(hold(shared, draft, permit.ticket, &wants)).await?;
    }
    let tokens = bound::expected(shared, draft);
    permit.place = shared.rates.take(draft, &known, tokens, (shared.clock)())?;
    Ok(permit)
}

async fn hold(
    shared: &Shared,
    draft: &Draft,
    ticket: u64,
    wants: &[Want],
) -> Result<Vec<Reserved>, ApiError> {
    let ends = draft.start.micros().saturating_add(LONGEST_CALL);
    let deadline = Timestamp::from_micros(ends);
    let patience = Instant::now() + shared.config.settings.budget_wait;
    let purse = &shared.control.purse;
    let held = purse.hold(ticket, wants, (shared.clock, deadline), patience);
    held.await
        .map_err(|against| refused(draft, wants, &against))
}

/// What a call wants of each budget that it counts in.
fn wants(
    shared: &Shared,
    draft: &Draft,
    found: &Found,
    (deployment, known): (&Deployment, &Known),
) -> Result<Vec<Want>, ApiError> {
    if known.is_without_budgets() || !draft.operation.consumes() {
        return Ok(Vec::new());
    }
    let end_user = draft.end_user();
    let tags = draft.tags();
    let identity = &draft.identity;
    let whom = Whom {
        organization: identity.org_id.as_deref(),
        team: identity.team_id.as_deref(),
        user: identity.user_id.as_deref(),
        key: identity.key_hash.as_deref(),
        end_user: end_user.as_deref(),
        tags: tags.iter().map(String::as_str).collect(),
        provider: Some(&deployment.provider_name),
        model: Some(&deployment.model_name),
    };
    let mut wants = Vec::new();
    for budget in known.budgets(&whom) {
        let enforcement = budget.terms.enforcement;
        if enforcement == Enforcement::Alert {
            continue;
        }
        let may_cost = match enforcement {
            Enforcement::Strict => bound::most(shared, draft, found),
            Enforcement::Balanced | Enforcement::Alert => bound::likely(shared, draft, deployment),
        };
        let amount = match (may_cost, budget.terms.unpriced) {
            (Some(amount), _) | (None, WhenUnpriced::Charge(amount)) => amount,
            (None, WhenUnpriced::Refuse) => return Err(unpriced(deployment, &budget)),
        };
        wants.push(Want {
            window: budget.terms.window(draft.start),
            amount,
            budget,
        });
    }
    Ok(wants)
}

/// Notes in an event what the key, its user and its team may spend and have spent.
pub(crate) fn note_budgets(shared: &Shared, metadata: &mut Metadata, known: &Known, at: Timestamp) {
    let standing = |kind, id: &Option<String>| {
        let budget = known.own(kind, id.as_deref()?)?;
        let window = budget.terms.window(at);
        let spent = shared.control.purse.spent(&budget.id, &window.id);
        Some((budget.terms.limit, spent, window.end))
    };
    if let Some((limit, spent, end)) = standing(EntityKind::Key, &metadata.user_api_key_hash) {
        metadata.user_api_key_max_budget = Some(limit);
        metadata.user_api_key_spend = spent;
        let text = |end: Timestamp| end.to_utc().to_rfc3339();
        metadata.user_api_key_budget_reset_at = end.map(text);
    }
    if let Some((limit, spent, _)) = standing(EntityKind::User, &metadata.user_api_key_user_id) {
        metadata.user_api_key_user_max_budget = Some(limit);
        metadata.user_api_key_user_spend = spent;
    }
    if let Some((limit, spent, _)) = standing(EntityKind::Team, &metadata.user_api_key_team_id) {
        metadata.user_api_key_team_max_budget = Some(limit);
        metadata.user_api_key_team_spend = spent;
    }
}

fn refused(draft: &Draft, wants: &[Want], against: &Against) -> ApiError {
    let Some(want) = wants.get(against.index) else {
        return ApiError::new(ErrorClass::BudgetExceeded, "Budget has been exceeded!");
    };
    let rule = want.budget.terms.rule.as_ref();
    let refusal = Refusal {
        budget: want.budget.id.clone(),
        entity: want.budget.entity.clone(),
        window: want.window.clone(),
        zone: rule.map(|rule| rule.zone.name().to_owned()),
        spent: against.spent,
        held: against.held,
        needed: want.amount,
        limit: against.limit,
        call_id: draft.call_id.clone(),
    };
    ApiError {
        // What calls in flight hold is free again soon.
        retry_after: against.may_pass.then_some(1),
        ..ApiError::new(ErrorClass::BudgetExceeded, refusal.to_string())
    }
}

fn unpriced(deployment: &Deployment, budget: &Budget) -> ApiError {
    let message = format!(
        "no price is known for model {}, and the budget {} of {} refuses what it cannot reckon: \
         give the deployment prices (`input_cost_per_token`, …), or the budget `unpriced: charge`",
        deployment.model_name, budget.id, budget.entity
    );
    ApiError::new(ErrorClass::BadRequest, message)
}

impl Permit {
    /// The event of the call stands at `position`: what it holds is held until that is settled.
    pub(crate) fn stored(mut self, position: u64) {
        let reserved = std::mem::take(&mut self.reserved);
        if let Some(purse) = &self.purse {
            purse.finish(self.ticket, &reserved, position);
        }
    }

    /// The event of the call is kept and written later: what it holds stays held.
    pub(crate) fn kept(mut self) {
        self.reserved.clear();
    }

    /// What the call has consumed.
    pub(crate) fn consumed(&mut self, tokens: u64, now: Timestamp) {
        if let Some(place) = &mut self.place {
            place.consumed(tokens, now);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let (Some(purse), false) = (&self.purse, self.reserved.is_empty()) {
            purse.cancel(self.ticket, &self.reserved);
        }
    }
}
