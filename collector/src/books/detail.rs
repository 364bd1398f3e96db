//! What a row keeps of its cost: the quantities alone. The rest of a bill (its prices, their keys,
//! the version of the price map) is the same for many calls, and stands once in `cards`.
//!
//! What is read is, byte for byte, what [`Cost`] is in JSON.

use std::{collections::HashMap, mem, sync::PoisonError};

use event::{Class, Cost, CostStatus, Exact, LineItem, Usd};
use rust_decimal::Decimal;
use sqlx::SqliteConnection;

use super::BooksError;

/// Cards whose ids are remembered; beyond that they are all asked for again.
const REMEMBERED_MAX: usize = 4096;

/// A bill without its quantities, as it stands in `cards.card`. Persisted.
type Card<T> = (CostStatus, T, Option<T>, Option<T>, Vec<(Class, Exact, T)>);

/// What stands in the columns `card` and `cost_detail`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Detail {
    /// `None` if the whole cost is in the text.
    pub(super) card: Option<i64>,
    pub(super) text: String,
}

/// The ids of the cards that were used last.
#[derive(Debug, Default)]
pub(super) struct Cards(std::sync::Mutex<HashMap<String, i64>>);

impl Cards {
    /// Takes them out, so that a transaction that fails takes with it the ids that it was given.
    pub(super) fn take(&self) -> HashMap<String, i64> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn put_back(&self, ids: HashMap<String, i64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ids;
    }
}

/// Parts a cost for its row, and writes its card down if it is new.
pub(super) async fn part(
    connection: &mut SqliteConnection,
    ids: &mut HashMap<String, i64>,
    cost: &Cost,
) -> Result<Detail, BooksError> {
    let Some((card, text)) = split(cost) else {
        let text = serde_json::to_string(cost).map_err(undecodable)?;
        return Ok(Detail { card: None, text });
    };
    if let Some(id) = ids.get(&card) {
        let card = Some(*id);
        return Ok(Detail { card, text });
    }
    let sql = "INSERT INTO cards (card) VALUES (?) \
               ON CONFLICT DO UPDATE SET card = excluded.card RETURNING id";
    let query = sqlx::query_scalar(sql).bind(&card);
    let id: i64 = query.fetch_one(connection).await?;
    if ids.len() >= REMEMBERED_MAX {
        ids.clear();
    }
    ids.insert(card, id);
    let card = Some(id);
    Ok(Detail { card, text })
}

/// The cost of a row, from its card, its quantities and its total.
pub(super) fn join(card: &str, text: &str, total: Option<Usd>) -> Result<String, BooksError> {
    let read: Card<String> = serde_json::from_str(card).map_err(undecodable)?;
    let (status, price_map, entry, reason, lines) = read;
    let quantities: Vec<Exact> = serde_json::from_str(text).map_err(undecodable)?;
    if lines.len() != quantities.len() {
        return Err(undecodable("card and quantities do not match"));
    }
    let item = |((class, unit_price, key), quantity): ((Class, Exact, String), Exact)| {
        let amount = Exact(product(quantity, unit_price)?);
        Some(LineItem {
            class,
            quantity,
            unit_price,
            amount,
            key,
        })
    };
    let items: Option<Vec<LineItem>> = lines.into_iter().zip(quantities).map(item).collect();
    let cost = Cost {
        status,
        total,
        items: items.ok_or_else(|| undecodable("amount has too many digits"))?,
        price_map,
        entry,
        reason,
        // What is unpriced is kept whole.
        unpriced: None,
    };
    serde_json::to_string(&cost).map_err(undecodable)
}

