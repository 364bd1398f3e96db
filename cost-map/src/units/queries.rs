//! Searches, rerankings and embedded queries.

use event::Class;
use rust_decimal::Decimal;

use super::{line, some, tokens};
use crate::{
    bill::Bill,
    calculate::Case,
    entry::{Bracket, Price},
};

const KEY: &str = "input_cost_per_query";

/// Queries that were embedded, besides tokens.
pub(super) fn embedded(case: &Case<'_>, bill: &mut Bill) {
    if let (Some(queries), Some(price)) = (queries(case), case.sheet.unit(KEY)) {
        line(bill, Class::Queries, queries, price);
    }
}

/// By units of searching, else by tokens.
pub(super) fn rerank(case: &Case<'_>, bill: &mut Bill) -> bool {
    let has_tokens = case.quantities.consumed().next().is_some();
    let reported = || case.call.usage.search_units.map(Decimal::from);
    let default = || case.kind_is_stated.then_some(Decimal::ONE);
    let stated = case.units.search_units.or_else(reported);
    let count = some(stated.or_else(default));
    let price = case.sheet.unit(KEY);
    match (count, price) {
        (Some(count), Some(price)) if !price.amount.is_zero() || !has_tokens => {
            line(bill, Class::Queries, count, price);
            false
        }
        (Some(_), None) if !has_tokens => {
            bill.missing(KEY);
            false
        }
        _ => tokens::charge(case, bill),
    }
}

/// By the query, in brackets of the number of results.
pub(super) fn search(case: &Case<'_>, bill: &mut Bill) -> bool {
    let results = case.units.max_results.unwrap_or_default();
    let mut entries = case.sheet.entries();
    let in_bracket = entries.find_map(|entry| {
        let bracket = Bracket::of(&entry.result_brackets, results)?;
        bracket.prices.get(KEY)
    });
    let price = in_bracket.or_else(|| case.sheet.unit(KEY));
    charge(case, bill, case.units.queries, price);
    false
}

/// By the query.
pub(super) fn vector_store(case: &Case<'_>, bill: &mut Bill) -> bool {
    charge(case, bill, queries(case), case.sheet.unit(KEY));
    false
}

fn queries(case: &Case<'_>) -> Option<Decimal> {
    let reported = case.call.usage.prompt_tokens_details.as_ref();
    let counted = || reported?.query_count.map(Decimal::from);
    some(case.units.queries.or_else(counted))
}

fn charge(case: &Case<'_>, bill: &mut Bill, count: Option<Decimal>, price: Option<&Price>) {
    let default = || case.kind_is_stated.then_some(Decimal::ONE);
    match (some(count.or_else(default)), price) {
        (Some(count), Some(price)) => line(bill, Class::Queries, count, price),
        (Some(_), None) => bill.missing(KEY),
        (None, _) => {}
    }
}
