//! Tokens where no provider counted them.

use event::Usage;

/// Bytes of English text in one token of the usual vocabularies, roughly.
const BYTES_PER_TOKEN: u64 = 4;

/// A rough count of the tokens in so many bytes of text. Marked in the event as counted here.
#[must_use]
pub(crate) const fn of_bytes(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// What a call used whose provider did not say.
#[must_use]
pub(crate) fn counted(prompt_bytes: usize, answer_bytes: u64) -> Usage {
    let prompt_tokens = of_bytes(u64::try_from(prompt_bytes).unwrap_or(u64::MAX));
    let completion_tokens = of_bytes(answer_bytes);
    Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: prompt_tokens.saturating_add(completion_tokens),
        ..Usage::default()
    }
}
