//! Puts events into a bucket of S3, or of a store that speaks its protocol: MinIO, R2, Ceph.
//!
//! A batch is an object of JSON lines, `<prefix>/dt=2026-11-21/hour=11/<batch>-<digest>.jsonl.gz`. Its
//! name and bytes follow from the batch, and it is put with `If-None-Match: *`: a redelivery finds the
//! object there (412) and changes nothing, so every event is stored exactly once.
//!
//! A call whose cost is corrected stands in a later object again, with the same
//! `tollkeeper.settlement.event_id` and a higher `revision`. The highest holds. An alert (`send:
//! alerts`, `send: both`) is a line with an `alert_id`.
//!
//! With `layout: litellm` a call is an object, where LiteLLM's logger has it.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use sink::{
    Batch, BatchLimits, Clock, Receipt, Settings, Sink, SinkEnv, SinkError, SinkErrorKind, Takes,
    http::{Answer, HttpClient, Method, StatusCode, meaning},
};

mod config;
mod sign;

pub use self::config::{Config, ConfigError};
use self::sign::Unsigned;
use crate::object::shape::{Layout, Object, encoded};

/// See the [module](self).
#[derive(Debug)]
pub struct S3 {
    config: Config,
    http: HttpClient,
    clock: Clock,
}

impl Sink for S3 {
    const KIND: &'static str = "s3";
    type Config = Config;

    /// AWS's own. The parts of a key belong together: where one is written, none is taken from here.
    fn variables(written: &Settings) -> &'static [(&'static str, &'static str)] {
        const NAMES: &[(&str, &str)] = &[
            ("region", "AWS_REGION"),
            ("region", "AWS_DEFAULT_REGION"),
            ("access_key_id", "AWS_ACCESS_KEY_ID"),
            ("secret_access_key", "AWS_SECRET_ACCESS_KEY"),
            ("session_token", "AWS_SESSION_TOKEN"),
        ];
        let own = ["access_key_id", "secret_access_key", "session_token"];
        let keys = own.iter().any(|name| written.contains_key(*name));
        if keys {
            NAMES.get(..2).unwrap_or_default()
        } else {
            NAMES
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

    /// Asks for the list of at most one object: credentials that may only write are refused that in
    /// words of their own.
    async fn probe(&self) -> Result<(), SinkError> {
        // In the order in which they are signed.
        let endpoint = self.config.url.clone().with_query("list-type", "2");
        let endpoint = endpoint.with_query("max-keys", "1");
        let request = Unsigned {
            method: Method::GET,
            endpoint,
            headers: BTreeMap::new(),
            body: Vec::new(),
        };
        self.send(request, judge_probe).await
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

impl S3 {
    async fn put(&self, object: Object) -> Result<(), SinkError> {
        let Object {
            name,
            content_type,
            body,
        } = object;
        let mut headers = BTreeMap::from([
            ("content-type", content_type.to_owned()),
            ("if-none-match", "*".to_owned()),
        ]);
        headers.extend(self.config.keeping.iter().cloned());
        if self.config.checksum {
            let checksum = BASE64_STANDARD.encode(Sha256::digest(&body));
            headers.insert("x-amz-checksum-sha256", checksum);
        }
        let request = Unsigned {
            method: Method::PUT,
            endpoint: self.config.url.join(&encoded(&name, "/")),
            headers,
            body,
        };
        self.send(request, judge).await
    }

    async fn send(
        &self,
        request: Unsigned,
        judge: fn(&Answer) -> Result<(), SinkErrorKind>,
    ) -> Result<(), SinkError> {
        let Config { keys, region, .. } = &self.config;
        let request = sign::signed(request, keys, region, self.clock.now())?;
        let request = request.timeout(self.config.timeout).judge(judge);
        self.http.send(request).await.map(|_answer| ())
    }
}

/// What is in an object cannot be wrong, so a request that is refused is one that the configuration
/// has made, and no event is given up for it.
fn judge(answer: &Answer) -> Result<(), SinkErrorKind> {
    let meant = meaning(answer.status);
    match (answer.status.as_u16(), code(answer)) {
        // It is there already.
        (412, _) => Ok(()),
        // Somebody else is at it, or our clock is off, or we were too slow.
        (409, _) | (_, "RequestTimeTooSkewed" | "RequestTimeout" | "SlowDown")
            if meant.is_err() =>
        {
            Err(SinkErrorKind::Failing)
        }
        (400, "ExpiredToken" | "InvalidToken") => Err(SinkErrorKind::Unauthorized),
        (400, "EntityTooLarge") => Err(SinkErrorKind::TooLarge),
        _ if meant == Err(SinkErrorKind::Refused) => Err(SinkErrorKind::Misconfigured),
        _ => meant,
    }
}

/// Whoever may write need not be allowed to list.
fn judge_probe(answer: &Answer) -> Result<(), SinkErrorKind> {
    if answer.status == StatusCode::FORBIDDEN && code(answer) == "AccessDenied" {
        Ok(())
    } else {
        judge(answer)
    }
}

/// The word for a failure, in the XML that says it.
fn code(answer: &Answer) -> &str {
    let text = str::from_utf8(&answer.body).unwrap_or_default();
    let code = text.split_once("<Code>").map(|(_, rest)| rest);
    let code = code.and_then(|rest| rest.split_once("</Code>"));
    code.map_or("", |(code, _)| code)
}

#[cfg(feature = "conformance")]
mod stand;
#[cfg(feature = "conformance")]
pub use self::stand::{Litellm, Stand};

#[cfg(test)]
mod tests;
