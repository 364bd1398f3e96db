//! The keys of prices. Those of tokens are taken apart:
//! `cache_read_input_token_cost_above_200k_tokens_priority` is the cache-read price, above 200,000
//! tokens, on the priority tier. Those of everything else are read by their names, listed here.

mod not_prices;

/// What a price of a token is for, whatever the length of the prompt and the service tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Base {
    Input,
    CacheRead,
    CacheHit,
    CacheReadExplicit,
    CacheReadAudio,
    CacheReadImage,
    CacheWrite,
    CacheWriteHour,
    CacheWriteHalfDay,
    InputAudio,
    InputImage,
    InputVideo,
    Output,
    Reasoning,
    OutputAudio,
    OutputImage,
    OutputVideo,
}

const BASES: [(&str, Base); 17] = [
    ("input_cost_per_token", Base::Input),
    ("cache_read_input_token_cost", Base::CacheRead),
    ("input_cost_per_token_cache_hit", Base::CacheHit),
    (
        "explicit_cache_read_input_token_cost",
        Base::CacheReadExplicit,
    ),
    ("cache_read_input_audio_token_cost", Base::CacheReadAudio),
    ("cache_read_input_image_token_cost", Base::CacheReadImage),
    ("cache_creation_input_token_cost", Base::CacheWrite),
    (
        "cache_creation_input_token_cost_above_1hr",
        Base::CacheWriteHour,
    ),
    (
        "cache_creation_input_token_cost_above_12hr",
        Base::CacheWriteHalfDay,
    ),
    ("input_cost_per_audio_token", Base::InputAudio),
    ("input_cost_per_image_token", Base::InputImage),
    ("input_cost_per_video_token", Base::InputVideo),
    ("output_cost_per_token", Base::Output),
    ("output_cost_per_reasoning_token", Base::Reasoning),
    ("output_cost_per_audio_token", Base::OutputAudio),
    ("output_cost_per_image_token", Base::OutputImage),
    ("output_cost_per_video_token", Base::OutputVideo),
];

impl Base {
    /// Its key, without threshold and tier.
    pub(crate) fn key(self) -> &'static str {
        BASES
            .iter()
            .find(|(_, base)| *base == self)
            .map_or("", |(key, _)| key)
    }
}

/// A provider's service tier. A batch is one that has rules of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    #[default]
    Standard,
    Flex,
    Balanced,
    Priority,
    Ultrafast,
    Batch,
}

const SUFFIXES: [(&str, Tier); 5] = [
    ("_flex", Tier::Flex),
    ("_balanced", Tier::Balanced),
    ("_priority", Tier::Priority),
    ("_ultrafast", Tier::Ultrafast),
    ("_batches", Tier::Batch),
];

impl Tier {
    /// The tier that a provider or client calls `name`; a name without prices of its own
    /// (`default`, `auto`, …) is the standard tier.
    pub(crate) fn named(name: &str) -> Self {
        if name.eq_ignore_ascii_case("fast") {
            return Self::Priority;
        }
        if name.eq_ignore_ascii_case("batch") {
            return Self::Batch;
        }
        let is = |suffix: &str| {
            suffix
                .strip_prefix('_')
                .is_some_and(|s| s.eq_ignore_ascii_case(name))
        };
        SUFFIXES
            .iter()
            .find(|(suffix, _)| is(suffix))
            .map_or(Self::Standard, |(_, tier)| *tier)
    }
}

/// What a price of a token is for, and when it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rate {
    pub(crate) base: Base,
    /// The length of the prompt beyond which it applies; 0 is always.
    pub(crate) above: u64,
    pub(crate) tier: Tier,
}

impl Rate {
    /// Takes a key apart; `None` if it is no price that tokens are billed by.
    pub(crate) fn of(key: &str) -> Option<Self> {
        let (rest, tier) = SUFFIXES
            .iter()
            .find_map(|(suffix, tier)| Some((key.strip_suffix(suffix)?, *tier)))
            .unwrap_or((key, Tier::Standard));
        let (name, above) = threshold(rest).unwrap_or((rest, 0));
        let (_, base) = BASES.iter().find(|(base, _)| *base == name)?;
        Some(Self {
            base: *base,
            above,
            tier,
        })
    }
}

/// `x_above_200k_tokens` is `x` and 200,000.
fn threshold(key: &str) -> Option<(&str, u64)> {
    let (name, bound) = key.strip_suffix("_tokens")?.rsplit_once("_above_")?;
    let (digits, unit) = match bound.as_bytes().last()? {
        b'k' => (bound.strip_suffix('k')?, 1_000),
        b'm' => (bound.strip_suffix('m')?, 1_000_000),
        _ => (bound, 1),
    };
    Some((name, digits.parse::<u64>().ok()?.checked_mul(unit)?))
}

/// Prices of everything else, and factors.
const OTHERS: [&str; 39] = [
    "cost_per_second",
    "input_cost_per_second",
    "output_cost_per_second",
    "input_cost_per_character",
    "input_cost_per_character_above_128k_tokens",
    "output_cost_per_character",
    "output_cost_per_character_above_128k_tokens",
    "input_cost_per_image",
    "input_cost_per_image_above_128k_tokens",
    "input_cost_per_audio_per_second",
    "input_cost_per_audio_per_second_above_128k_tokens",
    "input_cost_per_video_per_second",
    "input_cost_per_video_per_second_above_128k_tokens",
    "input_cost_per_video_per_second_above_15s_interval",
    "input_cost_per_video_per_second_above_8s_interval",
    "output_cost_per_image",
    "output_cost_per_pixel",
    "input_cost_per_pixel",
    "output_cost_per_video_per_second",
    "ocr_cost_per_credit",
    "ocr_cost_per_page",
    "ocr_cost_per_page_batches",
    "annotation_cost_per_page",
    "annotation_cost_per_page_batches",
    "input_cost_per_query",
    "input_cost_per_request",
    "input_cost_per_text_message",
    "citation_cost_per_token",
    "code_interpreter_cost_per_session",
    "computer_use_input_cost_per_1k_tokens",
    "computer_use_output_cost_per_1k_tokens",
    "file_search_cost_per_1k_calls",
    "google_maps_grounding_cost_per_query",
    "search_context_cost_per_query.search_context_size_low",
    "search_context_cost_per_query.search_context_size_medium",
    "search_context_cost_per_query.search_context_size_high",
    "regional_endpoint_uplift_multiplier",
    "regional_processing_uplift_multiplier_eu",
    "regional_processing_uplift_multiplier_us",
];

/// Beginnings of keys whose end is a resolution, or the name of a unit, a speed or a place.
const FAMILIES: [&str; 4] = [
    "output_cost_per_image_",
    "output_cost_per_second_",
    "guardrail_cost_per_unit.",
    "provider_specific_entry.",
];

/// Whether calls are billed by the figure under this key.
pub(crate) fn is_read(key: &str) -> bool {
    not_prices::reason(key).is_none()
        && (Rate::of(key).is_some()
            || OTHERS.contains(&key)
            || FAMILIES.iter().any(|family| key.starts_with(family)))
}

/// Whether a key can only be meant as a price, so that its value has to be a figure.
pub(crate) fn looks_like_price(key: &str) -> bool {
    key.contains("cost_per_") || key.contains("token_cost") || key.contains("uplift_multiplier")
}

#[cfg(test)]
mod tests;
