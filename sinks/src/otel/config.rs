//! What a user may write for OTLP.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use event::Secret;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use serde::Deserialize;
use sink::http::{Endpoint, HeaderMap, HeaderName, HeaderValue};

use super::{
    genai::ContentBytes,
    preset::{self, KeyForm, Preset, Source},
    span::Dialect,
    wire::Attributes,
};

/// Settings of OTLP.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    /// Where requests go, path and all.
    pub endpoint: Endpoint,
    /// How they go.
    pub protocol: Protocol,
    /// What they are.
    pub signal: Signal,
    /// Whose names attributes have.
    pub dialect: Dialect,
    /// Whether requests are compressed.
    pub compression: Compression,
    /// Time for a request and its answer.
    pub timeout: Duration,
    pub(super) content: ContentBytes,
    pub(super) headers: HeaderMap,
    pub(super) resource: Vec<KeyValue>,
}

/// How requests go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// OTLP over HTTP, as protobuf.
    #[default]
    #[serde(alias = "http/protobuf", alias = "otlp_http")]
    Http,
    /// OTLP over gRPC.
    #[serde(alias = "otlp_grpc")]
    Grpc,
}

/// What is made of events. One sink sends one of them, so that each has its own cursor and is
/// delivered, or not, by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// A span for each call.
    #[default]
    Traces,
    /// What a batch adds to tokens, times and costs.
    Metrics,
    /// A record for each call, with what was said as lists and maps.
    Logs,
}

/// Whether requests are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// They are.
    #[default]
    Gzip,
    /// They are not.
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    preset: Option<String>,
    endpoint: Option<Endpoint>,
    region: Option<String>,
    api_key: Option<Secret>,
    project: Option<String>,
    space: Option<String>,
    #[serde(default)]
    protocol: Protocol,
    #[serde(default)]
    signal: Signal,
    dialect: Option<Dialect>,
    content: Option<bool>,
    #[serde(default = "content_bytes_max")]
    content_bytes_max: usize,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    resource: BTreeMap<String, String>,
    #[serde(default = "service_name")]
    service_name: String,
    environment: Option<String>,
    #[serde(default)]
    compression: Compression,
    #[serde(default = "timeout", deserialize_with = "sink::setting::duration")]
    timeout: Duration,
}

/// Values may be credentials.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "use a mapping of names to values, or `name=value,name=value`"
)]
enum Headers {
    Mapping(BTreeMap<String, Secret>),
    /// As `OTEL_EXPORTER_OTLP_HEADERS` has them.
    Text(Secret),
}

impl Default for Headers {
    fn default() -> Self {
        Self::Mapping(BTreeMap::new())
    }
}

impl Headers {
    fn pairs(&self) -> Result<Vec<(String, String)>, ConfigError> {
        match self {
            Self::Mapping(pairs) => Ok(pairs
                .iter()
                .map(|(name, value)| (name.clone(), value.expose().to_owned()))
                .collect()),
            Self::Text(text) => {
                let pairs = text.expose().split(',');
                let pairs = pairs.filter(|pair| !pair.trim().is_empty());
                pairs.map(pair).collect()
            }
        }
    }
}

/// What is no pair may be a secret, so it is not repeated.
fn pair(text: &str) -> Result<(String, String), ConfigError> {
    let (name, value) = text.split_once('=').ok_or(ConfigError::HeaderText)?;
    let name = HeaderName::try_from(name.trim()).map_err(|_error| ConfigError::HeaderText)?;
    // A blank is what such texts have to write otherwise.
    Ok((name.to_string(), value.trim().replace("%20", " ")))
}

const fn content_bytes_max() -> usize {
    256 << 10
}

fn service_name() -> String {
    "tollkeeper".to_owned()
}

const fn timeout() -> Duration {
    Duration::from_secs(20)
}

/// Bounds of `content_bytes_max`.
const CONTENT_BYTES: std::ops::RangeInclusive<usize> = 1_024..=4 << 20;

/// Settings that do not fit. Does not repeat what may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not one that is known.
    #[error("`preset` is none of {0}")]
    Preset(String),
    /// Neither an address nor a destination that has one.
    #[error("`endpoint` is missing: give the address that `/v1/traces` is put behind")]
    NoEndpoint,
    /// Not one of the preset's.
    #[error("`region` is none of {0}")]
    Region(String),
    /// What the preset cannot do without.
    #[error("`{0}` is missing: {1} needs it")]
    Missing(&'static str, &'static str),
    /// A setting that nobody would read.
    #[error("`{0}` has no effect here: only a preset that names it reads it")]
    NoEffect(&'static str),
    /// Out of bounds.
    #[error("`content_bytes_max` must be 1024 to 4194304")]
    ContentBytes,
    /// A header that this sink or HTTP sets.
    #[error("`headers` must not set `{0}`: it is set for every request")]
    TakenHeader(String),
    /// Not a header.
    #[error("`{0}` is not the name of a header or has a value that none can have")]
    NotAHeader(String),
    /// Not a list of headers.
    #[error("`headers` is a mapping of names to values, or `name=value,name=value`")]
    HeaderText,
    /// A limit of no time at all.
    #[error("`timeout` must be longer than nothing")]
    NoTime,
    /// The destination's address has only one form.
    #[error("this preset takes traces over HTTP and nothing else")]
    TracesOnly,
}

impl TryFrom<Written> for Config {
    type Error = ConfigError;

