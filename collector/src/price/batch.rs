//! What a batch costs: each of its parts by its own model, at the prices of batches.

use cost_map::{Call, PriceMap, events};
use event::{Batch, BatchPart, BatchStage, Cost, StandardLoggingPayload, Unpriced};

use super::{Pricer, own_prices};

/// By this name of LiteLLM's a call is one of a batch.
const CALL_TYPE: &str = "aretrieve_batch";

/// The batch that ended, if the call saw one.
pub(super) fn ended(payload: &StandardLoggingPayload) -> Option<&Batch> {
    let ours = payload.tollkeeper.as_deref()?;
    let batch = ours.batch.as_deref()?;
    (batch.stage == BatchStage::Ended).then_some(batch)
}

impl Pricer {
    /// The cost of a batch; nothing if it is billed with another event.
    pub(super) fn of_batch(
        &mut self,
        map: &PriceMap,
        payload: &StandardLoggingPayload,
        batch: &Batch,
    ) -> Cost {
        if let Some(event) = batch.billed_with {
            return Cost {
                reason: Some(format!("the batch is billed with event {event}")),
                ..Cost::nothing(map.version())
            };
        }
        let unknown = |reason: &str| Cost::unpriced(map.version(), Unpriced::NoUsage, reason);
        if let Some(reason) = &batch.unknown {
            return unknown(reason);
        }
        if batch.parts.is_empty() {
            return unknown("nobody says what the batch consumed");
        }
        let mut costs = Vec::with_capacity(batch.parts.len());
        for part in &batch.parts {
            match self.of_part(map, payload, part) {
                Ok(cost) => costs.push(cost),
                Err(reason) => return Cost::unpriced(map.version(), Unpriced::Other, reason),
            }
        }
        match costs.iter().position(Option::is_none) {
            Some(at) => unknown(&format!(
                "what a request to {} costs depends on its length, and the batch does not say how \
                 long each was: download the file with its results through the gateway",
                batch.parts.get(at).map_or("a model", |part| &part.model)
            )),
            None => cost_map::together(costs.into_iter().flatten().collect()),
        }
    }

    /// The cost of a part; `None` if it depends on lengths that nobody knows.
    ///
    /// # Errors
    /// If the deployment's own prices cannot be read.
    fn of_part(
        &mut self,
        map: &PriceMap,
        payload: &StandardLoggingPayload,
        part: &BatchPart,
    ) -> Result<Option<Cost>, String> {
        let own = part.price_overrides.as_ref();
        let own = own.map(|json| own_prices(&mut self.overrides, json));
        let provider = payload.custom_llm_provider.as_deref();
        let model = qualified(provider, &part.model);
        let call = Call {
            provider,
            base_model: part.base_model.as_deref(),
            call_type: Some(CALL_TYPE),
            overrides: own.transpose()?,
            adjustments: Some(self.maps.adjustments()),
            place: events::place_of(payload),
            ..Call::new(&model, &part.usage, payload.start_time)
        };
        let at = |length| {
            let prompt_length = Some(length);
            let call = Call {
                prompt_length,
                ..call
            };
            cost_map::price(map, &call)
        };
        let (short, long) = (at(part.prompt_min), at(part.prompt_max));
        Ok((short.total == long.total).then_some(long))
    }
}

/// The model with its provider in front.
pub(crate) fn qualified(provider: Option<&str>, model: &str) -> String {
    match provider {
        Some(provider) => format!("{provider}/{model}"),
        None => model.to_owned(),
    }
}
