//! Speech, music, and what is made of them.

use event::{Class, Exact};
use rust_decimal::Decimal;

use super::{line, some, tokens};
use crate::{
    bill::Bill,
    calculate::Case,
    entry::{Entry, Price},
};

/// By characters alone, else by tokens, else by the second, else by the clip.
pub(super) fn speech(case: &Case<'_>, bill: &mut Bill) -> bool {
    let reported = case.call.usage.prompt_tokens_details.as_ref();
    let counted = || reported?.character_count.map(Decimal::from);
    let sides = [
        (
            case.units.prompt_characters.or_else(counted),
            "input_cost_per_character",
            Class::InputCharacters,
        ),
        (
            case.units.completion_characters,
            "output_cost_per_character",
            Class::OutputCharacters,
        ),
    ];
    for (count, key, class) in sides {
        if let (Some(count), Some(price)) = (some(count), tokens::text_price(case, key, count)) {
            line(bill, class, count, price);
        }
    }
    if bill.len() > 0 {
        return true;
    }
    if tokens::are_priced(case) {
        return tokens::charge(case, bill);
    }
    let keys = ["output_cost_per_second", "input_cost_per_second"];
    if let Some(price) = case.sheet.first_unit(&keys) {
        seconds(case, bill, price);
        return false;
    }
    clips(case, bill)
}

/// Whether music is priced by the clip: its tokens are said to cost nothing.
pub(super) fn is_by_clip(case: &Case<'_>) -> bool {
    let says_free = |entry: &Entry| entry.prices.price_tokens();
    !case.sheet.charges_tokens()
        && case.sheet.entries().any(says_free)
        && case
            .sheet
            .unit("output_cost_per_image")
            .is_some_and(|price| !price.amount.is_zero())
}

/// By the clip, else by tokens.
pub(super) fn clips(case: &Case<'_>, bill: &mut Bill) -> bool {
    if let Some(price) = case.sheet.unit("output_cost_per_image") {
        let clips = some(case.units.images).unwrap_or(Decimal::ONE);
        line(bill, Class::Images, clips, price);
        return false;
    }
    tokens::charge(case, bill)
}

/// By tokens where they have a price, else by the second, else by tokens all the same.
pub(super) fn transcription(case: &Case<'_>, bill: &mut Bill) -> bool {
    if tokens::are_priced(case) {
        return tokens::charge(case, bill);
    }
    let sheet = &case.sheet;
    let output = sheet.unit("output_cost_per_second");
    let price = output
        .filter(|price| !price.amount.is_zero())
        .or_else(|| sheet.first_unit(&["input_cost_per_second", "cost_per_second"]))
        .or(output);
    match price {
        Some(price) => seconds(case, bill, price),
        None if case.quantities.consumed().next().is_none() => {
            bill.missing("input_cost_per_second");
        }
        None => return tokens::charge(case, bill),
    }
    false
}

fn seconds(case: &Case<'_>, bill: &mut Bill, price: &Price) {
    match case.audio_seconds() {
        Some(seconds) => line(bill, Class::AudioSeconds, seconds, price),
        None => bill.duration_missing(),
    }
}

impl Case<'_> {
    /// Seconds of audio that were transcribed or spoken.
    pub(super) fn audio_seconds(&self) -> Option<Decimal> {
        let reported = || self.call.usage.seconds.map(|Exact(seconds)| seconds);
        some(self.units.duration_seconds.or_else(reported))
    }
}
