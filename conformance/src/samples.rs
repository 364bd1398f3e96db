//! Events to deliver: plain ones, and all that is awkward about real ones.

use event::{
    Alert, AlertKind, CallId, Class, Cost, CostStatus, Exact, Extension, Json, LineItem, Metadata,
    Origin, Outcome, PricedEvent, Severity, StandardLoggingPayload, Status, Timestamp, Unpriced,
    UsageSource, Usd, codec,
};
use sink::Item;

/// 2026-11-21T11:42:14Z, when the calls of the samples began.
const START: i64 = 1_795_261_334_000_000;

/// `count` plain events, in the order of their origins.
#[must_use]
pub fn plain(count: u64) -> Vec<Item> {
    (1..=count)
        .map(|sequence| item(payload(sequence), sequence, one_dollar()))
        .collect()
}

/// `count` plain alerts, in the order of their numbers.
#[must_use]
pub fn alerts(count: u64) -> Vec<Item> {
    (1..=count).map(|number| alert(number, None)).collect()
}

/// An alert whose message has at least `bytes` bytes, if that is asked for.
pub(crate) fn alert(number: u64, bytes: Option<usize>) -> Item {
    let message = bytes.map_or_else(
        || format!("team `team-{number}` has used 80 % of its budget"),
        |bytes| "x".repeat(bytes),
    );
    let alert = Alert {
        key: format!("sink_failing/sink-{number}"),
        kind: AlertKind::SinkFailing,
        severity: Severity::Warning,
        at: Timestamp::from_micros(START),
        message,
        facts: None,
    };
    open(&codec::encode_alert(&alert, number))
}

/// One event for each awkward thing: text that is not ASCII, empty strings, `\u0000`, token counts
/// beyond 2⁶³, a cost of 10⁻⁹ USD, a cost that is not known, a content of a megabyte.
#[must_use]
pub fn awkward() -> Vec<Item> {
    let shapes: &[fn(&mut StandardLoggingPayload)] = &[
        |payload| {
            payload.model = "модель/模型-🦀\u{202e}".to_owned();
            payload.end_user = Some("Zoë \"Q\" O'Brien\\ \u{2028}".to_owned());
            payload.request_tags = vec!["naïve\ttag\r\n".to_owned(), "🏷".to_owned()];
        },
        |payload| {
            payload.model = String::new();
            payload.end_user = Some(String::new());
            payload.request_tags = vec![String::new()];
            payload.metadata.user_api_key_alias = Some(String::new());
        },
        |payload| {
            payload.end_user = Some("a\0b".to_owned());
            payload.messages = Json::of(&[serde_json::json!({ "content": "\0\u{1}\u{7f}" })]);
        },
        |payload| {
            payload.prompt_tokens = 1 << 63;
            payload.completion_tokens = u64::MAX;
            payload.total_tokens = u64::MAX;
        },
        |payload| {
            payload.messages = Json::of(&[serde_json::json!({ "content": "€".repeat(350_000) })]);
        },
        |payload| {
            payload.status = Status::Failure;
            payload.error_str = Some("line one\nline two".to_owned());
            payload.error_information.error_code = "429".to_owned();
            payload.error_information.error_class = "RateLimitError".to_owned();
            payload.custom_llm_provider = None;
        },
    ];
    let costs = [
        cost("0.000000001"),
        cost("123456789.000000000001"),
        Cost::nothing("test"),
    ];
    let shaped = shapes.iter().zip(1_u64..).map(|(shape, sequence)| {
        let mut payload = payload(sequence);
        shape(&mut payload);
        item(payload, sequence, one_dollar())
    });
    let costs = costs.into_iter().chain([Cost::unpriced(
        "test",
        Unpriced::NoSuchModel,
        "no such model",
    )]);
    let priced = costs
        .zip(100_u64..)
        .map(|(cost, at)| item(payload(at), at, cost));
    shaped.chain(priced).collect()
}

/// The first correction of an event of [`plain`]: the same id, another cost and another key.
#[must_use]
pub fn corrected(sequence: u64) -> Item {
    let first = PricedEvent::new(payload(sequence), origin(sequence), one_dollar());
    let at = Timestamp::from_micros(START);
    open(&codec::encode_priced(&first.corrected(
        cost("1.5"),
        at,
        "the prices have changed",
    )))
}

/// An event whose JSON has at least `bytes` bytes.
#[must_use]
pub fn of_size(bytes: usize, sequence: u64) -> Item {
    let mut payload = payload(sequence);
    payload.messages = Json::of(&[serde_json::json!({ "content": "x".repeat(bytes) })]);
    item(payload, sequence, one_dollar())
}

