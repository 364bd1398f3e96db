//! Tells people in [Discord]: alerts as embeds, posted to a channel's webhook.
//!
//! Alerts that come within `group_wait` of each other are one message. Discord knows no idempotency
//! key, so an alert whose answer got lost is there twice.
//!
//! [Discord]: https://discord.com/developers/docs/resources/webhook

use std::time::Duration;

use chrono::SecondsFormat;
use event::Severity;
use serde::Deserialize;
use serde_json::{Value, json};
use sink::{
    Batch, BatchLimits, Receipt, Sink, SinkEnv, SinkError, Takes,
    http::{Endpoint, HttpClient, Method, Outgoing},
};

use crate::alert::{
    read::{Read, cut, read},
    turns::{self, Turn},
};

/// Embeds of one message: Discord takes 10, and 6000 characters in all of them.
const ALERTS_MAX: usize = 5;
/// Characters of a title.
const TITLE_CHARS_MAX: usize = 150;
/// Characters of a message that stands alone, and its figures.
const ALONE: Shape = Shape {
    message: 3_000,
    figures: 10,
    figure: 150,
};
/// The same, of one among several.
const AMONG_OTHERS: Shape = Shape {
    message: 400,
    figures: 4,
    figure: 60,
};

/// How much is said of an alert.
#[derive(Clone, Copy)]
struct Shape {
    message: usize,
    figures: usize,
    figure: usize,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Discord {
    config: Config,
    http: HttpClient,
}

/// Settings of a Discord sink.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The channel's webhook, which is a secret.
    pub webhook_url: Endpoint,
    /// How long the first alert waits for others; 30 s by default.
    #[serde(default = "group_wait", deserialize_with = "sink::setting::duration")]
    pub group_wait: Duration,
    /// Where the titles lead.
    pub public_url: Option<Endpoint>,
}

const fn group_wait() -> Duration {
    Duration::from_secs(30)
}

impl Sink for Discord {
    const KIND: &'static str = "discord";
    type Config = Config;

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

    /// Asks what the webhook is.
    async fn probe(&self) -> Result<(), SinkError> {
        let url = self.config.webhook_url.clone();
        let request = Outgoing::new(Method::GET, url, Vec::new());
        self.http.send(request).await.map(|_answer| ())
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

impl Discord {
    /// Waits for the message to be stored: without that Discord answers before it has looked at it.
    async fn send(&self, message: Value) -> Result<(), SinkError> {
        let url = self.config.webhook_url.with_query("wait", "true");
        self.http
            .send(Outgoing::json(url, &message)?)
            .await
            .map(|_answer| ())
    }

    fn message(&self, alerts: &[Read]) -> Value {
        let shape = if alerts.len() == 1 {
            ALONE
        } else {
            AMONG_OTHERS
        };
        let embeds: Vec<_> = alerts
            .iter()
            .map(|alert| self.embed(alert, shape))
            .collect();
        // Nobody is called by what stands in an alert.
        json!({ "embeds": embeds, "allowed_mentions": { "parse": [] } })
    }

    fn embed(&self, alert: &Read, shape: Shape) -> Value {
        let told = &alert.told;
        let (color, severity) = match told.severity {
            Severity::Info => (0x34_98_db, "info"),
            Severity::Warning => (0xf1_c4_0f, "warning"),
            Severity::Critical => (0xe7_4c_3c, "critical"),
        };
        let mut fields = Vec::new();
        for figure in told.figures().iter().take(shape.figures) {
            let value = cut(&figure.value.words(), shape.figure);
            fields.push(json!({ "name": figure.name, "value": value, "inline": true }));
        }
        for list in told.lists() {
            let lines: Vec<_> = list
                .lines
                .iter()
                .map(|line| cut(line, shape.figure / 2))
                .collect();
            let value = cut(&lines.join("\n"), shape.figure * 2);
            fields.push(json!({ "name": list.heading, "value": value }));
        }
        let number = alert.number;
        let key = cut(&told.key, TITLE_CHARS_MAX);
        let mut embed = json!({
            "title": cut(&told.title(), TITLE_CHARS_MAX),
            "description": cut(&told.message, shape.message),
            "color": color,
            "timestamp": told.at.to_utc().to_rfc3339_opts(SecondsFormat::Millis, true),
            "fields": fields,
            "footer": { "text": format!("{severity} · #{number} · {key}") },
        });
        if let Some(link) = &self.config.public_url {
            embed["url"] = link.expose().into();
        }
        embed
    }
}

#[cfg(feature = "conformance")]
mod stand;
#[cfg(feature = "conformance")]
pub use self::stand::Stand;
