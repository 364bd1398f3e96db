//! AWS's signature version 4, as S3 wants it: the path is signed as it is sent.

use std::{collections::BTreeMap, fmt::Write as _};

use event::{Secret, Timestamp};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use sink::{
    SinkError, SinkErrorKind,
    http::{Endpoint, HeaderName, HeaderValue, Method, Outgoing, header},
};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// An access key.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) id: Secret,
    pub(super) secret: Secret,
    pub(super) session: Option<Secret>,
}

/// A request before it is signed. Every header is.
#[derive(Debug)]
pub(super) struct Unsigned {
    pub(super) method: Method,
    pub(super) endpoint: Endpoint,
    pub(super) headers: BTreeMap<&'static str, String>,
    pub(super) body: Vec<u8>,
}

/// The request with date, digest and signature.
pub(super) fn signed(
    mut request: Unsigned,
    keys: &Keys,
    region: &str,
    now: Timestamp,
) -> Result<Outgoing, SinkError> {
    if let Some(session) = &keys.session {
        let session = session.expose().to_owned();
        request.headers.insert("x-amz-security-token", session);
    }
    let authorization = Secret::new(authorization(&mut request, keys, region, now));
    let Unsigned {
        method,
        endpoint,
        headers,
        body,
    } = request;
    let mut outgoing = Outgoing::new(method, endpoint, body);
    for (name, value) in headers {
        if name == "host" {
            continue;
        }
        let header = HeaderName::from_static(name);
        outgoing = if name == "x-amz-security-token" {
            outgoing.secret_header(header, "", &Secret::new(value))?
        } else {
            let value = HeaderValue::try_from(value).map_err(|_error| {
                let detail = format!("`{name}` cannot be sent as a header");
                SinkError::new(SinkErrorKind::Misconfigured).with_detail(&detail)
            })?;
            outgoing.header(header, value)
        };
    }
    outgoing.secret_header(header::AUTHORIZATION, "", &authorization)
}

/// The value of `authorization`; adds the headers that every signed request has.
fn authorization(request: &mut Unsigned, keys: &Keys, region: &str, now: Timestamp) -> String {
    let time = now.to_utc().format("%Y%m%dT%H%M%SZ").to_string();
    let day = time.get(..8).unwrap_or_default();
    let digest = hex::encode(Sha256::digest(&request.body));
    let (host, path, query) = parts(request.endpoint.expose());
    let (host, path, query) = (host.to_owned(), path.to_owned(), query.to_owned());
    let headers = &mut request.headers;
    headers.insert("host", host);
    headers.insert("x-amz-content-sha256", digest.clone());
    headers.insert("x-amz-date", time.clone());
    let names: Vec<&str> = headers.keys().copied().collect();
    let names = names.join(";");
    let mut canonical = format!("{}\n{path}\n{query}\n", request.method);
    for (name, value) in headers.iter() {
        // Writing to a string does not fail.
        let _done = writeln!(canonical, "{name}:{}", value.trim());
    }
    let _done = write!(canonical, "\n{names}\n{digest}");
    let scope = format!("{day}/{region}/s3/aws4_request");
    let canonical = hex::encode(Sha256::digest(&canonical));
    let said = format!("{ALGORITHM}\n{time}\n{scope}\n{canonical}");
    let secret = format!("AWS4{}", keys.secret.expose());
    let key = [day, region, "s3", "aws4_request"]
        .iter()
        .fold(secret.into_bytes(), |key, part| mac(&key, part));
    let signature = hex::encode(mac(&key, &said));
    let id = keys.id.expose();
    format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}")
}

/// Host with port, path and query of a URL. Queries here have few letters and are written in order.
fn parts(url: &str) -> (&str, &str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    match rest.find('/') {
        Some(at) => {
            let (host, path) = rest.split_at(at);
            (host, path, query)
        }
        None => (rest, "/", query),
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes keys of any length.
    Hmac::<Sha256>::new_from_slice(key).map_or_else(
        |_error| Vec::new(),
        |mut mac| {
            mac.update(text.as_bytes());
            mac.finalize().into_bytes().to_vec()
        },
    )
}

#[cfg(feature = "conformance")]
impl Unsigned {
    /// What a server computes from a request that came in.
    pub(super) fn authorization_at(mut self, keys: &Keys, region: &str, now: Timestamp) -> String {
        authorization(&mut self, keys, region, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> String {
        let keys = Keys {
            id: Secret::new("AKIAIOSFODNN7EXAMPLE".to_owned()),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
            session: None,
        };
        let url = format!("https://examplebucket.s3.amazonaws.com/{path}");
        let mut request = Unsigned {
            method,
            endpoint: Endpoint::parse(&url).unwrap(),
            headers: headers
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
            body: body.into(),
        };
        let now = Timestamp::from_micros(1_369_353_600_000_000);
        let said = authorization(&mut request, &keys, "us-east-1", now);
        said.rsplit_once('=').unwrap().1.to_owned()
    }

    /// The examples of "Authenticating Requests (AWS Signature Version 4)" in S3's reference.
    #[test]
    fn it_signs_as_the_reference_says() {
        assert_eq!(
            signature(Method::GET, "test.txt", &[("range", "bytes=0-9")], ""),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        assert_eq!(
            signature(
                Method::PUT,
                "test%24file.text",
                &[
                    ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ],
                "Welcome to Amazon S3."
            ),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        assert_eq!(
            signature(Method::GET, "?max-keys=2&prefix=J", &[], ""),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }
}
