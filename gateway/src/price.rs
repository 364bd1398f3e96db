//! What a call costs as far as the gateway knows, for the header `x-litellm-response-cost`.
//!
//! By the price map that is compiled in and the deployment's own prices. The collector's price is
//! the one that counts: it knows the map in force, discounts and margins.

use cost_map::{Call, Overrides, PriceMap, Units};
use event::{Outcome, UsageSource};
use rust_decimal::Decimal;

use crate::{
    call::{Ending, Open},
    gateway::Shared,
    payload,
};

/// The cost in USD of a call that ends like this; `None` if there is no price for it.
pub(crate) fn of(shared: &Shared, open: &Open, ending: &Ending) -> Option<String> {
    if ending.cache_hit {
        return Some("0".to_owned());
    }
    let Open {
        draft, deployment, ..
    } = open;
    let asked = !open.attempts.is_empty();
    let (usage, source) = payload::usage(shared, draft, (&**deployment, asked), ending);
    if ending.outcome != Outcome::Success && source == UsageSource::None {
        return Some("0".to_owned());
    }
    let overrides = deployment.price_overrides.as_ref();
    let overrides = overrides.map(|json| Overrides::parse(json.text()));
    let overrides = overrides.transpose().ok()?;
    let request = draft.request.as_ref()?;
    let call_type = draft.call_type();
    // Parameters are put together only where they are billed by.
    let is_billed = !draft.operation.is_of_text() || request.has("web_search_options");
    let units = is_billed.then(|| Units::asked(call_type, request.parameters().text()));
    let units = units.flatten();
    let took = (shared.clock)().since(draft.start).micros();
    let qualified = payload::qualified(deployment);
    let tier = ending.observed.service_tier.as_deref();
    let call = Call {
        units: units.as_ref(),
        provider: Some(&deployment.provider_name),
        base_model: deployment.base_model.as_deref(),
        response_model: ending.observed.model.as_deref(),
        call_type: Some(call_type),
        overrides: overrides.as_ref(),
        service_tier: tier
            .or(request.service_tier.as_deref())
            .or(usage.service_tier.as_deref()),
        response_seconds: Some(Decimal::new(took, 6)),
        ..Call::new(&qualified, &usage, draft.start)
    };
    let cost = cost_map::price(PriceMap::bundled(), &call);
    cost.total.map(|total| total.to_string())
}
