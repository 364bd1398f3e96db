//! The most that a call can cost, before it is made: every quantity at its bound, each at the
//! dearest price that it can come to.

use event::{Class, Usage, Usd};
use rust_decimal::Decimal;

use crate::{
    bill::Bill,
    calculate::{Case, case, price},
    call::{Call, Kind, Units},
    classes::Quantities,
    entry::Price,
    keys::Tier,
    map::PriceMap,
    resolve::provider_in,
    tiers::{At, Sheet},
};

/// What a call consumes at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Input in tokens; no text has more characters.
    pub input: u64,
    /// Output in tokens, of all answers together.
    pub output: u64,
    /// Images, recordings and videos in the prompt.
    pub media: u64,
    /// Uses of tools that the provider runs: searches, code, files.
    pub tools: u64,
    /// Whether the answer is asked for at the provider's faster speed.
    pub fast: bool,
}

/// The kinds of input and of output that may have prices of their own.
const INPUTS: [Class; 10] = [
    Class::Input,
    Class::CacheRead,
    Class::CacheReadAudio,
    Class::CacheReadImage,
    Class::CacheWrite,
    Class::CacheWriteHour,
    Class::CacheWriteHalfDay,
    Class::InputAudio,
    Class::InputImage,
    Class::InputVideo,
];
const OUTPUTS: [Class; 5] = [
    Class::Output,
    Class::Reasoning,
    Class::OutputAudio,
    Class::OutputImage,
    Class::OutputVideo,
];
/// What one use of a tool costs, in USD, whatever an entry says: the dearest figure that a provider
/// publishes for all its models.
const TOOL: Decimal = Decimal::from_parts(35, 0, 0, false, 3);
/// Keys of what one use of a tool costs.
const TOOLS: [&str; 5] = [
    "search_context_cost_per_query.search_context_size_low",
    "search_context_cost_per_query.search_context_size_medium",
    "search_context_cost_per_query.search_context_size_high",
    "google_maps_grounding_cost_per_query",
    "code_interpreter_cost_per_session",
];
/// Seconds that a recording or video in a prompt is taken to last at most.
const MEDIA_SECONDS: u64 = 3600;
const FAST: &str = "provider_specific_entry.fast";

/// The most that a call costs whose usage stays within `bounds`; `None` if there is no price. What
/// `call` says of its usage is not looked at; what it says of time is taken for the longest.
#[must_use]
pub fn most(map: &PriceMap, call: &Call<'_>, bounds: &Bounds) -> Option<Usd> {
    let usage = Usage {
        prompt_tokens: bounds.input,
        completion_tokens: bounds.output,
        total_tokens: bounds.input.saturating_add(bounds.output),
        ..Usage::default()
    };
    let call = Call {
        usage: &usage,
        ..*call
    };
    let plain = price(map, &call).total?;
    let provider = call.provider.or_else(|| provider_in(map, call.model));
    let quantities = Quantities::of(&usage, false);
    let stated = call.call_type.map(Kind::of_call_type);
    let units = call.units.unwrap_or(Units::NONE);
    let Ok((case, choice)) = case(map, &call, provider, (&quantities, units, stated)) else {
        // Free, or nothing.
        return Some(plain);
    };
    let entry = choice.found.map(|found| found.name);
    let names: Vec<&str> = [Some(call.model), entry, provider]
        .into_iter()
        .flatten()
        .collect();
    let with_extras = |mut bill: Bill| {
        extras(&case, bounds, &mut bill);
        multiply(&case, bounds, &mut bill);
        if let Some(adjustments) = call.adjustments {
            adjustments.charge(&mut bill, &names);
        }
        bill.total().ok().map(|(total, _)| total)
    };
    let mut bill = Bill::default();
    let [input, output] = tokens(&case, bounds);
    bill.line(Class::Input, input.0.into(), input.1, "dearest");
    bill.line(Class::Output, output.0.into(), output.1, "dearest");
    let dearest = with_extras(bill)?;
    if bounds.tools == 0 && bounds.media == 0 {
        return Some(plain.max(dearest));
    }
    // What is not billed by tokens is billed for its tools all the same.
    Some(dearest.max(plain + with_extras(Bill::default())?))
}

type Line = (u64, Decimal);

