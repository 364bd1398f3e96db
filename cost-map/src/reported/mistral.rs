//! Mistral counts audio in the total alone, and says how long it was.

use event::Usage;

use crate::reported::{ReportError, fields::Fields, openai::beyond};

/// How long the audio in a prompt was; `{}` where there is none.
const SECONDS: &str = "prompt_audio_seconds";

pub(super) fn amend(usage: &mut Usage, fields: &Fields<'_>) -> Result<(), ReportError> {
    if let Some(cached) = fields.count(&["num_cached_tokens"])? {
        let details = usage.prompt_tokens_details.get_or_insert_default();
        details.cached_tokens = details.cached_tokens.or(Some(cached));
    }
    if fields.is_object(SECONDS) {
        return Ok(());
    }
    if let Some(seconds) = fields.amount(SECONDS)? {
        let audio = beyond(usage);
        usage.prompt_tokens += audio;
        let details = usage.prompt_tokens_details.get_or_insert_default();
        details.audio_tokens = details.audio_tokens.or(Some(audio));
        details.audio_length_seconds = Some(seconds);
    }
    Ok(())
}
