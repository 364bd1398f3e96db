//! What a user may write.

use serde_json::{Value, json};

use super::*;

fn config(change: &Value) -> Result<Config, String> {
    let mut config =
        json!({ "project": "p-1", "topic": "calls", "service_account": "canary-7f3d" });
    for (key, value) in change.as_object().unwrap() {
        config[key] = value.clone();
    }
    serde_json::from_value(config).map_err(|error| error.to_string())
}

#[test]
fn settings_that_cannot_work_are_refused_and_named() {
    let good = config(&json!({})).unwrap();
    assert_eq!(
        good.verb("publish").unwrap().expose(),
        "https://pubsub.googleapis.com/v1/projects/p-1/topics/calls:publish"
    );
    for (change, name) in [
        (json!({ "project": "a/b" }), "project"),
        (json!({ "topic": "projects/p/topics/t" }), "topic"),
        (json!({ "order_by": "model" }), "order_by"),
        (json!({ "service_account": null }), "service_account"),
        (json!({ "service_account_file": "key.json" }), "not both"),
        (json!({ "timeout": 0 }), "timeout"),
    ] {
        let message = config(&change).unwrap_err();
        let named = message.contains(name) || message.contains("unknown variant");
        assert!(named, "{change}: {message}");
        assert!(!message.contains("canary"), "{message}");
    }
}

#[cfg(feature = "conformance")]
mod sent {
    use conformance::samples;

    use super::*;

    fn items(ids: &[(&str, usize)]) -> Vec<sink::Item> {
        ids.iter()
            .zip(1_u64..)
            .map(|((model, bytes), number)| {
                let item = samples::of_size(*bytes, number);
                let mut event: Value = serde_json::from_slice(item.json()).unwrap();
                event["model"] = (*model).into();
                item.with_json(event.to_string().into_bytes().into())
            })
            .collect()
    }

    #[test]
    fn attributes_are_bounded_and_what_is_too_large_is_refused_alone() {
        let long = "é".repeat(2_000);
        let items = items(&[(&long, 10), ("", 10), ("gpt", 8_000_000)]);
        let batch = Batch::new("batch", &items).unwrap();
        let (messages, receipt) = message::messages(&batch, Some(OrderBy::Team));
        let sent: Value = serde_json::from_slice(&message::body(&messages)).unwrap();
        assert_eq!(sent["messages"][0]["attributes"]["model"], "é".repeat(512));
        assert_eq!(sent["messages"][0]["orderingKey"], "team-1");
        assert_eq!(sent["messages"][1]["attributes"]["model"], Value::Null);
        let refused: Vec<_> = receipt.refused().iter().map(|one| one.index).collect();
        assert_eq!((messages.len(), refused), (2, vec![2]));
    }

    #[tokio::test]
    async fn a_batch_that_a_request_cannot_have_is_split() {
        let mut rig = conformance::Stand::rig(&Stand);
        let env = conformance::env().unwrap();
        let sink = Pubsub::open(serde_json::from_value(rig.config.take()).unwrap(), &env).unwrap();
        let items = items(&[("a", 4_000_000), ("b", 4_000_000)]);
        let batch = Batch::new("batch", &items).unwrap();
        let error = sink.deliver(&batch).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::TooLarge);
        assert_eq!(rig.destination.stored(), Ok(Vec::new()));
    }
}
