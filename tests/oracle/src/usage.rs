//! Which tokens a call used, by class: RULES, section 2.

use std::collections::BTreeMap;

use crate::{
    json::{Fields, Json, Object},
    number,
};

/// The classes that are priced apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Input text.
    Text,
    /// Cached text.
    Read,
    /// Cached audio.
    ReadAudio,
    /// Cached images.
    ReadImage,
    /// Cache writes that live five minutes.
    Write,
    /// Cache writes that live an hour.
    WriteHour,
    /// Cache writes that live twelve hours.
    WriteLong,
    /// Input audio.
    Audio,
    /// Input images.
    Image,
    /// Input video.
    Video,
    /// Output text.
    Out,
    /// Reasoning.
    Reasoning,
    /// Output audio.
    OutAudio,
    /// Output images.
    OutImage,
    /// Output video.
    OutVideo,
}

/// The tokens of a call.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    /// All of the input.
    pub prompt: u64,
    /// All of the output.
    pub completion: u64,
    /// Whether the provider said what the output tokens were.
    pub detailed: bool,
    /// Whether the cache that was read is one that the caller had made.
    pub explicit_cache: bool,
    /// Each token once; a class that has none is absent.
    pub classes: BTreeMap<Class, u64>,
}

/// What every provider's report is reduced to.
#[derive(Default)]
struct Report {
    prompt: u64,
    completion: u64,
    total: u64,
    read: u64,
    write: u64,
    write_hour: u64,
    write_long: u64,
    explicit_cache: bool,
    cached: Option<[u64; 2]>,
    input: [u64; 3],
    output: [u64; 4],
    detailed: bool,
    /// Whether the report is in the dialect of OpenAI.
    chat: bool,
    /// Whether it says more than a total.
    apart: bool,
}

/// Sorts the tokens of a usage object into classes.
#[must_use]
pub fn tokens(usage: Option<&Object>, provider: &str) -> Tokens {
    let Some(usage) = usage else {
        return Tokens::default();
    };
    let mut report = read_report(usage);
    report.beside(provider);
    let mut classes = BTreeMap::new();
    sort_input(&report, &mut classes);
    sort_output(&report, &mut classes);
    classes.retain(|_, count| *count > 0);
    Tokens {
        prompt: report.prompt,
        completion: report.completion,
        detailed: report.detailed,
        explicit_cache: report.explicit_cache,
        classes,
    }
}

impl Report {
    /// R2.6 and R11.3: reasoning that a provider counts beside the completion.
    fn beside(&mut self, provider: &str) {
        let beside = self.total.saturating_sub(self.prompt + self.completion);
        let said = self.output[0];
        let google = ["gemini", "vertex_ai"].contains(&provider) && self.chat;
        if google && self.apart {
            self.output[0] = said.max(beside);
            self.completion += beside;
        } else if beside == said {
            self.completion += said;
        }
        if self.prompt == 0 {
            self.prompt = self.total.saturating_sub(self.completion);
        }
        if provider == "xai" {
            let beside = self.total.saturating_sub(self.prompt + self.completion);
            self.completion += beside.min(said);
        }
    }
}

fn sort_input(report: &Report, classes: &mut BTreeMap<Class, u64>) {
    let read = report.read.min(report.prompt);
    let write = report.write.min(report.prompt - read);
    let long = report.write_long.min(write);
    let hour = report.write_hour.min(write - long);
    let mut left = report.prompt - read - write;
    let [mut audio, mut image, video] = report.input;
    // Cached audio and images: said, or what does not fit beside the cached tokens.
    let (cached_audio, cached_image) = if let Some([said_audio, said_image]) = report.cached {
        let cached_audio = said_audio.min(read);
        let cached_image = said_image.min(read - cached_audio);
        audio = audio.saturating_sub(cached_audio);
        image = image.saturating_sub(cached_image);
        (cached_audio, cached_image)
    } else {
        let beside = left;
        let cached_audio = audio.saturating_sub(beside).min(read);
        let fits = beside - audio.min(beside);
        let cached_image = image.saturating_sub(fits).min(read - cached_audio);
        audio -= cached_audio;
        image -= cached_image;
        (cached_audio, cached_image)
    };
    for (class, claimed) in [
        (Class::Audio, audio),
        (Class::Image, image),
        (Class::Video, video),
    ] {
        let count = claimed.min(left);
        left -= count;
        classes.insert(class, count);
    }
    classes.insert(Class::Text, left);
    classes.insert(Class::ReadAudio, cached_audio);
    classes.insert(Class::ReadImage, cached_image);
    classes.insert(Class::Read, read - cached_audio - cached_image);
    classes.insert(Class::WriteHour, hour);
    classes.insert(Class::WriteLong, long);
    classes.insert(Class::Write, write - hour - long);
}

fn sort_output(report: &Report, classes: &mut BTreeMap<Class, u64>) {
    let mut left = report.completion;
    let order = [
        Class::Reasoning,
        Class::OutAudio,
        Class::OutImage,
        Class::OutVideo,
    ];
    for (class, claimed) in order.into_iter().zip(report.output) {
        let count = claimed.min(left);
        left -= count;
        classes.insert(class, count);
    }
    classes.insert(Class::Out, left);
}

