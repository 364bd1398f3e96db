//! What a call cost, line by line, or why nobody knows.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{CostBreakdown, Exact, Usd};

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

/// Which side of a bill a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Input,
    Output,
    Tools,
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

    const fn side(self) -> Side {
        match self {
            Self::InputCharacters
            | Self::InputImages
            | Self::InputAudioSeconds
            | Self::InputVideoSeconds => Side::Input,
            Self::WebSearches
            | Self::MapsQueries
            | Self::FileSearches
            | Self::Sessions
            | Self::ComputerInput
            | Self::ComputerOutput
            | Self::Citations => Side::Tools,
            _ if self.is_input() => Side::Input,
            _ => Side::Output,
        }
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

    /// The cost as LiteLLM breaks it down; `None` if it is not known. The parts are rounded and
    /// sum to the whole: the remainder goes to the output.
    #[must_use]
    pub fn breakdown(&self) -> Option<CostBreakdown> {
        let total = self.total?;
        let Parts {
            input,
            tools,
            discount,
            margin,
        } = self.parts();
        let round = |amount| Usd::round(amount).unwrap_or_default();
        let (input_cost, tool_usage_cost) = (round(input), round(tools));
        let (discount_amount, margin_total_amount) = (round(-discount), round(margin));
        let original_cost = total + discount_amount - margin_total_amount;
        let part = |wanted: fn(Class) -> bool| {
            let items = self.items.iter().filter(|item| wanted(item.class));
            Some(round(items.map(|item| item.amount.0).sum())).filter(|part| *part != Usd::ZERO)
        };
        Some(CostBreakdown {
            input_cost,
            output_cost: original_cost - input_cost - tool_usage_cost,
            total_cost: total,
            tool_usage_cost,
            original_cost,
            discount_amount,
            margin_total_amount,
            cache_read_cost: part(Class::is_cache_read),
            cache_creation_cost: part(Class::is_cache_write),
            reasoning_cost: part(|class| class == Class::Reasoning),
            ..CostBreakdown::default()
        })
    }

    fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        let mut side = Side::Output;
        for item in &self.items {
            let Exact(amount) = item.amount;
            match item.class {
                Class::Discount => parts.discount += amount,
                Class::Margin => parts.margin += amount,
                Class::Uplift => parts.input += parts.input * item.unit_price.0,
                class => {
                    if class != Class::Adjustment {
                        side = class.side();
                    }
                    match side {
                        Side::Input => parts.input += amount,
                        Side::Tools => parts.tools += amount,
                        Side::Output => {}
                    }
                }
            }
        }
        parts
    }
}

/// Sums of lines. What is in none of them is output.
#[derive(Default)]
struct Parts {
    input: Decimal,
    tools: Decimal,
    discount: Decimal,
    margin: Decimal,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(class: Class, quantity: &str, unit_price: &str) -> LineItem {
        let (quantity, unit_price): (Exact, Exact) =
            (quantity.parse().unwrap(), unit_price.parse().unwrap());
        LineItem {
            class,
            quantity,
            unit_price,
            amount: Exact(quantity.0 * unit_price.0),
            key: String::new(),
        }
    }

    #[test]
    fn the_parts_of_a_breakdown_sum_to_the_whole() {
        let cost = Cost {
            status: CostStatus::Priced,
            total: "13.35".parse().ok(),
            items: vec![
                line(Class::Input, "4", "1"),
                line(Class::Adjustment, "4", "-0.5"),
                line(Class::Output, "2", "3"),
                // Two of the input, six of the output, and a tenth on each.
                line(Class::Uplift, "8", "0.1"),
                line(Class::WebSearches, "2", "0.1"),
                line(Class::Discount, "9", "-0.5"),
                line(Class::Margin, "4.5", "0.3"),
                line(Class::Margin, "1", "7.5"),
            ],
            ..Cost::default()
        };
        let usd = |text: &str| text.parse::<Usd>().unwrap();
        let parts = cost.breakdown().unwrap();
        assert_eq!(parts.input_cost, usd("2.2"));
        assert_eq!(parts.output_cost, usd("6.6"));
        assert_eq!(parts.tool_usage_cost, usd("0.2"));
        assert_eq!(parts.original_cost, usd("9"));
        assert_eq!(parts.discount_amount, usd("4.5"));
        assert_eq!(parts.margin_total_amount, usd("8.85"));
        assert_eq!(parts.total_cost, usd("13.35"));
    }
}
