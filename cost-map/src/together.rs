//! One bill of several.

use event::{Cost, CostStatus, LineItem, Unpriced, Usd};

use crate::bill::sum;

/// The cost of what is billed at once and priced one by one, like the requests of a batch. A line's
/// key gets the name of its entry in front where there are several. As long as one cost is not
/// known, the whole is not.
#[must_use]
pub fn together(costs: Vec<Cost>) -> Cost {
    let mut costs = costs.into_iter();
    let Some(mut whole) = costs.next() else {
        return Cost::default();
    };
    if costs.len() == 0 || whole.status == CostStatus::Unpriced {
        return whole;
    }
    let count = costs.len() + 1;
    whole.items = named(whole.entry.take(), whole.items);
    for cost in costs {
        if cost.status == CostStatus::Unpriced {
            return cost;
        }
        whole.items.extend(named(cost.entry, cost.items));
    }
    // Rounded once: what was rounded before is not used.
    whole.total = sum(&whole.items).and_then(|sum| Usd::round(sum).ok());
    whole.reason = Some(format!(
        "{count} bills, each by the entry in its lines' keys"
    ));
    if whole.total.is_none() {
        let reason = "the bills are beyond what can be added up exactly";
        return Cost::unpriced(&whole.price_map, Unpriced::Other, reason);
    }
    whole.status = CostStatus::Priced;
    whole
}

fn named(entry: Option<String>, mut items: Vec<LineItem>) -> Vec<LineItem> {
    if let Some(entry) = entry {
        for item in &mut items {
            item.key = format!("{entry}.{}", item.key);
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use event::{Class, Exact};
    use rust_decimal::Decimal;

    use super::*;

    fn cost(amount: Decimal) -> Cost {
        Cost {
            status: CostStatus::Priced,
            items: vec![LineItem {
                class: Class::Input,
                quantity: Exact(Decimal::ONE),
                unit_price: Exact(amount),
                amount: Exact(amount),
                key: "k".to_owned(),
            }],
            entry: Some("m".to_owned()),
            ..Cost::nothing("map")
        }
    }

    #[test]
    fn what_is_billed_together_is_rounded_once() {
        // Each would be rounded to nothing.
        let half = Decimal::new(5, 13);
        let whole = together(vec![cost(half), cost(half)]);
        assert_eq!(whole.total, Some(Usd::from_picos(1)));
        assert_eq!((whole.items.len(), &*whole.items[1].key), (2, "m.k"));
        assert_eq!(together(vec![cost(half)]), cost(half));
    }

    #[test]
    fn as_long_as_one_cost_is_not_known_the_whole_is_not() {
        let unknown = Cost::unpriced("map", Unpriced::NoSuchModel, "why");
        for costs in [
            vec![cost(Decimal::ONE), unknown.clone()],
            vec![unknown.clone(), cost(Decimal::ONE)],
        ] {
            assert_eq!(together(costs), unknown);
        }
    }
}
