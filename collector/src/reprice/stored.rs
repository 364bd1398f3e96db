//! From a row of the books back to the event: everything a call is priced by, and who made it;
//! without what was said in it.

use event::{
    Attempt, CallId, ErrorInformation, Extension, Json, Metadata, PricedEvent, Settlement,
    StandardLoggingPayload, Timestamp, Usd,
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::books::StoredCall;

/// A row that cannot be read back; it was damaged, or written by hand.
#[derive(Debug, thiserror::Error)]
#[error("row of the books cannot be read back")]
pub(crate) struct Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>);

/// What a row's `metadata` holds.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Rest {
    user_api_key_team_alias: Option<String>,
    user_api_key_project_id: Option<String>,
    user_api_key_request_route: Option<String>,
    user_agent: Option<String>,
    spend_logs_metadata: Json,
    requester_metadata: Json,
    usage_object: Json,
    saved_cache_cost: Usd,
    error_information: ErrorInformation,
    attempts: Vec<Attempt>,
    model_parameters: Json,
    /// As in the event.
    pricing: Extension,
}

/// The call as it was priced, without its cost.
///
/// # Errors
/// If the row was not written by this program.
pub(crate) fn payload(row: &StoredCall) -> Result<StandardLoggingPayload, Unreadable> {
    let rest: Rest = serde_json::from_str(&row.metadata).map_err(unreadable)?;
    let ours = Extension {
        outcome: named(&row.outcome)?,
        usage_source: named(&row.usage_source)?,
        attempts: rest.attempts,
        ..rest.pricing
    };
    let call_id: CallId = named(&row.call_id)?;
    Ok(StandardLoggingPayload {
        id: row
            .response_id
            .clone()
            .unwrap_or_else(|| row.call_id.clone()),
        litellm_call_id: call_id,
        trace_id: row.trace_id.clone().unwrap_or_default(),
        session_id: row.session_id.clone().unwrap_or_default(),
        call_type: row.call_type.clone(),
        cache_hit: row.cache_hit,
        saved_cache_cost: rest.saved_cache_cost,
        stream: row.stream,
        status: named(&row.status)?,
        custom_llm_provider: row.provider.clone(),
        start_time: Timestamp::from_micros(row.started),
        end_time: Timestamp::from_micros(row.ended),
        completion_start_time: Timestamp::from_micros(row.completion_started),
        model: row.model.clone(),
        model_group: row.model_group.clone(),
        model_id: row.model_id.clone(),
        api_base: row.api_base.clone(),
        metadata: Metadata {
            user_api_key_hash: row.api_key.clone(),
            user_api_key_alias: row.key_alias.clone(),
            user_api_key_user_id: row.user_id.clone(),
            user_api_key_team_id: row.team_id.clone(),
            user_api_key_team_alias: rest.user_api_key_team_alias,
            user_api_key_org_id: row.org_id.clone(),
            user_api_key_project_id: rest.user_api_key_project_id,
            user_api_key_request_route: rest.user_api_key_request_route,
            spend_logs_metadata: rest.spend_logs_metadata,
            requester_metadata: rest.requester_metadata,
            usage_object: rest.usage_object,
            ..Metadata::default()
        },
        total_tokens: count(row.total_tokens)?,
        prompt_tokens: count(row.prompt_tokens)?,
        completion_tokens: count(row.completion_tokens)?,
        model_parameters: rest.model_parameters,
        request_tags: serde_json::from_str(&row.tags).map_err(unreadable)?,
        end_user: row.end_user.clone(),
        requester_ip_address: row.requester_ip.clone(),
        user_agent: rest.user_agent,
        error_information: rest.error_information,
        tollkeeper: Some(Box::new(ours)),
        ..StandardLoggingPayload::default()
    })
}

/// The event as far as the row knows it, at the revision of the row, which has its whole cost.
///
/// # Errors
/// If the row was not written by this program.
pub(crate) fn event(
    row: StoredCall,
    mut payload: StandardLoggingPayload,
) -> Result<PricedEvent, Unreadable> {
    let (origin, event_id) = (row.origin(), row.event_id());
    let revision = u32::try_from(row.revision).map_err(unreadable)?;
    let row = row.whole().map_err(unreadable)?;
    let settlement = Settlement {
        event_id,
        origin,
        cost: serde_json::from_str(&row.cost_detail).map_err(unreadable)?,
        revision,
        previous: None,
    };
    let ours = payload.tollkeeper.get_or_insert_default();
    ours.settlement = Some(settlement.into());
    PricedEvent::try_from(payload).map_err(unreadable)
}

/// A value that is written as a text.
fn named<T: DeserializeOwned>(text: &str) -> Result<T, Unreadable> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(unreadable)
}

fn count(column: i64) -> Result<u64, Unreadable> {
    u64::try_from(column).map_err(unreadable)
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Unreadable {
    Unreadable(error.into())
}
