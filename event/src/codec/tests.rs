//! Every version ever written is read; garbage is refused.

use proptest::prelude::*;

use super::*;
use crate::{
    AlertKind, CallId, Class, Cost, CostStatus, Exact, Extension, Json, LineItem, Origin, Outcome,
    Severity, Status, Timestamp, Unpriced, Usd,
};

/// Records as version 1 wrote them. Never edited: what was written has to stay readable.
const STARTED_V1: &[u8] = include_bytes!("../../golden/started.v1");
const FINISHED_V1: &[u8] = include_bytes!("../../golden/finished.v1");
const PRICED_V1: &[u8] = include_bytes!("../../golden/priced.v1");
const CORRECTED_V1: &[u8] = include_bytes!("../../golden/corrected.v1");

fn started() -> Started {
    Started {
        call_id: CallId::parse("call-1").unwrap(),
        start_time: Timestamp::from_micros(1_795_185_951_397_412),
        model: "openai/gpt-4o".to_owned(),
        prompt_tokens: 12,
        ..Started::default()
    }
}

fn finished() -> StandardLoggingPayload {
    StandardLoggingPayload {
        litellm_call_id: CallId::parse("call-1").unwrap(),
        status: Status::Success,
        model: "openai/gpt-4o".to_owned(),
        messages: Json::parse(r#"[{"role":"user","content":"héllo \u0000"}]"#.to_owned()).unwrap(),
        prompt_tokens: u64::MAX,
        tollkeeper: Some(Box::new(Extension {
            outcome: Outcome::Success,
            ..Extension::default()
        })),
        ..StandardLoggingPayload::default()
    }
}

fn priced() -> PricedEvent {
    let price: Exact = "0.0000025".parse().unwrap();
    let cost = Cost {
        status: CostStatus::Priced,
        total: Some(Usd::from_picos(2_500_000)),
        items: vec![LineItem {
            class: Class::Input,
            quantity: "1".parse().unwrap(),
            unit_price: price,
            amount: price,
            key: "input_cost_per_token".to_owned(),
        }],
        price_map: "test".to_owned(),
        entry: Some("gpt-4o".to_owned()),
        ..Cost::default()
    };
    PricedEvent::new(
        finished(),
        Origin {
            source: "s".to_owned(),
            sequence: 3,
        },
        cost,
    )
}

fn corrected() -> PricedEvent {
    let mut cost = priced().cost().clone();
    cost.total = Some(Usd::from_picos(2_000_000));
    cost.price_map = "test-2".to_owned();
    cost.items[0].unit_price = "0.000002".parse().unwrap();
    cost.items[0].amount = cost.items[0].unit_price;
    let at = Timestamp::from_micros(1_795_190_000_000_000);
    priced().corrected(cost, at, "prices have changed")
}

#[test]
fn version_1_is_still_read() {
    assert_eq!(
        decode_call(STARTED_V1).unwrap(),
        CallRecord::Started(Box::new(started()))
    );
    assert_eq!(
        decode_call(FINISHED_V1).unwrap(),
        CallRecord::Finished(Box::new(finished()))
    );
    assert_eq!(decode_priced(PRICED_V1).unwrap(), priced());
    assert_eq!(decode_priced(CORRECTED_V1).unwrap(), corrected());
}

#[test]
fn what_is_written_is_read_back() {
    let started = started();
    let read = decode_call(&encode_started(&started)).unwrap();
    assert_eq!(read, CallRecord::Started(Box::new(started)));
    let finished = finished();
    let read = decode_call(&encode_finished(&finished)).unwrap();
    assert_eq!(read, CallRecord::Finished(Box::new(finished)));
    for (revision, priced) in [(0, priced()), (1, corrected())] {
        let record = encode_priced(&priced);
        assert_eq!(decode_priced(&record).unwrap(), priced);
        let opened = open_priced(&record).unwrap();
        assert_eq!(
            (opened.id, &opened.origin, opened.revision),
            (priced.id(), &priced.settlement().origin, revision)
        );
        assert_eq!(opened.json, serde_json::to_vec(&priced).unwrap());
    }
}

#[test]
fn an_alert_is_written_with_its_id_and_is_no_event() {
    let alert = Alert {
        key: "sink_failing/files".to_owned(),
        kind: AlertKind::SinkFailing,
        severity: Severity::Critical,
        at: Timestamp::from_micros(1_795_185_951_397_412),
        message: "sink `files` is on hold".to_owned(),
        facts: None,
    };
    let record = encode_alert(&alert, 7);
    assert_eq!(record, encode_alert(&alert, 7));
    let opened = open_priced(&record).unwrap();
    assert_eq!(
        (opened.kind, opened.revision, opened.origin.sequence),
        (PricedKind::Alert, 0, 7)
    );
    assert_eq!(opened.origin.source, ALERTS);
    assert_ne!(opened.id, open_priced(&encode_alert(&alert, 8)).unwrap().id);
    let json: serde_json::Value = serde_json::from_slice(opened.json).unwrap();
    assert_eq!(json["alert_id"], opened.id.to_string());
    assert_eq!(
        (&json["number"], &json["kind"]),
        (&7.into(), &"sink_failing".into())
    );
    assert_eq!(serde_json::from_slice::<Alert>(opened.json).unwrap(), alert);
    assert!(matches!(
        decode_priced(&record),
        Err(DecodeError::UnknownKind { kind: 5, .. })
    ));
}

#[test]
fn a_correction_says_what_it_was_and_by_how_much_it_changed() {
    let json = serde_json::to_value(corrected()).unwrap();
    let settlement = &json["tollkeeper"]["settlement"];
    assert_eq!(settlement["revision"], 1);
    assert_eq!(
        settlement["previous"],
        serde_json::json!({
            "status": "priced", "total": 0.000_002_5, "difference": -0.000_000_5,
            "at": 1_795_190_000.0, "reason": "prices have changed"
        })
    );
    assert_eq!(json["response_cost"], 0.000_002);
    let first = serde_json::to_string(&priced()).unwrap();
    assert!(!first.contains("revision") && !first.contains("previous"));
}

#[test]
fn a_price_that_is_found_later_takes_the_reason_away() {
    let unpriced = Cost::unpriced("test", Unpriced::NoSuchModel, "no such model");
    let event = PricedEvent::new(finished(), Origin::default(), unpriced);
    let event = event.corrected(priced().cost().clone(), Timestamp::default(), "found");
    assert!(event.payload().response_cost_failure_debug_info.is_null());
    let previous = event.settlement().previous.clone().unwrap();
    assert_eq!(
        (previous.status, previous.total),
        (CostStatus::Unpriced, None)
    );
    assert_eq!(Some(previous.difference), event.cost().total);
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let error = decode_call(&[9, 1, b'{', b'}']).unwrap_err();
    assert!(error.to_string().contains("version 9"), "{error}");
    assert!(matches!(
        decode_call(&[1, 9]),
        Err(DecodeError::UnknownKind { .. })
    ));
    assert!(matches!(decode_call(&[1]), Err(DecodeError::Short)));
}

#[test]
fn an_unpriced_call_has_no_cost_rather_than_none() {
    let cost = Cost::unpriced("test", Unpriced::NoSuchModel, "no such model");
    let event = PricedEvent::new(finished(), Origin::default(), cost);
    let json = serde_json::to_value(&event).unwrap();
    assert!(json["response_cost"].is_null());
    assert!(json["cost_breakdown"].is_null());
    assert_eq!(
        json["response_cost_failure_debug_info"]["error_str"],
        "no such model"
    );
}

proptest! {
    #[test]
    fn garbage_is_refused_without_a_panic(record in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_call(&record);
        let _ = decode_priced(&record);
    }

    #[test]
    fn a_damaged_record_is_refused_or_read(at in 0..PRICED_V1.len(), byte: u8) {
        let mut record = PRICED_V1.to_vec();
        record[at] = byte;
        let _ = decode_priced(&record);
    }

    #[test]
    fn a_damaged_correction_is_refused_or_read(at in 0..CORRECTED_V1.len(), byte: u8) {
        let mut record = CORRECTED_V1.to_vec();
        record[at] = byte;
        let _ = decode_priced(&record);
    }
}
