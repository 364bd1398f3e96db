//! What a user may write, and what each answer means.

use serde_json::{Value, json};
use sink::http::HeaderMap;

use super::*;

fn config(change: &Value) -> Result<Config, String> {
    let mut config = json!({
        "bucket": "calls", "access_key_id": "AKIA1", "secret_access_key": "canary-7f3d",
    });
    for (key, value) in change.as_object().unwrap() {
        config[key] = value.clone();
    }
    serde_json::from_value(config).map_err(|error| error.to_string())
}

#[test]
fn a_bucket_is_in_the_hosts_name_or_in_the_path() {
    for (change, url) in [
        (json!({}), "https://calls.s3.us-east-1.amazonaws.com/"),
        (
            json!({ "region": "cn-north-1", "path_style": true }),
            "https://s3.cn-north-1.amazonaws.com.cn/calls",
        ),
        (
            json!({ "bucket": "a.b.c" }),
            "https://s3.us-east-1.amazonaws.com/a.b.c",
        ),
        (
            json!({ "endpoint": "http://minio:9000" }),
            "http://minio:9000/calls",
        ),
        (
            json!({ "endpoint": "https://1.r2.cloudflarestorage.com", "region": "auto", "path_style": false }),
            "https://calls.1.r2.cloudflarestorage.com/",
        ),
    ] {
        assert_eq!(config(&change).unwrap().url.expose(), url, "{change}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused_and_named() {
    for (change, name) in [
        (json!({ "bucket": "Calls" }), "bucket"),
        (json!({ "bucket": "a/../b" }), "bucket"),
        (json!({ "bucket": "-ab" }), "bucket"),
        (json!({ "region": "eu west" }), "region"),
        (
            json!({ "secret_access_key": null }),
            "AWS_SECRET_ACCESS_KEY",
        ),
        (json!({ "session_token": "canary a" }), "session_token"),
        (json!({ "storage_class": "cold" }), "storage_class"),
        (json!({ "kms_key_id": "a" }), "kms_key_id"),
        (
            json!({ "kms_key_id": "a", "server_side_encryption": "AES256" }),
            "kms_key_id",
        ),
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
fn a_key_is_not_put_together_from_two_places() {
    let all = S3::variables(&Settings::new());
    assert_eq!(all.len(), 5);
    let written = json!({ "access_key_id": "AKIA1" });
    let left = S3::variables(written.as_object().unwrap());
    assert!(
        left.iter().all(|(setting, _)| *setting == "region"),
        "{left:?}"
    );
}

#[test]
fn what_an_answer_means() {
    use SinkErrorKind as Kind;
    let xml = |code: &str| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
    for (status, code, meant) in [
        (200, "", Ok(())),
        (412, "PreconditionFailed", Ok(())),
        (409, "ConditionalRequestConflict", Err(Kind::Failing)),
        (400, "RequestTimeout", Err(Kind::Failing)),
        (400, "ExpiredToken", Err(Kind::Unauthorized)),
        (400, "EntityTooLarge", Err(Kind::TooLarge)),
        (400, "InvalidStorageClass", Err(Kind::Misconfigured)),
        (403, "SignatureDoesNotMatch", Err(Kind::Unauthorized)),
        (403, "AccessDenied", Err(Kind::Unauthorized)),
        (403, "RequestTimeTooSkewed", Err(Kind::Failing)),
        (404, "NoSuchBucket", Err(Kind::Misconfigured)),
        (301, "PermanentRedirect", Err(Kind::Misconfigured)),
        (503, "SlowDown", Err(Kind::Failing)),
    ] {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: xml(code).into_bytes().into(),
            trailers: HeaderMap::new(),
        };
        assert_eq!(judge(&answer), meant, "{status} {code}");
        let probed = if code == "AccessDenied" {
            Ok(())
        } else {
            meant
        };
        assert_eq!(judge_probe(&answer), probed, "{status} {code}");
    }
}
