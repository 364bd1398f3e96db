//! OpenAI's dialect: chat completions, responses, embeddings, images, transcriptions and realtime,
//! and whoever follows it. Details are parts of their sums.

use event::{
    CacheWriteDetails, CachedDetails, CompletionDetails, PromptDetails, ServerToolUse, Usage,
};

use crate::reported::{ReportError, fields::Fields};

const INPUT_DETAILS: [&str; 3] = [
    "prompt_tokens_details",
    "input_tokens_details",
    "input_token_details",
];
const OUTPUT_DETAILS: [&str; 3] = [
    "completion_tokens_details",
    "output_tokens_details",
    "output_token_details",
];

pub(super) fn read(call_type: Option<&str>, fields: &Fields<'_>) -> Result<Usage, ReportError> {
    let completion = fields.count(&["completion_tokens", "output_tokens"])?;
    let total = fields.count(&["total_tokens"])?;
    let completion_tokens = completion.unwrap_or_default();
    // Embeddings and reranking may have nothing but a total.
    let prompt_tokens = match fields.count(&["prompt_tokens", "input_tokens"])? {
        Some(prompt) => prompt,
        None => total.unwrap_or_default().saturating_sub(completion_tokens),
    };
    let mut usage = Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: total.unwrap_or(prompt_tokens + completion_tokens),
        prompt_tokens_details: fields
            .object(&INPUT_DETAILS)?
            .map(|details| input(&details))
            .transpose()?,
        completion_tokens_details: fields
            .object(&OUTPUT_DETAILS)?
            .map(|details| output(&details))
            .transpose()?,
        prompt_cache_hit_tokens: fields.count(&["prompt_cache_hit_tokens"])?,
        cache_read_input_tokens: fields.count(&["cache_read_input_tokens"])?,
        cache_creation_input_tokens: fields.count(&["cache_creation_input_tokens"])?,
        server_tool_use: tools(fields)?,
        cost: fields.cost("cost"),
        num_search_queries: fields.count(&["num_search_queries", "search_queries"])?,
        citation_tokens: fields.count(&["citation_tokens"])?,
        search_units: fields.count(&["search_units"])?,
        seconds: fields.amount("seconds")?,
        service_tier: fields.text("service_tier"),
        speed: fields.text("speed"),
        inference_geo: fields.text("inference_geo"),
    };
    let reasoning = fields.count(&["reasoning_tokens"])?;
    if let Some(reasoning) = reasoning {
        let details = usage.completion_tokens_details.get_or_insert_default();
        details.reasoning_tokens = details.reasoning_tokens.or(Some(reasoning));
    }
    include_reasoning(&mut usage);
    if call_type.is_some_and(makes_images) && usage.completion_tokens_details.is_none() {
        usage.completion_tokens_details = Some(CompletionDetails {
            image_tokens: Some(completion_tokens),
            ..CompletionDetails::default()
        });
    }
    Ok(usage)
}

pub(super) fn tools(fields: &Fields<'_>) -> Result<Option<ServerToolUse>, ReportError> {
    let Some(tools) = fields.object(&["server_tool_use"])? else {
        return Ok(None);
    };
    Ok(Some(ServerToolUse {
        web_search_requests: tools.count(&["web_search_requests"])?,
    }))
}

pub(super) fn writes(fields: &Fields<'_>) -> Result<CacheWriteDetails, ReportError> {
    Ok(CacheWriteDetails {
        ephemeral_5m_input_tokens: fields.count(&["ephemeral_5m_input_tokens"])?,
        ephemeral_1h_input_tokens: fields.count(&["ephemeral_1h_input_tokens"])?,
        ephemeral_30m_input_tokens: fields.count(&["ephemeral_30m_input_tokens"])?,
        ephemeral_12h_input_tokens: fields.count(&["ephemeral_12h_input_tokens"])?,
    })
}

/// Where the total shows that reasoning stands beside the completion, it is moved inside.
fn include_reasoning(usage: &mut Usage) {
    let details = usage.completion_tokens_details.as_ref();
    let reasoning = details
        .and_then(|details| details.reasoning_tokens)
        .unwrap_or_default();
    if beyond(usage) == reasoning {
        usage.completion_tokens += reasoning;
    }
}

/// What the total has more than prompt and completion.
pub(super) fn beyond(usage: &Usage) -> u64 {
    let parts = usage.prompt_tokens + usage.completion_tokens;
    usage.total_tokens.saturating_sub(parts)
}

fn makes_images(call_type: &str) -> bool {
    let call_type = call_type.strip_prefix('a').unwrap_or(call_type);
    matches!(call_type, "image_generation" | "image_edit")
}

fn input(fields: &Fields<'_>) -> Result<PromptDetails, ReportError> {
    // DashScope has the names of Anthropic in the details of OpenAI.
    let lives = fields.object(&["cache_creation_token_details", "cache_creation"])?;
    let cached = fields.object(&["cached_tokens_details"])?;
    Ok(PromptDetails {
        cached_tokens: fields.count(&["cached_tokens"])?,
        cache_write_tokens: fields.count(&["cache_write_tokens"])?,
        cache_creation_tokens: fields
            .count(&["cache_creation_tokens", "cache_creation_input_tokens"])?,
        cache_creation_token_details: lives.map(|lives| writes(&lives)).transpose()?,
        text_tokens: fields.count(&["text_tokens"])?,
        audio_tokens: fields.count(&["audio_tokens"])?,
        image_tokens: fields.count(&["image_tokens"])?,
        video_tokens: fields.count(&["video_tokens"])?,
        cached_tokens_details: cached.map(|cached| modalities(&cached)).transpose()?,
        cache_type: fields.text("cache_type"),
        web_search_requests: fields.count(&["web_search_requests"])?,
        character_count: fields.count(&["character_count"])?,
        image_count: fields.count(&["image_count"])?,
        audio_length_seconds: fields.amount("audio_length_seconds")?,
        video_length_seconds: fields.amount("video_length_seconds")?,
        query_count: fields.count(&["query_count"])?,
    })
}

fn modalities(fields: &Fields<'_>) -> Result<CachedDetails, ReportError> {
    Ok(CachedDetails {
        text_tokens: fields.count(&["text_tokens"])?,
        audio_tokens: fields.count(&["audio_tokens"])?,
        image_tokens: fields.count(&["image_tokens"])?,
    })
}

fn output(fields: &Fields<'_>) -> Result<CompletionDetails, ReportError> {
    Ok(CompletionDetails {
        reasoning_tokens: fields.count(&["reasoning_tokens"])?,
        text_tokens: fields.count(&["text_tokens"])?,
        audio_tokens: fields.count(&["audio_tokens"])?,
        image_tokens: fields.count(&["image_tokens"])?,
        video_tokens: fields.count(&["video_tokens"])?,
        accepted_prediction_tokens: fields.count(&["accepted_prediction_tokens"])?,
        rejected_prediction_tokens: fields.count(&["rejected_prediction_tokens"])?,
    })
}
