//! AWS's signature version 4:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::fmt::Write as _;

use event::{Secret, Timestamp};
use hmac::{Hmac, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use sha2::{Digest as _, Sha256};

use crate::provider::{Outgoing, ProviderError, openai};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SESSION: HeaderName = HeaderName::from_static("x-amz-security-token");

/// An access key.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) session: Option<Secret>,
}

/// Adds date and signature to a request for a service in a region.
pub(super) fn sign(
    outgoing: &mut Outgoing,
    keys: &Keys,
    (region, service): (&str, &str),
    now: Timestamp,
) -> Result<(), ProviderError> {
    let time = now.to_utc().format("%Y%m%dT%H%M%SZ").to_string();
    let day = time.get(..8).unwrap_or_default();
    let headers = &mut outgoing.headers;
    headers.insert(header::HOST, host(&outgoing.uri)?);
    headers.insert(DATE, openai::sensitive(&time)?);
    if let Some(session) = &keys.session {
        headers.insert(SESSION, openai::sensitive(session.expose())?);
    }
    let (canonical, names) = canonical(outgoing);
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let digest = hex::encode(Sha256::digest(&canonical));
    let said = format!("{ALGORITHM}\n{time}\n{scope}\n{digest}");
    let mut key = mac(format!("AWS4{}", keys.secret.expose()).as_bytes(), day)?;
    for part in [region, service, "aws4_request"] {
        key = mac(&key, part)?;
    }
    let signature = hex::encode(mac(&key, &said)?);
    let id = &keys.id;
    let value = format!(
        "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
    );
    let value = openai::sensitive(&value)?;
    outgoing.headers.insert(header::AUTHORIZATION, value);
    Ok(())
}

/// The request as it is signed, and the names of the headers that are.
fn canonical(outgoing: &Outgoing) -> (String, String) {
    let signed = signed(&outgoing.headers);
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let path = encoded(outgoing.uri.path().as_bytes(), true);
    let mut query: Vec<&str> = outgoing
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .collect();
    query.sort_unstable();
    let mut text = format!("{}\n{path}\n{}\n", outgoing.method, query.join("&"));
    for (name, value) in &signed {
        // Writing to a string does not fail.
        let _done = writeln!(text, "{name}:{value}");
    }
    let digest = hex::encode(Sha256::digest(&outgoing.body));
    (format!("{text}\n{names}\n{digest}"), names)
}

/// The headers that are signed, by name: those that AWS reads. What lies between may add others.
fn signed(headers: &HeaderMap) -> Vec<(&str, String)> {
    let is_signed = |name: &str| {
        [header::HOST, header::CONTENT_TYPE]
            .iter()
            .any(|own| own == name)
            || name.starts_with("x-amz")
    };
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
    let mut signed: Vec<(&str, String)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), text(value)))
        .filter(|(name, _)| is_signed(name))
        .collect();
    signed.sort_unstable();
    signed
}

/// The address's host, with its port if it is not the scheme's own.
fn host(uri: &Uri) -> Result<HeaderValue, ProviderError> {
    let name = uri.host().unwrap_or_default();
    let own = match uri.scheme_str() {
        Some("http") => 80,
        _ => 443,
    };
    let text = match uri.port_u16() {
        Some(port) if port != own => format!("{name}:{port}"),
        _ => name.to_owned(),
    };
    HeaderValue::try_from(text).map_err(|_error| ProviderError::BadAddress(uri.to_string()))
}

fn mac(key: &[u8], text: &str) -> Result<Vec<u8>, ProviderError> {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mut mac = mac.map_err(|_error| ProviderError::BadCredential)?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

/// All but unreserved letters as `%XX`; `is_path`: slashes stay.
pub(super) fn encoded(text: &[u8], is_path: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain || (is_path && byte == b'/') {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _done = write!(out, "%{byte:02X}");
        }
    }
    out
}
