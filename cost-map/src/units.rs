//! What a call is billed for before tools, by the kind of call.

mod audio;
mod images;
mod ocr;
mod queries;
mod tokens;
mod video;

pub(crate) use self::images::by_tokens;

use event::Class;
use rust_decimal::Decimal;

use crate::{
    bill::Bill,
    calculate::Case,
    call::{Kind, Units},
    entry::Price,
};

/// Adds the lines; says whether they were made from tokens, so that multipliers apply.
pub(crate) fn charge(case: &Case<'_>, bill: &mut Bill) -> bool {
    let by_tokens = match case.kind {
        Kind::Tokens if audio::is_by_clip(case) => audio::clips(case, bill),
        Kind::Tokens | Kind::Moderation => tokens::charge(case, bill),
        Kind::Embedding => {
            let by_tokens = tokens::charge(case, bill);
            queries::embedded(case, bill);
            by_tokens
        }
        Kind::Images => images::charge(case, bill),
        Kind::Speech => audio::speech(case, bill),
        Kind::Transcription => audio::transcription(case, bill),
        Kind::Video => video::charge(case, bill),
        Kind::Ocr => ocr::charge(case, bill),
        Kind::Rerank => queries::rerank(case, bill),
        Kind::Search => queries::search(case, bill),
        Kind::VectorStore => queries::vector_store(case, bill),
    };
    flat(case, bill);
    if bill.len() == 0 && !bill.is_short() {
        unpriced_units(case.units)
            .into_iter()
            .for_each(|key| bill.missing(key));
    }
    by_tokens
}

/// Fees by the request, by the message and by the unit of a guardrail.
fn flat(case: &Case<'_>, bill: &mut Bill) {
    if let Some(price) = case.sheet.fee() {
        line(bill, Class::Requests, Decimal::ONE, price);
    }
    if let Some(count) = some(case.units.text_messages)
        && let Some(price) = case.sheet.unit("input_cost_per_text_message")
    {
        line(bill, Class::Messages, count, price);
    }
    for (name, count) in &case.units.guardrail_units {
        if count.is_zero() {
            continue;
        }
        let key = format!("guardrail_cost_per_unit.{name}");
        match case.sheet.unit(&key) {
            Some(price) => line(bill, Class::GuardrailUnits, *count, price),
            None => bill.missing(key),
        }
    }
}

/// A count of something.
pub(crate) fn some(count: Option<Decimal>) -> Option<Decimal> {
    count.filter(|count| !count.is_zero())
}

/// Adds quantity × price.
pub(crate) fn line(bill: &mut Bill, class: Class, quantity: Decimal, price: &Price) {
    bill.line(class, quantity.normalize(), price.amount, &*price.key);
}

/// Adds a product of counts × a price.
fn product_line(bill: &mut Bill, class: Class, counts: &[Decimal], price: &Price) {
    let quantity = counts.iter().try_fold(Decimal::ONE, |product, count| {
        crate::bill::product(product, *count)
    });
    match quantity {
        Some(quantity) => line(bill, class, quantity, price),
        None => bill.inexact(),
    }
}

/// The keys that would have priced what was consumed.
fn unpriced_units(units: &Units) -> Vec<&'static str> {
    let keys = [
        (units.prompt_characters, "input_cost_per_character"),
        (units.completion_characters, "output_cost_per_character"),
        (units.duration_seconds, "input_cost_per_second"),
        (units.images, "output_cost_per_image"),
        (units.images_in, "input_cost_per_image"),
        (units.audio_in_seconds, "input_cost_per_audio_per_second"),
        (units.video_in_seconds, "input_cost_per_video_per_second"),
        (units.videos, "output_cost_per_second"),
        (units.pages, "ocr_cost_per_page"),
        (units.annotated_pages, "annotation_cost_per_page"),
        (units.credits, "ocr_cost_per_credit"),
        (units.search_units, "input_cost_per_query"),
        (units.queries, "input_cost_per_query"),
        (units.text_messages, "input_cost_per_text_message"),
    ];
    let consumed = keys.iter().filter(|(count, _)| some(*count).is_some());
    consumed.map(|(_, key)| *key).collect()
}
