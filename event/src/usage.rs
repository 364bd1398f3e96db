//! What a call consumed, in the shape that OpenAI reports it and LiteLLM logs it.

mod sum;

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::Exact;

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
    /// Tools that the provider ran.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub server_tool_use: Option<ServerToolUse>,
    /// Perplexity's name for web searches.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub num_search_queries: Option<u64>,
    /// Text of cited pages that was read, beside the prompt.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub citation_tokens: Option<u64>,
    /// Units that a reranking was billed by.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub search_units: Option<u64>,
    /// Seconds of audio that were transcribed, where tokens are not counted.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub seconds: Option<Exact>,
    /// USD that the provider itself asks for the call.
    #[serde(deserialize_with = "cost", skip_serializing_if = "Option::is_none")]
    pub cost: Option<Exact>,
    /// Anthropic's speed: `fast` costs more.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub speed: Option<String>,
    /// Where Anthropic ran the model.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub inference_geo: Option<String>,
    /// The service tier that was served.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
}

impl Usage {
    /// Whether it says that nothing was consumed, or nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let tokens = [
            self.prompt_tokens,
            self.completion_tokens,
            self.total_tokens,
        ];
        let is_billed = self.cost.is_some_and(|cost| cost > Exact::default());
        tokens == [0; 3] && !is_billed && !self.has_units()
    }

    /// Whether anything but tokens was consumed: seconds, characters, images, searches.
    #[must_use]
    pub fn has_units(&self) -> bool {
        let details = self.prompt_tokens_details.as_ref();
        let searches = self.server_tool_use.as_ref();
        let counts = [
            self.citation_tokens,
            self.search_units,
            self.num_search_queries,
            searches.and_then(|tools| tools.web_search_requests),
            details.and_then(|details| details.web_search_requests),
            details.and_then(|details| details.character_count),
            details.and_then(|details| details.image_count),
            details.and_then(|details| details.query_count),
        ];
        let lengths = [
            self.seconds,
            details.and_then(|details| details.audio_length_seconds),
            details.and_then(|details| details.video_length_seconds),
        ];
        counts.into_iter().flatten().any(|count| count > 0)
            || lengths
                .into_iter()
                .flatten()
                .any(|length| length > Exact::default())
    }
}

/// Tools that the provider ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerToolUse {
    /// Web searches.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub web_search_requests: Option<u64>,
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
    /// What the cached tokens are.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub cached_tokens_details: Option<CachedDetails>,
    /// `ephemeral` for a cache that the client asked for.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub cache_type: Option<String>,
    /// Web searches.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub web_search_requests: Option<u64>,
    /// Characters, where they are billed rather than tokens.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub character_count: Option<u64>,
    /// Images, where they are billed rather than tokens.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub image_count: Option<u64>,
    /// Seconds of audio, where they are billed rather than tokens.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub audio_length_seconds: Option<Exact>,
    /// Seconds of video, where they are billed rather than tokens.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub video_length_seconds: Option<Exact>,
    /// Queries that were embedded, where they are billed rather than tokens.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub query_count: Option<u64>,
}

/// What the cached tokens are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CachedDetails {
    /// Plain text.
    pub text_tokens: Option<u64>,
    /// Audio.
    pub audio_tokens: Option<u64>,
    /// Images.
    pub image_tokens: Option<u64>,
}

/// Cache writes by time to live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheWriteDetails {
    /// Kept for five minutes.
    pub ephemeral_5m_input_tokens: Option<u64>,
    /// Kept for an hour.
    pub ephemeral_1h_input_tokens: Option<u64>,
    /// Kept for half an hour.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub ephemeral_30m_input_tokens: Option<u64>,
    /// Kept for twelve hours.
    #[serde(deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub ephemeral_12h_input_tokens: Option<u64>,
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

/// What only some providers report: anything else under its name is as if it were not there.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok().flatten())
}

/// USD, bare or under `total_cost`; a cost below nothing is none.
fn cost<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Exact>, D::Error> {
    #[derive(Deserialize)]
    struct Parts {
        total_cost: Exact,
    }
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let parts = serde_json::from_str(raw.get()).map(|Parts { total_cost }| total_cost);
    let cost = parts.or_else(|_| serde_json::from_str(raw.get()));
    Ok(cost.ok().filter(|cost| *cost >= Exact::default()))
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
    #[test]
    fn what_only_some_report_is_read_where_it_can_be() {
        let text = r#"{"prompt_tokens":3,"cost":{"total_cost":0.1,"input":7},"speed":"fast",
            "service_tier":{"odd":1},"citation_tokens":-4,"seconds":"1.5",
            "server_tool_use":{"web_search_requests":2,"web_fetch_requests":0},
            "prompt_tokens_details":{"cached_tokens_details":{"audio_tokens":1}}}"#;
        let usage: Usage = serde_json::from_str(text).unwrap();
        assert_eq!(usage.cost, "0.1".parse().ok());
        assert_eq!(usage.speed.as_deref(), Some("fast"));
        assert_eq!((usage.service_tier, usage.citation_tokens), (None, None));
        assert_eq!(usage.seconds, "1.5".parse().ok());
        let tools = usage.server_tool_use.unwrap();
        assert_eq!(tools.web_search_requests, Some(2));
        let cached = usage.prompt_tokens_details.unwrap().cached_tokens_details;
        assert_eq!(cached.unwrap().audio_tokens, Some(1));
        for (cost, read) in [
            ("0", Some("0")),
            ("\"2e-3\"", Some("0.002")),
            ("-1", None),
            ("{}", None),
        ] {
            let usage: Usage = serde_json::from_str(&format!(r#"{{"cost": {cost}}}"#)).unwrap();
            assert_eq!(usage.cost, read.map(|read| read.parse().unwrap()), "{cost}");
        }
    }

    #[test]
    fn whatever_is_counted_is_something() {
        for something in [
            r#"{"total_tokens": 1}"#,
            r#"{"completion_tokens": 1}"#,
            r#"{"seconds": 0.5}"#,
            r#"{"cost": 0.01}"#,
            r#"{"search_units": 1}"#,
            r#"{"server_tool_use": {"web_search_requests": 1}}"#,
            r#"{"prompt_tokens_details": {"image_count": 2}}"#,
            r#"{"prompt_tokens_details": {"character_count": 2}}"#,
            r#"{"prompt_tokens_details": {"video_length_seconds": 2}}"#,
        ] {
            let usage: Usage = serde_json::from_str(something).unwrap();
            assert!(!usage.is_empty(), "{something}");
        }
        for nothing in [
            "{}",
            r#"{"prompt_tokens": 0, "cost": 0, "seconds": 0}"#,
            r#"{"service_tier": "flex", "prompt_tokens_details": {"image_count": 0}}"#,
        ] {
            let usage: Usage = serde_json::from_str(nothing).unwrap();
            assert!(usage.is_empty(), "{nothing}");
        }
    }

    #[test]
    fn what_is_absent_is_not_written() {
        let text = serde_json::to_string(&Usage::default()).unwrap();
        assert_eq!(
            text,
            r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#
        );
    }
}
