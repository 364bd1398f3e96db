//! Calls for the tests.

use event::{
    CallId, Extension, Json, Metadata, Outcome, StandardLoggingPayload, Started, Status, Timestamp,
    Usage, UsageSource, codec,
};

/// The start of call 0: 2026-11-20 12:00:00 UTC.
pub(crate) const NOON: i64 = 1_795_176_000_000_000;

/// A call that was answered; a second after the one before it.
pub(crate) fn call(number: u64) -> StandardLoggingPayload {
    let usage = Usage {
        prompt_tokens: 1000 + number,
        completion_tokens: 10 + number % 7,
        total_tokens: 1010 + number + number % 7,
        ..Usage::default()
    };
    let started = NOON + i64::try_from(number).unwrap() * 1_000_000;
    StandardLoggingPayload {
        id: format!("chatcmpl-{number}"),
        litellm_call_id: CallId::parse(&format!("call-{number}")).unwrap(),
        call_type: "acompletion".to_owned(),
        status: Status::Success,
        custom_llm_provider: Some("openai".to_owned()),
        start_time: Timestamp::from_micros(started),
        end_time: Timestamp::from_micros(started + 250_000),
        completion_start_time: Timestamp::from_micros(started + 100_000),
        model: if number.is_multiple_of(2) {
            "openai/gpt-4o"
        } else {
            "openai/gpt-4o-mini"
        }
        .to_owned(),
        model_group: Some("chat".to_owned()),
        metadata: Metadata {
            user_api_key_hash: Some(format!("hash-{}", number % 3)),
            user_api_key_user_id: Some(format!("user-{}", number % 5)),
            user_api_key_team_id: Some("team-1".to_owned()),
            usage_object: Json::of(&usage),
            ..Metadata::default()
        },
        total_tokens: usage.total_tokens,
        prompt_tokens: usage.prompt_tokens,
        completion_tokens: usage.completion_tokens,
        request_tags: vec![
            "tests".to_owned(),
            format!("tag-{}", number % 2),
            "tests".to_owned(),
        ],
        response: Json::empty_object(),
        tollkeeper: Some(Box::new(Extension {
            outcome: Outcome::Success,
            usage_source: UsageSource::Provider,
            ..Extension::default()
        })),
        ..StandardLoggingPayload::default()
    }
}

/// A call of a model that nobody knows.
pub(crate) fn unpriced(number: u64) -> StandardLoggingPayload {
    StandardLoggingPayload {
        model: "acme/unheard-of".to_owned(),
        ..call(number)
    }
}

/// The record of a finished call.
pub(crate) fn finished(payload: &StandardLoggingPayload) -> Vec<u8> {
    codec::encode_finished(payload)
}

/// The record of a started call.
pub(crate) fn started(number: u64) -> Vec<u8> {
    let call_id = CallId::parse(&format!("call-{number}")).unwrap();
    codec::encode_started(&Started {
        call_id,
        ..Started::default()
    })
}
