//! A bucket that takes nothing without a token, and no object under a name that is taken.

use conformance::{
    Destination, Fault, Rig, Stored,
    http::{HttpDestination, Request},
};
use serde::Deserialize;
use serde_json::{Value, json};
use sink::{Registration, SinkErrorKind};

use super::Gcs;
use crate::{google::stand::TokenServer, object::read::read};

const UPLOAD: &str = "/upload/storage/v1/b/the-bucket/o?uploadType=multipart&ifGenerationMatch=0";
const PROBE: &str =
    "/storage/v1/b/the-bucket/iam/testPermissions?permissions=storage.objects.create";
const KMS: &str = "&kmsKeyName=projects%2Fp%2Flocations%2Feu%2FkeyRings%2Fr%2FcryptoKeys%2Fk";

/// A bucket of batches.
#[derive(Debug)]
pub struct Stand;
/// A bucket of calls.
#[derive(Debug)]
pub struct Litellm;

impl conformance::Stand for Stand {
    fn registration(&self) -> Registration {
        Registration::of::<Gcs>()
    }

    fn rig(&self) -> Rig {
        rig(&json!({
            "prefix": "logs",
            "compression": "zstd",
            "storage_class": "NEARLINE",
            "kms_key": "projects/p/locations/eu/keyRings/r/cryptoKeys/k",
        }))
    }
}

impl conformance::Stand for Litellm {
    fn registration(&self) -> Registration {
        Registration::of::<Gcs>()
    }

    fn rig(&self) -> Rig {
        rig(&json!({ "layout": "litellm" }))
    }
}

#[expect(clippy::expect_used, reason = "without a free port there is no test")]
fn rig(change: &Value) -> Rig {
    let http = HttpDestination::start().expect("a free port");
    http.answer(json!({ "permissions": ["storage.objects.create"] }).to_string());
    let tokens = TokenServer::start();
    let mut config = json!({
        "bucket": "the-bucket",
        "endpoint": http.url(),
        "service_account": tokens.service_account(),
        "timeout": "2s",
    });
    if let (Value::Object(config), Value::Object(change)) = (&mut config, change) {
        config.extend(change.clone());
    }
    Rig {
        config,
        secrets: TokenServer::secrets(),
        destination: Box::new(Bucket { http, tokens }),
    }
}

struct Bucket {
    http: HttpDestination,
    tokens: TokenServer,
}

#[derive(Debug, PartialEq, Eq)]
struct Object {
    name: String,
    body: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct About {
    name: String,
    content_type: String,
    storage_class: Option<String>,
}

impl Bucket {
    /// What is in the bucket, in the order it came.
    fn objects(&self) -> Result<Vec<Object>, String> {
        if let Some(complaint) = self.http.complaints().first() {
            return Err(complaint.clone());
        }
        self.tokens.check()?;
        self.http.seen().iter().try_for_each(TokenServer::is_good)?;
        let mut objects: Vec<Object> = Vec::new();
        for request in self.http.taken() {
            if request.method == "GET" && request.target == PROBE {
                continue;
            }
            let object = object(&request)?;
            match objects.iter().find(|known| known.name == object.name) {
                Some(first) if *first == object => {}
                Some(_) => return Err(format!("another `{}` was put", object.name)),
                None => objects.push(object),
            }
        }
        Ok(objects)
    }
}

/// Reads an upload of two parts.
fn object(request: &Request) -> Result<Object, String> {
    let boundary = request
        .header("content-type")
        .and_then(|text| text.strip_prefix("multipart/related; boundary="))
        .ok_or("an upload has to be `multipart/related`")?;
    let start = format!("--{boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n");
    let end = format!("\r\n--{boundary}--\r\n");
    let inner = request.body.strip_prefix(start.as_bytes());
    let inner = inner.and_then(|rest| rest.strip_suffix(end.as_bytes()));
    let inner = inner.ok_or("the parts are not where the boundary says")?;
    let line = inner.iter().position(|byte| *byte == b'\r');
    let (about, rest) = inner.split_at(line.ok_or("there is one part alone")?);
    let about: About = serde_json::from_slice(about).map_err(|error| error.to_string())?;
    let between = format!(
        "\r\n--{boundary}\r\ncontent-type: {}\r\n\r\n",
        about.content_type
    );
    let body = rest.strip_prefix(between.as_bytes());
    let body = body.ok_or("the second part is not what the first says")?;
    let of_calls = about.content_type == "application/json";
    let target = if of_calls {
        UPLOAD.to_owned()
    } else {
        format!("{UPLOAD}{KMS}")
    };
    let class = (!of_calls).then(|| "NEARLINE".to_owned());
    let place = if of_calls {
        "2026-11-21/"
    } else {
        "logs/dt=2026-11-21/hour=11/"
    };
    let as_configured = about.storage_class == class && about.name.starts_with(place);
    if (request.method.as_str(), &request.target) != ("POST", &target) || !as_configured {
        return Err(format!("`{}` is not what was configured", request.target));
    }
    Ok(Object {
        name: about.name,
        body: body.to_vec(),
    })
}

impl Destination for Bucket {
    fn stored(&self) -> Result<Vec<Stored>, String> {
        let mut stored = Vec::new();
        for object in self.objects()? {
            stored.extend(read(&object.name, &object.body)?);
        }
        Ok(stored)
    }

    fn contents(&self) -> Vec<String> {
        let names = |objects: Vec<Object>| objects.into_iter().map(|object| object.name);
        self.objects().map_or_else(
            |complaint| vec![complaint],
            |objects| names(objects).collect(),
        )
    }

    fn suffer(&self, fault: Fault) -> Option<SinkErrorKind> {
        self.http.suffer(fault);
        // No event can be what the store minds.
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
