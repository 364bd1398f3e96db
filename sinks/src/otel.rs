//! Sends calls over OTLP, as spans, metrics or log records, to whoever speaks it.
//!
//! A call is one span, in the caller's trace where there is one. Its ids are those of the event, so a
//! redelivery repeats them, and a destination that knows spans by their ids has every call once.
//! Others have it again after an answer that got lost.
//!
//! A call whose cost is corrected is not sent again: the correction is a span of its own behind the
//! call's, with the difference as its cost.

use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use prost::Message;
use sink::{
    Batch, BatchLimits, Receipt, Settings, Sink, SinkEnv, SinkError, SinkErrorKind,
    http::{
        Answer, HeaderName, HeaderValue, HttpClient, Outgoing, StatusCode, gzip, header, meaning,
    },
};

mod answer;
pub(crate) mod call;
mod config;
pub(crate) mod genai;
mod grpc;
pub(crate) mod messages;
mod metrics;
mod openinference;
pub(crate) mod own;
mod preset;
pub(crate) mod span;
pub(crate) mod wire;

use self::call::Call;
pub use self::{
    config::{Compression, Config, ConfigError, Protocol, Signal},
    span::Dialect,
};

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// See the [module](self).
#[derive(Debug)]
pub struct Otel {
    config: Config,
    http: HttpClient,
}

impl Sink for Otel {
    const KIND: &'static str = "otel";
    type Config = Config;

    /// OTLP's own, or those of the destination that `preset` names.
    fn variables(written: &Settings) -> &'static [(&'static str, &'static str)] {
        let named = written.get("preset").and_then(|name| name.as_str());
        let known = preset::ALL.iter().find(|preset| Some(preset.name) == named);
        known.unwrap_or(preset::ANY).variables
    }

    fn open(config: Config, env: &SinkEnv) -> Result<Self, SinkError> {
        env.http.check(&config.endpoint)?;
        Ok(Self {
            config,
            http: env.http.clone(),
        })
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits {
            items_max: 512,
            // A message of gRPC may have 4 MB where nobody has said otherwise.
            bytes_max: match self.config.protocol {
                Protocol::Http => 4 << 20,
                Protocol::Grpc => 2 << 20,
            },
            age_max: std::time::Duration::from_secs(2),
            // What metrics say of a time has to arrive before what they say of the next.
            concurrency_max: match self.config.signal {
                Signal::Traces | Signal::Logs => 4,
                Signal::Metrics => 1,
            },
        }
    }

    /// Sends a request that has nothing in it.
    async fn probe(&self) -> Result<(), SinkError> {
        let request = self.request(Vec::new())?;
        let request = match self.config.protocol {
            Protocol::Http => request.judge(judge_probe),
            Protocol::Grpc => request,
        };
        self.http.send(request).await.map(|_answer| ())
    }

    async fn deliver(&self, batch: &Batch<'_>) -> Result<Receipt, SinkError> {
        let (events, mut receipt) = batch.events();
        let calls: Vec<Call<'_>> = events
            .into_iter()
            .map(|(item, event)| Call::new(item, event))
            .collect();
        let Some(message) = self.message(&calls) else {
            return Ok(receipt);
        };
        let answer = self.http.send(self.request(message)?).await?;
        if let Some(rejected) = self.rejected(&answer) {
            let unread: Vec<_> = receipt.refused().iter().map(|item| item.index).collect();
            let sent: Vec<_> = (0..batch.items().len())
                .filter(|index| !unread.contains(index))
                .collect();
            rejected.refuse(sent.into_iter(), &mut receipt);
        }
        Ok(receipt)
    }
}

impl Otel {
    /// The calls as a message; `None` if there is nothing to say.
    fn message(&self, calls: &[Call<'_>]) -> Option<Vec<u8>> {
        let Config {
            resource,
            dialect,
            content,
            ..
        } = &self.config;
        match self.config.signal {
            _ if calls.is_empty() => None,
            Signal::Traces => {
                let spans = calls
                    .iter()
                    .map(|call| span::span(call, *dialect, *content));
                let request: ExportTraceServiceRequest = span::request(resource, spans);
                Some(request.encode_to_vec())
            }
            Signal::Metrics => {
                let request: Option<ExportMetricsServiceRequest> =
                    metrics::request(resource, calls);
                request.map(|request| request.encode_to_vec())
            }
            Signal::Logs => {
                let request: Option<ExportLogsServiceRequest> =
                    span::records(resource, calls, *content);
                request.map(|request| request.encode_to_vec())
            }
        }
    }

    fn request(&self, message: Vec<u8>) -> Result<Outgoing, SinkError> {
        let Config {
            endpoint,
            compression,
            ..
        } = &self.config;
        let gzips = *compression == Compression::Gzip;
        let fixed = HeaderValue::from_static;
        let request = match self.config.protocol {
            Protocol::Http => {
                let request = Outgoing::post(endpoint.clone(), message)
                    .header(header::CONTENT_TYPE, fixed("application/x-protobuf"));
                if gzips { request.gzip() } else { request }
            }
            Protocol::Grpc => {
                let message = if gzips { gzip(&message) } else { message };
                let framed = grpc::frame(&message, gzips)
                    .ok_or_else(|| SinkError::new(SinkErrorKind::TooLarge))?;
                let request = Outgoing::post(endpoint.clone(), framed)
                    .http2()
                    .header(header::CONTENT_TYPE, fixed("application/grpc"))
                    .header(header::TE, fixed("trailers"))
                    .judge(grpc::judge);
                let encoding = if gzips { "gzip" } else { "identity" };
                request.header(GRPC_ENCODING, fixed(encoding))
            }
        };
        let headers = self.config.headers.iter();
        let request = headers.fold(request, |request, (name, value)| {
            request.header(name.clone(), value.clone())
        });
        Ok(request.timeout(self.config.timeout))
    }

    fn rejected(&self, answer: &Answer) -> Option<answer::Rejected> {
        let kind = answer.headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let body = match self.config.protocol {
            Protocol::Http => &answer.body,
            Protocol::Grpc => grpc::message(&answer.body),
        };
        answer::rejected(self.config.signal, kind.contains("json"), body)
    }
}

/// Some complain of a request that has nothing in it; then they are there, and let us in.
fn judge_probe(answer: &Answer) -> Result<(), SinkErrorKind> {
    match answer.status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Ok(()),
        status => meaning(status),
    }
}

#[cfg(feature = "conformance")]
pub(crate) mod stand;
#[cfg(feature = "conformance")]
pub use self::stand::Stand;

#[cfg(test)]
pub(crate) mod tests;
