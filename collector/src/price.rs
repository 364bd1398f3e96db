//! From a call to its cost: which price map is in force, and what of a payload it is asked.

mod accept;
mod batch;
mod keeper;
mod layer;
mod maps;
mod open;
mod outcome;
mod source;
mod status;
mod store;

use std::{collections::HashMap, sync::Arc};

use cost_map::{Overrides, PriceMap, events};
use event::{Cost, Json, StandardLoggingPayload, Status, Timestamp, Unpriced, Usage, Usd};

pub use self::open::PriceMapError;
pub(crate) use cost_map::events::{usage, usage_source};

pub(crate) use self::{
    batch::qualified,
    layer::{Kind, sha256},
    maps::{PriceMaps, Unknown},
    open::Tools,
    outcome::Outcome,
    status::Refused,
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
        let ours = payload.tollkeeper.as_deref();
        let overrides = ours.and_then(|ours| ours.price_overrides.as_ref());
        let overrides = match overrides
            .map(|json| own_prices(&mut self.overrides, json))
            .transpose()
        {
            Ok(overrides) => overrides,
            // What failed early costs nothing all the same.
            Err(_) if payload.status == Status::Failure && usage.is_empty() => None,
            Err(reason) => return Cost::unpriced(map.version(), Unpriced::Other, reason),
        };
        events::worth(map, payload, usage, (overrides, self.maps.adjustments()))
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
mod billed;
#[cfg(test)]
mod tests;
