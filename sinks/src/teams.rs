//! Tells people in Microsoft Teams: alerts as adaptive cards, posted to the webhook of a workflow.
//!
//! Alerts that come within `group_wait` of each other are one card. Teams knows no idempotency key, so
//! an alert whose answer got lost is there twice.

use std::time::Duration;

use event::Severity;
use serde::Deserialize;
use serde_json::{Value, json};
use sink::{
    Batch, BatchLimits, Receipt, Settings, Sink, SinkEnv, SinkError, SinkErrorKind, Takes,
    http::{Answer, Endpoint, HttpClient, Outgoing, StatusCode, meaning},
};

use crate::alert::{
    read::{Read, cut, read, utc},
    turns::{self, Turn},
};

/// Alerts of one card. Teams takes 28 KB, and what is said of one alert among several is bounded so
/// that ten fit.
const ALERTS_MAX: usize = 10;
/// Characters of a message that stands alone.
const MESSAGE_CHARS_MAX: usize = 3_000;
/// The same, of one among several.
const SHORT_CHARS_MAX: usize = 300;
/// Characters of a title.
const TITLE_CHARS_MAX: usize = 150;
/// Characters of a figure.
const FIGURE_CHARS_MAX: usize = 120;
/// Characters of a line of a report.
const LINE_CHARS_MAX: usize = 60;

/// See the [module](self).
#[derive(Debug)]
pub struct Teams {
    config: Config,
    http: HttpClient,
}

/// Settings of a Teams sink.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The workflow's address, which is a secret.
    pub webhook_url: Endpoint,
    /// How long the first alert waits for others; 30 s by default.
    #[serde(default = "group_wait", deserialize_with = "sink::setting::duration")]
    pub group_wait: Duration,
    /// Where the button of a card leads.
    pub public_url: Option<Endpoint>,
}

const fn group_wait() -> Duration {
    Duration::from_secs(30)
}

impl Sink for Teams {
    const KIND: &'static str = "teams";
    type Config = Config;

    fn variables(_written: &Settings) -> &'static [(&'static str, &'static str)] {
        &[("webhook_url", "MS_TEAMS_WEBHOOK_URL")]
    }

    fn open(config: Config, env: &SinkEnv) -> Result<Self, SinkError> {
        env.http.check(&config.webhook_url)?;
        let http = env.http.clone();
        Ok(Self { config, http })
    }

    fn takes(&self) -> Takes {
        Takes::Alerts
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items_max: ALERTS_MAX,
            age_max: self.config.group_wait,
            ..BatchLimits::default()
        }
    }

    /// Asks with a body that is no message, which starts no workflow.
    async fn probe(&self) -> Result<(), SinkError> {
        let url = self.config.webhook_url.clone();
        let request = Outgoing::new(sink::http::Method::HEAD, url, Vec::new());
        self.http
            .send(request.judge(judge_probe))
            .await
            .map(|_answer| ())
    }

    async fn deliver(&self, batch: &Batch<'_>) -> Result<Receipt, SinkError> {
        let (alerts, mut receipt) = read(batch);
        let turn = |alerts: &[Read]| Turn {
            part: self.message(alerts),
            items: alerts.iter().map(|alert| alert.index).collect(),
        };
        let turns = alerts.chunks(ALERTS_MAX).map(turn).collect();
        turns::take(turns, &mut receipt, |message| self.send(message)).await?;
        Ok(receipt)
    }
}

impl Teams {
    async fn send(&self, message: Value) -> Result<(), SinkError> {
        let request = Outgoing::json(self.config.webhook_url.clone(), &message)?;
        self.http.send(request).await.map(|_answer| ())
    }

    fn message(&self, alerts: &[Read]) -> Value {
        let mut body = Vec::new();
        if alerts.len() > 1 {
            body.push(heading(&format!("{} alerts", alerts.len())));
        }
        let alone = alerts.len() == 1;
        body.extend(alerts.iter().map(|alert| container(alert, alone)));
        let mut card = json!({
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard", "version": "1.4", "body": body,
        });
        if let Some(link) = &self.config.public_url {
            let url = link.expose();
            let open = json!({ "type": "Action.OpenUrl", "title": "Open Tollkeeper", "url": url });
            card["actions"] = json!([open]);
        }
        let kind = "application/vnd.microsoft.card.adaptive";
        json!({
            "type": "message",
            "attachments": [{ "contentType": kind, "contentUrl": null, "content": card }],
        })
    }
}

fn container(alert: &Read, alone: bool) -> Value {
    let told = &alert.told;
    let (style, severity) = match told.severity {
        Severity::Info => ("accent", "info"),
        Severity::Warning => ("warning", "warning"),
        Severity::Critical => ("attention", "critical"),
    };
    let message_max = if alone {
        MESSAGE_CHARS_MAX
    } else {
        SHORT_CHARS_MAX
    };
    let mut items = vec![heading(&plain(&told.title(), TITLE_CHARS_MAX))];
    if !told.message.is_empty() {
        items.push(text(&plain(&told.message, message_max)));
    }
    if alone {
        let figures = told.figures();
        let fact = |figure: &crate::alert::told::Figure| {
            let value = plain(&figure.value.words(), FIGURE_CHARS_MAX);
            json!({ "title": figure.name, "value": value })
        };
        if !figures.is_empty() {
            let facts: Vec<_> = figures.iter().map(fact).collect();
            items.push(json!({ "type": "FactSet", "facts": facts }));
        }
        for list in told.lists() {
            let lines = list.lines.iter().map(|line| plain(line, LINE_CHARS_MAX));
            let lines: Vec<_> = lines.map(|line| format!("- {line}")).collect();
            items.push(text(&format!("**{}**\n{}", list.heading, lines.join("\n"))));
        }
    }
    let key = plain(&told.key, TITLE_CHARS_MAX);
    let mut about = text(&format!("{severity} · {} · {key}", utc(told.at)));
    about["isSubtle"] = true.into();
    items.push(about);
    json!({ "type": "Container", "id": alert.id, "style": style, "items": items })
}

fn heading(words: &str) -> Value {
    let mut heading = text(words);
    heading["weight"] = "Bolder".into();
    heading
}

fn text(words: &str) -> Value {
    json!({ "type": "TextBlock", "text": words, "wrap": true })
}

/// Words in which nothing is a link.
fn plain(words: &str, chars_max: usize) -> String {
    cut(words, chars_max).replace('[', "(").replace(']', ")")
}

/// A workflow need not know `HEAD`; that it answers is enough, unless it says that it is gone.
fn judge_probe(answer: &Answer) -> Result<(), SinkErrorKind> {
    match answer.status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(SinkErrorKind::Misconfigured),
        status if status.is_client_error() => Ok(()),
        status => meaning(status),
    }
}

#[cfg(feature = "conformance")]
mod stand;
#[cfg(feature = "conformance")]
pub use self::stand::Stand;
