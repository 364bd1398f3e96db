//! Tokens, and the characters, images and seconds that some models bill in their place.

use event::{Class, Exact, PromptDetails};
use rust_decimal::Decimal;

use super::{line, some};
use crate::{
    bill::Bill,
    calculate::Case,
    call::Kind,
    entry::Price,
    tiers::{Found, missing_key},
};

/// Characters that are taken for one token.
const CHARACTERS_PER_TOKEN: u64 = 4;
/// Where the variants `…_above_128k_tokens` of prices that are not of tokens begin.
const LONG: u64 = 128_000;

/// By the second where the entry is priced so, else by tokens and what stands in their place.
pub(super) fn charge(case: &Case<'_>, bill: &mut Bill) -> bool {
    let is_timed = matches!(case.kind, Kind::Tokens | Kind::Embedding);
    if let Some(price) = case.sheet.price_of_second().filter(|_| is_timed) {
        let (units, call) = (case.units, case.call);
        let is_stream = case.is_stream();
        let seconds = if is_stream {
            units.duration_seconds
        } else {
            call.response_seconds
        };
        match some(seconds) {
            Some(seconds) => line(bill, Class::Seconds, seconds, price),
            None if is_stream && case.quantities.consumed().next().is_none() => {}
            None => bill.duration_missing(),
        }
        return false;
    }
    let replaced = replaced(case, bill);
    for (class, quantity) in case.quantities.consumed() {
        if replaced.contains(&Some(class)) {
            continue;
        }
        match case.sheet.price(class) {
            Some(found) => add(bill, class, quantity.into(), &found),
            None => bill.missing(missing_key(class)),
        }
    }
    true
}

/// Whether there are tokens, and a price above nothing for some kind of them.
pub(super) fn are_priced(case: &Case<'_>) -> bool {
    case.quantities.consumed().next().is_some() && case.sheet.charges_tokens()
}

/// Adds a line, and one for each factor on it.
fn add(bill: &mut Bill, class: Class, quantity: Decimal, found: &Found<'_>) {
    let first = bill.len();
    line(bill, class, quantity, found.price);
    for (less_one, key) in found.factors.iter().flatten() {
        // A factor on nothing has made no line.
        let count = bill.len().saturating_sub(first);
        bill.factor(Class::Adjustment, count, *less_one, key);
    }
}

/// Bills characters and media that have prices, and says which classes of tokens they replace.
fn replaced(case: &Case<'_>, bill: &mut Bill) -> [Option<Class>; 5] {
    let units = case.units;
    let reported = case.call.usage.prompt_tokens_details.as_ref();
    if case.call.units.is_none() && reported.is_none_or(counts_tokens_alone) {
        return [None; 5];
    }
    let whole = |count: Option<u64>| count.map(Decimal::from);
    let exact = |count: Option<Exact>| count.map(|Exact(count)| count);
    let characters = || whole(reported?.character_count);
    let prompt = units.prompt_characters.or_else(characters);
    let images = units.images_in.or_else(|| whole(reported?.image_count));
    let audio = units
        .audio_in_seconds
        .or_else(|| exact(reported?.audio_length_seconds));
    let video = units
        .video_in_seconds
        .or_else(|| exact(reported?.video_length_seconds));
    let is_long = case.quantities.prompt > LONG;
    let video_price = || video_price(case, video?, is_long);
    let mut bill_one = |count: Option<Decimal>, price: Option<&Price>, class, replaces| {
        let (count, price) = (some(count)?, price?);
        line(bill, class, count, price);
        Some(replaces)
    };
    [
        bill_one(
            prompt,
            text_price(case, "input_cost_per_character", prompt),
            Class::InputCharacters,
            Class::Input,
        ),
        bill_one(
            units.completion_characters,
            text_price(
                case,
                "output_cost_per_character",
                units.completion_characters,
            ),
            Class::OutputCharacters,
            Class::Output,
        ),
        bill_one(
            images,
            long_or_not(case, "input_cost_per_image", is_long),
            Class::InputImages,
            Class::InputImage,
        ),
        bill_one(
            audio,
            long_or_not(case, "input_cost_per_audio_per_second", is_long),
            Class::InputAudioSeconds,
            Class::InputAudio,
        ),
        bill_one(
            video,
            video_price(),
            Class::InputVideoSeconds,
            Class::InputVideo,
        ),
    ]
}

fn counts_tokens_alone(details: &PromptDetails) -> bool {
    details.character_count.is_none()
        && details.image_count.is_none()
        && details.audio_length_seconds.is_none()
        && details.video_length_seconds.is_none()
}

/// The price of a character in a text of so many of them.
pub(super) fn text_price<'a>(
    case: &Case<'a>,
    key: &str,
    characters: Option<Decimal>,
) -> Option<&'a Price> {
    let bound = Decimal::from(LONG / CHARACTERS_PER_TOKEN);
    long_or_not(case, key, some(characters)? > bound)
}

fn long_or_not<'a>(case: &Case<'a>, key: &str, is_long: bool) -> Option<&'a Price> {
    let long = || case.sheet.unit(&format!("{key}_above_128k_tokens"));
    is_long
        .then(long)
        .flatten()
        .or_else(|| case.sheet.unit(key))
}

/// The price of a second of a video that takes so long.
fn video_price<'a>(case: &Case<'a>, seconds: Decimal, is_long: bool) -> Option<&'a Price> {
    let key = "input_cost_per_video_per_second";
    let longer_than = |bound: u64| {
        let key = || format!("{key}_above_{bound}s_interval");
        (seconds > Decimal::from(bound))
            .then(|| case.sheet.unit(&key()))
            .flatten()
    };
    longer_than(15)
        .or_else(|| longer_than(8))
        .or_else(|| long_or_not(case, key, is_long))
}
