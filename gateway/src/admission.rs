//! Whether a call may be made: what its key may do, how fast, and who pays.
//!
//! [`admit`] looks at all of it in LiteLLM's order and gives a [`Permit`], which holds what was
//! taken for the call: a part of each budget, and a place among those that run at the same time.
//! Both are given back when the permit goes, whichever way the call ends.

mod access;
mod bound;
mod purse;
mod rates;
mod reach;
mod recent;
mod standing;

use std::{sync::Arc, time::Duration};

use event::{
    Budget, Enforcement, EntityKind, Metadata, Refusal, Reserved, Timestamp, Usd, WhenUnpriced,
    control::{Known, Whom},
};
use tokio::time::Instant;

pub(crate) use self::{
    access::{Lists, aliased, enter, from, key_of},
    purse::Purse,
    rates::Rates,
    recent::Recent,
    standing::standing,
};
use self::{
    purse::{Against, Want},
    rates::Place,
};
use crate::{
    config::Deployment,
    draft::Draft,
    error::{ApiError, ErrorClass},
    gateway::Shared,
    operation::Operation,
    routing::Found,
};

/// How long a call may last, in microseconds: what it holds is held no longer.
const LONGEST_CALL: i64 = 3_600_000_000;

/// How long a call whose output is to be bounded waits for what it then needs.
const PATIENCE: Duration = Duration::from_millis(250);

/// What a call was given to run with.
#[derive(Default)]
pub(crate) struct Permit {
    purse: Option<Arc<Purse>>,
    ticket: u64,
    pub(crate) reserved: Vec<Reserved>,
    /// What the call cost, once that is known as the collector will find it.
    pub(crate) cost: Option<Usd>,
    /// The bound that the gateway has set on the output, in tokens.
    pub(crate) bounded: Option<u64>,
    place: Option<Place>,
}

/// What is asked for, and whom: whose prices and budgets count.
#[derive(Clone, Copy)]
struct Asked<'a> {
    shared: &'a Shared,
    found: &'a Found,
    deployment: &'a Deployment,
    known: &'a Known,
}

/// Admits a call. Where a strict budget cannot pay for all that it may come to, its output is
/// bounded by what can be paid.
///
/// # Errors
///
/// Why it may not be made, in LiteLLM's words.
pub(crate) async fn admit(
    shared: &Shared,
    draft: &mut Draft,
    found: &Found,
    deployment: &Deployment,
) -> Result<Permit, ApiError> {
    let known = Arc::clone(&draft.identity.known);
    access::check(shared, draft, &known)?;
    let asked = Asked {
        shared,
        found,
        deployment,
        known: &known,
    };
    let mut permit = Permit::default();
    let wants = wants(asked, draft, None)?;
    if !wants.is_empty() {
        permit.ticket = shared.control.purse.ticket();
        permit.purse = Some(Arc::clone(&shared.control.purse));
        let patience = shared.config.settings.budget_wait;
        let held = Box::pin(hold(shared, draft, (permit.ticket, &wants), patience));
        match held.await {
            Ok(reserved) => permit.reserved = reserved,
            Err(against) => Box::pin(lower(asked, draft, (&wants, &against), &mut permit)).await?,
        }
        let is_strict = |want: &Want| want.budget.terms.enforcement == Enforcement::Strict;
        if wants.iter().any(is_strict) && bound::is_assumed(shared, draft, found) {
            permit.bound(draft, reach::OUTPUT_MAX);
        }
    }
    let tokens = bound::expected(shared, draft);
    permit.place = shared.rates.take(draft, &known, tokens, (shared.clock)())?;
    Ok(permit)
}

async fn hold(
    shared: &Shared,
    draft: &Draft,
    (ticket, wants): (u64, &[Want]),
    patience: Duration,
) -> Result<Vec<Reserved>, Against> {
    let ends = draft.start.micros().saturating_add(LONGEST_CALL);
    let deadline = Timestamp::from_micros(ends);
    let patience = Instant::now() + patience;
    let purse = &shared.control.purse;
    let held = purse.hold(ticket, wants, (shared.clock, deadline), patience);
    held.await
}

/// Holds what is left of a strict budget for a call, and bounds its output by that.
async fn lower(
    asked: Asked<'_>,
    draft: &mut Draft,
    (wants, against): (&[Want], &Against),
    permit: &mut Permit,
) -> Result<(), ApiError> {
    let Asked { shared, found, .. } = asked;
    let stands = wants.get(against.index);
    let is_strict = stands.is_some_and(|want| want.budget.terms.enforcement == Enforcement::Strict);
    let least = shared.config.settings.budget_output_min;
    // First as if nobody else had been lent anything, then by what is here.
    for is_here in [false, true] {
        let room = shared.control.purse.room(wants, is_here);
        let Some(room) = room.filter(|_| is_strict) else {
            break;
        };
        let Some(tokens) = bound::lowered(shared, draft, found, (room, least)) else {
            continue;
        };
        let wants = self::wants(asked, draft, Some(tokens))?;
        let patience = shared.config.settings.budget_wait.min(PATIENCE);
        let held = hold(shared, draft, (permit.ticket, &wants), patience).await;
        if let Ok(reserved) = held {
            permit.reserved = reserved;
            permit.bound(draft, tokens);
            return Ok(());
        }
    }
    Err(refused(draft, wants, against))
}

/// What a call wants of each budget that it counts in, with at most `cap` tokens in an answer.
fn wants(asked: Asked<'_>, draft: &Draft, cap: Option<u64>) -> Result<Vec<Want>, ApiError> {
    let Asked {
        shared,
        found,
        deployment,
        known,
    } = asked;
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
            Enforcement::Strict if draft.operation == Operation::Realtime => {
                return Err(boundless(&budget));
            }
            Enforcement::Strict => bound::most(shared, draft, found, cap),
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

fn boundless(budget: &Budget) -> ApiError {
    let message = format!(
        "nobody knows beforehand what a realtime session costs, and the budget {} of {} is strict: \
         make it `balanced` to allow them",
        budget.id, budget.entity
    );
    ApiError::new(ErrorClass::BadRequest, message)
}

fn unpriced(deployment: &Deployment, budget: &Budget) -> ApiError {
    let message = format!(
        "no price is known for model {}, and the budget {} of {} refuses what it cannot reckon: \
         give the deployment prices (`input_cost_per_token`, …), or the budget an `unpriced_charge`",
        deployment.model_name, budget.id, budget.entity
    );
    ApiError::new(ErrorClass::BadRequest, message)
}

impl Permit {
    /// Bounds the output of the call.
    fn bound(&mut self, draft: &mut Draft, tokens: u64) {
        if let Some(request) = &mut draft.request {
            request.bound_output(tokens);
            self.bounded = Some(tokens);
        }
    }

    /// The event of the call stands at `position`. What it did not use it gives back at once if its
    /// cost is known, else it holds everything until the event is settled.
    pub(crate) fn stored(mut self, position: u64) {
        let reserved = std::mem::take(&mut self.reserved);
        if let Some(purse) = &self.purse {
            purse.finish(self.ticket, &reserved, (position, self.cost));
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
