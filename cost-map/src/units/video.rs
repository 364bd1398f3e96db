//! Videos that were made.

use event::Class;
use rust_decimal::Decimal;

use super::{images::of_resolution, line, product_line, some, tokens};
use crate::{bill::Bill, calculate::Case};

/// How keys of prices by resolution begin.
const FAMILY: &str = "output_cost_per_second_";

/// By the second, at the price of the resolution where there is one; else by tokens.
pub(super) fn charge(case: &Case<'_>, bill: &mut Bill) -> bool {
    let units = case.units;
    let resolution = units.resolution.as_deref();
    let by_resolution = || resolution.and_then(|name| of_resolution(case, FAMILY, name));
    let price = case
        .sheet
        .unit("output_cost_per_video_per_second")
        .or_else(by_resolution)
        .or_else(|| case.sheet.unit("output_cost_per_second"));
    let Some(price) = price else {
        return without_seconds(case, bill);
    };
    let videos = some(units.videos).unwrap_or(Decimal::ONE);
    match some(units.duration_seconds) {
        Some(seconds) => product_line(bill, Class::VideoSeconds, &[seconds, videos], price),
        None => bill.duration_missing(),
    }
    if let (Some(images), Some(price)) = (
        some(units.images_in),
        case.sheet.unit("input_cost_per_image"),
    ) {
        line(bill, Class::InputImages, images, price);
    }
    false
}

fn without_seconds(case: &Case<'_>, bill: &mut Bill) -> bool {
    let mut keys = case.sheet.entries().flat_map(|entry| entry.prices.iter());
    let has_resolutions = keys.any(|price| price.key.starts_with(FAMILY));
    if has_resolutions && some(case.units.duration_seconds).is_none() {
        bill.duration_missing();
        return false;
    }
    if has_resolutions || case.quantities.consumed().next().is_none() {
        bill.missing("output_cost_per_second");
        return false;
    }
    tokens::charge(case, bill)
}
