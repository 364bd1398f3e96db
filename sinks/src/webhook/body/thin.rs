//! An event without what was said in it.

use event::{
    CallId, CostStatus, Outcome, Previous, PricedEvent, Status, Timestamp, UsageSource, Usd,
};
use serde::Serialize;

/// A selection of an event's fields, under their own names.
#[derive(Serialize)]
pub(super) struct Thin<'a> {
    litellm_call_id: &'a CallId,
    id: &'a str,
    trace_id: &'a str,
    session_id: &'a str,
    call_type: &'a str,
    stream: Option<bool>,
    cache_hit: Option<bool>,
    status: Status,
    custom_llm_provider: Option<&'a str>,
    model: &'a str,
    model_group: Option<&'a str>,
    model_id: Option<&'a str>,
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    response_cost: Option<Usd>,
    #[serde(rename = "startTime")]
    start_time: Timestamp,
    #[serde(rename = "endTime")]
    end_time: Timestamp,
    #[serde(rename = "completionStartTime")]
    completion_start_time: Timestamp,
    end_user: Option<&'a str>,
    request_tags: &'a [String],
    metadata: ThinMetadata<'a>,
    error_information: ThinError<'a>,
    tollkeeper: ThinExtension<'a>,
}

#[derive(Serialize)]
struct ThinMetadata<'a> {
    user_api_key_hash: Option<&'a str>,
    user_api_key_alias: Option<&'a str>,
    user_api_key_team_id: Option<&'a str>,
    user_api_key_team_alias: Option<&'a str>,
    user_api_key_org_id: Option<&'a str>,
    user_api_key_user_id: Option<&'a str>,
}

/// Without the message, which may quote the prompt.
#[derive(Serialize)]
struct ThinError<'a> {
    error_code: &'a str,
    error_class: &'a str,
}

#[derive(Serialize)]
struct ThinExtension<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_source: Option<UsageSource>,
    settlement: ThinSettlement<'a>,
}

#[derive(Serialize)]
struct ThinSettlement<'a> {
    cost: ThinCost,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<&'a Previous>,
}

#[derive(Serialize)]
struct ThinCost {
    status: CostStatus,
}

impl<'a> Thin<'a> {
    pub(super) fn of(event: &'a PricedEvent) -> Self {
        let payload = event.payload();
        let (metadata, error) = (&payload.metadata, &payload.error_information);
        let extension = payload.tollkeeper.as_deref();
        let cost = ThinCost {
            status: event.cost().status,
        };
        Self {
            litellm_call_id: &payload.litellm_call_id,
            id: &payload.id,
            trace_id: &payload.trace_id,
            session_id: &payload.session_id,
            call_type: &payload.call_type,
            stream: payload.stream,
            cache_hit: payload.cache_hit,
            status: payload.status,
            custom_llm_provider: payload.custom_llm_provider.as_deref(),
            model: &payload.model,
            model_group: payload.model_group.as_deref(),
            model_id: payload.model_id.as_deref(),
            prompt_tokens: payload.prompt_tokens,
            completion_tokens: payload.completion_tokens,
            total_tokens: payload.total_tokens,
            response_cost: payload.response_cost,
            start_time: payload.start_time,
            end_time: payload.end_time,
            completion_start_time: payload.completion_start_time,
            end_user: payload.end_user.as_deref(),
            request_tags: &payload.request_tags,
            metadata: ThinMetadata {
                user_api_key_hash: metadata.user_api_key_hash.as_deref(),
                user_api_key_alias: metadata.user_api_key_alias.as_deref(),
                user_api_key_team_id: metadata.user_api_key_team_id.as_deref(),
                user_api_key_team_alias: metadata.user_api_key_team_alias.as_deref(),
                user_api_key_org_id: metadata.user_api_key_org_id.as_deref(),
                user_api_key_user_id: metadata.user_api_key_user_id.as_deref(),
            },
            error_information: ThinError {
                error_code: &error.error_code,
                error_class: &error.error_class,
            },
            tollkeeper: ThinExtension {
                outcome: extension.map(|ours| ours.outcome),
                usage_source: extension.map(|ours| ours.usage_source),
                settlement: ThinSettlement {
                    cost,
                    previous: event.settlement().previous.as_ref(),
                },
            },
        }
    }
}
