//! Tells people in [Slack]: alerts as Block Kit messages, by an incoming webhook or as a bot.
//!
//! Alerts that come within `group_wait` of each other are one message for each channel, those of one
//! key one entry in it. How often an alert is raised is not decided here: its key says so, and the
//! books keep it. A bot may put what belongs together into one thread; it finds the thread in the
//! channel itself, by the metadata of the messages it wrote, and there it also sees what it has posted
//! already.
//!
//! Slack knows no idempotency key, so without threads an alert whose answer got lost is there twice.
//! A batch may be several messages: what follows one that failed is delivered again on its own, and
//! what went before is not.
//!
//! [Slack]: https://docs.slack.dev/messaging/

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sink::{
    Batch, BatchLimits, Receipt, Settings, Sink, SinkEnv, SinkError, SinkErrorKind, Takes,
    http::{Answer, Endpoint, HttpClient, Method, Outgoing, header},
};

mod blocks;
mod config;
mod history;
mod judge;

pub use self::config::{Config, ConfigError};
use self::{
    blocks::Entry,
    config::Way,
    history::{EVENT_TYPE, Earlier, History},
};
use crate::alert::read::{Read, read};

/// Messages of a channel that are looked through for a thread.
const HISTORY_MAX: &str = "200";
/// Bytes of such a list: each message has its blocks with it.
const HISTORY_BYTES_MAX: usize = 8 << 20;

/// See the [module](self).
#[derive(Debug)]
pub struct Slack {
    config: Config,
    http: HttpClient,
}

/// Alerts that go into one message, or into one thread.
struct Group<'a> {
    target: Target<'a>,
    thread: Option<&'a str>,
    alerts: Vec<&'a Read>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Target<'a> {
    Webhook(&'a Endpoint),
    Channel(&'a str),
}

impl Sink for Slack {
    const KIND: &'static str = "slack";
    type Config = Config;

    fn variables(written: &Settings) -> &'static [(&'static str, &'static str)] {
        if written.get("token").is_some_and(|token| !token.is_null()) {
            &[]
        } else {
            &[("webhook_url", "SLACK_WEBHOOK_URL")]
        }
    }

    fn open(config: Config, env: &SinkEnv) -> Result<Self, SinkError> {
        match &config.way {
            Way::Webhooks { usual, others } => {
                env.http.check(usual)?;
                others.values().try_for_each(|url| env.http.check(url))?;
            }
            Way::Bot { api_url, .. } => env.http.check(api_url)?,
        }
        let http = env.http.clone();
        Ok(Self { config, http })
    }

    fn takes(&self) -> Takes {
        Takes::Alerts
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items_max: blocks::ALERTS_MAX,
            age_max: self.config.group_wait,
            ..BatchLimits::default()
        }
    }

    /// A bot asks who it is. A webhook is sent a message without text, which Slack refuses; that
    /// there is one to refuse it is what was asked.
    async fn probe(&self) -> Result<(), SinkError> {
        let request = match &self.config.way {
            Way::Webhooks { usual, .. } => {
                Outgoing::json(usual.clone(), &json!({}))?.judge(judge::probe)
            }
            Way::Bot { api_url, .. } => {
                let request = Outgoing::new(Method::GET, api_url.join("auth.test"), Vec::new());
                self.as_bot(request)?
            }
        };
        self.http.send(request).await.map(|_answer| ())
    }

    async fn deliver(&self, batch: &Batch<'_>) -> Result<Receipt, SinkError> {
        let (alerts, mut receipt) = read(batch);
        let mut posted: Posted<'_> = BTreeMap::new();
        let mut done = 0;
        let groups = self.groups(&alerts);
        let mut groups = groups.iter();
        while let Some(group) = groups.next() {
            match self.post(group, &mut posted).await {
                Ok(()) => done += 1,
                Err(error) if done == 0 => return Err(error),
                Err(_error) => {
                    // The batch is not sent again, since its beginning has arrived; its rest is.
                    let rest = group
                        .alerts
                        .iter()
                        .chain(groups.flat_map(|group| &group.alerts));
                    rest.for_each(|alert| receipt.defer(alert.index));
                    break;
                }
            }
        }
        Ok(receipt)
    }
}

/// What stands in each channel already, as far as it was looked for.
type Posted<'a> = BTreeMap<&'a str, Vec<Earlier>>;

