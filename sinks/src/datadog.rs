//! Sends calls to [Datadog]: as spans of LLM Observability, as log entries, or as distributions.
//!
//! A sink has one product: what Datadog takes late, how much of it, and what it does with what comes
//! twice differs, and a product that is refused must not hold up another. Who wants several
//! configures several.
//!
//! Datadog knows no idempotency key, so a batch whose answer got lost is there twice. Its spans have
//! the same ids again, and every span and entry has the event's key as `event_id`; points have none.
//! Datadog also drops what is too old and says nothing, so the sink refuses it by name.
//!
//! Through an agent, requests take its `evp_proxy`, which adds the key.
//!
//! [Datadog]: https://docs.datadoghq.com/llm_observability/setup/api

use std::time::Duration;

use event::{PricedEvent, Seconds, SpanId, StandardLoggingPayload, Status, TraceId};
use serde::{Deserialize, Serialize};
use sink::{
    Batch, BatchLimits, Clock, Item, Receipt, Settings, Sink, SinkEnv, SinkError, SinkErrorKind,
    http::{Endpoint, HeaderName, HeaderValue, HttpClient, Method, Outgoing},
};

mod config;
mod log;
mod metric;
mod said;
mod span;
mod tags;

use self::config::Way;
pub use self::config::{Config, ConfigError, Product, Tag};

const DD_API_KEY: HeaderName = HeaderName::from_static("dd-api-key");
const SUBDOMAIN: HeaderName = HeaderName::from_static("x-datadog-evp-subdomain");

/// See the [module](self).
#[derive(Debug)]
pub struct Datadog {
    config: Config,
    http: HttpClient,
    clock: Clock,
}

/// Where a product is taken, and how much of it in one request.
struct Intake {
    subdomain: &'static str,
    path: &'static str,
    bytes_max: usize,
    /// Whether compressed bodies are documented.
    gzip: bool,
}

impl Product {
    const fn intake(self) -> Intake {
        match self {
            Self::LlmObservability => Intake {
                subdomain: "api",
                path: "/api/intake/llm-obs/v1/trace/spans",
                bytes_max: 5 << 20,
                gzip: false,
            },
            Self::Logs => Intake {
                subdomain: "http-intake.logs",
                path: "/api/v2/logs",
                bytes_max: 5_000_000,
                gzip: true,
            },
            Self::Metrics => Intake {
                subdomain: "api",
                path: "/api/v1/distribution_points",
                bytes_max: 3_200_000,
                gzip: false,
            },
        }
    }
}

impl Sink for Datadog {
    const KIND: &'static str = "datadog";
    type Config = Config;

    /// Those of Datadog's own programs. The key goes to Datadog alone: whoever writes another address
    /// writes the key as well.
    fn variables(written: &Settings) -> &'static [(&'static str, &'static str)] {
        const NAMES: &[(&str, &str)] = &[
            ("ml_app", "DD_LLMOBS_ML_APP"),
            ("env", "DD_ENV"),
            ("service", "DD_SERVICE"),
            ("version", "DD_VERSION"),
            ("hostname", "DD_HOSTNAME"),
            ("source", "DD_SOURCE"),
            ("api_key", "DD_API_KEY"),
            ("site", "DD_SITE"),
        ];
        let given = |name| written.get(name).is_some_and(|value| !value.is_null());
        let elsewhere = given("agent") || given("url");
        if elsewhere {
            NAMES.split_at(NAMES.len() - 2).0
        } else {
            NAMES
        }
    }

    fn open(config: Config, env: &SinkEnv) -> Result<Self, SinkError> {
        let sink = Self {
            config,
            http: env.http.clone(),
            clock: env.clock.clone(),
        };
        env.http
            .check(&sink.endpoint(&sink.config.product.intake())?)?;
        Ok(sink)
    }

    fn limits(&self) -> BatchLimits {
        let (items_max, bytes_max, age) = match self.config.product {
            Product::LlmObservability => (200, 4 << 20, 2),
            // What was said is not sent, so entries are smaller than their events.
            Product::Logs => (1_000, 8 << 20, 5),
            Product::Metrics => (1_000, 8 << 20, 10),
        };
        BatchLimits {
            items_max,
            bytes_max,
            age_max: Duration::from_secs(age),
            concurrency_max: 2,
        }
    }

    /// Asks whether the key is good; of an agent, whether it is there.
    async fn probe(&self) -> Result<(), SinkError> {
        if let Way::Agent(agent) = &self.config.way {
            let request = Outgoing::new(Method::GET, agent.join("/info"), Vec::new());
            return self.http.send(request).await.map(|_answer| ());
        }
        let intake = Intake {
            subdomain: "api",
            path: "/api/v1/validate",
            ..self.config.product.intake()
        };
        let request = Outgoing::new(Method::GET, self.endpoint(&intake)?, Vec::new());
        let answer = self.http.send(self.signed(request, &intake)?).await?;
        let Validity { valid } = answer.json()?;
        if valid {
            return Ok(());
        }
        let detail = "Datadog says that `api_key` is not valid at this site";
        Err(SinkError::new(SinkErrorKind::Unauthorized).with_detail(detail))
    }

    async fn deliver(&self, batch: &Batch<'_>) -> Result<Receipt, SinkError> {
        let (events, receipt) = self.young_enough(batch);
        if events.is_empty() {
            return Ok(receipt);
        }
        let config = &self.config;
        let each = events.iter();
        match config.product {
            Product::LlmObservability => {
                let spans = each.map(|(item, event)| span::Span::of(item, event, config));
                self.send(&span::body(spans.collect(), config)).await?;
            }
            Product::Logs => {
                let entries = each.map(|(item, event)| log::Entry::of(item, event, config));
                self.send(&entries.collect::<Vec<_>>()).await?;
            }
            Product::Metrics => {
                let events: Vec<_> = each.map(|(_item, event)| *event).collect();
                self.send(&metric::body(&events, config)).await?;
            }
        }
        Ok(receipt)
    }
}

