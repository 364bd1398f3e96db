//! What a call consumed, in the shape that OpenAI reports it and LiteLLM logs it.

use serde::{Deserialize, Deserializer, Serialize};

/// Tokens of one call as reported. Sums include their parts: `prompt_tokens` includes cache reads
/// and writes and all modalities, `completion_tokens` includes reasoning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// All input tokens.
    #[serde(deserialize_with = "or_zero")]
    pub prompt_tokens: u64,
    /// All output tokens.
    #[serde(deserialize_with = "or_zero")]
    pub completion_tokens: u64,
    /// Input and output together.
    #[serde(deserialize_with = "or_zero")]
    pub total_tokens: u64,
    /// Parts of the input, if they were reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_details: Option<PromptDetails>,
    /// Parts of the output, if they were reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek's name for cache reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache_hit_tokens: Option<u64>,
    /// Anthropic's name for cache reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_input_tokens: Option<u64>,
    /// Anthropic's name for cache writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_creation_input_tokens: Option<u64>,
}

/// Parts of the input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PromptDetails {
    /// Read from the provider's prompt cache.
    pub cached_tokens: Option<u64>,
    /// Written to the provider's prompt cache.
    pub cache_write_tokens: Option<u64>,
    /// Another name for the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_creation_tokens: Option<u64>,
    /// Cache writes by how long they live.
    pub cache_creation_token_details: Option<CacheWriteDetails>,
    /// Plain text.
    pub text_tokens: Option<u64>,
    /// Audio.
    pub audio_tokens: Option<u64>,
    /// Images.
    pub image_tokens: Option<u64>,
    /// Video.
    pub video_tokens: Option<u64>,
}

/// Cache writes by time to live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheWriteDetails {
    /// Kept for five minutes.
    pub ephemeral_5m_input_tokens: Option<u64>,
    /// Kept for an hour.
    pub ephemeral_1h_input_tokens: Option<u64>,
}

/// Parts of the output.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompletionDetails {
    /// Thought, not shown.
    pub reasoning_tokens: Option<u64>,
    /// Plain text.
    pub text_tokens: Option<u64>,
    /// Audio.
    pub audio_tokens: Option<u64>,
    /// Images.
    pub image_tokens: Option<u64>,
    /// Video.
    pub video_tokens: Option<u64>,
    /// Predicted output that was used.
    pub accepted_prediction_tokens: Option<u64>,
    /// Predicted output that was not used, and is billed all the same.
    pub rejected_prediction_tokens: Option<u64>,
}

/// A count that some providers write as `null`.
fn or_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_providers_write_oddly_is_still_read() {
        let text = r#"{"prompt_tokens":3,"completion_tokens":5,"total_tokens":null,
            "prompt_tokens_details":{"cache_write_tokens":1,"cache_creation_tokens":1}}"#;
        let usage: Usage = serde_json::from_str(text).unwrap();
        assert_eq!(
            (
                usage.prompt_tokens,
                usage.completion_tokens,
                usage.total_tokens
            ),
            (3, 5, 0)
        );
    }
}
