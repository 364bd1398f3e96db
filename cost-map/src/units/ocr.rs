//! Pages that were read.

use event::Class;

use super::{line, some, tokens};
use crate::{bill::Bill, calculate::Case, entry::Price, keys::Tier};

/// By the vendor's credit, else by the page, else by tokens.
pub(super) fn charge(case: &Case<'_>, bill: &mut Bill) -> bool {
    let units = case.units;
    if let (Some(credits), Some(price)) =
        (some(units.credits), case.sheet.unit("ocr_cost_per_credit"))
    {
        line(bill, Class::Credits, credits, price);
        return false;
    }
    let of_page = price(case, "ocr_cost_per_page");
    let of_annotated = price(case, "annotation_cost_per_page").or(of_page);
    if let (Some(pages), Some(price)) = (some(units.pages), of_page) {
        line(bill, Class::Pages, pages, price);
    }
    if let (Some(pages), Some(price)) = (some(units.annotated_pages), of_annotated) {
        line(bill, Class::AnnotatedPages, pages, price);
    }
    if bill.len() > 0 {
        return false;
    }
    tokens::charge(case, bill)
}

fn price<'a>(case: &Case<'a>, key: &str) -> Option<&'a Price> {
    let in_batch = || case.sheet.unit(&format!("{key}_batches"));
    (case.tier == Tier::Batch)
        .then(in_batch)
        .flatten()
        .or_else(|| case.sheet.unit(key))
}
