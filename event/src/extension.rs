//! What Tollkeeper knows of a call beyond LiteLLM's fields; stands under `tollkeeper` in the JSON.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Batch, Cost, CostStatus, EventId, Json, Origin, Reserved, Timestamp, Usd};

/// What Tollkeeper knows of a call beyond LiteLLM's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extension {
    /// How the call ended.
    pub outcome: Outcome,
    /// Where the token counts come from.
    pub usage_source: UsageSource,
    /// Position of the call's [`Started`](crate::Started) record in the same log; `None` for calls
    /// that were refused before they were admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_sequence: Option<u64>,
    /// The W3C trace the call belongs to, 32 hexadecimal digits.
    pub w3c_trace_id: String,
    /// The call's span in it, 16 hexadecimal digits.
    pub span_id: String,
    /// The caller's span, from `traceparent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_span_id: Option<String>,
    /// What was sent upstream, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// The model that the provider says answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_model: Option<String>,
    /// The model to price by, where the deployment names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_model: Option<String>,
    /// The tier that the request asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_service_tier: Option<String>,
    /// The tier that the provider says it served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served_service_tier: Option<String>,
    /// The deployment's own prices: price-map keys, over those of the map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_overrides: Option<Json>,
    /// Where the model ran, where that decides on the price: Vertex AI's location, AWS's region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Whether the client wants it in the books alone (`no-log`): no sink gets it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_log: bool,
    /// What it tells of a batch that a provider works through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<Box<Batch>>,
    /// What it was admitted with, of each budget that it holds something of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reserved: Vec<Reserved>,
    /// Set by the collector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settlement: Option<Arc<Settlement>>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Answered in full.
    Success,
    /// Refused here; no provider was asked.
    #[default]
    Rejected,
    /// The provider answered with an error, or could not be reached.
    ProviderError,
    /// The provider did not answer in time.
    Timeout,
    /// The provider's answer broke off.
    Interrupted,
    /// The client went away before its last byte.
    ClientDisconnected,
    /// The gateway died with the call in flight; what it cost is the estimate it was admitted with.
    Aborted,
}

impl Outcome {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Rejected => "rejected",
            Self::ProviderError => "provider_error",
            Self::Timeout => "timeout",
            Self::Interrupted => "interrupted",
            Self::ClientDisconnected => "client_disconnected",
            Self::Aborted => "aborted",
        }
    }
}

/// Where token counts come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageSource {
    /// Nothing was consumed, or nobody knows.
    #[default]
    None,
    /// The provider said so.
    Provider,
    /// The provider did not say; counted from what was sent and streamed.
    Counted,
    /// Nobody saw the answer; what the call was admitted with.
    Estimated,
}

/// One request to one deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attempt {
    /// The call's id and the number of the attempt, from 0.
    pub id: String,
    /// The deployment.
    pub model_id: String,
    /// When it was sent.
    pub start_time: Timestamp,
    /// When it had ended.
    pub end_time: Timestamp,
    /// The HTTP status; `None` if there was no answer.
    pub status: Option<u16>,
    /// LiteLLM's exception class; empty if it succeeded.
    pub error_class: String,
}

/// What the collector adds when it has priced a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// The event's id, the same in every replay.
    pub event_id: EventId,
    /// Where the event entered.
    pub origin: Origin,
    /// What it cost.
    pub cost: Cost,
    /// How often the cost has been corrected: 0 as it was settled first, then 1, 2, …. Of two
    /// events with the same id the one with the higher revision holds.
    #[serde(default, skip_serializing_if = "is_first")]
    pub revision: u32,
    /// The cost that this revision takes the place of; `None` in revision 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
}

/// The cost before a correction, and what led from it to the cost now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// Whether the cost was known.
    pub status: CostStatus,
    /// What it was; `None` if it was not known.
    pub total: Option<Usd>,
    /// The total now less the total before, exactly; one that is not known counts as nothing.
    pub difference: Usd,
    /// When it was corrected.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_first(revision: &u32) -> bool {
    *revision == 0
}
