//! Cohere's dialect: `billed_units` is what is on the bill, `tokens` what the model saw.

use event::{PromptDetails, Usage};

use crate::reported::{ReportError, fields::Fields};

/// Names that no other dialect has.
pub(super) const SIGNS: [&str; 2] = ["billed_units", "tokens"];

pub(super) fn read(fields: &Fields<'_>) -> Result<Usage, ReportError> {
    let Some(billed) = fields.object(&SIGNS)? else {
        return Ok(Usage::default());
    };
    let text = billed.count(&["input_tokens"])?.unwrap_or_default();
    let image = billed.count(&["image_tokens"])?;
    let output = billed.count(&["output_tokens"])?.unwrap_or_default();
    let images = billed.count(&["images"])?;
    let cached = fields.count(&["cached_tokens"])?;
    let prompt_tokens = text + image.unwrap_or_default();
    Ok(Usage {
        prompt_tokens,
        completion_tokens: output,
        total_tokens: prompt_tokens + output,
        prompt_tokens_details: image.or(images).or(cached).map(|_| PromptDetails {
            cached_tokens: cached.map(|cached| cached.min(prompt_tokens)),
            text_tokens: Some(text),
            image_tokens: image,
            image_count: images,
            ..PromptDetails::default()
        }),
        search_units: billed.count(&["search_units"])?,
        ..Usage::default()
    })
}
