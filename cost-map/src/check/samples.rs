//! Usual calls, priced under two maps: what no comparison of single figures finds.

use std::collections::BTreeSet;

use event::{CacheWriteDetails, CompletionDetails, PromptDetails, Timestamp, Usage};
use rust_decimal::Decimal;

use super::{Doubt, InUse, is_within, priced};
use crate::{Call, PriceMap, Units, entry::Entry, price};

/// The length of the shortest prompt.
const SHORT: u64 = 1000;
/// Seconds of a call, of audio or of a video.
const SECONDS: Decimal = Decimal::TEN;
/// Lengths of prompts, and dates, that are tried; an entry has one or two.
const LENGTHS_MAX: usize = 16;
const DATES_MAX: usize = 4;
const TIERS: [Option<&str>; 6] = [
    None,
    Some("flex"),
    Some("balanced"),
    Some("priority"),
    Some("ultrafast"),
    Some("batch"),
];

/// A call whose cost moves too far, or which would have none.
pub(super) fn compare(
    (before, after): (&PriceMap, &PriceMap),
    used: &InUse,
    (factor, now): (Decimal, Timestamp),
) -> Option<Doubt> {
    let entries = [priced(before, used)?.1, priced(after, used)?.1];
    let later = entries.into_iter().flat_map(Entry::dates);
    let later = later.filter(|from| *from > now).take(DATES_MAX);
    for at in std::iter::once(now).chain(later) {
        let of_entries = entries
            .iter()
            .flat_map(|entry| entry.at(at).steps().collect::<Vec<_>>());
        let longer = of_entries.map(|step| step.saturating_add(1));
        let lengths: BTreeSet<u64> = longer.chain([SHORT]).filter(|n| *n > 1).collect();
        for length in lengths.into_iter().take(LENGTHS_MAX) {
            let found = of_tokens(length)
                .iter()
                .find_map(|sample| sample.compare((before, after), used, (factor, at)));
            if found.is_some() {
                return found;
            }
        }
        let of_units = of_units();
        let mut found = of_units
            .iter()
            .filter_map(|sample| sample.compare((before, after), used, (factor, at)));
        if let Some(doubt) = found.next() {
            return Some(doubt);
        }
    }
    None
}

/// What one call consumes.
struct Sample {
    what: String,
    usage: Usage,
    units: Option<Units>,
}

impl Sample {
    fn compare(
        &self,
        (before, after): (&PriceMap, &PriceMap),
        used: &InUse,
        (factor, at): (Decimal, Timestamp),
    ) -> Option<Doubt> {
        let cost = |map: &PriceMap, tier| {
            let call = Call {
                provider: used.provider.as_deref(),
                units: self.units.as_ref(),
                service_tier: tier,
                response_seconds: Some(SECONDS),
                ..Call::new(&used.model, &self.usage, at)
            };
            let total = price(map, &call).total?;
            let usd = Decimal::try_from_i128_with_scale(total.picos(), 12).ok()?;
            Some(usd.normalize())
        };
        // Units cost the same at every tier.
        let tiers = if self.units.is_none() {
            &TIERS[..]
        } else {
            &[None]
        };
        tiers.iter().find_map(|tier| {
            let old = cost(before, *tier)?;
            let new = cost(after, *tier);
            if new.is_some_and(|new| is_within(old, new, factor)) {
                return None;
            }
            let tier = tier.map_or_else(String::new, |tier| format!(" at tier `{tier}`"));
            Some(Doubt::Call {
                model: used.clone(),
                call: format!("{}{tier}", self.what),
                before: old,
                after: new,
            })
        })
    }
}

/// What a class of input tokens is called, and where its count stands.
type Input = (&'static str, fn(u64) -> PromptDetails);
const INPUTS: [Input; 7] = [
    ("of input", |_| PromptDetails::default()),
    ("from the cache", |n| PromptDetails {
        cached_tokens: Some(n),
        ..PromptDetails::default()
    }),
    ("to the cache", |n| PromptDetails {
        cache_write_tokens: Some(n),
        ..PromptDetails::default()
    }),
    ("to the cache for an hour", |n| PromptDetails {
        cache_creation_token_details: Some(CacheWriteDetails {
            ephemeral_1h_input_tokens: Some(n),
            ..CacheWriteDetails::default()
        }),
        ..PromptDetails::default()
    }),
    ("of audio", |n| PromptDetails {
        audio_tokens: Some(n),
        ..PromptDetails::default()
    }),
    ("of images", |n| PromptDetails {
        image_tokens: Some(n),
        ..PromptDetails::default()
    }),
    ("of video", |n| PromptDetails {
        video_tokens: Some(n),
        ..PromptDetails::default()
    }),
];

/// The same of output tokens.
type Output = (&'static str, fn(u64) -> CompletionDetails);
const OUTPUTS: [Output; 4] = [
    ("of output", |_| CompletionDetails::default()),
    ("of reasoning", |n| CompletionDetails {
        reasoning_tokens: Some(n),
        ..CompletionDetails::default()
    }),
    ("of audio as output", |n| CompletionDetails {
        audio_tokens: Some(n),
        ..CompletionDetails::default()
    }),
    ("of images as output", |n| CompletionDetails {
        image_tokens: Some(n),
        ..CompletionDetails::default()
    }),
];

/// Calls with a prompt of this length: one for each class of tokens.
fn of_tokens(length: u64) -> Vec<Sample> {
    // So many that the prompt hardly counts.
    let answered = length.saturating_mul(1000);
    let prompts = INPUTS.iter().map(|(what, details)| Sample {
        what: format!("{length} tokens {what}"),
        usage: Usage {
            prompt_tokens: length,
            total_tokens: length,
            prompt_tokens_details: Some(details(length)),
            ..Usage::default()
        },
        units: None,
    });
    let answers = OUTPUTS.iter().map(|(what, details)| Sample {
        what: format!("{length} tokens of input and {answered} {what}"),
        usage: Usage {
            prompt_tokens: length,
            completion_tokens: answered,
            total_tokens: length.saturating_add(answered),
            completion_tokens_details: Some(details(answered)),
            ..Usage::default()
        },
        units: None,
    });
    prompts.chain(answers).collect()
}

/// What a call that is billed by something else than tokens is called, and what it counts.
type Counted = (&'static str, fn(&mut Units) -> &mut Option<Decimal>);
const COUNTED: [Counted; 11] = [
    ("an image", |units| &mut units.images),
    ("10 seconds", |units| &mut units.duration_seconds),
    ("a character to speak", |units| &mut units.prompt_characters),
    ("a page", |units| &mut units.pages),
    ("a unit of search", |units| &mut units.search_units),
    ("a query", |units| &mut units.queries),
    ("an image to look at", |units| &mut units.images_in),
    ("a web search", |units| &mut units.web_search_requests),
    ("a query to Maps", |units| &mut units.google_maps_queries),
    ("a file search", |units| &mut units.file_search_calls),
    ("a code session", |units| {
        &mut units.code_interpreter_sessions
    }),
];

/// Calls that are billed by something else.
fn of_units() -> Vec<Sample> {
    let sample = |(what, count): &Counted| {
        let mut units = Units {
            size: Some("1024x1024".to_owned()),
            ..Units::default()
        };
        *count(&mut units) = Some(Decimal::ONE);
        if units.duration_seconds.is_some() {
            units.duration_seconds = Some(SECONDS);
        }
        Sample {
            what: (*what).to_owned(),
            usage: Usage::default(),
            units: Some(units),
        }
    };
    COUNTED.iter().map(sample).collect()
}
