//! A bill in the parts that LiteLLM breaks a cost down into.

use rust_decimal::Decimal;

use super::{Class, Cost, LineItem};
use crate::{CostBreakdown, Exact, Usd};

/// Which side of a bill a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Input,
    Output,
    Tools,
}

impl Class {
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
            fixed,
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
            discount_percent: self.percent(Class::Discount),
            discount_amount,
            margin_percent: self.percent(Class::Margin),
            margin_fixed_amount: round(fixed),
            margin_total_amount,
            cache_read_cost: part(Class::is_cache_read),
            cache_creation_cost: part(Class::is_cache_write),
            reasoning_cost: part(|class| class == Class::Reasoning),
            ..CostBreakdown::default()
        })
    }

    /// The part of the bill that the discount or the margin is.
    fn percent(&self, class: Class) -> Usd {
        let factor = |item: &&LineItem| item.class == class && !is_fixed(item);
        let factor = self.items.iter().find(factor);
        factor.map_or(Usd::ZERO, |item| {
            Usd::round(item.unit_price.0.abs()).unwrap_or_default()
        })
    }

    fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        let mut side = Side::Output;
        for item in &self.items {
            let Exact(amount) = item.amount;
            match item.class {
                Class::Discount => parts.discount += amount,
                Class::Margin => {
                    parts.margin += amount;
                    if is_fixed(item) {
                        parts.fixed += amount;
                    }
                }
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
    /// Of the margin: the amount for each call.
    fixed: Decimal,
}

/// Whether a margin is an amount for each call, and no part of the bill.
fn is_fixed(item: &LineItem) -> bool {
    item.key.ends_with(".fixed_amount")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CostStatus;

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
                LineItem {
                    key: "cost_margin_config.global.fixed_amount".to_owned(),
                    ..line(Class::Margin, "1", "7.5")
                },
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
        assert_eq!(parts.discount_percent, usd("0.5"));
        assert_eq!(parts.margin_percent, usd("0.3"));
        assert_eq!(parts.margin_fixed_amount, usd("7.5"));
    }
}
