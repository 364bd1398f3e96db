//! What multiplies a bill of tokens: where and how fast the model ran.

use event::Class;
use rust_decimal::Decimal;

use crate::{bill::Bill, calculate::Case, entry::Price};

/// Adds a line for each factor that applies.
pub(crate) fn apply(case: &Case<'_>, bill: &mut Bill) {
    let place = case.call.place;
    let residency = place.data_residency.and_then(|region| {
        let is = |name: &&&str| region.eq_ignore_ascii_case(name);
        let region = ["eu", "us"].iter().find(is)?;
        case.sheet
            .unit(&format!("regional_processing_uplift_multiplier_{region}"))
    });
    let regional = place
        .vertex_location
        .filter(|location| !location.is_empty() && !location.eq_ignore_ascii_case("global"))
        .and_then(|_| case.sheet.unit("regional_endpoint_uplift_multiplier"));
    let usage = case.call.usage;
    let fast = usage
        .speed
        .as_deref()
        .filter(|speed| *speed == "fast")
        .and_then(|_| case.sheet.unit("provider_specific_entry.fast"));
    let geography = usage.inference_geo.as_deref().and_then(|place| {
        let place = place.to_ascii_lowercase();
        let is_place = !matches!(&*place, "global" | "not_available" | "fast");
        is_place
            .then(|| case.sheet.unit(&format!("provider_specific_entry.{place}")))
            .flatten()
    });
    for Price { key, amount } in [residency, regional, fast, geography].into_iter().flatten() {
        bill.factor_on_all(Class::Uplift, *amount - Decimal::ONE, key);
    }
}
