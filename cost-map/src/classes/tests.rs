//! The classes never overlap and never lose a token.

use event::{CacheWriteDetails, CachedDetails};
use proptest::prelude::*;

use super::*;

fn quantity(quantities: &Quantities, class: Class) -> u64 {
    quantities
        .consumed()
        .find(|(other, _)| *other == class)
        .map_or(0, |(_, quantity)| quantity)
}

fn prompt(tokens: u64, details: PromptDetails) -> Usage {
    Usage {
        prompt_tokens: tokens,
        total_tokens: tokens,
        prompt_tokens_details: Some(details),
        ..Usage::default()
    }
}

fn split(usage: &Usage) -> Vec<(Class, u64)> {
    Quantities::of(usage, false).consumed().collect()
}

#[test]
fn what_no_report_claims_is_text() {
    let details = PromptDetails {
        text_tokens: Some(10),
        image_tokens: Some(40),
        ..PromptDetails::default()
    };
    assert_eq!(
        split(&prompt(100, details)),
        [(Class::Input, 60), (Class::InputImage, 40)]
    );
}

#[test]
fn every_name_of_cache_reads_and_writes_is_understood() {
    let bare = Usage {
        prompt_tokens: 100,
        ..Usage::default()
    };
    let read = [(Class::Input, 70), (Class::CacheRead, 30)];
    assert_eq!(
        split(&Usage {
            prompt_cache_hit_tokens: Some(30),
            ..bare.clone()
        }),
        read
    );
    assert_eq!(
        split(&Usage {
            cache_read_input_tokens: Some(30),
            ..bare.clone()
        }),
        read
    );
    let details = PromptDetails {
        cached_tokens: Some(30),
        ..PromptDetails::default()
    };
    assert_eq!(split(&prompt(100, details)), read);

    let written = [(Class::Input, 70), (Class::CacheWrite, 30)];
    assert_eq!(
        split(&Usage {
            cache_creation_input_tokens: Some(30),
            ..bare
        }),
        written
    );
    let details = PromptDetails {
        cache_write_tokens: Some(30),
        ..PromptDetails::default()
    };
    assert_eq!(split(&prompt(100, details)), written);
}

#[test]
fn cache_writes_of_unknown_life_are_kept_for_five_minutes() {
    let lives = CacheWriteDetails {
        ephemeral_5m_input_tokens: Some(10),
        ephemeral_1h_input_tokens: Some(15),
        ..CacheWriteDetails::default()
    };
    let mut details = PromptDetails {
        cache_write_tokens: Some(30),
        cache_creation_token_details: Some(lives),
        ..PromptDetails::default()
    };
    let expected = [
        (Class::Input, 70),
        (Class::CacheWrite, 15),
        (Class::CacheWriteHour, 15),
    ];
    assert_eq!(split(&prompt(100, details.clone())), expected);
    details.cache_write_tokens = None;
    let expected = [
        (Class::Input, 75),
        (Class::CacheWrite, 10),
        (Class::CacheWriteHour, 15),
    ];
    assert_eq!(split(&prompt(100, details)), expected);
}

#[test]
fn audio_that_does_not_fit_beside_the_cache_is_cached_audio() {
    let details = PromptDetails {
        cached_tokens: Some(80),
        audio_tokens: Some(50),
        ..PromptDetails::default()
    };
    let expected = [
        (Class::CacheRead, 50),
        (Class::CacheReadAudio, 30),
        (Class::InputAudio, 20),
    ];
    assert_eq!(split(&prompt(100, details)), expected);
}

#[test]
fn r2_3_what_is_cached_is_not_billed_as_sound_or_image_again() {
    let cached = CachedDetails {
        text_tokens: Some(20),
        audio_tokens: Some(30),
        image_tokens: Some(50),
    };
    let mut details = PromptDetails {
        cached_tokens: Some(100),
        audio_tokens: Some(60),
        image_tokens: Some(50),
        cached_tokens_details: Some(cached),
        ..PromptDetails::default()
    };
    let expected = [
        (Class::Input, 70),
        (Class::CacheRead, 20),
        (Class::CacheReadAudio, 30),
        (Class::CacheReadImage, 50),
        (Class::InputAudio, 30),
    ];
    assert_eq!(split(&prompt(200, details.clone())), expected);
    // No more is cached than was read: 40 of them, audio first.
    details.cached_tokens = Some(40);
    let expected = [
        (Class::Input, 90),
        (Class::CacheReadAudio, 30),
        (Class::CacheReadImage, 10),
        (Class::InputAudio, 30),
        (Class::InputImage, 40),
    ];
    assert_eq!(split(&prompt(200, details)), expected);
    // Without details: what does not fit beside the cached tokens is among them.
    let details = PromptDetails {
        cached_tokens: Some(80),
        image_tokens: Some(50),
        ..PromptDetails::default()
    };
    let expected = [
        (Class::CacheRead, 50),
        (Class::CacheReadImage, 30),
        (Class::InputImage, 20),
    ];
    assert_eq!(split(&prompt(100, details)), expected);
}

