//! A call as LiteLLM's spend logs show it, with what these books know under `tollkeeper`.

use event::{CostBreakdown, EventId, Origin, PricedEvent, StandardLoggingPayload, Timestamp, Usd};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    books::{Correction, StoredCall},
    rfc3339,
};

/// One row.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    request_id: String,
    litellm_call_id: String,
    call_type: String,
    api_key: String,
    /// `null` while it is not known.
    spend: Option<Usd>,
    total_tokens: i64,
    prompt_tokens: i64,
    completion_tokens: i64,
    #[serde(rename = "startTime")]
    start_time: String,
    #[serde(rename = "endTime")]
    end_time: String,
    #[serde(rename = "completionStartTime")]
    completion_start_time: String,
    request_duration_ms: i64,
    model: String,
    model_id: String,
    model_group: String,
    custom_llm_provider: String,
    api_base: String,
    user: String,
    end_user: String,
    team_id: Option<String>,
    organization_id: Option<String>,
    metadata: Metadata,
    cache_hit: &'static str,
    cache_key: &'static str,
    request_tags: Option<Box<RawValue>>,
    requester_ip_address: Option<String>,
    messages: Empty,
    response: Empty,
    proxy_server_request: Empty,
    session_id: String,
    status: String,
    tollkeeper: Ours,
}

/// Content is not kept in the books.
#[derive(Debug, Serialize)]
struct Empty {}

#[derive(Debug, Serialize)]
struct Metadata {
    status: String,
    user_api_key: Option<String>,
    user_api_key_alias: Option<String>,
    user_api_key_user_id: Option<String>,
    user_api_key_team_id: Option<String>,
    user_api_key_org_id: Option<String>,
    cost_breakdown: Option<CostBreakdown>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

/// The cost in LiteLLM's parts, made from the items as it was made for the event.
fn breakdown(cost: &str) -> Option<CostBreakdown> {
    let cost = serde_json::from_str(cost).ok()?;
    let event = PricedEvent::new(StandardLoggingPayload::default(), Origin::default(), cost);
    event.payload().cost_breakdown.clone()
}

/// What LiteLLM has no field for.
#[derive(Debug, Serialize)]
pub(super) struct Ours {
    event_id: EventId,
    source: String,
    sequence: i64,
    outcome: String,
    usage_source: String,
    stream: Option<bool>,
    trace_id: Option<String>,
    /// How often the cost has been corrected.
    revision: i64,
    cost: Option<Box<RawValue>>,
}

impl From<StoredCall> for Row {
    fn from(call: StoredCall) -> Self {
        let spend = call.spend();
        let tollkeeper = Ours::of(&call);
        let metadata = Metadata {
            status: call.status.clone(),
            user_api_key: call.api_key.clone(),
            user_api_key_alias: call.key_alias,
            user_api_key_user_id: call.user_id.clone(),
            user_api_key_team_id: call.team_id.clone(),
            user_api_key_org_id: call.org_id.clone(),
            cost_breakdown: breakdown(&call.cost_detail),
            rest: serde_json::from_str(&call.metadata).unwrap_or_default(),
        };
        Self {
            request_id: call.response_id.unwrap_or_else(|| call.call_id.clone()),
            litellm_call_id: call.call_id,
            call_type: call.call_type,
            api_key: call.api_key.unwrap_or_default(),
            spend,
            total_tokens: call.total_tokens,
            prompt_tokens: call.prompt_tokens,
            completion_tokens: call.completion_tokens,
            start_time: time(call.started),
            end_time: time(call.ended),
            completion_start_time: time(call.completion_started),
            request_duration_ms: call.ended.saturating_sub(call.started) / 1000,
            model: call.model,
            model_id: call.model_id.unwrap_or_default(),
            model_group: call.model_group.unwrap_or_default(),
            custom_llm_provider: call.provider.unwrap_or_default(),
            api_base: call.api_base.unwrap_or_default(),
            user: call.user_id.unwrap_or_default(),
            end_user: call.end_user.unwrap_or_default(),
            team_id: call.team_id,
            organization_id: call.org_id,
            metadata,
            cache_hit: match call.cache_hit {
                Some(true) => "True",
                Some(false) => "False",
                None => "",
            },
            cache_key: "",
            request_tags: RawValue::from_string(call.tags).ok(),
            requester_ip_address: call.requester_ip,
            messages: Empty {},
            response: Empty {},
            proxy_server_request: Empty {},
            session_id: call.session_id.unwrap_or_default(),
            status: call.status,
            tollkeeper,
        }
    }
}

impl Ours {
    fn of(call: &StoredCall) -> Self {
        let origin = call.origin();
        Self {
            event_id: EventId::of(&origin),
            source: origin.source,
            sequence: call.sequence,
            outcome: call.outcome.clone(),
            usage_source: call.usage_source.clone(),
            stream: call.stream,
            trace_id: call.trace_id.clone(),
            revision: call.revision,
            cost: RawValue::from_string(call.cost_detail.clone()).ok(),
        }
    }
}

/// What `tollkeeper explain CALL` prints.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    call_id: String,
    response_id: Option<String>,
    model: String,
    model_group: Option<String>,
    provider: Option<String>,
    status: String,
    #[serde(rename = "startTime")]
    start_time: String,
    spend: Option<Usd>,
    cost_status: String,
    usage: Option<Box<RawValue>>,
    tollkeeper: Ours,
    /// What the cost was before, the first one first.
    corrections: Vec<Step>,
}

/// A correction: what the cost was, and what it became.
#[derive(Debug, Serialize)]
struct Step {
    revision: i64,
    at: String,
    reason: String,
    was_status: String,
    was: Option<Usd>,
    now: Option<Usd>,
    difference: Usd,
    was_cost: Option<Box<RawValue>>,
}

impl From<Correction> for Step {
    fn from(step: Correction) -> Self {
        let (was, now) = (step.was(), step.now());
        Self {
            revision: step.revision,
            at: time(step.at),
            reason: step.reason,
            was_status: step.was_status,
            was,
            now,
            difference: now.unwrap_or_default() - was.unwrap_or_default(),
            was_cost: RawValue::from_string(step.was_detail).ok(),
        }
    }
}

impl Explanation {
    /// Explains a call that was corrected in these steps.
    pub(super) fn of(call: StoredCall, steps: Vec<Correction>) -> Self {
        #[derive(serde::Deserialize)]
        struct Kept {
            usage_object: Option<Box<RawValue>>,
        }
        let kept: Option<Kept> = serde_json::from_str(&call.metadata).ok();
        let tollkeeper = Ours::of(&call);
        let spend = call.spend();
        Self {
            call_id: call.call_id,
            response_id: call.response_id,
            model: call.model,
            model_group: call.model_group,
            provider: call.provider,
            status: call.status,
            start_time: time(call.started),
            spend,
            cost_status: call.cost_status,
            usage: kept.and_then(|kept| kept.usage_object),
            tollkeeper,
            corrections: steps.into_iter().map(Step::from).collect(),
        }
    }
}

fn time(micros: i64) -> String {
    rfc3339::text(Timestamp::from_micros(micros))
}