impl Slack {
    /// The messages that these alerts become, in the order of their first alerts.
    fn groups<'a>(&'a self, alerts: &'a [Read]) -> Vec<Group<'a>> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for alert in alerts {
            let target = self.target(&alert.told.kind);
            let thread = self.threads().then(|| alert.told.thread());
            let fits = |group: &&mut Group<'_>| {
                group.target == target
                    && group.thread == thread
                    && group.alerts.len() < blocks::ALERTS_MAX
            };
            match groups.iter_mut().find(fits) {
                Some(group) => group.alerts.push(alert),
                None => groups.push(Group {
                    target,
                    thread,
                    alerts: vec![alert],
                }),
            }
        }
        groups
    }

    fn target(&self, kind: &str) -> Target<'_> {
        match &self.config.way {
            Way::Webhooks { usual, others } => Target::Webhook(others.get(kind).unwrap_or(usual)),
            Way::Bot { usual, others, .. } => Target::Channel(others.get(kind).unwrap_or(usual)),
        }
    }

    const fn threads(&self) -> bool {
        matches!(self.config.way, Way::Bot { threads: true, .. })
    }

    async fn post<'a>(&self, group: &Group<'a>, posted: &mut Posted<'a>) -> Result<(), SinkError> {
        let link = self.config.public_url.as_ref().map(Endpoint::expose);
        let channel = match group.target {
            Target::Webhook(url) => {
                let message = blocks::message(&entries(&group.alerts), link);
                let request = Outgoing::json(url.clone(), &message)?.judge(judge::webhook);
                return self.http.send(request).await.map(|_answer| ());
            }
            Target::Channel(channel) => channel,
        };
        let mut alerts = group.alerts.clone();
        let mut body = json!({ "channel": channel, "unfurl_links": false, "unfurl_media": false });
        if let Some(thread) = group.thread {
            if !posted.contains_key(channel) {
                posted.insert(channel, self.history(channel).await?);
            }
            let earlier = posted.get(channel).into_iter().flatten();
            let earlier: Vec<_> = earlier.filter(|message| message.thread == thread).collect();
            alerts.retain(|alert| !earlier.iter().any(|one| one.has(&alert.id)));
            // The newest message comes first; the thread hangs on the first.
            body["thread_ts"] = earlier.last().map(|first| first.ts.as_str()).into();
            body["reply_broadcast"] = (!earlier.is_empty()).into();
            let ids: Vec<_> = alerts.iter().map(|alert| alert.id.as_str()).collect();
            // Slack documents lists of objects there, and none of texts.
            let payload = json!({ "thread": thread, "alerts": ids.join(" ") });
            body["metadata"] = json!({ "event_type": EVENT_TYPE, "event_payload": payload });
        }
        if alerts.is_empty() {
            return Ok(());
        }
        if let (Value::Object(body), Value::Object(message)) =
            (&mut body, blocks::message(&entries(&alerts), link))
        {
            body.retain(|_name, value| !value.is_null());
            body.extend(message);
        }
        self.ask(Method::POST, "chat.postMessage", &[], &body)
            .await?;
        Ok(())
    }

    /// Our messages in a channel, newest first.
    async fn history(&self, channel: &str) -> Result<Vec<Earlier>, SinkError> {
        let query = [
            ("channel", channel),
            ("limit", HISTORY_MAX),
            ("include_all_metadata", "true"),
        ];
        let answer = self.ask(Method::GET, "conversations.history", &query, &Value::Null);
        Ok(answer.await?.json::<History>()?.ours())
    }

    async fn ask(
        &self,
        method: Method,
        name: &str,
        query: &[(&str, &str)],
        body: &Value,
    ) -> Result<Answer, SinkError> {
        let Way::Bot { api_url, .. } = &self.config.way else {
            return Err(SinkError::new(SinkErrorKind::Misconfigured));
        };
        let url = query.iter().fold(api_url.join(name), |url, (name, value)| {
            url.with_query(name, value)
        });
        let request = if body.is_null() {
            Outgoing::new(method, url, Vec::new()).answer_bytes_max(HISTORY_BYTES_MAX)
        } else {
            let json = header::HeaderValue::from_static("application/json; charset=utf-8");
            Outgoing::json(url, body)?.header(header::CONTENT_TYPE, json)
        };
        self.http.send(self.as_bot(request)?).await
    }

    fn as_bot(&self, request: Outgoing) -> Result<Outgoing, SinkError> {
        match &self.config.way {
            Way::Webhooks { .. } => Ok(request),
            Way::Bot { token, .. } => {
                let request = request.secret_header(header::AUTHORIZATION, "Bearer ", token)?;
                Ok(request.judge(judge::bot))
            }
        }
    }
}

/// Alerts of one key are one entry: the newest, and how often.
fn entries<'a>(alerts: &[&'a Read]) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for alert in alerts {
        let (id, told) = (alert.id.clone(), &alert.told);
        match entries.iter_mut().find(|entry| entry.told.key == told.key) {
            Some(entry) => {
                let times = entry.times + 1;
                *entry = Entry { id, told, times };
            }
            None => entries.push(Entry { id, told, times: 1 }),
        }
    }
    entries
}

#[cfg(feature = "conformance")]
mod stand;
#[cfg(feature = "conformance")]
pub use self::stand::{Bot, Stand};

#[cfg(test)]
mod tests;
