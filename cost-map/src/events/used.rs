//! What a call consumed, as far as its event says. Pure.

use event::{Outcome, StandardLoggingPayload, Status, Usage, UsageSource};
use serde_json::value::RawValue;

use crate::reported;

/// What the call consumed: the usage as it was reported, in whatever unit; where it has no tokens,
/// with the payload's own counts.
#[must_use]
pub fn usage(payload: &StandardLoggingPayload) -> Usage {
    let ours: Usage = payload.metadata.usage_object.read().unwrap_or_default();
    let mut usage = if ours.is_empty() {
        as_reported(payload).unwrap_or(ours)
    } else {
        ours
    };
    if [
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.total_tokens,
    ] == [0; 3]
    {
        usage.prompt_tokens = payload.prompt_tokens;
        usage.completion_tokens = payload.completion_tokens;
        usage.total_tokens = payload.total_tokens;
    }
    usage
}

/// A usage in a provider's own words, as other gateways pass it on.
fn as_reported(payload: &StandardLoggingPayload) -> Option<Usage> {
    let text = payload.metadata.usage_object.text();
    if matches!(text, "null" | "{}") {
        return None;
    }
    let report = RawValue::from_string(text.to_owned()).ok()?;
    let provider = payload.custom_llm_provider.as_deref();
    reported::usage(provider, Some(&payload.call_type), &report).ok()
}

/// Who says what the call consumed. Other gateways do not tell: their providers do, or nobody.
#[must_use]
pub fn usage_source(payload: &StandardLoggingPayload) -> UsageSource {
    match &payload.tollkeeper {
        Some(ours) => ours.usage_source,
        None if usage(payload).is_empty() => UsageSource::None,
        None => UsageSource::Provider,
    }
}

/// Calls that consume something whenever they are answered, by LiteLLM's names without the `a`.
const CONSUMING: [&str; 10] = [
    "completion",
    "text_completion",
    "responses",
    "embedding",
    "transcription",
    "speech",
    "ocr",
    "anthropic_messages",
    "generate_content",
    "generate_content_stream",
];

/// Whether a call has been answered in full and nobody says what it consumed.
pub(super) fn is_untold(payload: &StandardLoggingPayload) -> bool {
    let outcome = payload.tollkeeper.as_ref().map(|ours| ours.outcome);
    let is_answered = payload.status == Status::Success
        && outcome.is_none_or(|outcome| outcome == Outcome::Success);
    let name = payload.call_type.as_str();
    let is_one = |name: &str| CONSUMING.contains(&name);
    is_answered
        && (is_one(name) || name.strip_prefix('a').is_some_and(is_one))
        && usage_source(payload) == UsageSource::None
}
