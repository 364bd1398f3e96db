//! Raises alerts in [PagerDuty], by its Events API v2.
//!
//! An alert's key is the `dedup_key`, so a repetition opens no second incident. One alert is one
//! request; of a batch of several, what follows one that failed is delivered again on its own.
//!
//! [PagerDuty]: https://developer.pagerduty.com/docs/events-api-v2/overview/

use chrono::SecondsFormat;
use event::{Secret, Severity};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sink::{
    Batch, BatchLimits, Receipt, Settings, Sink, SinkEnv, SinkError, SinkErrorKind, Takes,
    http::{Answer, Endpoint, HttpClient, Outgoing, StatusCode, meaning},
};

use crate::alert::{
    read::{Read, cut, read},
    turns::{self, Turn},
};

/// Characters of a summary.
const SUMMARY_CHARS_MAX: usize = 1_024;
/// Characters of a `dedup_key`.
const KEY_CHARS_MAX: usize = 255;
/// Characters of an alert's message; PagerDuty takes 512 KB of an event.
const MESSAGE_CHARS_MAX: usize = 16_000;
/// Characters of a figure.
const FIGURE_CHARS_MAX: usize = 1_000;

/// See the [module](self).
#[derive(Debug)]
pub struct PagerDuty {
    config: Config,
    http: HttpClient,
}

/// Settings of a PagerDuty sink.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The integration's key.
    pub routing_key: Secret,
    /// What incidents come from; `tollkeeper` by default.
    #[serde(default = "source")]
    pub source: String,
    /// Where the link of an incident leads.
    pub public_url: Option<Endpoint>,
    /// `https://events.pagerduty.com` by default; accounts in the EU have another.
    pub url: Option<Endpoint>,
}

fn source() -> String {
    "tollkeeper".to_owned()
}

const EVENTS: &str = "https://events.pagerduty.com";

impl Sink for PagerDuty {
    const KIND: &'static str = "pagerduty";
    type Config = Config;

    fn variables(written: &Settings) -> &'static [(&'static str, &'static str)] {
        if written.get("url").is_some_and(|url| !url.is_null()) {
            &[]
        } else {
            &[("routing_key", "PAGERDUTY_API_KEY")]
        }
    }

    fn open(config: Config, env: &SinkEnv) -> Result<Self, SinkError> {
        let http = env.http.clone();
        let sink = Self { config, http };
        sink.http.check(&sink.endpoint()?)?;
        let key = sink.config.routing_key.expose();
        if key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(sink);
        }
        let detail =
            "`routing_key` is the 32 letters and digits of an integration of Events API v2";
        Err(SinkError::new(SinkErrorKind::Misconfigured).with_detail(detail))
    }

    fn takes(&self) -> Takes {
        Takes::Alerts
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items_max: 1,
            ..BatchLimits::default()
        }
    }

    /// Sends an event without an action, which PagerDuty refuses; that there is one to refuse it is
    /// what was asked.
    async fn probe(&self) -> Result<(), SinkError> {
        let request = Outgoing::json(self.endpoint()?, &json!({}))?.judge(judge_probe);
        self.http.send(request).await.map(|_answer| ())
    }

    async fn deliver(&self, batch: &Batch<'_>) -> Result<Receipt, SinkError> {
        let (alerts, mut receipt) = read(batch);
        let turn = |alert: &Read| Turn {
            part: self.event(alert),
            items: vec![alert.index],
        };
        let turns = alerts.iter().map(turn).collect();
        turns::take(turns, &mut receipt, |event| self.send(event)).await?;
        Ok(receipt)
    }
}

impl PagerDuty {
    fn endpoint(&self) -> Result<Endpoint, SinkError> {
        let usual = || {
            Endpoint::parse(EVENTS)
                .map_err(|error| SinkError::new(SinkErrorKind::Misconfigured).with_source(error))
        };
        let url = self.config.url.clone().map_or_else(usual, Ok)?;
        Ok(url.join("v2/enqueue"))
    }

    async fn send(&self, event: Value) -> Result<(), SinkError> {
        let request = Outgoing::json(self.endpoint()?, &event)?;
        self.http.send(request).await.map(|_answer| ())
    }

    fn event(&self, alert: &Read) -> Value {
        let told = &alert.told;
        let severity = match told.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        };
        let mut details = Map::new();
        details.insert("alert_id".to_owned(), alert.id.as_str().into());
        let message = cut(&told.message, MESSAGE_CHARS_MAX);
        details.insert("message".to_owned(), message.into());
        for figure in told.figures() {
            let value = cut(&figure.value.words(), FIGURE_CHARS_MAX);
            details.insert(figure.name.to_owned(), value.into());
        }
        for list in told.lists() {
            let lines = list.lines.iter().map(|line| cut(line, FIGURE_CHARS_MAX));
            details.insert(list.heading.to_owned(), lines.collect());
        }
        let mut event = json!({
            "routing_key": self.config.routing_key.expose(),
            "event_action": "trigger",
            "dedup_key": cut(&told.key, KEY_CHARS_MAX),
            "client": "Tollkeeper",
            "payload": {
                "summary": cut(&told.title(), SUMMARY_CHARS_MAX),
                "source": self.config.source,
                "severity": severity,
                "timestamp": told.at.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true),
                "class": cut(&told.kind, 255),
                "custom_details": details,
            },
        });
        if let Some(link) = &self.config.public_url {
            event["client_url"] = link.expose().into();
        }
        event
    }
}

fn judge_probe(answer: &Answer) -> Result<(), SinkErrorKind> {
    match answer.status {
        StatusCode::BAD_REQUEST => Ok(()),
        status => meaning(status),
    }
}

#[cfg(feature = "conformance")]
mod stand;
#[cfg(feature = "conformance")]
pub use self::stand::Stand;
