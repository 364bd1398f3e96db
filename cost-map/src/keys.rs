//! The keys of token prices, taken apart: `cache_read_input_token_cost_above_200k_tokens_priority`
//! is the cache-read price, above 200,000 tokens, on the priority tier.

/// What a price is for, whatever the length of the prompt and the service tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Input,
    CacheRead,
    CacheReadAudio,
    CacheWrite,
    CacheWriteHour,
    InputAudio,
    InputImage,
    InputVideo,
    Output,
    Reasoning,
    OutputAudio,
    OutputImage,
    OutputVideo,
    Second,
    InputSecond,
    OutputSecond,
}

const BASES: [(&str, Base); 16] = [
    ("input_cost_per_token", Base::Input),
    ("cache_read_input_token_cost", Base::CacheRead),
    ("cache_read_input_audio_token_cost", Base::CacheReadAudio),
    ("cache_creation_input_token_cost", Base::CacheWrite),
    (
        "cache_creation_input_token_cost_above_1hr",
        Base::CacheWriteHour,
    ),
    ("input_cost_per_audio_token", Base::InputAudio),
    ("input_cost_per_image_token", Base::InputImage),
    ("input_cost_per_video_token", Base::InputVideo),
    ("output_cost_per_token", Base::Output),
    ("output_cost_per_reasoning_token", Base::Reasoning),
    ("output_cost_per_audio_token", Base::OutputAudio),
    ("output_cost_per_image_token", Base::OutputImage),
    ("output_cost_per_video_token", Base::OutputVideo),
    ("cost_per_second", Base::Second),
    ("input_cost_per_second", Base::InputSecond),
    ("output_cost_per_second", Base::OutputSecond),
];

impl Base {
    /// Whether it is a price of a token.
    pub(crate) const fn is_token(self) -> bool {
        !matches!(self, Self::Second | Self::InputSecond | Self::OutputSecond)
    }

    /// Its key, without threshold and tier.
    pub(crate) fn key(self) -> &'static str {
        BASES
            .iter()
            .find(|(_, base)| *base == self)
            .map_or("", |(key, _)| key)
    }
}

/// A provider's service tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tier {
    #[default]
    Standard,
    Flex,
    Balanced,
    Priority,
    Ultrafast,
}

const SUFFIXES: [(&str, Tier); 4] = [
    ("_flex", Tier::Flex),
    ("_balanced", Tier::Balanced),
    ("_priority", Tier::Priority),
    ("_ultrafast", Tier::Ultrafast),
];

impl Tier {
    /// The tier that a provider or client calls `name`; a name without prices of its own
    /// (`default`, `auto`, …) is the standard tier.
    pub(crate) fn named(name: &str) -> Self {
        if name.eq_ignore_ascii_case("fast") {
            return Self::Priority;
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

/// What a price is for, and when it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) base: Base,
    /// The length of the prompt beyond which it applies; 0 is always.
    pub(crate) above: u64,
    pub(crate) tier: Tier,
}

impl Rate {
    /// Takes a key apart; `None` if it is no price that tokens or seconds are billed by.
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

/// Whether a key can only be meant as a price, so that its value has to be a figure.
pub(crate) fn looks_like_price(key: &str) -> bool {
    key.contains("cost_per_") || key.contains("token_cost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_base_a_threshold_and_a_tier() {
        let rate = |base, above, tier| Some(Rate { base, above, tier });
        for (key, expected) in [
            ("input_cost_per_token", rate(Base::Input, 0, Tier::Standard)),
            (
                "output_cost_per_token_flex",
                rate(Base::Output, 0, Tier::Flex),
            ),
            (
                "cache_read_input_token_cost_above_272k_tokens_priority",
                rate(Base::CacheRead, 272_000, Tier::Priority),
            ),
            (
                "cache_creation_input_token_cost_above_1hr_above_200k_tokens",
                rate(Base::CacheWriteHour, 200_000, Tier::Standard),
            ),
            (
                "input_cost_per_token_above_500_tokens",
                rate(Base::Input, 500, Tier::Standard),
            ),
            (
                "input_cost_per_token_above_1m_tokens",
                rate(Base::Input, 1_000_000, Tier::Standard),
            ),
            ("input_cost_per_token_batches", None),
            ("input_cost_per_token_above_k_tokens", None),
            ("input_cost_per_character", None),
        ] {
            assert_eq!(Rate::of(key), expected, "{key}");
        }
    }

    #[test]
    fn every_base_has_a_key_that_reads_as_itself() {
        for (key, base) in BASES {
            assert_eq!(base.key(), key);
            assert!(looks_like_price(key));
            assert_eq!(Rate::of(key).map(|rate| rate.base), Some(base));
        }
    }

    #[test]
    fn tiers_without_prices_of_their_own_are_standard() {
        assert_eq!(Tier::named("Flex"), Tier::Flex);
        assert_eq!(Tier::named("fast"), Tier::Priority);
        for name in ["", "auto", "default", "standard", "_flex"] {
            assert_eq!(Tier::named(name), Tier::Standard, "{name}");
        }
    }
}
