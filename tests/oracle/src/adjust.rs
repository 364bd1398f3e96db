//! Discounts and margins on a bill: RULES, section 9.

use num_traits::{One, Zero};

use crate::{
    bill::{Bill, Line, sum},
    json::{Fields, Json, Object},
    number::Q,
};

/// Adds the lines that the configuration asks for to a bill that is priced. `names` are the model as asked, the
/// entry and the provider; the first that is listed decides.
#[must_use]
pub fn adjust(bill: Bill, discounts: &Object, margins: &Object, names: &[&str]) -> Bill {
    let Bill::Priced(mut lines) = bill else {
        return bill;
    };
    let listed = |list: &Object| names.iter().find(|name| list.contains_key(**name)).copied();
    if let Some(name) = listed(discounts)
        && let Some(discount) = discounts.number(name)
    {
        let total = sum(&lines);
        push(
            &mut lines,
            format!("cost_discount_config.{name}"),
            total,
            -discount,
        );
    }
    let name = listed(margins).unwrap_or("global");
    let key = format!("cost_margin_config.{name}");
    let (part, fixed) = match margins.get(name) {
        Some(Json::Number(part)) => (Some(part), None),
        Some(Json::Object(margin)) => (margin.number("percentage"), margin.number("fixed_amount")),
        _ => (None, None),
    };
    if let Some(part) = part {
        let total = sum(&lines);
        push(&mut lines, key.clone(), total, part.clone());
    }
    if let Some(fixed) = fixed {
        push(
            &mut lines,
            format!("{key}.fixed_amount"),
            Q::one(),
            fixed.clone(),
        );
    }
    Bill::Priced(lines)
}

/// A factor of 1, or on nothing, makes no line (R1.2).
fn push(lines: &mut Vec<Line>, key: String, quantity: Q, unit_price: Q) {
    if !quantity.is_zero() && !unit_price.is_zero() {
        lines.push(Line::new(key, quantity, unit_price));
    }
}
