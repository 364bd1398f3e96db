//! What was consumed, in classes that do not overlap.
//!
//! A provider reports sums that contain their parts, several names for one part, and sometimes
//! parts that cannot be. Here every prompt token and every completion token falls in exactly one
//! class: the classes of the input always sum to the prompt, those of the output to the
//! completion, and what no report claims is text.

use event::{CacheWriteDetails, Class, CompletionDetails, PromptDetails, Usage};

const CLASSES: usize = 15;

/// Quantities of the classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantities {
    /// All input tokens.
    pub(crate) prompt: u64,
    classes: [(Class, u64); CLASSES],
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
                (Class::Input, input.text),
                (Class::CacheRead, input.read),
                (Class::CacheReadAudio, input.read_audio),
                (Class::CacheReadImage, input.read_image),
                (Class::CacheWrite, input.write),
                (Class::CacheWriteHour, input.write_hour),
                (Class::CacheWriteHalfDay, input.write_half_day),
                (Class::InputAudio, input.audio),
                (Class::InputImage, input.image),
                (Class::InputVideo, input.video),
                (Class::Output, output.text),
                (Class::Reasoning, output.reasoning),
                (Class::OutputAudio, output.audio),
                (Class::OutputImage, output.image),
                (Class::OutputVideo, output.video),
            ],
        }
    }

    /// How many classes something was consumed of.
    pub(crate) fn count(&self) -> usize {
        self.classes.iter().filter(|(_, count)| *count > 0).count()
    }

    /// The classes of which something was consumed.
    pub(crate) fn consumed(&self) -> impl Iterator<Item = (Class, u64)> + use<> {
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
    read_image: u64,
    write: u64,
    write_hour: u64,
    write_half_day: u64,
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
        let written = Written::of(usage, details);

        let mut left = prompt;
        let mut read = take(cached, &mut left);
        let mut write = take(Some(written.all), &mut left);
        let write_half_day = take(Some(written.half_day), &mut write);
        let write_hour = take(Some(written.hour), &mut write);
        let known = details.cached_tokens_details.as_ref();
        // Tokens of a modality that were not cached, and those of the cached that are of it.
        let mut part = |all: Option<u64>, cached: Option<u64>| {
            let all = all.unwrap_or_default();
            if known.is_some() {
                let cached = take(cached, &mut read);
                (take(Some(all.saturating_sub(cached)), &mut left), cached)
            } else {
                // What does not fit beside the cached tokens is among them.
                let fresh = take(Some(all), &mut left);
                (fresh, take(Some(all.min(prompt) - fresh), &mut read))
            }
        };
        let cached_audio = known.and_then(|known| known.audio_tokens);
        let cached_image = known.and_then(|known| known.image_tokens);
        let (audio, read_audio) = part(details.audio_tokens, cached_audio);
        let (image, read_image) = part(details.image_tokens, cached_image);
        let video = take(details.video_tokens, &mut left);
        Self {
            text: left,
            read,
            read_audio,
            read_image,
            write,
            write_hour,
            write_half_day,
            audio,
            image,
            video,
        }
    }
}
/// Tokens written to the cache, and those of them that are kept for long.
struct Written {
    all: u64,
    hour: u64,
    half_day: u64,
}

impl Written {
    fn of(usage: &Usage, details: &PromptDetails) -> Self {
        let nothing = CacheWriteDetails::default();
        let lives = details.cache_creation_token_details.as_ref();
        let lives = lives.unwrap_or(&nothing);
        let hour = lives.ephemeral_1h_input_tokens.unwrap_or_default();
        let half_day = lives.ephemeral_12h_input_tokens.unwrap_or_default();
        let short = [
            lives.ephemeral_5m_input_tokens,
            lives.ephemeral_30m_input_tokens,
        ];
        let by_life = short
            .into_iter()
            .flatten()
            .chain([hour, half_day])
            .fold(0_u64, u64::saturating_add);
        let total = details
            .cache_write_tokens
            .or(details.cache_creation_tokens)
            .max(usage.cache_creation_input_tokens);
        Self {
            all: total.unwrap_or_default().max(by_life),
            hour,
            half_day,
        }
    }
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
