//! Whoever asks may have content left out; having it written down has to be allowed.

use http::Request;
use serde_json::{Value, json};

use super::*;
use crate::operation::Operation;

/// Whether content stays out of the event of a request with this header and these fields.
fn redacted(config: &Config, header: Option<(&str, &str)>, fields: &Value) -> bool {
    let mut head = Request::builder();
    if let Some((name, value)) = header {
        head = head.header(name, value);
    }
    let (head, ()) = head.body(()).unwrap().into_parts();
    let mut body = json!({"model": "m", "messages": []});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    let now = event::Timestamp::from_micros(0);
    let mut draft = Draft::new(&head, ("/x", Operation::Chat), None, now);
    let request = ClientRequest::parse(Operation::Chat, body.to_string().into(), 100);
    draft.request = Some(request.unwrap());
    applies(config, &draft)
}

#[test]
fn everybody_may_have_content_left_out() {
    let config = Config::default();
    for (header, fields, expected) in [
        (None, json!({}), false),
        (None, json!({"no-log": true}), true),
        (None, json!({"no-log": false}), false),
        (None, json!({"turn_off_message_logging": true}), true),
        (
            Some(("x-litellm-enable-message-redaction", "true")),
            json!({}),
            true,
        ),
        (
            Some(("litellm-enable-message-redaction", "1")),
            json!({}),
            true,
        ),
        (
            Some(("x-litellm-enable-message-redaction", "False")),
            json!({}),
            false,
        ),
        (
            Some(("x-litellm-enable-message-redaction", "")),
            json!({}),
            false,
        ),
        // Of two that disagree, the careful one counts.
        (
            Some(("litellm-disable-message-redaction", "true")),
            json!({"no-log": true}),
            true,
        ),
    ] {
        assert_eq!(
            redacted(&config, header, &fields),
            expected,
            "{header:?} {fields}"
        );
    }
}

#[test]
fn having_content_written_down_against_the_configuration_has_to_be_allowed() {
    let mut config = Config {
        redact_messages: true,
        ..Config::default()
    };
    let disable = Some(("litellm-disable-message-redaction", "true"));
    let no = json!({"turn_off_message_logging": false});
    assert!(redacted(&config, None, &json!({})));
    assert!(redacted(&config, disable, &json!({})));
    assert!(redacted(&config, None, &no));
    config.settings.allow_redaction_opt_out = true;
    assert!(redacted(&config, None, &json!({})));
    assert!(!redacted(&config, disable, &json!({})));
    assert!(!redacted(&config, None, &no));
}

#[test]
fn no_log_means_nothing_where_the_configuration_says_so() {
    let config = Config {
        ignores_no_log: true,
        ..Config::default()
    };
    assert!(!redacted(&config, None, &json!({"no-log": true})));
}