fn read_report(usage: &Object) -> Report {
    if let Some(usage) = usage.object("usageMetadata") {
        return read_gemini(usage);
    }
    if usage.contains_key("promptTokenCount") {
        return read_gemini(usage);
    }
    if usage.contains_key("inputTokens") {
        return read_converse(usage);
    }
    let openai = [
        "input_tokens_details",
        "output_tokens_details",
        "input_token_details",
    ];
    let cached = [
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation",
    ];
    if usage.contains_key("input_tokens")
        && !openai.iter().any(|name| usage.contains_key(*name))
        && cached.iter().any(|name| usage.contains_key(*name))
    {
        return read_anthropic(usage);
    }
    read_openai(usage)
}

/// The first of the names that holds a count.
fn first(fields: &Object, names: &[&str]) -> u64 {
    let mut counts = names.iter().filter_map(|name| fields.count(name));
    counts.next().unwrap_or(0)
}

fn read_openai(usage: &Object) -> Report {
    const SIDES: [&str; 4] = [
        "prompt_tokens",
        "input_tokens",
        "completion_tokens",
        "output_tokens",
    ];
    const INPUT: [&str; 3] = [
        "prompt_tokens_details",
        "input_tokens_details",
        "input_token_details",
    ];
    const OUTPUT: [&str; 3] = [
        "completion_tokens_details",
        "output_tokens_details",
        "output_token_details",
    ];
    let none = Object::new();
    let details = |names: [&str; 3]| names.iter().find_map(|name| usage.object(name));
    let (input, output) = (
        details(INPUT).unwrap_or(&none),
        details(OUTPUT).unwrap_or(&none),
    );
    let lives = input
        .object("cache_creation_token_details")
        .unwrap_or(&none);
    let count = |fields: &Object, name: &str| fields.count(name).unwrap_or(0);
    let hour = count(lives, "ephemeral_1h_input_tokens");
    let long = count(lives, "ephemeral_12h_input_tokens");
    let short = ["ephemeral_5m_input_tokens", "ephemeral_30m_input_tokens"];
    let short: u64 = short.iter().map(|name| count(lives, name)).sum();
    let written = first(input, &["cache_write_tokens", "cache_creation_tokens"]);
    let read = ["cache_read_input_tokens", "prompt_cache_hit_tokens"];
    let read = read
        .iter()
        .map(|name| count(usage, name))
        .max()
        .unwrap_or(0);
    let cached = input.object("cached_tokens_details");
    let kinds = ["audio_tokens", "image_tokens", "video_tokens"];
    let [audio, image, video] = kinds.map(|name| count(output, name));
    Report {
        chat: true,
        apart: SIDES.iter().any(|name| usage.contains_key(*name)),
        prompt: first(usage, &["prompt_tokens", "input_tokens"]),
        completion: first(usage, &["completion_tokens", "output_tokens"]),
        total: count(usage, "total_tokens"),
        read: read.max(count(input, "cached_tokens")),
        write: written
            .max(count(usage, "cache_creation_input_tokens"))
            .max(hour + long + short),
        write_hour: hour,
        write_long: long,
        explicit_cache: input.text("cache_type") == Some("ephemeral"),
        cached: cached.map(|cached| [kinds[0], kinds[1]].map(|name| count(cached, name))),
        input: kinds.map(|name| count(input, name)),
        output: [count(output, "reasoning_tokens"), audio, image, video],
        detailed: details(OUTPUT).is_some(),
    }
}

fn read_anthropic(usage: &Object) -> Report {
    let none = Object::new();
    let lives = usage.object("cache_creation").unwrap_or(&none);
    let count = |fields: &Object, name: &str| fields.count(name).unwrap_or(0);
    let hour = count(lives, "ephemeral_1h_input_tokens");
    let read = count(usage, "cache_read_input_tokens");
    let write = count(usage, "cache_creation_input_tokens")
        .max(hour + count(lives, "ephemeral_5m_input_tokens"));
    Report {
        prompt: count(usage, "input_tokens") + read + write,
        completion: count(usage, "output_tokens"),
        read,
        write,
        write_hour: hour,
        detailed: true,
        ..Report::default()
    }
}

fn read_converse(usage: &Object) -> Report {
    let count = |name: &str| usage.count(name).unwrap_or(0);
    let read = count("cacheReadInputTokens");
    let write = count("cacheWriteInputTokens");
    Report {
        prompt: count("inputTokens") + read + write,
        completion: count("outputTokens"),
        read,
        write,
        detailed: true,
        ..Report::default()
    }
}

fn read_gemini(usage: &Object) -> Report {
    let count = |name: &str| usage.count(name).unwrap_or(0);
    let by_modality = |list: &str, wanted: &str| -> u64 {
        let items = usage.list(list).unwrap_or(&[]).iter();
        items
            .filter_map(|item| match item {
                Json::Object(item) => Some(item),
                _ => None,
            })
            .filter(|item| item.text("modality") == Some(wanted))
            .filter_map(|item| item.number("tokenCount").and_then(number::count))
            .sum()
    };
    let modalities = ["AUDIO", "IMAGE", "VIDEO"];
    let thoughts = count("thoughtsTokenCount");
    let [audio, image, video] = modalities.map(|name| by_modality("candidatesTokensDetails", name));
    Report {
        prompt: count("promptTokenCount") + count("toolUsePromptTokenCount"),
        completion: count("candidatesTokenCount") + thoughts,
        read: count("cachedContentTokenCount"),
        cached: usage
            .contains_key("cacheTokensDetails")
            .then(|| ["AUDIO", "IMAGE"].map(|name| by_modality("cacheTokensDetails", name))),
        input: modalities.map(|name| by_modality("promptTokensDetails", name)),
        output: [thoughts, audio, image, video],
        detailed: true,
        ..Report::default()
    }
}
