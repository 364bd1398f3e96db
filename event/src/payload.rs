//! LiteLLM's `StandardLoggingPayload`: the same names and types, so that whoever reads theirs reads
//! ours. Amounts keep their digits, and a cost that is not known is `null`, not 0.

use serde::{Deserialize, Serialize};

use crate::{CallId, Extension, Json, Seconds, Timestamp, Usd};

/// The record of one finished call. Written once by the gateway; the collector fills in the cost.
///
/// A field that is missing when it is read has its default. Fields that are not known here are
/// not kept. What is unused here, or belongs to errors alone, is left out while it is `null`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StandardLoggingPayload {
    /// The provider's response id, else the call id. An attribute, never a key.
    pub id: String,
    /// One for each client request; shared by its attempts.
    pub litellm_call_id: CallId,
    /// Groups the calls of one task.
    pub trace_id: String,
    /// Empty unless the client named a session.
    pub session_id: String,
    /// LiteLLM's name of the operation: `acompletion`, `aembedding`, ….
    pub call_type: String,
    /// `true` on a hit; `false` on a stream or a failure.
    pub cache_hit: Option<bool>,
    /// `true` on a stream that succeeded.
    pub stream: Option<bool>,
    /// How it ended.
    pub status: Status,
    /// The same, in parts.
    pub status_fields: StatusFields,
    /// The provider's slug; `None` if the call failed before one was chosen.
    pub custom_llm_provider: Option<String>,
    /// What a cache hit would have cost; 0 where it was none, or nobody knows the price.
    pub saved_cache_cost: Usd,
    /// When the request had been read.
    #[serde(rename = "startTime")]
    pub start_time: Timestamp,
    /// When the last byte was ready for the client.
    #[serde(rename = "endTime")]
    pub end_time: Timestamp,
    /// When the first token came; the end for calls that do not stream.
    #[serde(rename = "completionStartTime")]
    pub completion_start_time: Timestamp,
    /// To the first token for streams, else to the end.
    pub response_time: Seconds,
    /// The upstream model with its provider in front: `openai/gpt-4o`.
    pub model: String,
    /// Who called, and with what.
    pub metadata: Metadata,
    /// The response cache's key.
    pub cache_key: Option<String>,
    /// The whole cost; `None` while it is not known.
    pub response_cost: Option<Usd>,
    /// The cost in LiteLLM's parts.
    pub cost_breakdown: Option<CostBreakdown>,
    /// Unused here.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub autorouter_savings: Json,
    /// Unused here.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub autorouter_savings_estimate: Json,
    /// Unused here.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub autorouter_baseline_observation: Json,
    /// All tokens.
    pub total_tokens: u64,
    /// Input tokens, cached ones included.
    pub prompt_tokens: u64,
    /// Output tokens, reasoning included.
    pub completion_tokens: u64,
    /// Tags of the request and its user agent.
    pub request_tags: Vec<String>,
    /// Access groups through which the model was allowed.
    pub request_model_access_groups: Vec<String>,
    /// The application's own user.
    pub end_user: Option<String>,
    /// Where the request was sent.
    pub api_base: Option<String>,
    /// The model as the client asked for it.
    pub model_group: Option<String>,
    /// The deployment's id.
    pub model_id: Option<String>,
    /// The client's address.
    pub requester_ip_address: Option<String>,
    /// The client's user agent.
    pub user_agent: Option<String>,
    /// What was asked.
    pub messages: Json,
    /// What was answered; `{}` on failure.
    pub response: Json,
    /// Request parameters without the content.
    pub model_parameters: Json,
    /// What LiteLLM keeps beside the response.
    pub hidden_params: HiddenParams,
    /// Which price-map entry the model was found under.
    pub model_map_information: ModelMapInformation,
    /// The error as text.
    pub error_str: Option<String>,
    /// The error in parts; empty on success.
    pub error_information: ErrorInformation,
    /// Why there is no cost.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub response_cost_failure_debug_info: Json,
    /// Why the cost is zero although tokens were used.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub zero_cost_diagnostic: Json,
    /// What guardrails did.
    pub guardrail_information: Json,
    /// Built-in tools that were asked for.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub standard_built_in_tools_params: Json,
    /// What Tollkeeper knows beyond LiteLLM's fields; `None` in events of other gateways.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tollkeeper: Option<Box<Extension>>,
}

/// How a call ended, as LiteLLM says it. [`crate::Outcome`] says more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The client was answered.
    Success,
    /// The client got an error, or nothing.
    #[default]
    Failure,
}

impl Status {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

/// The status in parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusFields {
    /// The provider's part.
    pub llm_api_status: Status,
    /// The most severe guardrail outcome; `not_run` without guardrails.
    pub guardrail_status: String,
}

impl Default for StatusFields {
    fn default() -> Self {
        Self {
            llm_api_status: Status::Failure,
            guardrail_status: "not_run".to_owned(),
        }
    }
}

