//! What gateways reckon with before a call is made: the prices that the collector settles by.

use serde::{Deserialize, Serialize};

use crate::{EntityId, Json, Timestamp};

/// One layer of what calls are priced by: a price map, or what is added to all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceLayer {
    /// Where it is from, for people.
    pub name: EntityId,
    /// The SHA-256 of its text in hexadecimal digits.
    pub sha256: EntityId,
}

/// The prices in force, as far as a gateway has not got them compiled in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Prices {
    /// What it is made of: what [`Snapshot::prices`](super::Snapshot::prices) names.
    pub layers: Vec<PriceLayer>,
    /// Calls that start then or later are priced by it; those before by what was in force before.
    pub from: Timestamp,
    /// Whether the map lies over the one that is compiled into the gateway.
    pub is_over_own: bool,
    /// The entries, in the format of a price map; `null` if there are none.
    pub map: Json,
    /// LiteLLM's `cost_discount_config`; `null` for none.
    pub discounts: Json,
    /// LiteLLM's `cost_margin_config`; `null` for none.
    pub margins: Json,
}