/// Input and output at the length of the prompt at which the two together are dearest.
fn tokens(case: &Case<'_>, bounds: &Bounds) -> [Line; 2] {
    let mut lengths = vec![bounds.input];
    let steps = case.sheet.entries().flat_map(|entry| entry.steps());
    for step in steps.filter(|step| *step < bounds.input) {
        // Some steps are passed, and some are reached.
        lengths.extend([step, step.saturating_sub(1)]);
    }
    lengths.sort_unstable();
    lengths.dedup();
    let tiers = tiers(case);
    let mut dearest = ([(0, Decimal::ZERO); 2], Decimal::ZERO);
    for length in lengths {
        let mut lines = [(length, Decimal::ZERO), (bounds.output, Decimal::ZERO)];
        for tier in &tiers {
            for explicit_cache in [false, true] {
                let sheet = at(case, length, *tier, explicit_cache);
                let [input, output] = &mut lines;
                input.1 = input.1.max(dearest_of(&sheet, &INPUTS));
                output.1 = output.1.max(dearest_of(&sheet, &OUTPUTS));
            }
        }
        let [input, _] = &mut lines;
        for key in [
            "input_cost_per_character",
            "input_cost_per_character_above_128k_tokens",
        ] {
            input.1 = input.1.max(amount(case.sheet.unit(key)));
        }
        let sum = lines
            .iter()
            .map(|(count, each)| each.saturating_mul((*count).into()))
            .fold(Decimal::ZERO, Decimal::saturating_add);
        if sum >= dearest.1 {
            dearest = (lines, sum);
        }
    }
    dearest.0
}

/// The tiers that a call may be served in: any that has prices, or the one that is asked for and
/// the standard that it may fall back to.
fn tiers(case: &Case<'_>) -> Vec<Tier> {
    if case.tier == Tier::Batch {
        return vec![Tier::Batch];
    }
    let mut tiers = vec![Tier::Standard, case.tier];
    let asked = case.call.service_tier;
    if asked.is_none_or(|name| name.eq_ignore_ascii_case("auto")) {
        tiers.extend(case.sheet.entries().flat_map(|entry| entry.tiers()));
    }
    tiers.retain(|tier| *tier != Tier::Batch);
    tiers.sort_unstable();
    tiers.dedup();
    tiers
}

fn at<'a>(case: &Case<'a>, prompt: u64, tier: Tier, explicit_cache: bool) -> Sheet<'a> {
    case.sheet.again(|at| At {
        prompt,
        tier,
        explicit_cache,
        ..at
    })
}

fn dearest_of(sheet: &Sheet<'_>, classes: &[Class]) -> Decimal {
    let each = classes.iter().filter_map(|class| {
        let found = sheet.price(*class)?;
        let factors = found.factors.iter().flatten();
        Some(factors.fold(found.price.amount, |price, (less_one, _)| {
            price.saturating_mul(*less_one + Decimal::ONE)
        }))
    });
    each.max().unwrap_or_default()
}

fn amount(price: Option<&Price>) -> Decimal {
    price.map_or(Decimal::ZERO, |price| price.amount)
}

/// What is charged besides tokens: by the request, the tool, the image and the second.
fn extras(case: &Case<'_>, bounds: &Bounds, bill: &mut Bill) {
    let dearest = |keys: &[&str]| {
        let each = keys.iter().map(|key| amount(case.sheet.unit(key)));
        each.max().unwrap_or_default()
    };
    bill.line(
        Class::Requests,
        Decimal::ONE,
        amount(case.sheet.fee()),
        "dearest",
    );
    let tool = dearest(&TOOLS).max(TOOL);
    bill.line(Class::WebSearches, bounds.tools.into(), tool, "dearest");
    if bounds.tools > 0 {
        let cited = amount(case.sheet.unit("citation_cost_per_token"));
        bill.line(Class::Citations, bounds.input.into(), cited, "dearest");
    }
    let image = dearest(&[
        "input_cost_per_image",
        "input_cost_per_image_above_128k_tokens",
    ]);
    bill.line(Class::InputImages, bounds.media.into(), image, "dearest");
    let second = dearest(&[
        "input_cost_per_audio_per_second",
        "input_cost_per_audio_per_second_above_128k_tokens",
        "input_cost_per_video_per_second",
        "input_cost_per_video_per_second_above_128k_tokens",
        "input_cost_per_video_per_second_above_15s_interval",
        "input_cost_per_video_per_second_above_8s_interval",
    ]);
    let seconds = bounds.media.saturating_mul(MEDIA_SECONDS);
    bill.line(Class::InputVideoSeconds, seconds.into(), second, "dearest");
}

/// Where and how fast the model runs, as far as that makes it dearer.
fn multiply(case: &Case<'_>, bounds: &Bounds, bill: &mut Bill) {
    let place = case.call.place;
    let residency = place.data_residency.and_then(|region| {
        let key = format!(
            "regional_processing_uplift_multiplier_{}",
            region.to_lowercase()
        );
        case.sheet.unit(&key)
    });
    let endpoint = place
        .vertex_location
        .and_then(|_| case.sheet.unit("regional_endpoint_uplift_multiplier"));
    let fast = case.sheet.unit(FAST).filter(|_| bounds.fast);
    let prices = case.sheet.entries().flat_map(|entry| entry.prices.iter());
    let places = prices
        .filter(|price| price.key.starts_with("provider_specific_entry.") && &*price.key != FAST);
    let geography = places.max_by_key(|price| price.amount);
    for price in [residency, endpoint, fast, geography].into_iter().flatten() {
        let more = (price.amount - Decimal::ONE).max(Decimal::ZERO);
        bill.factor_on_all(Class::Uplift, more, &price.key);
    }
}

#[cfg(test)]
mod tests;
