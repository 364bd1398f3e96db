//! Sends calls to Langfuse, as generations with their tokens, costs and contents.
//!
//! A call is one span with Langfuse's own attributes, posted over OTLP. Its ids and times are those
//! of the event, so that a redelivery is the same span once more, which the server merges. A call
//! whose cost is corrected is sent again under the same ids, and takes the place of the first.
//!
//! Servers before 3.22 know no OTLP; for them there are batches of their own, by a setting.

use prost::Message;
use sink::{
    Batch, BatchLimits, Receipt, Settings, Sink, SinkEnv, SinkError, SinkErrorKind,
    http::{HeaderName, HeaderValue, HttpClient, Method, Outgoing, header},
};

mod config;
mod ingestion;
mod observation;
mod span;

pub use self::config::{Api, Config, ConfigError};
use self::observation::Observation;
use crate::otel::{call::Call, span as otlp};

/// Data that comes with it is there at once, and not only after minutes.
const INGESTION_VERSION: HeaderName = HeaderName::from_static("x-langfuse-ingestion-version");
const SDK_NAME: HeaderName = HeaderName::from_static("x-langfuse-sdk-name");
const SDK_VERSION: HeaderName = HeaderName::from_static("x-langfuse-sdk-version");

/// Bytes of a body that old servers take.
const INGESTION_BYTES_MAX: usize = 3_500_000;
/// Bytes of an answer to such a batch, which speaks of every entry.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// See the [module](self).
#[derive(Debug)]
pub struct Langfuse {
    config: Config,
    http: HttpClient,
}

impl Sink for Langfuse {
    const KIND: &'static str = "langfuse";
    type Config = Config;

    fn variables(_written: &Settings) -> &'static [(&'static str, &'static str)] {
        &[
            ("public_key", "LANGFUSE_PUBLIC_KEY"),
            ("secret_key", "LANGFUSE_SECRET_KEY"),
            ("host", "LANGFUSE_HOST"),
            ("host", "LANGFUSE_BASE_URL"),
            ("release", "LANGFUSE_RELEASE"),
            ("environment", "LANGFUSE_TRACING_ENVIRONMENT"),
        ]
    }

    fn open(config: Config, env: &SinkEnv) -> Result<Self, SinkError> {
        env.http.check(&config.host)?;
        Ok(Self {
            config,
            http: env.http.clone(),
        })
    }

    fn limits(&self) -> BatchLimits {
        let (items_max, bytes_max) = match self.config.api {
            Api::Otlp => (512, 4 << 20),
            Api::Ingestion => (100, 2 << 20),
        };
        BatchLimits {
            items_max,
            bytes_max,
            age_max: std::time::Duration::from_secs(2),
            concurrency_max: 4,
        }
    }

    /// Asks which project the keys belong to.
    async fn probe(&self) -> Result<(), SinkError> {
        let url = self.config.host.join("/api/public/projects");
        let request = Outgoing::new(Method::GET, url, Vec::new());
        self.send(request).await.map(|_answer| ())
    }

    async fn deliver(&self, batch: &Batch<'_>) -> Result<Receipt, SinkError> {
        let (events, mut receipt) = batch.events();
        if events.is_empty() {
            return Ok(receipt);
        }
        let calls: Vec<Call<'_>> = events
            .into_iter()
            .map(|(item, event)| Call::new(item, event))
            .collect();
        let content = self.config.content_bytes_max;
        let observations: Vec<_> = calls
            .iter()
            .map(|call| Observation::of(call, &self.config.labels, content))
            .collect();
        match self.config.api {
            Api::Otlp => self.export(&observations).await?,
            Api::Ingestion => {
                let answer = self.ingest(&observations).await?;
                let unread: Vec<_> = receipt.refused().iter().map(|item| item.index).collect();
                let items = batch.items().iter().enumerate();
                let keys: Vec<_> = items
                    .filter(|(index, _)| !unread.contains(index))
                    .map(|(index, item)| (index, item.key()))
                    .collect();
                answer.tell(&keys, &mut receipt);
            }
        }
        Ok(receipt)
    }
}

impl Langfuse {
    /// The answer names a job of the server's queue, and never an item.
    async fn export(&self, observations: &[Observation<'_>]) -> Result<(), SinkError> {
        let spans = observations.iter().map(span::span);
        let message = otlp::request(&span::resource(), spans).encode_to_vec();
        let url = self.config.host.join("/api/public/otel/v1/traces");
        let fixed = HeaderValue::from_static;
        let request = Outgoing::post(url, message)
            .header(header::CONTENT_TYPE, fixed("application/x-protobuf"))
            .header(INGESTION_VERSION, fixed("4"))
            .gzip();
        match self.send(request).await {
            Ok(_answer) => Ok(()),
            Err(error) if error.kind() == SinkErrorKind::Misconfigured => {
                let hint = "servers before 3.22 need `api: ingestion`";
                let detail = format!("{}; {hint}", error.detail());
                Err(error.with_detail(&detail))
            }
            Err(error) => Err(error),
        }
    }

    /// Not compressed: old servers do not inflate.
    async fn ingest(
        &self,
        observations: &[Observation<'_>],
    ) -> Result<ingestion::Answer, SinkError> {
        let url = self.config.host.join("/api/public/ingestion");
        let batch = ingestion::Batch::of(observations);
        let request = Outgoing::json(url, &batch)?.answer_bytes_max(ANSWER_BYTES_MAX);
        if request.body().len() > INGESTION_BYTES_MAX {
            let detail = format!(
                "{} bytes are more than the server takes",
                request.body().len()
            );
            return Err(SinkError::new(SinkErrorKind::TooLarge).with_detail(&detail));
        }
        self.send(request).await?.json()
    }

    async fn send(&self, request: Outgoing) -> Result<sink::http::Answer, SinkError> {
        let version = HeaderValue::from_static(env!("CARGO_PKG_VERSION"));
        let request = request
            .secret_header(header::AUTHORIZATION, "Basic ", &self.config.credentials)?
            .header(SDK_NAME, HeaderValue::from_static("tollkeeper"))
            .header(SDK_VERSION, version)
            .timeout(self.config.timeout);
        self.http.send(request).await
    }
}

#[cfg(feature = "conformance")]
mod stand;
#[cfg(feature = "conformance")]
pub use self::stand::Stand;

#[cfg(test)]
mod tests;
