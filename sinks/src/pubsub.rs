//! Publishes events and alerts to a topic of Google Cloud Pub/Sub, each as one message.
//!
//! The data of a message is the event's JSON; its attributes (`key`, `event_id`, `revision`, `kind`,
//! `model`, `status`, `team_id`, …) are for the filters of subscriptions. Pub/Sub gives a message that is
//! published again another id, so delivery is at least once, and exactly once for a subscriber that drops
//! a `key` it has seen.
//!
//! A call whose cost is corrected comes again with the same `event_id`, a higher `revision` and a `key` of
//! its own. The highest revision holds.
//!
//! A request is published as a whole or not at all, so there is nothing to be sorted out of an answer.
//! Messages of one ordering key arrive in the order of the log; then one batch at a time is on its way.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use sink::{
    Batch, BatchLimits, Receipt, Settings, Sink, SinkEnv, SinkError, SinkErrorKind, Takes,
    http::{Answer, HeaderValue, Outgoing, header, meaning},
};

mod config;
mod message;

pub use self::config::{Config, ConfigError, OrderBy};
use crate::google::auth::{self, Tokens};

/// What a key has to be allowed.
const PERMISSION: &str = "pubsub.topics.publish";
/// How many messages a request may have.
const MESSAGES_MAX: usize = 1000;
/// How long a request may be, in bytes.
const REQUEST_BYTES_MAX: usize = 10_000_000;

/// See the [module](self).
#[derive(Debug)]
pub struct Pubsub {
    config: Config,
    tokens: Tokens,
}

#[derive(Deserialize)]
struct Allowed {
    #[serde(default)]
    permissions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Published {
    message_ids: Vec<String>,
}

impl Sink for Pubsub {
    const KIND: &'static str = "pubsub";
    type Config = Config;

    fn variables(written: &Settings) -> &'static [(&'static str, &'static str)] {
        auth::variables(
            written,
            &[
                ("service_account_file", "GCS_PATH_SERVICE_ACCOUNT"),
                ("service_account_file", "GOOGLE_APPLICATION_CREDENTIALS"),
                ("project", "GCS_PUBSUB_PROJECT_ID"),
                ("topic", "GCS_PUBSUB_TOPIC_ID"),
            ],
        )
    }

    fn open(config: Config, env: &SinkEnv) -> Result<Self, SinkError> {
        env.http.check(&config.topic)?;
        let tokens = Tokens::new(config.source.clone(), env)?;
        Ok(Self { config, tokens })
    }

    fn takes(&self) -> Takes {
        Takes::Both
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items_max: MESSAGES_MAX,
            // A third more in base64, and the attributes.
            bytes_max: 3 << 20,
            age_max: Duration::from_millis(200),
            concurrency_max: if self.config.order_by.is_some() { 1 } else { 4 },
        }
    }

    /// Asks whether the key may publish here.
    async fn probe(&self) -> Result<(), SinkError> {
        let ask = json!({ "permissions": [PERMISSION] }).to_string();
        let answer = self.post("testIamPermissions", ask.into_bytes()).await?;
        let allowed: Allowed = answer.json()?;
        if allowed.permissions.iter().any(|name| name == PERMISSION) {
            return Ok(());
        }
        let detail = format!("the service account has no `{PERMISSION}` for the topic");
        Err(SinkError::new(SinkErrorKind::Unauthorized).with_detail(&detail))
    }

    async fn deliver(&self, batch: &Batch<'_>) -> Result<Receipt, SinkError> {
        let (messages, receipt) = message::messages(batch, self.config.order_by);
        if messages.is_empty() {
            return Ok(receipt);
        }
        let count = messages.len();
        let body = message::body(&messages);
        if count > 1 && (count > MESSAGES_MAX || body.len() > REQUEST_BYTES_MAX) {
            let detail = format!(
                "{count} messages of {} bytes are more than a request may have",
                body.len()
            );
            return Err(SinkError::new(SinkErrorKind::TooLarge).with_detail(&detail));
        }
        let published: Published = self.post("publish", body).await?.json()?;
        if published.message_ids.is_empty() {
            let detail = "the answer names no message";
            return Err(SinkError::new(SinkErrorKind::Failing).with_detail(detail));
        }
        Ok(receipt)
    }
}

impl Pubsub {
    async fn post(&self, verb: &str, body: Vec<u8>) -> Result<Answer, SinkError> {
        let url = self.config.verb(verb)?;
        let request = Outgoing::post(url, body)
            .header(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )
            .timeout(self.config.timeout)
            // A thousand ids.
            .answer_bytes_max(1 << 20)
            .judge(judge);
        self.tokens.send(|| request.clone()).await
    }
}

/// `ABORTED` is a 409. A message that the topic's schema does not allow is a 400, so those are refused.
fn judge(answer: &Answer) -> Result<(), SinkErrorKind> {
    match answer.status.as_u16() {
        409 | 499 => Err(SinkErrorKind::Failing),
        _ => meaning(answer.status),
    }
}

#[cfg(feature = "conformance")]
mod stand;
#[cfg(feature = "conformance")]
pub use self::stand::Stand;

#[cfg(test)]
mod tests;
