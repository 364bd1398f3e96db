//! Settings, and what a body says.

use serde_json::{Value, json};

use super::*;
use crate::alert::turns::Turn;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn config(change: &Value) -> Result<Config, String> {
    let mut config = json!({ "url": "https://hooks.example/a", "secret": SECRET });
    for (key, value) in change.as_object().unwrap() {
        config[key] = value.clone();
    }
    serde_json::from_value(config).map_err(|error| error.to_string())
}

#[test]
fn settings_have_the_defaults_that_are_safe() {
    let config = config(&json!({})).unwrap();
    assert_eq!(
        (config.content, config.timeout),
        (Content::Thin, Duration::from_secs(20))
    );
    assert_eq!(config.keys.len(), 1);
}

#[test]
fn old_and_new_secret_sign_together() {
    let config = config(&json!({ "secrets": [format!("{SECRET}"), SECRET] })).unwrap();
    assert_eq!(config.keys.len(), 3);
}

#[test]
fn settings_that_cannot_work_are_refused_and_say_why() {
    for (change, said) in [
        (json!({ "secret": null }), "`secret` is missing"),
        (json!({ "secret": "abc" }), "`whsec_`"),
        (
            json!({ "secret": "whsec_YWJj" }),
            "3 bytes instead of 24 to 64",
        ),
        (json!({ "url": "ftp://hooks.example" }), "https://"),
        (
            json!({ "url": "https://user:pw@hooks.example" }),
            "credentials",
        ),
        (json!({ "headers": { "Host": "x" } }), "must not set `Host`"),
        (
            json!({ "headers": { "Webhook-Id": "x" } }),
            "must not set `Webhook-Id`",
        ),
        (
            json!({ "headers": { "Content-Length": "1" } }),
            "must not set `Content-Length`",
        ),
        (
            json!({ "headers": { "Content-Encoding": "x" } }),
            "must not set",
        ),
        (
            json!({ "headers": { "Transfer-Encoding": "chunked" } }),
            "must not set",
        ),
        (
            json!({ "headers": { "a b": "x" } }),
            "not the name of a header",
        ),
        (
            json!({ "headers": { "a": "x\r\nb: c" } }),
            "not the name of a header",
        ),
        (json!({ "timeout": "0s" }), "longer than nothing"),
        (json!({ "timeout": "soon" }), "use a duration"),
        (json!({ "content": "fat" }), "`thin`"),
        (json!({ "format": "ndjson" }), "`dialect: litellm`"),
        (json!({ "headers": "YWJj" }), "name=value"),
        (json!({ "headers": 1 }), "a mapping of names"),
        (json!({ "source": "a b" }), "without blanks"),
        (json!({ "colour": 1 }), "`colour`"),
    ] {
        let error = config(&change).unwrap_err();
        assert!(error.contains(said), "{change}: {error}");
        assert!(!error.contains("YWJj") && !error.contains("pw"), "{error}");
    }
}

#[test]
fn litellms_headers_are_read_as_it_writes_them() {
    let list = "x-api-key=a=b==, x-other = c,";
    let change = json!({ "dialect": "litellm", "secret": null, "headers": list });
    let config = config(&change).unwrap();
    assert_eq!(config.headers["x-api-key"], "a=b==");
    assert_eq!(config.headers["x-other"], "c");
    assert_eq!((config.content, config.keys.len()), (Content::Full, 0));
}

#[cfg(feature = "conformance")]
mod with_samples {
    use conformance::samples;
    use sink::Item;

    use super::*;

    fn posts(items: &[Item], change: &Value) -> Vec<Post> {
        turns(items, change)
            .into_iter()
            .map(|turn| turn.part)
            .collect()
    }

    fn turns(items: &[Item], change: &Value) -> Vec<Turn<Post>> {
        let batch = Batch::new("0-7-9", items).unwrap();
        let (posts, receipt) = body::posts(&batch, &config(change).unwrap());
        assert_eq!(receipt, Receipt::default());
        posts
    }