/// An item that has the id of an event and is none: what a damaged log would give.
#[must_use]
pub fn unreadable(sequence: u64) -> Item {
    let whole = item(payload(sequence), sequence, one_dollar());
    let id = whole.id();
    let damaged = format!(r#"{{"tollkeeper":{{"settlement":{{"event_id":"{id}"}}}}}}"#);
    whole.with_json(damaged.into_bytes().into())
}

/// An item that has the id of an alert and is none.
#[must_use]
pub fn unreadable_alert(number: u64) -> Item {
    let whole = alert(number, None);
    let damaged = format!(r#"{{"alert_id":"{}"}}"#, whole.id());
    whole.with_json(damaged.into_bytes().into())
}

fn item(payload: StandardLoggingPayload, sequence: u64, cost: Cost) -> Item {
    open(&codec::encode_priced(&PricedEvent::new(
        payload,
        origin(sequence),
        cost,
    )))
}

#[expect(
    clippy::expect_used,
    reason = "the record was encoded by the same version of the codec"
)]
fn open(record: &[u8]) -> Item {
    Item::open(record).expect("what was encoded can be opened")
}

fn origin(sequence: u64) -> Origin {
    Origin {
        source: "8d0c7f9e-54a7-4a06-9b1c-0d3f3f2a7c11".to_owned(),
        sequence,
    }
}

fn payload(sequence: u64) -> StandardLoggingPayload {
    let start = START + i64::try_from(sequence).unwrap_or(0) * 1_000;
    StandardLoggingPayload {
        id: format!("chatcmpl-{sequence}"),
        litellm_call_id: CallId::parse(&format!("call-{sequence}")).unwrap_or_default(),
        trace_id: format!("trace-{sequence}"),
        call_type: "acompletion".to_owned(),
        stream: Some(false),
        status: Status::Success,
        custom_llm_provider: Some("openai".to_owned()),
        start_time: Timestamp::from_micros(start),
        end_time: Timestamp::from_micros(start + 1_234_567),
        completion_start_time: Timestamp::from_micros(start + 1_234_567),
        model: "openai/gpt-4o".to_owned(),
        model_group: Some("gpt-4o".to_owned()),
        prompt_tokens: 12,
        completion_tokens: 34,
        total_tokens: 46,
        end_user: Some("customer-7".to_owned()),
        request_tags: vec!["production".to_owned()],
        messages: Json::of(&[serde_json::json!({ "role": "user", "content": "How much?" })]),
        response: Json::of(&serde_json::json!({ "choices": [{ "message": { "content": "$1" } }] })),
        metadata: Metadata {
            user_api_key_hash: Some("9f86d081884c7d65".to_owned()),
            user_api_key_alias: Some("key-of-ann".to_owned()),
            user_api_key_team_id: Some("team-1".to_owned()),
            user_api_key_user_id: Some("ann".to_owned()),
            ..Metadata::default()
        },
        tollkeeper: Some(Box::new(Extension {
            outcome: Outcome::Success,
            usage_source: UsageSource::Provider,
            ..Extension::default()
        })),
        ..StandardLoggingPayload::default()
    }
}

fn one_dollar() -> Cost {
    cost("1.25")
}

/// A known cost of one line.
fn cost(amount: &str) -> Cost {
    let exact: Exact = amount.parse().unwrap_or_default();
    let item = LineItem {
        class: Class::Output,
        quantity: "1".parse().unwrap_or_default(),
        unit_price: exact,
        amount: exact,
        key: "output_cost_per_token".to_owned(),
    };
    Cost {
        status: CostStatus::Priced,
        total: Usd::round(exact.0).ok(),
        items: vec![item],
        price_map: "test".to_owned(),
        entry: Some("gpt-4o".to_owned()),
        ..Cost::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_events_with_ids_of_their_own() {
        for items in [plain(3), awkward(), alerts(3)] {
            let mut ids: Vec<_> = items.iter().map(Item::id).collect();
            ids.dedup();
            assert_eq!(ids.len(), items.len());
        }
        assert!(unreadable(7).event().is_none() && unreadable_alert(7).alert().is_none());
        assert!(awkward().iter().all(|item| item.event().is_some()));
        assert!(alerts(2).iter().all(|item| item.alert().is_some()));
        assert!(of_size(5000, 1).json().len() >= 5000);
    }
}
