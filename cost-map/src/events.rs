//! What an event cost: the same answer for the gateway that writes it and for the collector that
//! settles it, as far as both have the same map.

mod place;
mod used;

use event::{Cost, CostStatus, StandardLoggingPayload, Status, Unpriced, Usage};
use rust_decimal::Decimal;

pub use self::{
    place::{place, place_of},
    used::{usage, usage_source},
};
use crate::{Adjustments, Call, Overrides, PriceMap, Units, calculate};

/// What the call cost, or why nobody knows. What was asked for is billed only if the call
/// succeeded: a failure costs what its usage says.
#[must_use]
pub fn cost(
    map: &PriceMap,
    payload: &StandardLoggingPayload,
    usage: &Usage,
    own: (Option<&Overrides>, &Adjustments),
) -> Cost {
    if payload.cache_hit == Some(true) {
        return Cost::nothing(map.version());
    }
    worth(map, payload, usage, own)
}

/// What the call costs if its answer was the provider's: `own` are the deployment's prices, and the
/// discounts and margins on all.
#[must_use]
pub fn worth(
    map: &PriceMap,
    payload: &StandardLoggingPayload,
    usage: &Usage,
    (overrides, adjustments): (Option<&Overrides>, &Adjustments),
) -> Cost {
    if payload.status == Status::Failure && usage.is_empty() {
        return Cost::nothing(map.version());
    }
    let ours = payload.tollkeeper.as_deref();
    let served = ours.and_then(|ours| ours.served_service_tier.as_deref());
    let asked = ours.and_then(|ours| ours.requested_service_tier.as_deref());
    let tier = served.or(usage.service_tier.as_deref()).or(asked);
    let took = payload.end_time.since(payload.start_time).micros();
    let units = Units::asked(&payload.call_type, payload.model_parameters.text());
    let call = Call {
        units: units.as_ref(),
        provider: payload.custom_llm_provider.as_deref(),
        base_model: ours.and_then(|ours| ours.base_model.as_deref()),
        response_model: ours.and_then(|ours| ours.response_model.as_deref()),
        call_type: Some(payload.call_type.as_str()).filter(|name| !name.is_empty()),
        overrides,
        adjustments: Some(adjustments),
        place: place_of(payload),
        service_tier: tier,
        // A clock that was set back in between says nothing.
        response_seconds: (took > 0).then(|| Decimal::new(took, 6)),
        ..Call::new(&payload.model, usage, payload.start_time)
    };
    let cost = calculate::price(map, &call);
    if cost.status == CostStatus::NothingConsumed && used::is_untold(payload) {
        let reason = "the call was answered, and nobody says what it consumed";
        return Cost::unpriced(map.version(), Unpriced::NoUsage, reason);
    }
    cost
}
