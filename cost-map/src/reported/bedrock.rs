//! Bedrock's dialects: Converse, where cached tokens stand beside the input, and the counts of the
//! models that are invoked natively.

use event::{CacheWriteDetails, PromptDetails, Usage};

use crate::reported::{ReportError, fields::Fields};

/// Names that no other dialect has.
pub(super) const SIGNS: [&str; 6] = [
    "inputTokens",
    "outputTokens",
    "inputTokenCount",
    "outputTokenCount",
    "inputTextTokenCount",
    "generation_token_count",
];

pub(super) fn read(fields: &Fields<'_>) -> Result<Usage, ReportError> {
    let count = |names| Ok(fields.count(names)?.unwrap_or_default());
    let input = count(&[
        "inputTokens",
        "inputTokenCount",
        "inputTextTokenCount",
        "prompt_token_count",
    ])?;
    let output = count(&["outputTokens", "outputTokenCount", "generation_token_count"])?;
    let read = fields.count(&["cacheReadInputTokens", "cacheReadInputTokenCount"])?;
    let hour = written(fields, "1h")?;
    let all = count(&["cacheWriteInputTokens", "cacheWriteInputTokenCount"])?;
    let five_minutes = all.saturating_sub(hour).max(written(fields, "5m")?);
    let write = five_minutes + hour;

    let prompt_tokens = input + read.unwrap_or_default() + write;
    Ok(Usage {
        prompt_tokens,
        completion_tokens: output,
        total_tokens: prompt_tokens + output,
        prompt_tokens_details: Some(PromptDetails {
            cached_tokens: read,
            cache_write_tokens: Some(write),
            cache_creation_token_details: (write > 0).then_some(CacheWriteDetails {
                ephemeral_5m_input_tokens: Some(five_minutes),
                ephemeral_1h_input_tokens: Some(hour),
                ..CacheWriteDetails::default()
            }),
            text_tokens: Some(input),
            ..PromptDetails::default()
        }),
        ..Usage::default()
    })
}

/// Cache writes that live this long.
fn written(fields: &Fields<'_>, life: &str) -> Result<u64, ReportError> {
    let mut sum = 0;
    for item in fields.list(&["cacheDetails"])? {
        if item.text("ttl").as_deref() == Some(life) {
            sum += item.count(&["inputTokens"])?.unwrap_or_default();
        }
    }
    Ok(sum)
}
