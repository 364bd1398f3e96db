//! What a call cost, line by line, or why nobody knows.

use serde::{Deserialize, Serialize};

use crate::{Exact, Usd};

/// The cost of one call, explained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Whether the cost is known.
    pub status: CostStatus,
    /// The sum of the items, rounded once. `None` if it is not known: unknown is not zero.
    pub total: Option<Usd>,
    /// Quantity × unit price, one for each class of tokens that was consumed.
    pub items: Vec<LineItem>,
    /// The version of the price map that was used.
    pub price_map: String,
    /// The entry of the price map that was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Why this entry was chosen, or why there is no price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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

/// One line of a bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineItem {
    /// What was consumed.
    pub class: TokenClass,
    /// How much of it.
    pub quantity: Exact,
    /// USD for one.
    pub unit_price: Exact,
    /// `quantity` × `unit_price`, exact and not rounded.
    pub amount: Exact,
    /// The key of the price-map entry that the unit price was read from.
    pub key: String,
}

/// The classes of tokens that are priced apart. They are disjoint: their quantities sum to the
/// provider's total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TokenClass {
    /// Input text that was not cached.
    Input,
    /// Input read from the provider's cache.
    CacheRead,
    /// Cached audio input.
    CacheReadAudio,
    /// Input written to the provider's cache for five minutes.
    CacheWrite,
    /// Input written to the provider's cache for an hour.
    CacheWriteHour,
    /// Audio input.
    InputAudio,
    /// Image input.
    InputImage,
    /// Video input.
    InputVideo,
    /// Visible output text.
    Output,
    /// Reasoning that is not shown.
    Reasoning,
    /// Audio output.
    OutputAudio,
    /// Image output.
    OutputImage,
    /// Video output.
    OutputVideo,
    /// Seconds, where a deployment is priced by time.
    Seconds,
}

impl TokenClass {
    /// Whether it belongs to the prompt's side of the bill.
    #[must_use]
    pub const fn is_input(self) -> bool {
        matches!(
            self,
            Self::Input
                | Self::CacheRead
                | Self::CacheReadAudio
                | Self::CacheWrite
                | Self::CacheWriteHour
                | Self::InputAudio
                | Self::InputImage
                | Self::InputVideo
        )
    }
}

impl Cost {
    /// A cost that is not known, and why.
    #[must_use]
    pub fn unpriced(price_map: &str, reason: impl Into<String>) -> Self {
        Self {
            price_map: price_map.to_owned(),
            reason: Some(reason.into()),
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
