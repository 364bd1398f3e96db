//! Each rule of `RULES.md` on a small map whose figures can be worked out in the head. A case is a
//! question as section 10 writes it, and the bill as `total = class quantity × unit price (key)`.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

#[path = "bills/batches.rs"]
mod batches;
#[path = "bills/factors.rs"]
mod factors;
#[path = "bills/prices.rs"]
mod prices;
#[path = "bills/question.rs"]
mod question;
#[path = "bills/time.rs"]
mod time;
#[path = "bills/tools.rs"]
mod tools;
#[path = "bills/units.rs"]
mod units;

use cost_map::{Adjustments, PriceMap, Question};
use event::{Cost, CostStatus, Timestamp};

/// Saturday, 21 November 2026, noon.
const NOW: i64 = 1_795_262_400_000_000;

/// A map of these entries.
fn map(entries: &str) -> PriceMap {
    PriceMap::parse(format!("{{{entries}}}").as_bytes(), "test").unwrap()
}

fn cost(map: &PriceMap, adjustments: Option<&Adjustments>, question: &str) -> Cost {
    let question = question.split_whitespace().collect::<Vec<_>>().join(" ");
    let asked = Question::parse(format!("{{{question}}}").as_bytes());
    let now = Timestamp::from_micros(NOW);
    asked.unwrap().price(map, adjustments, now).unwrap()
}

/// A bill as text.
fn bill(cost: &Cost) -> String {
    let reason = cost.reason.as_deref().unwrap_or_default();
    let total = match (cost.status, cost.total) {
        (CostStatus::NothingConsumed, _) => return "nothing".to_owned(),
        (_, None) => return format!("unpriced: {reason}"),
        (_, Some(total)) => total.to_string(),
    };
    let line = |item: &event::LineItem| {
        let class = serde_json::to_string(&item.class).unwrap();
        format!(
            "{} {} × {} ({})",
            class.trim_matches('"'),
            item.quantity.0.normalize(),
            item.unit_price.0.normalize(),
            item.key
        )
    };
    let lines: Vec<String> = cost.items.iter().map(line).collect();
    format!("{} = {}", total.trim_end_matches(".0"), lines.join(" + "))
}

/// Every case is a question without its braces, and its bill.
#[track_caller]
fn check(map: &PriceMap, cases: &[(&str, &str)]) {
    for (question, expected) in cases {
        let found = bill(&cost(map, None, question));
        let expected = expected.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(found, expected, "\n{question}");
    }
}

/// The same, but for the lines: only the total.
#[track_caller]
fn check_totals(map: &PriceMap, cases: &[(&str, &str)]) {
    for (question, expected) in cases {
        let found = bill(&cost(map, None, question));
        let total = found.split(" = ").next().unwrap();
        assert_eq!(total, *expected, "\n{question}\n{found}");
    }
}
