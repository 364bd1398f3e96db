//! What a channel has already, by the metadata of the messages that a bot wrote.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Marks our messages.
pub(super) const EVENT_TYPE: &str = "tollkeeper_alert";

/// A message of ours that a channel has.
pub(super) struct Earlier {
    /// The first of its thread.
    pub(super) ts: String,
    pub(super) thread: String,
    /// Ids, with blanks between them.
    alerts: String,
}

impl Earlier {
    /// Whether it tells this alert.
    pub(super) fn has(&self, id: &str) -> bool {
        self.alerts.split(' ').any(|one| one == id)
    }
}

/// What Slack says of a channel, newest first.
#[derive(Deserialize)]
pub(super) struct History {
    messages: Vec<Message>,
}

impl History {
    /// The messages that this sink has posted.
    pub(super) fn ours(self) -> Vec<Earlier> {
        let ours = self.messages.into_iter().filter_map(|message| {
            let metadata = message.metadata?;
            let Payload { thread, alerts } = metadata.event_payload?;
            // What follows in a thread, and is shown in the channel as well, names its first.
            let ts = message.thread_ts.unwrap_or(message.ts);
            (metadata.event_type == EVENT_TYPE).then_some(Earlier { ts, thread, alerts })
        });
        ours.collect()
    }
}

#[derive(Deserialize)]
struct Message {
    ts: String,
    thread_ts: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    event_type: String,
    /// Others have other things in theirs.
    #[serde(default, deserialize_with = "ours")]
    event_payload: Option<Payload>,
}

#[derive(Deserialize)]
struct Payload {
    thread: String,
    alerts: String,
}

fn ours<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Payload>, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(Payload::deserialize(value).ok())
}
