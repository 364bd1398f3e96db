//! A call together with its cost.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::{Cost, EventId, Json, Origin, Settlement, StandardLoggingPayload};

/// A payload that has been priced. In JSON it is the payload, with `response_cost` and
/// `cost_breakdown` filled in and the [`Settlement`] under `tollkeeper.settlement`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "StandardLoggingPayload")]
pub struct PricedEvent {
    payload: StandardLoggingPayload,
    // The one that stands in the payload, so that nobody has to ask whether it is there.
    settlement: Arc<Settlement>,
}

/// The payload has no settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event has no `tollkeeper.settlement`: it has not been priced")]
pub struct NotPriced;

impl PricedEvent {
    /// Joins a call and its cost, and fills in LiteLLM's cost fields.
    #[must_use]
    pub fn new(mut payload: StandardLoggingPayload, origin: Origin, cost: Cost) -> Self {
        payload.response_cost = cost.total;
        payload.hidden_params.response_cost = cost.total;
        payload.cost_breakdown = cost.breakdown();
        if let Some(entry) = &cost.entry {
            payload
                .model_map_information
                .model_map_key
                .clone_from(entry);
        }
        if let (None, Some(reason)) = (cost.total, &cost.reason) {
            payload.response_cost_failure_debug_info =
                Json::of(&serde_json::json!({ "error_str": reason, "model": payload.model }));
        }
        let settlement = Arc::new(Settlement {
            event_id: EventId::of(&origin),
            origin,
            cost,
        });
        let ours = payload.tollkeeper.get_or_insert_default();
        ours.settlement = Some(Arc::clone(&settlement));
        Self {
            payload,
            settlement,
        }
    }

    /// The payload, its cost fields filled in.
    #[must_use]
    pub const fn payload(&self) -> &StandardLoggingPayload {
        &self.payload
    }

    /// What the collector added.
    #[must_use]
    pub fn settlement(&self) -> &Settlement {
        &self.settlement
    }

    /// The event's id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.settlement.event_id
    }

    /// What it cost.
    #[must_use]
    pub fn cost(&self) -> &Cost {
        &self.settlement.cost
    }
}

impl TryFrom<StandardLoggingPayload> for PricedEvent {
    type Error = NotPriced;

    fn try_from(payload: StandardLoggingPayload) -> Result<Self, NotPriced> {
        let settlement = payload
            .tollkeeper
            .as_ref()
            .and_then(|ours| ours.settlement.clone());
        settlement
            .map(|settlement| Self {
                payload,
                settlement,
            })
            .ok_or(NotPriced)
    }
}

impl Serialize for PricedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.payload.serialize(serializer)
    }
}
