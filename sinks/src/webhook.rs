//! Posts events and alerts to a URL: signed, as [Standard Webhooks] 1.0.0 has it, or as LiteLLM posts
//! them, or as [CloudEvents] 1.0.
//!
//! One event is an `llm.call.completed`, several are an `llm.calls.batch`. A redelivery has the same
//! `webhook-id` and the same body, and a signature of its own, since the time of the attempt is
//! signed too. So a receiver that verifies signatures and drops ids it has seen gets every event
//! exactly once.
//!
//! A call whose cost is corrected comes again, with the same `event_id` and a higher `revision`, under
//! a `webhook-id` of its own (`<event id>-r1`), alone as an `llm.call.corrected`. The event with the
//! highest revision holds; it takes the place of those before it.
//!
//! An alert (`send: alerts`, `send: both`) is an `llm.alert` with an `alert_id`; several are an
//! `llm.alerts.batch`, or stand as `alerts` beside the `events` of an `llm.calls.batch`.
//!
//! The other dialects have the same `webhook-id` beside bodies of their own, and are signed if there is
//! a secret. LiteLLM's has one body for each alert, so a batch may be several requests: what follows
//! one that failed is delivered again on its own, and what went before is not.
//!
//! [CloudEvents]: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
//! [Standard Webhooks]: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

use std::time::Duration;

use sink::{
    Batch, BatchLimits, Clock, Receipt, Settings, Sink, SinkEnv, SinkError, SinkErrorKind, Takes,
    http::{
        Answer, HeaderName, HeaderValue, HttpClient, Method, Outgoing, StatusCode, header, meaning,
    },
};

mod body;
mod config;
mod sign;

use self::body::Post;
pub use self::config::{Config, ConfigError, Content, Dialect, Format};
use crate::alert::turns;

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// See the [module](self).
#[derive(Debug)]
pub struct Webhook {
    config: Config,
    http: HttpClient,
    clock: Clock,
}

impl Sink for Webhook {
    const KIND: &'static str = "webhook";
    type Config = Config;

    /// LiteLLM's headers belong to LiteLLM's address alone: they are credentials.
    fn variables(written: &Settings) -> &'static [(&'static str, &'static str)] {
        let litellm = written
            .get("dialect")
            .is_some_and(|dialect| dialect == "litellm");
        let given = written.get("url").is_some_and(|url| !url.is_null());
        if litellm && !given {
            &[
                ("url", "GENERIC_LOGGER_ENDPOINT"),
                ("headers", "GENERIC_LOGGER_HEADERS"),
            ]
        } else {
            &[]
        }
    }

    fn open(config: Config, env: &SinkEnv) -> Result<Self, SinkError> {
        env.http.check(&config.url)?;
        Ok(Self {
            config,
            http: env.http.clone(),
            clock: env.clock.clone(),
        })
    }

    fn takes(&self) -> Takes {
        Takes::Both
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items_max: match self.config.format {
                Format::Single => 1,
                Format::Array | Format::Ndjson => 100,
            },
            bytes_max: 256 << 10,
            age_max: Duration::from_secs(1),
            concurrency_max: 1,
        }
    }

    /// Asks with `HEAD`, which no receiver takes for an event.
    async fn probe(&self) -> Result<(), SinkError> {
        let request = self.with_own_headers(Outgoing::new(
            Method::HEAD,
            self.config.url.clone(),
            Vec::new(),
        ));
        self.http
            .send(request.judge(judge_probe))
            .await
            .map(|_answer| ())
    }

    async fn deliver(&self, batch: &Batch<'_>) -> Result<Receipt, SinkError> {
        let (posts, mut receipt) = body::posts(batch, &self.config);
        turns::take(posts, &mut receipt, |post| self.post(post)).await?;
        Ok(receipt)
    }
}

impl Webhook {
    async fn post(&self, post: Post) -> Result<(), SinkError> {
        let Post { id, body, .. } = post;
        let timestamp = self.clock.now().micros() / 1_000_000;
        let signatures = sign::signatures(&self.config.keys, &id, timestamp, &body);
        let text = |text: String| {
            HeaderValue::try_from(text)
                .map_err(|error| SinkError::new(SinkErrorKind::Refused).with_source(error))
        };
        let mut request = self
            .with_own_headers(Outgoing::post(self.config.url.clone(), body))
            .header(
                header::CONTENT_TYPE,
                HeaderValue::from_static(post.content_type),
            )
            .header(WEBHOOK_ID, text(id)?)
            .header(WEBHOOK_TIMESTAMP, HeaderValue::from(timestamp))
            .judge(judge);
        if !signatures.is_empty() {
            request = request.header(WEBHOOK_SIGNATURE, text(signatures)?);
        }
        self.http.send(request).await.map(|_answer| ())
    }

    fn with_own_headers(&self, request: Outgoing) -> Outgoing {
        let request = request.timeout(self.config.timeout);
        self.config
            .headers
            .iter()
            .fold(request, |request, (name, value)| {
                request.header(name.clone(), value.clone())
            })
    }
}

/// Receivers are programs under development: what one refuses today it may take after its next
/// release, so no event is given up for a 4xx. 410 is a receiver's word that it wants no more.
fn judge(answer: &Answer) -> Result<(), SinkErrorKind> {
    match meaning(answer.status) {
        _ if answer.status == StatusCode::GONE => Err(SinkErrorKind::Misconfigured),
        Err(SinkErrorKind::Throttled) => Err(SinkErrorKind::Throttled),
        Err(SinkErrorKind::TooLarge) => Err(SinkErrorKind::TooLarge),
        Err(_) if answer.status.is_client_error() => Err(SinkErrorKind::Failing),
        meant => meant,
    }
}

/// A receiver need not know `HEAD` or take what is not signed; that it answers is enough.
fn judge_probe(answer: &Answer) -> Result<(), SinkErrorKind> {
    match answer.status {
        StatusCode::GONE => Err(SinkErrorKind::Misconfigured),
        StatusCode::NOT_IMPLEMENTED => Ok(()),
        status if status.is_client_error() => Ok(()),
        status => meaning(status),
    }
}

#[cfg(feature = "conformance")]
mod stand;
#[cfg(feature = "conformance")]
pub use self::stand::{CloudEvents, Litellm, Stand};

#[cfg(test)]
mod tests;
