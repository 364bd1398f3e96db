//! Puts events into a bucket of Google Cloud Storage, over its JSON API.
//!
//! A batch is an object of JSON lines, `<prefix>/dt=2026-11-21/hour=11/<batch>-<digest>.jsonl.gz`. Its
//! name and bytes follow from the batch, and it is put with `ifGenerationMatch=0`: a redelivery finds
//! the object there (412) and changes nothing, so every event is stored exactly once.
//!
//! A call whose cost is corrected stands in a later object again, with the same
//! `tollkeeper.settlement.event_id` and a higher `revision`. The highest holds. An alert (`send:
//! alerts`, `send: both`) is a line with an `alert_id`.
//!
//! With `layout: litellm` a call is an object, where LiteLLM's logger has it.

use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use sink::{
    Batch, BatchLimits, Receipt, Settings, Sink, SinkEnv, SinkError, SinkErrorKind, Takes,
    http::{Answer, HeaderValue, Method, Outgoing, header, meaning},
};

mod config;

pub use self::config::{Config, ConfigError};
use crate::{
    google::auth::{self, Tokens},
    object::shape::{Layout, Object},
};

/// What a key has to be allowed.
const PERMISSION: &str = "storage.objects.create";

/// See the [module](self).
#[derive(Debug)]
pub struct Gcs {
    config: Config,
    tokens: Tokens,
}

#[derive(Deserialize)]
struct Allowed {
    #[serde(default)]
    permissions: Vec<String>,
}

impl Sink for Gcs {
    const KIND: &'static str = "gcs";
    type Config = Config;

    fn variables(written: &Settings) -> &'static [(&'static str, &'static str)] {
        auth::variables(
            written,
            &[
                ("service_account_file", "GCS_PATH_SERVICE_ACCOUNT"),
                ("service_account_file", "GOOGLE_APPLICATION_CREDENTIALS"),
                ("bucket", "GCS_BUCKET_NAME"),
            ],
        )
    }

    fn open(config: Config, env: &SinkEnv) -> Result<Self, SinkError> {
        env.http.check(&config.endpoint)?;
        let tokens = Tokens::new(config.source.clone(), env)?;
        Ok(Self { config, tokens })
    }

    /// An object of one call has no place for alerts.
    fn takes(&self) -> Takes {
        match self.config.shape.layout {
            Layout::Batch => Takes::Both,
            Layout::Litellm => Takes::Events,
        }
    }

    fn limits(&self) -> BatchLimits {
        self.config.shape.limits()
    }

    /// Asks whether the key may create objects here.
    async fn probe(&self) -> Result<(), SinkError> {
        let Config {
            endpoint, bucket, ..
        } = &self.config;
        let path = format!("storage/v1/b/{bucket}/iam/testPermissions");
        let url = endpoint.join(&path).with_query("permissions", PERMISSION);
        let ask = || {
            Outgoing::new(Method::GET, url.clone(), Vec::new())
                .timeout(self.config.timeout)
                .judge(judge)
        };
        let allowed: Allowed = self.tokens.send(ask).await?.json()?;
        if allowed.permissions.iter().any(|name| name == PERMISSION) {
            return Ok(());
        }
        let detail = format!("the service account has no `{PERMISSION}` for the bucket `{bucket}`");
        Err(SinkError::new(SinkErrorKind::Unauthorized).with_detail(&detail))
    }

    async fn deliver(&self, batch: &Batch<'_>) -> Result<Receipt, SinkError> {
        let (objects, receipt) = self.config.shape.objects(batch).await?;
        // What a failure leaves behind, the redelivery finds there.
        for object in objects {
            self.put(object).await?;
        }
        Ok(receipt)
    }
}

impl Gcs {
    /// In one request: what the object is, and what is in it.
    async fn put(&self, object: Object) -> Result<(), SinkError> {
        let Config {
            endpoint, bucket, ..
        } = &self.config;
        let mut url = endpoint
            .join(&format!("upload/storage/v1/b/{bucket}/o"))
            .with_query("uploadType", "multipart")
            .with_query("ifGenerationMatch", "0");
        if let Some(key) = &self.config.kms_key {
            url = url.with_query("kmsKeyName", key);
        }
        let mut about = json!({ "name": object.name, "contentType": object.content_type });
        if let Some(class) = &self.config.storage_class {
            about["storageClass"] = class.as_str().into();
        }
        let (content_type, body) = multipart(&about.to_string(), &object);
        let put = Outgoing::post(url, body)
            .header(header::CONTENT_TYPE, content_type)
            .timeout(self.config.timeout)
            .judge(judge);
        self.tokens.send(|| put.clone()).await.map(|_answer| ())
    }
}

/// The two parts, and the header that says where they end: with a text that follows from the content
/// and so is not in it.
fn multipart(about: &str, object: &Object) -> (HeaderValue, Vec<u8>) {
    let boundary = hex::encode(Sha256::digest(&object.body));
    let content_type = object.content_type;
    let mut body = format!(
        "--{boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{about}\r\n--{boundary}\r\n\
         content-type: {content_type}\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(&object.body);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let related = HeaderValue::try_from(format!("multipart/related; boundary={boundary}"));
    let fallback = HeaderValue::from_static("multipart/related");
    (related.unwrap_or(fallback), body)
}

/// What is in an object cannot be wrong, so a request that is refused is one that the configuration
/// has made, and no event is given up for it.
fn judge(answer: &Answer) -> Result<(), SinkErrorKind> {
    match (answer.status.as_u16(), meaning(answer.status)) {
        // It is there already.
        (412, _) => Ok(()),
        // Somebody else is at it.
        (409, _) => Err(SinkErrorKind::Failing),
        (403, _) if is_rate_limit(&answer.body) => Err(SinkErrorKind::Throttled),
        (_, Err(SinkErrorKind::Refused)) => Err(SinkErrorKind::Misconfigured),
        (_, meant) => meant,
    }
}

/// A project that asks too often gets the status of one that may not ask.
fn is_rate_limit(body: &[u8]) -> bool {
    let text = str::from_utf8(body).unwrap_or_default();
    ["\"rateLimitExceeded\"", "\"userRateLimitExceeded\""]
        .iter()
        .any(|reason| text.contains(reason))
}

#[cfg(feature = "conformance")]
mod stand;
#[cfg(feature = "conformance")]
pub use self::stand::{Litellm, Stand};

#[cfg(test)]
mod tests;
