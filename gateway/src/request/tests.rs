//! What goes upstream is what came, less what is ours; what a request may not say is refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn parse(body: &str) -> Result<ClientRequest, RequestError> {
    ClientRequest::parse(
        Operation::Chat,
        Bytes::copy_from_slice(body.as_bytes()),
        1 << 20,
    )
}

fn sent(body: &str) -> String {
    let bytes = parse(body)
        .unwrap()
        .rewritten("upstream-model", &[], &[], UsageOption::Known);
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn fields_go_on_as_they_came() {
    let body = r#"{"messages": [ {"role":"user","content":"h\u00e9"} ],"model":"m","temperature":0.10,"x":1e400}"#;
    assert_eq!(
        sent(body),
        r#"{"messages":[ {"role":"user","content":"h\u00e9"} ],"model":"upstream-model","temperature":0.10,"x":1e400}"#
    );
}

#[test]
fn what_is_for_the_gateway_stays_here() {
    let body =
        r#"{"model":"m","messages":[],"metadata":{"tags":["a"]},"num_retries":3,"user":"u"}"#;
    assert_eq!(
        sent(body),
        r#"{"model":"upstream-model","messages":[],"user":"u"}"#
    );
    let request = parse(body).unwrap();
    assert_eq!(request.metadata.tags, ["a"]);
    assert_eq!(request.user.as_deref(), Some("u"));
    assert_eq!(request.parameters().text(), r#"{"user":"u"}"#);
}

#[test]
fn a_stream_always_asks_for_usage() {
    let asked: Value = serde_json::from_str(&sent(
        r#"{"model":"m","messages":[],"stream":true,"stream_options":{"include_obfuscation":false}}"#,
    ))
    .unwrap();
    assert_eq!(
        asked["stream_options"],
        json!({"include_obfuscation": false, "include_usage": true})
    );
    assert!(!sent(r#"{"model":"m","messages":[],"stream":false}"#).contains("stream_options"));
}

#[test]
fn a_deployments_defaults_fill_what_the_client_left_out() {
    let request = parse(r#"{"model":"m","messages":[],"temperature":1}"#).unwrap();
    let defaults =
        [("temperature", 0), ("seed", 7)].map(|(name, value)| (name.to_owned(), Json::of(&value)));
    let bytes = request.rewritten("u", &defaults, &[], UsageOption::Known);
    assert_eq!(
        bytes,
        r#"{"model":"u","messages":[],"temperature":1,"seed":7}"#
    );
}

#[test]
fn a_request_cannot_change_prices_upstream_or_identity() {
    for name in [
        "api_base",
        "base_url",
        "api_key",
        "custom_llm_provider",
        "input_cost_per_token",
        "output_cost_per_second",
        "cache_read_input_token_cost",
        "user_api_key_user_id",
        "aws_region_name",
        "model_info",
        "extra_headers",
    ] {
        let body = json!({"model": "m", "messages": [], name: "x"}).to_string();
        let error = parse(&body).unwrap_err();
        assert!(
            matches!(error, RequestError::Forbidden(_)),
            "{name}: {error}"
        );
        assert_eq!(error.param(), Some(name));
    }
    // The same, with its name hidden in escapes.
    let hidden = r#"{"model":"m","messages":[],"api\u005fbase":"x"}"#;
    assert!(matches!(parse(hidden), Err(RequestError::Forbidden(_))));
}

#[test]
fn what_stands_in_every_event_has_a_bound() {
    let long = "x".repeat(2000);
    for body in [
        json!({"model": "m", "messages": [], "user": long}),
        json!({"model": "m", "messages": [], "metadata": {"tags": [long]}}),
        json!({"model": "m", "messages": [], "metadata": {"tags": vec!["t"; 100]}}),
        json!({"model": "m", "messages": [], "metadata": {"note": long.repeat(40)}}),
        json!({"model": "m", "messages": [], "mock_response": long.repeat(40)}),
    ] {
        let error = parse(&body.to_string()).unwrap_err();
        assert!(matches!(error, RequestError::TooLarge { .. }), "{error}");
    }
    let large = json!({"model": "m", "messages": [], "tools": [long.repeat(40)]}).to_string();
    assert!(parse(&large).unwrap().parameters().text().len() < 100);
    let priced =
        json!({"model": "m", "messages": [], "n": 10, "size": "1x1", "x": [long.repeat(40)]});
    let kept = parse(&priced.to_string()).unwrap().parameters();
    assert!(
        kept.text()
            .starts_with(r#"{"n":10,"size":"1x1","left_out":"left out: "#),
        "{}",
        kept.text()
    );
}

#[test]
fn an_image_does_not_count_as_the_text_of_its_bytes() {
    let image = format!("data:image/png;base64,{}", "A".repeat(1 << 20));
    let parts = json!([{"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": image}}]);
    let body = json!({"model": "m", "messages": [{"role": "user", "content": parts}]});
    assert!(parse(&body.to_string()).unwrap().prompt_bytes() < 5000);
}

#[test]
fn a_provider_that_refuses_stream_options_is_not_asked() {
    let request = parse(r#"{"model":"m","messages":[],"stream":true}"#).unwrap();
    let sent = request.rewritten("m", &[], &[], UsageOption::Unknown);
    assert_eq!(sent, r#"{"model":"m","messages":[],"stream":true}"#);
}

#[test]
fn one_tag_is_a_list_of_one() {
    let request = parse(r#"{"model":"m","messages":[],"metadata":{"tags":"prod"}}"#).unwrap();
    assert_eq!(request.metadata.tags, ["prod"]);
}

#[test]
fn a_field_that_stands_twice_is_refused() {
    let body = r#"{"model":"cheap","messages":[],"model":"dear"}"#;
    assert!(matches!(parse(body), Err(RequestError::Twice(_))));
}

#[test]
fn garbage_is_told_what_is_wrong_with_it() {
    for (body, wanted) in [
        ("", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("{\"model\":\"m\",", "not a JSON object"),
        ("{} x", "not a JSON object"),
        ("{\"messages\":[]}", "`model` is missing"),
        ("{\"model\":\"m\"}", "`messages` is missing"),
        ("{\"model\":7,\"messages\":[]}", "`model` must be text"),
        (
            "{\"model\":\"m\",\"messages\":{}}",
            "`messages` must be a list",
        ),
        (
            "{\"model\":\"m\",\"messages\":[],\"stream\":\"yes\"}",
            "`stream` must be",
        ),
        (
            "{\"model\":\"m\",\"messages\":[],\"metadata\":{\"tags\":7}}",
            "`metadata` must be",
        ),
    ] {
        let error = parse(body).unwrap_err().to_string();
        assert!(error.contains(wanted), "{body}: {error}");
    }
    let invalid = Bytes::from_static(b"{\"model\":\"m\",\"messages\":[\"\xff\"]}");
    assert!(ClientRequest::parse(Operation::Chat, invalid, 1 << 20).is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_or_understood(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = ClientRequest::parse(Operation::Chat, Bytes::from(body), 1 << 20);
    }

    #[test]
    fn what_goes_upstream_is_json_again(
        fields in prop::collection::btree_map("[a-z\\\\\"\u{e9}]{1,8}", "\\PC{0,12}", 0..8),
    ) {
        let mut object: serde_json::Map<String, Value> =
            fields.into_iter().map(|(name, text)| (name, Value::String(text))).collect();
        object.insert("model".to_owned(), "m".into());
        object.insert("messages".to_owned(), json!([]));
        let body = Value::Object(object.clone()).to_string();
        if let Ok(request) = parse(&body) {
            let upstream: Value = serde_json::from_slice(&request.rewritten("m", &[], &[], UsageOption::Known)).unwrap();
            for name in OURS {
                object.remove(*name);
            }
            prop_assert_eq!(upstream, Value::Object(object));
        }
    }
}