    fn try_from(written: Written) -> Result<Self, ConfigError> {
        let preset = match &written.preset {
            None => preset::ANY,
            Some(name) => preset::ALL
                .iter()
                .find(|preset| preset.name == name)
                .ok_or_else(|| ConfigError::Preset(preset::names()))?,
        };
        if written.timeout.is_zero() {
            return Err(ConfigError::NoTime);
        }
        if !CONTENT_BYTES.contains(&written.content_bytes_max) {
            return Err(ConfigError::ContentBytes);
        }
        for source in [Source::ApiKey, Source::Project, Source::Space] {
            written.check(preset, source)?;
        }
        let content = written.content.unwrap_or(preset.content);
        Ok(Self {
            endpoint: written.target(preset)?,
            headers: written.headers(preset)?,
            resource: written.resource(preset),
            dialect: written.dialect.unwrap_or(preset.dialect),
            content: content.then_some(written.content_bytes_max),
            protocol: written.protocol,
            signal: written.signal,
            compression: written.compression,
            timeout: written.timeout,
        })
    }
}

impl Written {
    fn setting(&self, source: Source) -> Option<&str> {
        match source {
            Source::Fixed => Some(""),
            Source::ApiKey => self.api_key.as_ref().map(Secret::expose),
            Source::Project => self.project.as_deref(),
            Source::Space => self.space.as_deref(),
        }
    }

    /// What is needed is there, and what is there is read.
    fn check(&self, preset: &Preset, source: Source) -> Result<(), ConfigError> {
        let given = self.setting(source).is_some_and(|text| !text.is_empty());
        let read = (source == Source::ApiKey && preset.key.is_some())
            || preset.headers.iter().any(|(_, _, from)| *from == source)
            || preset.resource.iter().any(|(_, from)| *from == source);
        let needed = preset.needs.contains(&source);
        match (given, read, needed) {
            (true, false, _) => Err(ConfigError::NoEffect(source.setting())),
            (false, _, true) => Err(ConfigError::Missing(source.setting(), preset.name)),
            _ => Ok(()),
        }
    }

    fn target(&self, preset: &Preset) -> Result<Endpoint, ConfigError> {
        if preset.whole_address && (self.signal, self.protocol) != (Signal::Traces, Protocol::Http)
        {
            return Err(ConfigError::TracesOnly);
        }
        let base = match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => self.regional(preset)?,
        };
        let (path, service) = match self.signal {
            Signal::Traces => ("/v1/traces", "trace.v1.TraceService"),
            Signal::Metrics => ("/v1/metrics", "metrics.v1.MetricsService"),
            Signal::Logs => ("/v1/logs", "logs.v1.LogsService"),
        };
        Ok(match self.protocol {
            _ if preset.whole_address => base,
            Protocol::Grpc => base.join(&format!("opentelemetry.proto.collector.{service}/Export")),
            Protocol::Http if has_path(&base, path) => base,
            Protocol::Http => base.join(path),
        })
    }

    fn regional(&self, preset: &Preset) -> Result<Endpoint, ConfigError> {
        let found = match &self.region {
            None => preset.regions.first(),
            Some(wanted) => preset.regions.iter().find(|(name, _)| name == wanted),
        };
        let Some((_, address)) = found else {
            if preset.regions.is_empty() {
                return Err(ConfigError::NoEndpoint);
            }
            let names: Vec<_> = preset.regions.iter().map(|(name, _)| *name).collect();
            return Err(ConfigError::Region(names.join(", ")));
        };
        Endpoint::parse(address).map_err(|_error| ConfigError::NoEndpoint)
    }

    fn headers(&self, preset: &Preset) -> Result<HeaderMap, ConfigError> {
        let mut headers = HeaderMap::new();
        if let (Some((name, form)), Some(key)) = (preset.key, &self.api_key) {
            let key = key.expose();
            let value = match form {
                KeyForm::Plain(prefix) => format!("{prefix}{key}"),
                KeyForm::Basic(prefix) => {
                    format!("Basic {}", BASE64_STANDARD.encode(format!("{prefix}{key}")))
                }
            };
            insert(&mut headers, name, &value)?;
        }
        for (name, prefix, source) in preset.headers {
            if let Some(text) = self.setting(*source) {
                insert(&mut headers, name, &format!("{prefix}{text}"))?;
            }
        }
        for (name, value) in self.headers.pairs()? {
            if is_taken(&name) {
                return Err(ConfigError::TakenHeader(name));
            }
            insert(&mut headers, &name, &value)?;
        }
        Ok(headers)
    }

    fn resource(&self, preset: &Preset) -> Vec<KeyValue> {
        let mut attributes = Attributes::default();
        attributes.text("service.name", &self.service_name);
        let environment = self.environment.as_deref();
        attributes.maybe("deployment.environment.name", environment);
        for (key, source) in preset.resource {
            attributes.maybe(key, self.setting(*source));
        }
        for (key, value) in &self.resource {
            attributes.text(key, value);
        }
        attributes.into_inner()
    }
}

/// Headers that belong to the body or to the connection.
fn is_taken(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let taken = [
        "connection",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let prefixes = ["content-", "grpc-", "proxy-"];
    taken.contains(&name.as_str()) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), ConfigError> {
    let not_a_header = || ConfigError::NotAHeader(name.to_owned());
    let parsed = HeaderName::try_from(name).map_err(|_error| not_a_header())?;
    let mut value = HeaderValue::from_str(value).map_err(|_error| not_a_header())?;
    value.set_sensitive(true);
    headers.insert(parsed, value);
    Ok(())
}

/// Whether the user has written the path of the signal.
fn has_path(endpoint: &Endpoint, path: &str) -> bool {
    let address = endpoint.expose();
    let address = address.split(['?', '#']).next().unwrap_or(address);
    address.trim_end_matches('/').ends_with(path)
}
