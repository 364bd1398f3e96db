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

/// Calls with a prompt of this length: one for each class of tokens.
fn of_tokens(length: u64) -> Vec<Sample> {
    let prompt = |what: &str, details: PromptDetails| Sample {
        what: format!("{length} tokens {what}"),
        usage: Usage {
            prompt_tokens: length,
            total_tokens: length,
            prompt_tokens_details: Some(details),
            ..Usage::default()
        },
        units: None,
    };
    let answer = |what: &str, details: CompletionDetails| {
        // So many that the prompt hardly counts.
        let tokens = length.saturating_mul(1000);
        Sample {
            what: format!("{length} tokens of input and {tokens} {what}"),
            usage: Usage {
                prompt_tokens: length,
                completion_tokens: tokens,
                total_tokens: length.saturating_add(tokens),
                completion_tokens_details: Some(details),
                ..Usage::default()
            },
            units: None,
        }
    };
    let all = Some(length);
    let (none, made) = (PromptDetails::default, CompletionDetails::default);
    let answered = Some(length.saturating_mul(1000));
    let for_an_hour = CacheWriteDetails {
        ephemeral_1h_input_tokens: all,
        ..CacheWriteDetails::default()
    };
    vec![
        prompt("of input", none()),
        prompt(
            "from the cache",
            PromptDetails {
                cached_tokens: all,
                ..none()
            },
        ),
        prompt(
            "to the cache",
            PromptDetails {
                cache_write_tokens: all,
                ..none()
            },
        ),
        prompt(
            "to the cache for an hour",
            PromptDetails {
                cache_creation_token_details: Some(for_an_hour),
                ..none()
            },
        ),
        prompt(
            "of audio",
            PromptDetails {
                audio_tokens: all,
                ..none()
            },
        ),
        prompt(
            "of images",
            PromptDetails {
                image_tokens: all,
                ..none()
            },
        ),
        prompt(
            "of video",
            PromptDetails {
                video_tokens: all,
                ..none()
            },
        ),
        answer("of output", made()),
        answer(
            "of reasoning",
            CompletionDetails {
                reasoning_tokens: answered,
                ..made()
            },
        ),
        answer(
            "of audio as output",
            CompletionDetails {
                audio_tokens: answered,
                ..made()
            },
        ),
        answer(
            "of images as output",
            CompletionDetails {
                image_tokens: answered,
                ..made()
            },
        ),
    ]
}

/// Calls that are billed by something else.
fn of_units() -> Vec<Sample> {
    let one = Some(Decimal::ONE);
    let sample = |what: &str, units: Units| Sample {
        what: what.to_owned(),
        usage: Usage::default(),
        units: Some(units),
    };
    let none = Units::default;
    let square = Some("1024x1024".to_owned());
    vec![
        sample(
            "an image",
            Units {
                images: one,
                size: square,
                ..none()
            },
        ),
        sample(
            "10 seconds",
            Units {
                duration_seconds: Some(SECONDS),
                ..none()
            },
        ),
        sample(
            "a character to speak",
            Units {
                prompt_characters: one,
                ..none()
            },
        ),
        sample(
            "a page",
            Units {
                pages: one,
                ..none()
            },
        ),
        sample(
            "a unit of search",
            Units {
                search_units: one,
                ..none()
            },
        ),
        sample(
            "a query",
            Units {
                queries: one,
                ..none()
            },
        ),
        sample(
            "an image to look at",
            Units {
                images_in: one,
                ..none()
            },
        ),
        sample(
            "a web search",
            Units {
                web_search_requests: one,
                ..none()
            },
        ),
        sample(
            "a query to Maps",
            Units {
                google_maps_queries: one,
                ..none()
            },
        ),
        sample(
            "a file search",
            Units {
                file_search_calls: one,
                ..none()
            },
        ),
        sample(
            "a code session",
            Units {
                code_interpreter_sessions: one,
                ..none()
            },
        ),
    ]
}
