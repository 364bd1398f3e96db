//! A bucket that takes no request that is not signed, and no object under a name that is taken.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use conformance::{
    Destination, Fault, Rig, Stored,
    http::{HttpDestination, Request},
};
use event::{Secret, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sink::{
    Registration, SinkErrorKind,
    http::{Endpoint, Method},
};

use super::{
    S3,
    sign::{Keys, Unsigned},
};
use crate::object::read::read;

const KEY_ID: &str = "AKIACANARY7F3D";
const KEY: &str = "canary/secret+4a1b";
const SESSION: &str = "canary-session-77aa";
const REGION: &str = "eu-central-1";

/// A bucket of batches.
#[derive(Debug)]
pub struct Stand;
/// A bucket of calls.
#[derive(Debug)]
pub struct Litellm;

impl conformance::Stand for Stand {
    fn registration(&self) -> Registration {
        Registration::of::<S3>()
    }

    fn rig(&self) -> Rig {
        rig(&json!({
            "prefix": "logs/calls",
            "checksum": true,
            "server_side_encryption": "aws:kms",
            "kms_key_id": "arn:aws:kms:eu-central-1:1:key/a",
            "storage_class": "STANDARD_IA",
        }))
    }
}

impl conformance::Stand for Litellm {
    fn registration(&self) -> Registration {
        Registration::of::<S3>()
    }

    fn rig(&self) -> Rig {
        rig(&json!({ "layout": "litellm", "team_prefix": true, "key_prefix": true }))
    }
}

#[expect(clippy::expect_used, reason = "without a free port there is no test")]
fn rig(change: &Value) -> Rig {
    let http = HttpDestination::start().expect("a free port");
    let mut config = json!({
        "bucket": "the-bucket",
        "region": REGION,
        "endpoint": http.url(),
        "access_key_id": KEY_ID,
        "secret_access_key": KEY,
        "session_token": SESSION,
        "timeout": "2s",
    });
    if let (Value::Object(config), Value::Object(change)) = (&mut config, change) {
        config.extend(change.clone());
    }
    Rig {
        config,
        secrets: vec![KEY.to_owned(), SESSION.to_owned()],
        destination: Box::new(Bucket { http }),
    }
}

struct Bucket {
    http: HttpDestination,
}

impl Bucket {
    /// What is in the bucket, in the order it came.
    fn objects(&self) -> Result<Vec<(String, Vec<u8>)>, String> {
        if let Some(complaint) = self.http.complaints().first() {
            return Err(complaint.clone());
        }
        self.http.seen().iter().try_for_each(|request| {
            let url = format!("{}{}", self.http.url(), request.target);
            verify(request, &url)
        })?;
        let mut objects: Vec<(String, Vec<u8>)> = Vec::new();
        let taken = self.http.taken();
        for request in taken.into_iter().filter(|request| request.method == "PUT") {
            let same = |(name, _): &&(String, Vec<u8>)| *name == request.target;
            match objects.iter().find(same) {
                Some((_, first)) if *first == request.body => {}
                Some((name, _)) => return Err(format!("another `{name}` was put")),
                None => objects.push((request.target, request.body)),
            }
        }
        Ok(objects)
    }
}

fn header<'a>(request: &'a Request, name: &str) -> Result<&'a str, String> {
    let value = request.header(name);
    value.ok_or_else(|| format!("there must be one `{name}`"))
}

/// Computes the signature of what came in, over the headers that it says it is over.
fn verify(request: &Request, url: &str) -> Result<(), String> {
    let authorization = header(request, "authorization")?;
    let names = authorization
        .split_once("SignedHeaders=")
        .and_then(|(_, rest)| rest.split_once(','))
        .ok_or("no headers are signed")?
        .0;
    // What S3 reads has to be signed.
    let read = |name: &str| name.starts_with("x-amz-") || name == "host" || name == "content-type";
    let mut given = request.headers.iter().map(|(name, _)| name.as_str());
    if let Some(name) = given.find(|name| read(name) && !names.split(';').any(|is| is == *name)) {
        return Err(format!("`{name}` is not signed"));
    }
    let mut headers = BTreeMap::new();
    for name in names.split(';') {
        let known = KNOWN.iter().find(|known| **known == name);
        let known = known.ok_or_else(|| format!("nobody knows a header `{name}`"))?;
        headers.insert(*known, header(request, name)?.to_owned());
    }
    let time = header(request, "x-amz-date")?;
    let time = chrono::NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ")
        .map_err(|error| error.to_string())?;
    let unsigned = Unsigned {
        method: Method::from_bytes(request.method.as_bytes()).map_err(|error| error.to_string())?,
        endpoint: Endpoint::parse(url).map_err(|error| error.to_string())?,
        headers,
        body: request.body.clone(),
    };
    let keys = Keys {
        id: Secret::new(KEY_ID.to_owned()),
        secret: Secret::new(KEY.to_owned()),
        session: None,
    };
    let now = Timestamp::from_micros(time.and_utc().timestamp_micros());
    let expected = unsigned.authorization_at(&keys, REGION, now);
    if authorization != expected || header(request, "x-amz-security-token")? != SESSION {
        return Err(format!(
            "the signature is `{authorization}`, not `{expected}`"
        ));
    }
    match request.method.as_str() {
        "GET" => Ok(()),
        "PUT" => check_put(request),
        other => Err(format!("nobody asked for {other}")),
    }
}

const KNOWN: &[&str] = &[
    "content-type",
    "host",
    "if-none-match",
    "x-amz-checksum-sha256",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-storage-class",
];

fn check_put(request: &Request) -> Result<(), String> {
    if header(request, "if-none-match")? != "*" {
        return Err("an object may be replaced".to_owned());
    }
    if let Some(checksum) = request.header("x-amz-checksum-sha256")
        && checksum != BASE64_STANDARD.encode(Sha256::digest(&request.body))
    {
        return Err("the checksum is that of something else".to_owned());
    }
    let content = header(request, "content-type")?;
    let path = request.target.as_str();
    let good = match content {
        "application/gzip" => {
            let sse = header(request, "x-amz-server-side-encryption")?;
            path.starts_with("/the-bucket/logs/calls/dt%3D2026-11-21/hour%3D11/")
                && path.ends_with(".jsonl.gz")
                && (sse, header(request, "x-amz-storage-class")?) == ("aws:kms", "STANDARD_IA")
        }
        "application/json" => path.starts_with("/the-bucket/") && path.ends_with(".json"),
        _ => false,
    };
    if good && path.len() <= 1024 {
        Ok(())
    } else {
        Err(format!("`{path}` is no name for `{content}`"))
    }
}

impl Destination for Bucket {
    fn stored(&self) -> Result<Vec<Stored>, String> {
        let mut stored = Vec::new();
        for (name, body) in self.objects()? {
            stored.extend(read(&name, &body)?);
        }
        Ok(stored)
    }

    fn contents(&self) -> Vec<String> {
        let names = |objects: Vec<(String, Vec<u8>)>| objects.into_iter().map(|(name, _)| name);
        self.objects().map_or_else(
            |complaint| vec![complaint],
            |objects| names(objects).collect(),
        )
    }

    fn suffer(&self, fault: Fault) -> Option<SinkErrorKind> {
        self.http.suffer(fault);
        // No event can be what S3 minds.
        Some(match fault.status() {
            Some(409) => SinkErrorKind::Failing,
            Some(400 | 415 | 422) => SinkErrorKind::Misconfigured,
            _ => fault.kind(),
        })
    }

    fn recover(&self) {
        self.http.recover();
    }
}