    fn body(items: &[Item], content: Content) -> (Value, String) {
        let content = if content == Content::Thin {
            "thin"
        } else {
            "full"
        };
        let mut posts = posts(items, &json!({ "content": content }));
        let text = String::from_utf8(posts.remove(0).body).unwrap();
        assert_eq!(posts, []);
        (serde_json::from_str(&text).unwrap(), text)
    }

    fn id_of(items: &[Item]) -> String {
        posts(items, &json!({})).remove(0).id
    }

    #[test]
    fn one_event_is_a_call_and_several_are_a_batch() {
        let items = samples::plain(2);
        let (one, _) = body(&items[..1], Content::Thin);
        assert_eq!(one["type"], "llm.call.completed");
        assert_eq!(one["timestamp"], "2026-11-21T11:42:15.235567Z");
        assert_eq!(one["data"]["event_id"], items[0].id().to_string());
        assert_eq!(one["data"]["litellm_call_id"], "call-1");
        let (two, _) = body(&items, Content::Thin);
        assert_eq!(two["type"], "llm.calls.batch");
        assert_eq!(two["data"]["events"][1]["sequence"], 2);
        assert_eq!(two["timestamp"], "2026-11-21T11:42:15.236567Z");
    }

    #[test]
    fn an_id_goes_with_what_is_in_the_batch() {
        let items = samples::plain(3);
        assert_eq!(id_of(&items[..1]), items[0].id().to_string());
        assert_eq!(id_of(&items), id_of(&items));
        assert!(id_of(&items).starts_with("batch_0-7-9_"));
        assert_ne!(id_of(&items[..2]), id_of(&items[1..]));
    }

    #[test]
    fn a_correction_has_a_key_of_its_own_and_says_what_it_replaces() {
        let first = samples::plain(1);
        let next = [samples::corrected(1)];
        assert_eq!(first[0].id(), next[0].id());
        assert_eq!(id_of(&next), format!("{}-r1", first[0].id()));
        for content in [Content::Thin, Content::Full] {
            let (one, _) = body(&next, content);
            assert_eq!(one["type"], "llm.call.corrected");
            let data = &one["data"];
            assert_eq!(data["event_id"], first[0].id().to_string());
            assert_eq!(
                (&data["revision"], &data["response_cost"]),
                (&1.into(), &1.5.into())
            );
            let previous = &data["tollkeeper"]["settlement"]["previous"];
            assert_eq!(previous["total"], 1.25);
            assert_eq!(previous["difference"], 0.25);
        }
        let mut both = first;
        both.extend(next);
        let (two, _) = body(&both, Content::Thin);
        assert_eq!(two["type"], "llm.calls.batch");
        assert_eq!(two["data"]["events"][0]["revision"], Value::Null);
        assert_eq!(two["data"]["events"][1]["revision"], 1);
        let twice = [samples::corrected(1), samples::corrected(1)];
        assert_ne!(id_of(&both), id_of(&twice));
    }