#[test]
fn r2_2_writes_live_for_five_minutes_an_hour_or_half_a_day() {
    let lives = CacheWriteDetails {
        ephemeral_30m_input_tokens: Some(10),
        ephemeral_1h_input_tokens: Some(20),
        ephemeral_12h_input_tokens: Some(30),
        ..CacheWriteDetails::default()
    };
    let details = PromptDetails {
        cache_creation_token_details: Some(lives),
        ..PromptDetails::default()
    };
    let expected = [
        (Class::Input, 40),
        (Class::CacheWrite, 10),
        (Class::CacheWriteHour, 20),
        (Class::CacheWriteHalfDay, 30),
    ];
    assert_eq!(split(&prompt(100, details)), expected);
}

#[test]
fn a_prompt_that_was_left_out_is_taken_from_the_total() {
    let usage = Usage {
        completion_tokens: 20,
        total_tokens: 50,
        ..Usage::default()
    };
    assert_eq!(split(&usage), [(Class::Input, 30), (Class::Output, 20)]);
}

#[test]
fn reasoning_beside_the_completion_is_added_only_where_the_total_shows_it() {
    let mut usage = Usage {
        prompt_tokens: 100,
        completion_tokens: 20,
        total_tokens: 150,
        completion_tokens_details: Some(CompletionDetails {
            reasoning_tokens: Some(30),
            ..CompletionDetails::default()
        }),
        ..Usage::default()
    };
    let apart = Quantities::of(&usage, true);
    assert_eq!(quantity(&apart, Class::Output), 20);
    assert_eq!(quantity(&apart, Class::Reasoning), 30);
    usage.total_tokens = 120;
    let within = Quantities::of(&usage, true);
    assert_eq!(quantity(&within, Class::Output), 0);
    assert_eq!(quantity(&within, Class::Reasoning), 20);
}

fn tokens() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..2_000_u64,
        Just(u64::MAX),
        Just(u64::MAX / 2 + 1),
        any::<u64>()
    ]
}

fn part() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![Just(None), tokens().prop_map(Some)]
}

prop_compose! {
    fn prompt_details()(
        (cached_tokens, cache_write_tokens, text_tokens) in (part(), part(), part()),
        (audio_tokens, image_tokens, video_tokens) in (part(), part(), part()),
        (minutes, hour, half_day) in (part(), part(), part()),
        (cached_audio, cached_image) in (part(), part()),
    ) -> PromptDetails {
        PromptDetails {
            cached_tokens,
            cache_write_tokens,
            cache_creation_tokens: None,
            cache_creation_token_details: Some(CacheWriteDetails {
                ephemeral_5m_input_tokens: minutes,
                ephemeral_1h_input_tokens: hour,
                ephemeral_12h_input_tokens: half_day,
                ..CacheWriteDetails::default()
            }),
            text_tokens,
            audio_tokens,
            image_tokens,
            video_tokens,
            cached_tokens_details: cached_image.map(|_| CachedDetails {
                text_tokens: None,
                audio_tokens: cached_audio,
                image_tokens: cached_image,
            }),
            ..PromptDetails::default()
        }
    }
}

prop_compose! {
    fn usage()(
        (prompt_tokens, completion_tokens, total_tokens) in (tokens(), tokens(), tokens()),
        (prompt_cache_hit_tokens, cache_read_input_tokens) in (part(), part()),
        cache_creation_input_tokens in part(),
        details in prompt_details(),
        (reasoning_tokens, audio_tokens, image_tokens) in (part(), part(), part()),
    ) -> Usage {
        Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens,
            prompt_tokens_details: Some(details),
            completion_tokens_details: Some(CompletionDetails {
                reasoning_tokens,
                audio_tokens,
                image_tokens,
                ..CompletionDetails::default()
            }),
            prompt_cache_hit_tokens,
            cache_read_input_tokens,
            cache_creation_input_tokens,
            ..Usage::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_classes_sum_to_the_report(usage in usage(), apart: bool) {
        let quantities = Quantities::of(&usage, apart);
        let sum = |input: bool| -> u128 {
            let side = quantities.consumed().filter(|(class, _)| class.is_input() == input);
            side.map(|(_, quantity)| u128::from(quantity)).sum()
        };
        prop_assert_eq!(sum(true), u128::from(quantities.prompt));
        if usage.prompt_tokens > 0 {
            prop_assert_eq!(quantities.prompt, usage.prompt_tokens);
        }
        prop_assert!(sum(false) >= u128::from(usage.completion_tokens));
        if !apart {
            prop_assert_eq!(sum(false), u128::from(usage.completion_tokens));
        }
    }
}
