//! What a call cost, line by line, or why nobody knows.

mod breakdown;

use serde::{Deserialize, Serialize};

use crate::{Exact, Usd};

/// The cost of one call, explained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Whether the cost is known.
    pub status: CostStatus,
    /// The sum of the items, rounded once. `None` if it is not known: unknown is not zero.
    pub total: Option<Usd>,
    /// Quantity × unit price, one for each class that something was consumed of, and one for each
    /// factor on others.
    pub items: Vec<LineItem>,
    /// The version of the price map that was used.
    pub price_map: String,
    /// The entry of the price map that was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Why this entry was chosen, or why there is no price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What kind of reason it is that there is no price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpriced: Option<Unpriced>,
}

/// Whether the cost of a call is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostStatus {
    /// Known.
    Priced,
    /// Something was consumed and there is no price for it.
    #[default]
    Unpriced,
    /// Nothing was consumed: the call failed before a provider answered, or was answered without
    /// one. The cost is zero and known to be.
    NothingConsumed,
}

/// What is in the way of a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unpriced {
    /// No entry of the price map is for the model.
    NoSuchModel,
    /// The entry has no price for something that was consumed.
    NoPriceForClass,
    /// Nobody says what was consumed, or not in what it is billed by.
    NoUsage,
    /// Anything else: own prices that cannot be read, an amount of too many digits.
    #[serde(other)]
    Other,
}

impl Unpriced {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchModel => "no_such_model",
            Self::NoPriceForClass => "no_price_for_class",
            Self::NoUsage => "no_usage",
            Self::Other => "other",
        }
    }
}

/// One line of a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineItem {
    /// What it is for.
    pub class: Class,
    /// How much of it was consumed; of a factor, the USD that it applies to.
    pub quantity: Exact,
    /// USD for one; of a factor, the factor less one.
    pub unit_price: Exact,
    /// `quantity` × `unit_price`, exact and not rounded.
    pub amount: Exact,
    /// The key of the price-map entry that the unit price was read from. One that begins with
    /// `default.` is in no map: the provider publishes the figure for all its models.
    pub key: String,
}

/// What a line of a bill is for. The classes of tokens are disjoint: their quantities sum to the
/// provider's total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Class {
    /// Input text that was not cached, in tokens.
    Input,
    /// Input read from the provider's cache.
    CacheRead,
    /// Cached audio input.
    CacheReadAudio,
    /// Cached image input.
    CacheReadImage,
    /// Input written to the provider's cache for five minutes.
    CacheWrite,
    /// Input written to the provider's cache for an hour.
    CacheWriteHour,
    /// Input written to the provider's cache for twelve hours.
    CacheWriteHalfDay,
    /// Audio input, in tokens.
    InputAudio,
    /// Image input, in tokens.
    InputImage,
    /// Video input, in tokens.
    InputVideo,
    /// Visible output text, in tokens.
    Output,
    /// Reasoning that is not shown, in tokens.
    Reasoning,
    /// Audio output, in tokens.
    OutputAudio,
    /// Image output, in tokens.
    OutputImage,
    /// Video output, in tokens.
    OutputVideo,
    /// Seconds, where a deployment is priced by time.
    Seconds,
    /// Characters of the input.
    InputCharacters,
    /// Characters of the output.
    OutputCharacters,
    /// Images in the input.
    InputImages,
    /// Seconds of audio in the input.
    InputAudioSeconds,
    /// Seconds of video in the input.
    InputVideoSeconds,
    /// Images that were made.
    Images,
    /// Pixels that were made.
    Pixels,
    /// Seconds of audio that were transcribed or spoken.
    AudioSeconds,
    /// Seconds of video that were made.
    VideoSeconds,
    /// Pages that were read.
    Pages,
    /// Pages that were read and annotated.
    AnnotatedPages,
    /// Credits of a vendor of OCR.
    Credits,
    /// Queries: searches, embedded queries, units of a reranking.
    Queries,
    /// Calls with a flat fee.
    Requests,
    /// Text messages with a flat fee.
    Messages,
    /// Units of text that a guardrail looked at.
    GuardrailUnits,
    /// Web searches that the provider ran.
    WebSearches,
    /// Queries to Google Maps that the provider ran.
    MapsQueries,
    /// File searches that the provider ran.
    FileSearches,
    /// Sessions of a code interpreter.
    Sessions,
    /// Input of computer use, in tokens.
    ComputerInput,
    /// Output of computer use, in tokens.
    ComputerOutput,
    /// Text of cited pages, in tokens.
    Citations,
    /// What a router asks for finding a model, by the token.
    RouterFee,
    /// USD that the provider itself asks for the call.
    Reported,
    /// A factor on the line before.
    Adjustment,
    /// A factor on all lines before.
    Uplift,
    /// A part of the bill that is taken off.
    Discount,
    /// A part of the bill, or a fixed amount, that is put on top.
    Margin,
}

impl Class {
    /// Whether it is tokens of the prompt.
    #[must_use]
    pub const fn is_input(self) -> bool {
        matches!(
            self,
            Self::Input | Self::InputAudio | Self::InputImage | Self::InputVideo
        ) || self.is_cache_read()
            || self.is_cache_write()
    }

    /// Whether it was read from the provider's cache.
    #[must_use]
    pub const fn is_cache_read(self) -> bool {
        matches!(
            self,
            Self::CacheRead | Self::CacheReadAudio | Self::CacheReadImage
        )
    }

    /// Whether it was written to the provider's cache.
    #[must_use]
    pub const fn is_cache_write(self) -> bool {
        matches!(
            self,
            Self::CacheWrite | Self::CacheWriteHour | Self::CacheWriteHalfDay
        )
    }

    /// Whether it is tokens of the completion.
    #[must_use]
    pub const fn is_output(self) -> bool {
        matches!(
            self,
            Self::Output
                | Self::Reasoning
                | Self::OutputAudio
                | Self::OutputImage
                | Self::OutputVideo
        )
    }
}

impl Cost {
    /// A cost that is not known, and why.
    #[must_use]
    pub fn unpriced(price_map: &str, kind: Unpriced, reason: impl Into<String>) -> Self {
        Self {
            price_map: price_map.to_owned(),
            reason: Some(reason.into()),
            unpriced: Some(kind),
            ..Self::default()
        }
    }

    /// The known cost of nothing.
    #[must_use]
    pub fn nothing(price_map: &str) -> Self {
        Self {
            status: CostStatus::NothingConsumed,
            total: Some(Usd::ZERO),
            price_map: price_map.to_owned(),
            ..Self::default()
        }
    }
}
