//! Keys of the price map that no call is billed by, and why.

/// A key, or with `*` at one end every key that ends or begins so, and why it is no price. Members
/// of objects are behind a point.
const NOT_PRICES: [(&str, &str); 51] = [
    (
        "*_decisions",
        "a price of an endpoint whose calls do not say that they went there",
    ),
    (
        "cache_creation_input_audio_token_cost",
        "no provider reports audio that was written to a cache apart from other writes",
    ),
    ("input_dbu_cost_per_token", "Databricks' units, not USD"),
    ("output_dbu_cost_per_token", "Databricks' units, not USD"),
    (
        "search_free_requests*",
        "an allowance of the account, not of a call",
    ),
    (
        "provider_specific_entry.minimax_free_input_images",
        "an allowance of the account, not of a call",
    ),
    (
        "provider_specific_entry.volcengine_video_frames*",
        "sizes in pixels",
    ),
    (
        "provider_specific_entry.dashscope_video_reference_input",
        "the form of a request",
    ),
    (
        "provider_specific_entry.bedrock_invocation_schema",
        "the form of a request",
    ),
    ("litellm_provider", "read: whose entry it is"),
    ("mode", "read: what is billed"),
    ("web_search_billing_unit", "read: what one search is"),
    ("tiered_pricing", "read: its members are prices"),
    ("tiered_pricing[].range", "read: which bracket"),
    ("tiered_pricing[].max_results_range", "read: which bracket"),
    ("off_peak_pricing", "read: its members are prices"),
    ("off_peak_pricing.windows*", "read: when"),
    ("off_peak_pricing.hours_utc", "read: when"),
    ("off_peak_pricing.weekdays", "read: when"),
    ("off_peak_pricing.weekday_timezone", "read: when"),
    ("effective", "read: its members are prices"),
    ("effective[].from", "read: when"),
    (
        "search_context_cost_per_query",
        "read: its members are prices",
    ),
    ("guardrail_cost_per_unit", "read: its members are prices"),
    ("provider_specific_entry", "read: its members are factors"),
    ("max_input_tokens", "a limit"),
    ("max_output_tokens", "a limit"),
    ("max_tokens", "a limit"),
    ("rpm", "a limit"),
    ("tpm", "a limit"),
    ("prompt_cache_min_tokens", "a limit"),
    ("output_vector_size", "a size"),
    ("deprecation_date", "a date for people"),
    ("source", "where the figures are from"),
    ("comment", "a note"),
    ("metadata*", "notes"),
    (
        "token_count_*",
        "how tokens are counted, not what they cost",
    ),
    ("supports_*", "what the model can do"),
    ("supported_*", "what the model can do"),
    ("reasoning_contexts", "what the model can do"),
    ("reasoning_modes", "what the model can do"),
    ("reasoning_effort_levels", "what the model can do"),
    ("default_reasoning_effort", "what the model does"),
    ("thinking_always_on", "what the model does"),
    ("gemini_native_audio", "what the model can do"),
    ("gemini_audio_only_live", "what the model can do"),
    ("bedrock_*", "the form of a request"),
    ("use_openai_responses_path", "the form of a request"),
    ("uses_embed_content", "the form of a request"),
    ("vertex_ai_audio_api", "the form of a request"),
    ("audio_transcription_config", "the form of a request"),
];

/// Why a key is no price; `None` if it may be one.
pub(crate) fn reason(key: &str) -> Option<&'static str> {
    let is = |pattern: &str| match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => key.ends_with(end),
        (_, Some(beginning)) => key.starts_with(beginning),
        _ => key == pattern,
    };
    NOT_PRICES
        .iter()
        .find(|(pattern, _)| is(pattern))
        .map(|(_, reason)| *reason)
}