#[derive(Deserialize)]
struct Validity {
    valid: bool,
}

impl Datadog {
    /// The events that Datadog would keep, and a receipt that refuses the others.
    fn young_enough<'a>(&self, batch: &Batch<'a>) -> (Vec<(&'a Item, &'a PricedEvent)>, Receipt) {
        let now = self.clock.now();
        let max = i64::try_from(self.config.max_age.as_micros()).unwrap_or(i64::MAX);
        let mut receipt = Receipt::default();
        let mut young = Vec::with_capacity(batch.items().len());
        for (index, item) in batch.items().iter().enumerate() {
            match item.event() {
                None => receipt.refuse(index, "it cannot be read"),
                Some(event) if now.since(event.payload().start_time).micros() > max => {
                    let minutes = self.config.max_age.as_secs() / 60;
                    let reason = format!(
                        "it is older than {minutes} minutes (`max_age`), and Datadog drops what \
                         is too old without saying so"
                    );
                    receipt.refuse(index, &reason);
                }
                Some(event) => young.push((item, event)),
            }
        }
        (young, receipt)
    }

    async fn send(&self, body: &impl Serialize) -> Result<(), SinkError> {
        let intake = self.config.product.intake();
        let request = Outgoing::json(self.endpoint(&intake)?, body)?;
        let size = request.body().len();
        if size > intake.bytes_max {
            let max = intake.bytes_max;
            let detail = format!("{size} bytes, of which Datadog takes {max} in one request");
            return Err(SinkError::new(SinkErrorKind::TooLarge).with_detail(&detail));
        }
        // An agent does not pass on that a body is compressed.
        let agent = matches!(self.config.way, Way::Agent(_));
        let request = if intake.gzip && !agent {
            request.gzip()
        } else {
            request
        };
        self.http
            .send(self.signed(request, &intake)?)
            .await
            .map(|_answer| ())
    }

    fn endpoint(&self, intake: &Intake) -> Result<Endpoint, SinkError> {
        match &self.config.way {
            Way::Url { url, .. } => Ok(url.join(intake.path)),
            Way::Agent(agent) => Ok(agent.join(&format!("/evp_proxy/v2{}", intake.path))),
            Way::Site { site, .. } => {
                let url = format!("https://{}.{site}{}", intake.subdomain, intake.path);
                Endpoint::parse(&url).map_err(|error| {
                    let detail = format!("`site`: {error}");
                    SinkError::new(SinkErrorKind::Misconfigured).with_detail(&detail)
                })
            }
        }
    }

    fn signed(&self, request: Outgoing, intake: &Intake) -> Result<Outgoing, SinkError> {
        match &self.config.way {
            Way::Site { key, .. } | Way::Url { key, .. } => {
                request.secret_header(DD_API_KEY, "", key)
            }
            Way::Agent(_) => {
                let subdomain = HeaderValue::from_static(intake.subdomain);
                Ok(request.header(SUBDOMAIN, subdomain))
            }
        }
    }
}

/// The ids of a call's trace and span: the same for every redelivery.
fn ids(payload: &StandardLoggingPayload) -> (String, String) {
    let ours = payload.tollkeeper.as_deref();
    let given = |id: Option<&String>, digits| id.filter(|id| is_hex(id, digits)).cloned();
    let trace = given(ours.map(|ours| &ours.w3c_trace_id), 32);
    let span = given(ours.map(|ours| &ours.span_id), 16);
    let call = &payload.litellm_call_id;
    let named = match payload.trace_id.as_str() {
        "" => call.as_str(),
        trace => trace,
    };
    (
        trace.unwrap_or_else(|| TraceId::of(named).to_string()),
        span.unwrap_or_else(|| SpanId::of(call).to_string()),
    )
}

/// Of a stream that was answered, the time to its first token.
fn first_token(payload: &StandardLoggingPayload) -> Option<Seconds> {
    let streamed = payload.stream == Some(true) && payload.status == Status::Success;
    let first = payload.completion_start_time.since(payload.start_time);
    (streamed && first.micros() >= 0).then_some(first)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// As much of `text` as fits into `bytes_max`.
fn short(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(feature = "conformance")]
mod stand;
#[cfg(feature = "conformance")]
pub use self::stand::{Logs, Stand};

#[cfg(test)]
mod tests;
