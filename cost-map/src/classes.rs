//! What was consumed, in classes that do not overlap.
//!
//! A provider reports sums that contain their parts, several names for one part, and sometimes
//! parts that cannot be. Here every prompt token and every completion token falls in exactly one
//! class: the classes of the input always sum to the prompt, those of the output to the
//! completion, and what no report claims is text.

use event::{CompletionDetails, PromptDetails, TokenClass, Usage};

const CLASSES: usize = 13;

/// Quantities of the classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantities {
    /// All input tokens.
    pub(crate) prompt: u64,
    classes: [(TokenClass, u64); CLASSES],
}

impl Quantities {
    /// Takes a report apart. `reasoning_apart` is for a provider that does not count reasoning in
    /// the completion.
    pub(crate) fn of(usage: &Usage, reasoning_apart: bool) -> Self {
        let prompt = prompt_tokens(usage);
        let completion = completion_tokens(usage, prompt, reasoning_apart);
        let input = Input::of(usage, prompt);
        let output = Output::of(usage.completion_tokens_details.as_ref(), completion);
        Self {
            prompt,
            classes: [
                (TokenClass::Input, input.text),
                (TokenClass::CacheRead, input.read),
                (TokenClass::CacheReadAudio, input.read_audio),
                (TokenClass::CacheWrite, input.write),
                (TokenClass::CacheWriteHour, input.write_hour),
                (TokenClass::InputAudio, input.audio),
                (TokenClass::InputImage, input.image),
                (TokenClass::InputVideo, input.video),
                (TokenClass::Output, output.text),
                (TokenClass::Reasoning, output.reasoning),
                (TokenClass::OutputAudio, output.audio),
                (TokenClass::OutputImage, output.image),
                (TokenClass::OutputVideo, output.video),
            ],
        }
    }

    /// The classes of which something was consumed.
    pub(crate) fn consumed(&self) -> impl Iterator<Item = (TokenClass, u64)> + use<> {
        self.classes
            .into_iter()
            .filter(|(_, quantity)| *quantity > 0)
    }
}

/// A report without a prompt may still have a total.
fn prompt_tokens(usage: &Usage) -> u64 {
    if usage.prompt_tokens > 0 {
        return usage.prompt_tokens;
    }
    usage.total_tokens.saturating_sub(usage.completion_tokens)
}

/// A total beyond prompt and completion shows reasoning that the completion leaves out.
fn completion_tokens(usage: &Usage, prompt: u64, reasoning_apart: bool) -> u64 {
    let completion = usage.completion_tokens;
    let details = usage
        .completion_tokens_details
        .as_ref()
        .filter(|_| reasoning_apart);
    let reasoning = details
        .and_then(|details| details.reasoning_tokens)
        .unwrap_or_default();
    let beyond = usage
        .total_tokens
        .saturating_sub(prompt)
        .saturating_sub(completion);
    completion.saturating_add(reasoning.min(beyond))
}

struct Input {
    text: u64,
    read: u64,
    read_audio: u64,
    write: u64,
    write_hour: u64,
    audio: u64,
    image: u64,
    video: u64,
}

impl Input {
    fn of(usage: &Usage, prompt: u64) -> Self {
        let nothing = PromptDetails::default();
        let details = usage.prompt_tokens_details.as_ref().unwrap_or(&nothing);
        // Names for the same part: the largest is the one that was filled in.
        let cached = details
            .cached_tokens
            .max(usage.cache_read_input_tokens)
            .max(usage.prompt_cache_hit_tokens);
        let (written, written_hour) = written(usage, details);

        let mut left = prompt;
        let read = take(cached, &mut left);
        let all_written = take(Some(written), &mut left);
        let write_hour = written_hour.min(all_written);
        let audio = take(details.audio_tokens, &mut left);
        let image = take(details.image_tokens, &mut left);
        let video = take(details.video_tokens, &mut left);
        // Audio that does not fit beside the cached tokens is among them.
        let hidden_audio = details.audio_tokens.unwrap_or_default().min(prompt) - audio;
        let read_audio = hidden_audio.min(read);
        Self {
            text: left,
            read: read - read_audio,
            read_audio,
            write: all_written - write_hour,
            write_hour,
            audio,
            image,
            video,
        }
    }
}

/// Tokens written to the cache, and those of them that are kept for an hour.
fn written(usage: &Usage, details: &PromptDetails) -> (u64, u64) {
    let lives = details.cache_creation_token_details.as_ref();
    let minutes = lives
        .and_then(|lives| lives.ephemeral_5m_input_tokens)
        .unwrap_or_default();
    let hour = lives
        .and_then(|lives| lives.ephemeral_1h_input_tokens)
        .unwrap_or_default();
    let total = details
        .cache_write_tokens
        .or(details.cache_creation_tokens)
        .max(usage.cache_creation_input_tokens);
    (
        total.unwrap_or_default().max(minutes.saturating_add(hour)),
        hour,
    )
}

struct Output {
    text: u64,
    reasoning: u64,
    audio: u64,
    image: u64,
    video: u64,
}

impl Output {
    fn of(details: Option<&CompletionDetails>, completion: u64) -> Self {
        let nothing = CompletionDetails::default();
        let details = details.unwrap_or(&nothing);
        let mut left = completion;
        let reasoning = take(details.reasoning_tokens, &mut left);
        let audio = take(details.audio_tokens, &mut left);
        let image = take(details.image_tokens, &mut left);
        let video = take(details.video_tokens, &mut left);
        Self {
            text: left,
            reasoning,
            audio,
            image,
            video,
        }
    }
}

/// Takes what was reported, or as much of it as there is.
fn take(reported: Option<u64>, left: &mut u64) -> u64 {
    let taken = reported.unwrap_or_default().min(*left);
    *left -= taken;
    taken
}

#[cfg(test)]
mod tests;
