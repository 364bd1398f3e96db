//! Images that were made.

use event::Class;
use rust_decimal::Decimal;

use super::{line, product_line, some, tokens};
use crate::{
    bill::Bill,
    calculate::Case,
    entry::{Entry, Price},
    keys::Base,
    resolve::sides,
    tiers::Sheet,
};

/// By tokens where images are priced so, else by the image, else by the pixel.
pub(super) fn charge(case: &Case<'_>, bill: &mut Bill) -> bool {
    if case.tokens_of_images && tokens::are_priced(case) {
        return tokens::charge(case, bill);
    }
    let default = case.kind_is_stated.then_some(Decimal::ONE);
    let Some(images) = some(case.units.images.or(default)) else {
        return tokens::charge(case, bill);
    };
    if let Some(price) = price_of_image(case) {
        line(bill, Class::Images, images, price);
        return false;
    }
    let of_pixel = ["output_cost_per_pixel", "input_cost_per_pixel"];
    let there = || of_pixel.iter().filter_map(|key| case.sheet.unit(key));
    let charged = there().find(|price| !price.amount.is_zero());
    if let Some(price) = charged.or_else(|| there().next()) {
        match case.units.size.as_deref().and_then(pixels) {
            Some([width, height]) => {
                product_line(bill, Class::Pixels, &[width, height, images], price);
            }
            None => bill.missing("output_cost_per_image"),
        }
        return false;
    }
    if tokens::are_priced(case) {
        return tokens::charge(case, bill);
    }
    bill.missing("output_cost_per_image");
    false
}

/// Whether an entry prices images by the token.
pub(crate) fn by_tokens(sheet: &Sheet<'_>) -> bool {
    let bases = [Base::InputImage, Base::OutputImage, Base::Output];
    let charges = |entry: &Entry| {
        let prices = bases.iter().flat_map(|base| entry.prices.of(*base));
        prices.into_iter().any(|(_, price)| !price.amount.is_zero())
    };
    sheet.entries().any(charges)
}

fn price_of_image<'a>(case: &Case<'a>) -> Option<&'a Price> {
    let resolution = case.units.resolution.as_deref();
    resolution
        .and_then(|resolution| of_resolution(case, "output_cost_per_image_", resolution))
        .or_else(|| {
            case.sheet
                .first_unit(&["output_cost_per_image", "input_cost_per_image"])
        })
}

/// The price whose key is `family` and the resolution, in any case.
pub(super) fn of_resolution<'a>(
    case: &Case<'a>,
    family: &str,
    resolution: &str,
) -> Option<&'a Price> {
    let is = |key: &str| {
        let end = key.strip_prefix(family);
        end.is_some_and(|end| end.eq_ignore_ascii_case(resolution))
    };
    let mut entries = case.sheet.entries();
    entries.find_map(|entry| entry.prices.iter().find(|price| is(&price.key)))
}

fn pixels(size: &str) -> Option<[Decimal; 2]> {
    let (width, height) = sides(size)?;
    let (width, height): (u32, u32) = (width.parse().ok()?, height.parse().ok()?);
    Some([width.into(), height.into()])
}