/// The card and the quantities, unless the cost cannot be told from them. Why there is no price is
/// often said in a client's words, and nothing to share.
fn split(cost: &Cost) -> Option<(String, String)> {
    let follows = |item: &LineItem| {
        product(item.quantity, item.unit_price).is_some_and(|amount| amount == item.amount.0)
    };
    if cost.status == CostStatus::Unpriced || !cost.items.iter().all(follows) {
        return None;
    }
    let line = |item| {
        let LineItem {
            class,
            unit_price,
            key,
            ..
        }: &LineItem = item;
        (*class, *unit_price, key.as_str())
    };
    let card: Card<&str> = (
        cost.status,
        &cost.price_map,
        cost.entry.as_deref(),
        cost.reason.as_deref(),
        cost.items.iter().map(line).collect(),
    );
    let quantities: Vec<Exact> = cost.items.iter().map(|item| item.quantity).collect();
    let text = serde_json::to_string(&quantities).ok()?;
    Some((serde_json::to_string(&card).ok()?, text))
}

/// The exact product, or nothing: multiplying two `Decimal`s would round what does not fit.
fn product(Exact(a): Exact, Exact(b): Exact) -> Option<Decimal> {
    let (a, b) = (a.normalize(), b.normalize());
    let mantissa = a.mantissa().checked_mul(b.mantissa())?;
    Decimal::try_from_i128_with_scale(mantissa, a.scale().checked_add(b.scale())?).ok()
}

fn undecodable(error: impl Into<sqlx::error::BoxDynError>) -> BooksError {
    BooksError::Database(sqlx::Error::Decode(error.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLASSES: [Class; 4] = [
        Class::Input,
        Class::CacheRead,
        Class::Output,
        Class::Seconds,
    ];

    fn decimal() -> impl Strategy<Value = Decimal> {
        (-(1_i64 << 40)..(1_i64 << 40), 0_u32..15)
            .prop_map(|(mantissa, scale)| Decimal::new(mantissa, scale))
    }

    fn item() -> impl Strategy<Value = LineItem> {
        let amount = prop_oneof![9 => Just(None), 1 => decimal().prop_map(Some)];
        (0..CLASSES.len(), decimal(), decimal(), amount, ".{0,12}").prop_map(
            |(class, quantity, unit_price, amount, key)| LineItem {
                class: CLASSES[class],
                quantity: Exact(quantity),
                unit_price: Exact(unit_price),
                amount: Exact(amount.unwrap_or(quantity * unit_price)),
                key,
            },
        )
    }

    prop_compose! {
        fn cost()(
            status in 0..3_usize,
            total in proptest::option::of(any::<i64>()),
            items in proptest::collection::vec(item(), 0..5),
            price_map in ".{0,20}",
            entry in proptest::option::of(".{0,20}"),
            reason in proptest::option::of(".{0,20}"),
        ) -> Cost {
            Cost {
                status: [CostStatus::Priced, CostStatus::Unpriced, CostStatus::NothingConsumed][status],
                total: total.map(|picos| Usd::from_picos(i128::from(picos))),
                items,
                price_map,
                entry,
                reason,
                unpriced: None,
            }
        }
    }

    proptest! {
        #[test]
        fn a_cost_comes_back_byte_for_byte(cost in cost()) {
            if let Some((card, text)) = split(&cost) {
                let joined = join(&card, &text, cost.total).unwrap();
                prop_assert_eq!(joined, serde_json::to_string(&cost).unwrap());
            }
        }
    }

    #[test]
    fn an_ordinary_cost_leaves_little_in_its_row() {
        let line = |class, quantity, price, amount, key: &str| LineItem {
            class,
            quantity: Exact(Decimal::from(quantity)),
            unit_price: Exact(price),
            amount: Exact(amount),
            key: key.to_owned(),
        };
        let mut cost = Cost {
            status: CostStatus::Priced,
            items: vec![
                line(
                    Class::Input,
                    72,
                    Decimal::new(25, 7),
                    Decimal::new(180, 6),
                    "input_cost_per_token",
                ),
                line(
                    Class::Output,
                    9,
                    Decimal::new(1, 5),
                    Decimal::new(9, 5),
                    "output_cost_per_token",
                ),
            ],
            ..Cost::nothing("map")
        };
        let (_, text) = split(&cost).unwrap();
        assert_eq!(text, "[72,9]");
        cost.items[0].amount = Exact(Decimal::ONE);
        assert_eq!(split(&cost), None, "an amount of its own is kept");
    }
}
