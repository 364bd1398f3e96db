//! Anthropic's dialect: cache reads and writes stand beside `input_tokens`.

use event::{CacheWriteDetails, CompletionDetails, PromptDetails, Usage};

use crate::reported::{
    ReportError,
    fields::Fields,
    openai::{tools, writes},
};

/// Whether cached tokens stand beside the input. OpenAI's responses have the same names, but their
/// details or total show that cached tokens are inside.
pub(super) fn is_dialect_of(fields: &Fields<'_>) -> bool {
    let own = [
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation",
        "iterations",
    ];
    let openai = ["prompt_tokens", "completion_tokens", "input_tokens_details"];
    fields.has_any(&own) && !fields.has_any(&openai) && !total_is_plain(fields)
}

/// Whether there is a total, and it has no cached tokens beside input and output.
fn total_is_plain(fields: &Fields<'_>) -> bool {
    let count = |name| fields.count(&[name]).ok().flatten();
    let parts =
        count("input_tokens").unwrap_or_default() + count("output_tokens").unwrap_or_default();
    count("total_tokens") == Some(parts)
}

pub(super) fn read(fields: &Fields<'_>) -> Result<Usage, ReportError> {
    // A call that compacted its context has run the model several times.
    let iterations = fields.list(&["iterations"])?;
    let sum = if iterations.is_empty() {
        Part::read(fields)?
    } else {
        let mut parts = iterations.iter().map(Part::read);
        parts.try_fold(Part::default(), |sum, part| Ok(sum.and(part?)))?
    };
    let prompt_tokens = sum.input + sum.read + sum.write;
    Ok(Usage {
        prompt_tokens,
        completion_tokens: sum.output,
        total_tokens: prompt_tokens + sum.output,
        prompt_tokens_details: Some(PromptDetails {
            cached_tokens: Some(sum.read),
            cache_write_tokens: Some(sum.write),
            cache_creation_token_details: (sum.write > 0).then_some(CacheWriteDetails {
                ephemeral_5m_input_tokens: Some(sum.write - sum.hour),
                ephemeral_1h_input_tokens: Some(sum.hour),
                ..CacheWriteDetails::default()
            }),
            text_tokens: Some(sum.input),
            ..PromptDetails::default()
        }),
        completion_tokens_details: sum.thinking.map(|thinking| CompletionDetails {
            reasoning_tokens: Some(thinking.min(sum.output)),
            ..CompletionDetails::default()
        }),
        cache_read_input_tokens: Some(sum.read),
        cache_creation_input_tokens: Some(sum.write),
        server_tool_use: tools(fields)?,
        service_tier: fields.text("service_tier"),
        speed: fields.text("speed"),
        inference_geo: fields.text("inference_geo"),
        ..Usage::default()
    })
}

/// What one run of the model reports.
#[derive(Clone, Copy, Default)]
struct Part {
    input: u64,
    output: u64,
    read: u64,
    /// All cache writes.
    write: u64,
    /// Those that live for an hour. The others live for five minutes.
    hour: u64,
    thinking: Option<u64>,
}

impl Part {
    fn read(fields: &Fields<'_>) -> Result<Self, ReportError> {
        let count = |name| Ok(fields.count(&[name])?.unwrap_or_default());
        let lives = fields.object(&["cache_creation"])?;
        let lives = lives.map(|lives| writes(&lives)).transpose()?;
        let lives = lives.unwrap_or_default();
        let hour = lives.ephemeral_1h_input_tokens.unwrap_or_default();
        let split = lives.ephemeral_5m_input_tokens.unwrap_or_default() + hour;
        let output = fields.object(&["output_tokens_details"])?;
        Ok(Self {
            input: count("input_tokens")?,
            output: count("output_tokens")?,
            read: count("cache_read_input_tokens")?,
            write: count("cache_creation_input_tokens")?.max(split),
            hour,
            thinking: output.map_or(Ok(None), |output| output.count(&["thinking_tokens"]))?,
        })
    }

    fn and(self, other: Self) -> Self {
        Self {
            input: self.input + other.input,
            output: self.output + other.output,
            read: self.read + other.read,
            write: self.write + other.write,
            hour: self.hour + other.hour,
            thinking: match (self.thinking, other.thinking) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            },
        }
    }
}