    #[test]
    fn a_thin_event_says_what_it_cost_and_not_what_was_said() {
        let (_, text) = body(&samples::awkward(), Content::Thin);
        assert!(
            text.contains(r#""response_cost":123456789.000000000001"#),
            "{text}"
        );
        assert!(text.contains(r#""response_cost":0.000000001"#));
        assert!(text.contains(r#""response_cost":null"#));
        assert!(text.contains(r#""prompt_tokens":9223372036854775808"#));
        for said in [
            "How much",
            "messages",
            "choices",
            "error_str",
            "line one",
            "€",
        ] {
            assert!(!text.contains(said), "{said}");
        }
        let usual = body(&samples::plain(1), Content::Thin).1;
        assert!(usual.len() < 2_000, "{} bytes", usual.len());
    }

    #[test]
    fn a_thin_event_is_a_part_of_the_full_one() {
        let items = samples::plain(1);
        let (thin, full) = (body(&items, Content::Thin).0, body(&items, Content::Full).0);
        assert_part(&thin["data"], &full["data"], "data");
    }

    fn assert_part(part: &Value, whole: &Value, at: &str) {
        match part {
            Value::Object(fields) => {
                for (key, value) in fields {
                    assert_part(value, &whole[key], &format!("{at}.{key}"));
                }
            }
            _ => assert_eq!(part, whole, "{at}"),
        }
    }

    #[test]
    fn nothing_is_posted_if_no_item_is_an_event() {
        let items = [samples::unreadable(1)];
        let batch = Batch::new("0", &items).unwrap();
        let (posts, receipt) = body::posts(&batch, &config(&json!({})).unwrap());
        assert_eq!((posts.len(), receipt.refused()[0].index), (0, 0));
    }
    fn text(post: &Post) -> &str {
        std::str::from_utf8(&post.body).unwrap()
    }

    #[test]
    fn litellms_calls_are_payloads_in_the_form_that_is_asked_for() {
        let items = samples::plain(2);
        let json = |item: &Item| String::from_utf8(item.json().to_vec()).unwrap();
        let (one, two) = (json(&items[0]), json(&items[1]));
        for (format, content_type, bodies) in [
            ("array", "application/json", vec![format!("[{one},{two}]")]),
            (
                "json_array",
                "application/json",
                vec![format!("[{one},{two}]")],
            ),
            (
                "ndjson",
                "application/x-ndjson",
                vec![format!("{one}\n{two}\n")],
            ),
            ("single", "application/json", vec![one.clone(), two.clone()]),
        ] {
            let posts = posts(&items, &json!({ "dialect": "litellm", "format": format }));
            let texts: Vec<_> = posts.iter().map(text).collect();
            assert_eq!(texts, bodies, "{format}");
            assert!(posts.iter().all(|post| post.content_type == content_type));
        }
    }

    #[test]
    fn litellms_alerts_have_the_names_of_its_webhook() {
        let plain = samples::alerts(1).remove(0);
        let mut said: Value = serde_json::from_slice(plain.json()).unwrap();
        said["facts"] = json!({ "event_group": "team", "team_id": "t", "spend": null });
        let told = plain.with_json(said.to_string().into_bytes().into());
        let mut items = samples::plain(2);
        items.insert(1, told);
        items.push(samples::alerts(2).remove(1));
        let posts = posts(&items, &json!({ "dialect": "litellm" }));
        let turns = turns(&items, &json!({ "dialect": "litellm" }));
        let places: Vec<_> = turns.iter().map(|turn| &turn.items[..]).collect();
        assert_eq!(places, [&[0][..], &[1], &[2], &[3]]);
        let message = "team `team-1` has used 80 % of its budget";
        assert_eq!(
            serde_json::from_str::<Value>(text(&posts[1])).unwrap(),
            json!({
                "event": "sink_failing", "event_message": message,
                "event_group": "team", "team_id": "t",
            })
        );
        assert!(text(&posts[3]).contains(r#""event_group":"proxy""#));
    }

    #[test]
    fn a_cloud_event_has_its_attributes_and_amounts_keep_their_digits() {
        let mut items = samples::awkward().split_off(7);
        items.truncate(1);
        let post = posts(&items, &json!({ "dialect": "cloudevents" })).remove(0);
        assert_eq!(post.content_type, "application/cloudevents+json");
        assert_eq!(post.id, items[0].key());
        let said: Value = serde_json::from_str(text(&post)).unwrap();
        assert_eq!(said["specversion"], "1.0");
        assert_eq!(said["id"], items[0].key());
        assert_eq!(said["type"], "llm.call.completed");
        assert_eq!(said["subject"], "call-101");
        assert!(text(&post).contains(r#""response_cost":123456789.000000000001"#));
        items.extend(samples::alerts(1));
        let both = posts(
            &items,
            &json!({ "dialect": "cloudevents", "source": "urn:x" }),
        )
        .remove(0);
        assert_eq!(both.content_type, "application/cloudevents-batch+json");
        let said: Value = serde_json::from_str(text(&both)).unwrap();
        assert_eq!(said[1]["type"], "llm.alert");
        assert_eq!(said[1]["source"], "urn:x");
        assert_eq!(said[1]["data"]["kind"], "sink_failing");
    }
}
