//! From a call to its cost: which price map is in force, and what of a payload it is asked.

mod accept;
mod batch;
mod keeper;
mod layer;
mod maps;
mod open;
mod outcome;
mod place;
mod source;
mod status;
mod store;
mod used;

use std::{collections::HashMap, sync::Arc};

use cost_map::{Call, Overrides, PriceMap, Units};
use event::{
    Cost, CostStatus, Json, StandardLoggingPayload, Status, Timestamp, Unpriced, Usage, Usd,
};
use rust_decimal::Decimal;

pub use self::open::PriceMapError;
pub(crate) use self::{
    batch::qualified,
    layer::Kind,
    maps::{PriceMaps, Unknown},
    open::Tools,
    outcome::Outcome,
    status::Refused,
    used::{usage, usage_source},
};

/// Where maps come from while the collector runs.
pub(crate) const SOURCES: [Kind; 2] = [Kind::File, Kind::Url];

/// Prices calls, and remembers the deployments' own prices between them.
#[derive(Debug)]
pub(crate) struct Pricer {
    maps: PriceMaps,
    overrides: HashMap<String, Result<Overrides, String>>,
}

/// Deployments whose own prices are remembered; beyond that they are all read again.
const REMEMBERED_MAX: usize = 1000;

impl Pricer {
    pub(crate) fn new(maps: PriceMaps) -> Self {
        Self {
            maps,
            overrides: HashMap::new(),
        }
    }

    /// The map that was in force when a call started.
    ///
    /// # Errors
    /// If it cannot be read; then the call has no price.
    pub(crate) async fn map_at(&self, started: Timestamp) -> Result<Arc<PriceMap>, Unknown> {
        self.maps.at(started).await
    }

    /// What the call cost, or why nobody knows. What was asked for is billed only if the call
    /// succeeded: a failure costs what its usage says.
    pub(crate) fn cost(
        &mut self,
        map: &PriceMap,
        payload: &StandardLoggingPayload,
        usage: &Usage,
    ) -> Cost {
        if payload.cache_hit == Some(true) {
            return Cost::nothing(map.version());
        }
        match batch::ended(payload) {
            Some(batch) => self.of_batch(map, payload, batch),
            None => self.worth(map, payload, usage),
        }
    }

    /// What a cache hit would have cost, had the provider been asked; `None` if it was no hit, or
    /// nobody knows.
    pub(crate) fn saved(
        &mut self,
        map: &PriceMap,
        payload: &StandardLoggingPayload,
        usage: &Usage,
    ) -> Option<Usd> {
        let hit = payload.cache_hit == Some(true);
        hit.then(|| self.worth(map, payload, usage).total).flatten()
    }

    /// What the call costs if its answer was the provider's.
    fn worth(&mut self, map: &PriceMap, payload: &StandardLoggingPayload, usage: &Usage) -> Cost {
        let failed_early = payload.status == Status::Failure && usage.is_empty();
        if failed_early {
            return Cost::nothing(map.version());
        }
        let ours = payload.tollkeeper.as_deref();
        let overrides = ours.and_then(|ours| ours.price_overrides.as_ref());
        let overrides = match overrides
            .map(|json| own_prices(&mut self.overrides, json))
            .transpose()
        {
            Ok(overrides) => overrides,
            Err(reason) => return Cost::unpriced(map.version(), Unpriced::Other, reason),
        };
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
            adjustments: Some(self.maps.adjustments()),
            place: place::of(payload),
            service_tier: tier,
            // A clock that was set back in between says nothing.
            response_seconds: (took > 0).then(|| Decimal::new(took, 6)),
            ..Call::new(&payload.model, usage, payload.start_time)
        };
        let cost = cost_map::price(map, &call);
        if cost.status == CostStatus::NothingConsumed && used::is_untold(payload) {
            let reason = "the call was answered, and nobody says what it consumed";
            return Cost::unpriced(map.version(), Unpriced::NoUsage, reason);
        }
        cost
    }
}

/// A deployment's own prices, read once.
fn own_prices<'a>(
    known: &'a mut HashMap<String, Result<Overrides, String>>,
    json: &Json,
) -> Result<&'a Overrides, String> {
    if known.len() >= REMEMBERED_MAX && !known.contains_key(json.text()) {
        known.clear();
    }
    let read = || Overrides::parse(json.text()).map_err(|error| error.to_string());
    let prices = known.entry(json.text().to_owned()).or_insert_with(read);
    prices.as_ref().map_err(Clone::clone)
}

#[cfg(test)]
mod tests;
