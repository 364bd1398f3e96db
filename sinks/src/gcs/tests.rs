//! What a user may write, and what each answer means.

use serde_json::{Value, json};
use sink::http::{HeaderMap, StatusCode};

use super::*;

fn config(change: &Value) -> Result<Config, String> {
    let mut config = json!({ "bucket": "calls", "service_account": "canary-7f3d" });
    for (key, value) in change.as_object().unwrap() {
        config[key] = value.clone();
    }
    serde_json::from_value(config).map_err(|error| error.to_string())
}

#[test]
fn settings_that_cannot_work_are_refused_and_named() {
    assert!(config(&json!({})).is_ok());
    for (change, name) in [
        (json!({ "bucket": "Calls" }), "bucket"),
        (json!({ "bucket": "a/../b" }), "bucket"),
        (json!({ "service_account": null }), "service_account"),
        (json!({ "service_account_file": "key.json" }), "not both"),
        (json!({ "storage_class": "cold" }), "storage_class"),
        (json!({ "kms_key": "k" }), "kms_key"),
        (json!({ "prefix": "a/../b" }), "prefix"),
        (json!({ "partition": "{minute}" }), "partition"),
        (json!({ "timeout": 0 }), "timeout"),
    ] {
        let message = config(&change).unwrap_err();
        assert!(message.contains(name), "{change}: {message}");
        assert!(!message.contains("canary"), "{message}");
    }
}

#[test]
fn a_key_that_is_written_is_the_only_one() {
    assert_eq!(Gcs::variables(&Settings::new()).len(), 3);
    let written = json!({ "service_account": "{}" });
    let left = Gcs::variables(written.as_object().unwrap());
    assert_eq!(left, [("bucket", "GCS_BUCKET_NAME")]);
}

#[test]
fn what_an_answer_means() {
    use SinkErrorKind as Kind;
    for (status, reason, meant) in [
        (200, "", Ok(())),
        (412, "conditionNotMet", Ok(())),
        (409, "conflict", Err(Kind::Failing)),
        (400, "invalid", Err(Kind::Misconfigured)),
        (401, "authError", Err(Kind::Unauthorized)),
        (403, "forbidden", Err(Kind::Unauthorized)),
        (403, "rateLimitExceeded", Err(Kind::Throttled)),
        (404, "notFound", Err(Kind::Misconfigured)),
        (429, "rateLimitExceeded", Err(Kind::Throttled)),
        (503, "backendError", Err(Kind::Failing)),
    ] {
        let body = json!({ "error": { "code": status, "errors": [{ "reason": reason }] } });
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.to_string().into(),
            trailers: HeaderMap::new(),
        };
        assert_eq!(judge(&answer), meant, "{status} {reason}");
    }
}

#[cfg(feature = "conformance")]
#[tokio::test]
async fn a_token_is_kept_and_one_that_is_refused_is_replaced_once() {
    use conformance::{Fault, http::HttpDestination, samples};

    let (store, tokens) = (
        HttpDestination::start().unwrap(),
        HttpDestination::start().unwrap(),
    );
    tokens.answer(r#"{"access_token":"token","expires_in":3599}"#);
    let key = include_str!("../google/key.pem");
    let account = json!({ "client_email": "a@b", "private_key": key, "token_uri": tokens.url() });
    let config = json!({ "service_account": account.to_string(), "endpoint": store.url() });
    let config = self::config(&config).unwrap();
    let sink = Gcs::open(config, &conformance::env().unwrap()).unwrap();
    let items = samples::plain(1);
    let batch = Batch::new("batch", &items).unwrap();
    for _ in 0..2 {
        sink.deliver(&batch).await.unwrap();
    }
    assert_eq!((tokens.taken().len(), store.seen().len()), (1, 2));
    store.suffer(Fault::Answers(401));
    let refused = sink.deliver(&batch).await.unwrap_err();
    assert_eq!(refused.kind(), SinkErrorKind::Unauthorized);
    assert_eq!((tokens.taken().len(), store.seen().len()), (2, 4));
    tokens.suffer(Fault::Answers(400));
    let refused = sink.deliver(&batch).await.unwrap_err();
    assert_eq!(refused.kind(), SinkErrorKind::Unauthorized);
}
