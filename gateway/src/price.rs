//! What a call costs as far as the gateway knows: for the header `x-litellm-response-cost`, and for
//! what it holds of budgets.
//!
//! By the prices that the collector settles by, where there is one to tell them, else by the map
//! that is compiled in; and by the deployment's own.

use std::time::Duration;

use cost_map::{Bounds, Call, Overrides, PriceMap, Units, events};
use event::{Json, Outcome, StandardLoggingPayload, Usage, UsageSource, Usd};
use rust_decimal::Decimal;

use crate::{
    call::{Ending, Open},
    config::Deployment,
    draft::Draft,
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
    let asked = (&**deployment, open.asked_a_provider());
    let (usage, source) = payload::usage(shared, draft, asked, ending);
    if ending.outcome != Outcome::Success && source == UsageSource::None {
        return Some("0".to_owned());
    }
    let said = Said {
        model: ending.observed.model.as_deref(),
        tier: ending.observed.service_tier.as_deref(),
    };
    let cost = reckon(shared, (draft, deployment), &usage, said)?;
    Some(cost.to_string())
}

/// What the collector will find that an event cost, in USD; `None` if that is not known for sure.
pub(crate) fn settled(shared: &Shared, payload: &StandardLoggingPayload) -> Option<Usd> {
    let tariff = shared.control.sure_tariff(payload.start_time)?;
    let ours = payload.tollkeeper.as_deref()?;
    let overrides = own_prices(ours.price_overrides.as_ref())?;
    let usage = events::usage(payload);
    let own = (overrides.as_ref(), &tariff.adjustments);
    events::cost(&tariff.map, payload, &usage, own).total
}

/// A deployment's own prices, if it has any; `None` if they cannot be read.
pub(crate) fn own_prices(overrides: Option<&Json>) -> Option<Option<Overrides>> {
    let overrides = overrides.map(|json| Overrides::parse(json.text()));
    overrides.transpose().ok()
}

/// What a call would cost in USD that uses this; `None` if there is no price for it.
pub(crate) fn of_usage(shared: &Shared, of: (&Draft, &Deployment), usage: &Usage) -> Option<Usd> {
    reckon(shared, of, usage, Said::default())
}

/// What the provider said that decides on the price.
#[derive(Clone, Copy, Default)]
struct Said<'a> {
    model: Option<&'a str>,
    tier: Option<&'a str>,
}

fn reckon(
    shared: &Shared,
    of: (&Draft, &Deployment),
    usage: &Usage,
    said: Said<'_>,
) -> Option<Usd> {
    let (draft, _) = of;
    let took = (shared.clock)().since(draft.start).micros();
    let asked = asked(of);
    with_call(shared, of, (usage, asked.as_ref()), |map, call| {
        let request = draft.request.as_ref();
        let wished = request.and_then(|request| request.service_tier.as_deref());
        let call = Call {
            response_model: said.model,
            service_tier: said.tier.or(wished).or(usage.service_tier.as_deref()),
            response_seconds: Some(Decimal::new(took, 6)),
            ..*call
        };
        cost_map::price(map, &call).total
    })
}

/// The most that a call can cost in USD at a deployment, in whichever tier it is served; `None` if
/// there is no price for it. `seconds` bounds how long the provider may take, and `audio` how long
/// a recording takes that it gets.
pub(crate) fn most(
    shared: &Shared,
    of: (&Draft, &Deployment),
    bounds: &Bounds,
    (seconds, audio): (Duration, Option<u64>),
) -> Option<Usd> {
    let mut asked = asked(of);
    if let Some(audio) = audio {
        asked.get_or_insert_default().duration_seconds = Some(audio.into());
    }
    let seconds = Decimal::from(seconds.as_secs());
    let none = Usage::default();
    with_call(shared, of, (&none, asked.as_ref()), |map, call| {
        let request = of.0.request.as_ref();
        let call = Call {
            service_tier: request.and_then(|request| request.service_tier.as_deref()),
            response_seconds: Some(seconds),
            ..*call
        };
        cost_map::most(map, &call, bounds)
    })
}

/// What was asked for that is billed by the unit.
fn asked((draft, _): (&Draft, &Deployment)) -> Option<Units> {
    let request = draft.request.as_ref()?;
    // Parameters are put together only where they are billed by.
    let is_billed = !draft.operation.is_of_text() || request.has("web_search_options");
    let units = is_billed.then(|| Units::asked(draft.call_type(), request.parameters().text()));
    units.flatten()
}

fn with_call<T>(
    shared: &Shared,
    (draft, deployment): (&Draft, &Deployment),
    (usage, units): (&Usage, Option<&Units>),
    price: impl FnOnce(&PriceMap, &Call<'_>) -> Option<T>,
) -> Option<T> {
    let overrides = own_prices(deployment.price_overrides.as_ref())?;
    let tariff = shared.control.tariff(draft.start);
    let qualified = payload::qualified(deployment);
    let region = deployment.settings.region();
    let provider = &deployment.provider_name;
    let call = Call {
        units,
        provider: Some(provider),
        base_model: deployment.base_model.as_deref(),
        call_type: Some(draft.call_type()),
        overrides: overrides.as_ref(),
        adjustments: Some(&tariff.adjustments),
        place: events::place(provider, Some(&deployment.api_base), region.as_deref()),
        ..Call::new(&qualified, usage, draft.start)
    };
    price(&tariff.map, &call)
}
