//! The small record that is written before a provider is asked.

use serde::{Deserialize, Serialize};

use crate::{
    CallId, ErrorInformation, Extension, Json, Metadata, Outcome, Reserved, StandardLoggingPayload,
    Timestamp, Usage, UsageSource,
};

/// A call that has been admitted. If no finished record follows, the gateway died with the call in
/// flight, and [`Started::aborted`] is what stands in the books.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Started {
    /// The call.
    pub call_id: CallId,
    /// Its trace, as the payload will name it.
    pub trace_id: String,
    /// When it was admitted.
    pub start_time: Timestamp,
    /// LiteLLM's name of the operation.
    pub call_type: String,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// The model as the client asked for it.
    pub model_group: String,
    /// The first deployment's model with its provider in front.
    pub model: String,
    /// Its provider.
    pub provider: String,
    /// Its id.
    pub model_id: String,
    /// Where it is.
    pub api_base: Option<String>,
    /// The model to price by, where the deployment names one.
    pub base_model: Option<String>,
    /// The deployment's own prices.
    pub price_overrides: Option<Json>,
    /// Where the model runs, where that decides on the price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Who called.
    pub user_api_key_hash: Option<String>,
    /// The key's name.
    pub user_api_key_alias: Option<String>,
    /// The key's user.
    pub user_id: Option<String>,
    /// The key's team.
    pub team_id: Option<String>,
    /// The key's organization.
    pub org_id: Option<String>,
    /// The application's own user.
    pub end_user: Option<String>,
    /// The path that was called.
    pub route: String,
    /// Tags of the request.
    pub tags: Vec<String>,
    /// Input tokens the call was admitted with.
    pub prompt_tokens: u64,
    /// Output tokens the call was admitted with.
    pub completion_tokens: u64,
    /// What is held of each budget: the most the call may cost, or what such calls cost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reserved: Vec<Reserved>,
}

impl Started {
    /// The event of a call that died with its gateway: charged with what it was admitted with,
    /// because nobody saw what the provider did.
    #[must_use]
    pub fn aborted(self, found: Timestamp) -> StandardLoggingPayload {
        let message = "the gateway stopped while this call was in flight";
        let usage = Usage {
            prompt_tokens: self.prompt_tokens,
            completion_tokens: self.completion_tokens,
            total_tokens: self.prompt_tokens.saturating_add(self.completion_tokens),
            ..Usage::default()
        };
        StandardLoggingPayload {
            id: self.call_id.to_string(),
            trace_id: self.trace_id,
            call_type: self.call_type,
            cache_hit: Some(false),
            custom_llm_provider: Some(self.provider.clone()),
            start_time: self.start_time,
            end_time: found,
            completion_start_time: found,
            response_time: found.since(self.start_time),
            model: self.model,
            total_tokens: usage.total_tokens,
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            request_tags: self.tags,
            end_user: self.end_user.clone(),
            api_base: self.api_base,
            model_group: Some(self.model_group),
            model_id: Some(self.model_id),
            response: Json::empty_object(),
            error_str: Some(message.to_owned()),
            error_information: ErrorInformation {
                error_code: "500".to_owned(),
                error_class: "GatewayAborted".to_owned(),
                llm_provider: self.provider,
                error_message: message.to_owned(),
                normalized_error: Some("500_INTERNAL_STATE_ERROR".to_owned()),
                ..ErrorInformation::default()
            },
            metadata: Metadata {
                user_api_key_hash: self.user_api_key_hash,
                user_api_key_alias: self.user_api_key_alias,
                user_api_key_user_id: self.user_id,
                user_api_key_team_id: self.team_id,
                user_api_key_org_id: self.org_id,
                user_api_key_end_user_id: self.end_user,
                user_api_key_request_route: Some(self.route),
                usage_object: Json::of(&usage),
                ..Metadata::default()
            },
            tollkeeper: Some(Box::new(Extension {
                outcome: Outcome::Aborted,
                usage_source: UsageSource::Estimated,
                base_model: self.base_model,
                price_overrides: self.price_overrides,
                region: self.region,
                reserved: self.reserved,
                ..Extension::default()
            })),
            litellm_call_id: self.call_id,
            ..StandardLoggingPayload::default()
        }
    }
}
