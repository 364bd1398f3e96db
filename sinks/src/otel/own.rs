//! What every dialect says besides its own names: who called, and what it cost, exactly. Names of
//! LiteLLM's where it has them.

use event::{CostBreakdown, Usd};

use super::{call::Call, wire::Attributes};

/// The exact cost, as decimal digits.
pub(crate) const COST_USD: &str = "tollkeeper.cost.usd";
/// Whether the cost is known.
pub(crate) const COST_STATUS: &str = "tollkeeper.cost.status";
/// The id under which the books have the call.
pub(crate) const EVENT_ID: &str = "tollkeeper.event.id";

/// Who called, what was called, and what it cost.
pub(crate) fn add(attributes: &mut Attributes, call: &Call<'_>) {
    ids(attributes, call);
    caller(attributes, call);
    let payload = call.payload();
    attributes.text("litellm.call_type", &payload.call_type);
    attributes.text("litellm.provider.model", &payload.model);
    attributes.maybe("litellm.model_group", payload.model_group.as_deref());
    attributes.maybe("litellm.model_id", payload.model_id.as_deref());
    if let Some(hit) = payload.cache_hit {
        attributes.truth("litellm.cache_hit", hit);
    }
    if let Some(ours) = call.ours() {
        attributes.text("tollkeeper.outcome", ours.outcome.as_str());
        attributes.count("tollkeeper.attempts", size(ours.attempts.len()));
        let source = match ours.usage_source {
            event::UsageSource::None => "none",
            event::UsageSource::Provider => "provider",
            event::UsageSource::Counted => "counted",
            event::UsageSource::Estimated => "estimated",
        };
        attributes.text("tollkeeper.usage.source", source);
    }
    cost(attributes, call);
}

/// Which call it is.
pub(crate) fn ids(attributes: &mut Attributes, call: &Call<'_>) {
    attributes.text(EVENT_ID, &call.item.id().to_string());
    attributes.text("litellm.call_id", call.payload().litellm_call_id.as_str());
}

fn caller(attributes: &mut Attributes, call: &Call<'_>) {
    let payload = call.payload();
    let who = &payload.metadata;
    for (key, value) in [
        ("litellm.api_key.hash", &who.user_api_key_hash),
        ("litellm.api_key.alias", &who.user_api_key_alias),
        ("litellm.team.id", &who.user_api_key_team_id),
        ("litellm.team.alias", &who.user_api_key_team_alias),
        ("litellm.organization.id", &who.user_api_key_org_id),
        ("litellm.project.id", &who.user_api_key_project_id),
        ("litellm.user.id", &who.user_api_key_user_id),
        ("litellm.end_user.id", &payload.end_user),
    ] {
        attributes.maybe(key, value.as_deref());
    }
    let tags = payload.request_tags.iter().map(String::as_str);
    attributes.texts("litellm.request.tags", tags);
}

fn cost(attributes: &mut Attributes, call: &Call<'_>) {
    let payload = call.payload();
    attributes.text(COST_STATUS, call.cost_status());
    if payload.saved_cache_cost != Usd::ZERO {
        let saved = payload.saved_cache_cost.to_string();
        attributes.text("tollkeeper.cost.saved_usd", &saved);
    }
    let Some(total) = call.event.cost().total else {
        return;
    };
    attributes.text(COST_USD, &total.to_string());
    attributes.number("litellm.cost.total", total);
    let Some(parts) = &payload.cost_breakdown else {
        return;
    };
    for (key, part) in [
        ("litellm.cost.input", Some(parts.input_cost)),
        ("litellm.cost.output", Some(parts.output_cost)),
        ("litellm.cost.cache_read", parts.cache_read_cost),
        ("litellm.cost.cache_creation", parts.cache_creation_cost),
        ("litellm.cost.tool_usage", not_zero(parts.tool_usage_cost)),
        (
            "litellm.cost.discount_amount",
            not_zero(parts.discount_amount),
        ),
        (
            "litellm.cost.margin_total_amount",
            not_zero(parts.margin_total_amount),
        ),
    ] {
        if let Some(part) = part {
            attributes.number(key, part);
        }
    }
}

/// What a correction says: the exact amounts, and why.
pub(crate) fn correction(attributes: &mut Attributes, call: &Call<'_>) {
    ids(attributes, call);
    caller(attributes, call);
    attributes.text("litellm.provider.model", &call.payload().model);
    attributes.text(COST_STATUS, call.cost_status());
    if let Some(total) = call.event.cost().total {
        attributes.text(COST_USD, &total.to_string());
    }
    attributes.count(
        "tollkeeper.correction.revision",
        u64::from(call.item.revision()),
    );
    if let Some(previous) = &call.event.settlement().previous {
        let difference = previous.difference.to_string();
        attributes.text("tollkeeper.correction.difference_usd", &difference);
        if let Some(before) = previous.total {
            attributes.text("tollkeeper.correction.previous_usd", &before.to_string());
        }
        attributes.text("tollkeeper.correction.reason", &previous.reason);
    }
}

/// Input and output, where these two are the whole cost.
pub(crate) fn two_parts(total: Usd, parts: Option<&CostBreakdown>) -> Option<(Usd, Usd)> {
    let parts = parts?;
    let (input, output) = (parts.input_cost, parts.output_cost);
    (input + output == total && input >= Usd::ZERO && output >= Usd::ZERO)
        .then_some((input, output))
}

fn not_zero(amount: Usd) -> Option<Usd> {
    (amount != Usd::ZERO).then_some(amount)
}

fn size(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