/// Who called, and with what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// SHA-256 of the key in hexadecimal, or the name LiteLLM gives the master key.
    pub user_api_key_hash: Option<String>,
    /// The key's name.
    pub user_api_key_alias: Option<String>,
    /// The key's spend before this call.
    pub user_api_key_spend: Option<Usd>,
    /// The key's budget.
    pub user_api_key_max_budget: Option<Usd>,
    /// When the key's budget window ends (ISO 8601).
    pub user_api_key_budget_reset_at: Option<String>,
    /// The user's spend before this call.
    pub user_api_key_user_spend: Option<Usd>,
    /// The user's budget.
    pub user_api_key_user_max_budget: Option<Usd>,
    /// The team's spend before this call.
    pub user_api_key_team_spend: Option<Usd>,
    /// The team's budget.
    pub user_api_key_team_max_budget: Option<Usd>,
    /// The key's team.
    pub user_api_key_team_id: Option<String>,
    /// The key's organization.
    pub user_api_key_org_id: Option<String>,
    /// Its name.
    pub user_api_key_org_alias: Option<String>,
    /// The key's project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_api_key_project_id: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_api_key_project_alias: Option<String>,
    /// The key's user.
    pub user_api_key_user_id: Option<String>,
    /// The team's name.
    pub user_api_key_team_alias: Option<String>,
    /// The user's address.
    pub user_api_key_user_email: Option<String>,
    /// The application's own user.
    pub user_api_key_end_user_id: Option<String>,
    /// The path that was called.
    pub user_api_key_request_route: Option<String>,
    /// What the client wants to find in the spend logs.
    pub spend_logs_metadata: Json,
    /// The client's address.
    pub requester_ip_address: Option<String>,
    /// The client's user agent.
    pub user_agent: Option<String>,
    /// The client's own `metadata`.
    pub requester_metadata: Json,
    /// Unused here.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub prompt_management_metadata: Json,
    /// Guardrails that ran.
    pub applied_guardrails: Vec<String>,
    /// Unused here.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub mcp_tool_call_metadata: Json,
    /// Unused here.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub vector_store_request_metadata: Json,
    /// Unused here.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub routing_decision: Json,
    /// The usage as reported ([`crate::Usage`]); `{}` if there is none.
    pub usage_object: Json,
    /// The client's `x-` headers.
    pub requester_custom_headers: Json,
    /// Unused here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cold_storage_object_key: Option<String>,
    /// The key's own metadata.
    pub user_api_key_auth_metadata: Json,
    /// The request's team, where it differs from the key's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_alias: Option<String>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_id: Option<String>,
    /// Unused here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_client_oauth_token: Option<bool>,
}

/// What LiteLLM keeps beside the response.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HiddenParams {
    /// The deployment's id.
    pub model_id: Option<String>,
    /// The response cache's key.
    pub cache_key: Option<String>,
    /// Where the request was sent.
    pub api_base: Option<String>,
    /// The whole cost; `None` while it is not known.
    pub response_cost: Option<Usd>,
    /// The provider's response headers.
    pub additional_headers: Json,
    /// Milliseconds that were not spent waiting for the provider.
    pub litellm_overhead_time_ms: Json,
    /// Unused here.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub batch_models: Json,
    /// Unused here.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub batch_successful_requests: Json,
    /// Unused here.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub batch_failed_requests: Json,
    /// The upstream model with its provider in front.
    pub litellm_model_name: Option<String>,
    /// Unused here: see [`Metadata::usage_object`].
    #[serde(skip_serializing_if = "Json::is_null")]
    pub usage_object: Json,
}

/// Which price-map entry the model was found under.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelMapInformation {
    /// The entry's name.
    pub model_map_key: String,
    /// The entry; left out here, since the cost's line items name what was used of it.
    pub model_map_value: Json,
}

/// The error in parts; empty on success.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorInformation {
    /// The HTTP status as text.
    pub error_code: String,
    /// LiteLLM's exception class: `RateLimitError`, `Timeout`, ….
    pub error_class: String,
    /// The provider's slug, or empty.
    pub llm_provider: String,
    /// Always empty: there is no Python here.
    pub traceback: String,
    /// The message, without secrets.
    pub error_message: String,
    /// The provider's request id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_provider_request_id: Option<String>,
    /// Whose limit was hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate_limit_category: Option<String>,
    /// Which limit was hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_rate_limit_type: Option<String>,
    /// Whose budget refused the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_budget_entity_type: Option<String>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_budget_entity_id: Option<String>,
    /// That budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_budget_limit: Option<Usd>,
    /// What had been spent of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_budget_spend: Option<Usd>,
    /// LiteLLM's normalised name: `429_RATE_LIMIT_EXCEEDED`, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalized_error: Option<String>,
}

/// The cost in LiteLLM's parts: `total_cost` = input + output + tools, as long as there are no
/// discounts. What is not known here is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CostBreakdown {
    /// The whole prompt side, cache reads and writes included.
    pub input_cost: Usd,
    /// The whole completion side, reasoning included.
    pub output_cost: Usd,
    /// Everything.
    pub total_cost: Usd,
    /// Built-in tools.
    pub tool_usage_cost: Usd,
    /// The tier that was priced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// Unused here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_residency: Option<String>,
    /// Unused here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vertex_location: Option<String>,
    /// Of the input: cache reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_cost: Option<Usd>,
    /// Of the input: cache writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_creation_cost: Option<Usd>,
    /// Of the output: reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_cost: Option<Usd>,
    /// Before discount and margin.
    pub original_cost: Usd,
    /// The discount, as a part of the bill.
    pub discount_percent: Usd,
    /// What was taken off.
    pub discount_amount: Usd,
    /// The margin, as a part of the bill.
    pub margin_percent: Usd,
    /// The margin's amount for each call.
    pub margin_fixed_amount: Usd,
    /// What was put on top.
    pub margin_total_amount: Usd,
}

#[cfg(test)]
mod tests;
