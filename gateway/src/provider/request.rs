//! Requests as most dialects send them: one JSON object, with the key in a header.

use event::Json;
use http::{HeaderMap, header};

use super::{Ask, Outgoing, ProviderError, conversation::Object, openai};
use crate::request::UsageOption;

/// Posts `body` to `uri`, with the deployment's key behind `scheme`: `Bearer`.
///
/// # Errors
///
/// If address or key are none.
pub fn post(
    ask: &Ask<'_>,
    uri: String,
    scheme: &str,
    body: &Object,
) -> Result<Outgoing, ProviderError> {
    let mut headers = HeaderMap::with_capacity(8);
    if let Some(key) = &ask.deployment.api_key {
        let value = openai::sensitive(&format!("{scheme} {}", key.expose()))?;
        headers.insert(header::AUTHORIZATION, value);
    }
    post_with(ask, uri, headers, body)
}

/// Posts `body` to `uri` with `headers` and those of the deployment.
///
/// # Errors
///
/// If the address is none.
pub fn post_with(
    ask: &Ask<'_>,
    uri: String,
    headers: HeaderMap,
    body: &Object,
) -> Result<Outgoing, ProviderError> {
    let body = Json::of(body).text().to_owned().into();
    openai::outgoing(ask.deployment, uri, headers, body)
}

/// Posts the request as it came to `uri`, for a provider that speaks OpenAI's dialect.
///
/// # Errors
///
/// If address or key are none.
pub fn post_as_it_is(
    ask: &Ask<'_>,
    uri: String,
    asks: UsageOption,
) -> Result<Outgoing, ProviderError> {
    let mut headers = HeaderMap::with_capacity(8);
    if let Some(key) = &ask.deployment.api_key {
        headers.insert(header::AUTHORIZATION, openai::bearer(key)?);
    }
    openai::outgoing(ask.deployment, uri, headers, ask.rewritten(asks))
}

/// `base` with `path` behind it, unless it has it already: deployments name either.
#[must_use]
pub fn address(base: &str, path: &str) -> String {
    if base.ends_with(path) {
        base.to_owned()
    } else {
        format!("{base}{path}")
    }
}

/// Where `path` of version 1 is below `base`, which may name the version or the path already.
#[must_use]
pub fn versioned(base: &str, path: &str) -> String {
    match base.rsplit('/').next() {
        Some(last) if last == path => base.to_owned(),
        Some("v1") => format!("{base}/{path}"),
        _ => format!("{base}/v1/{path}"),
    }
}

/// Gives fields their names in the dialect; what has another name already stays as it is.
pub fn rename(body: &mut Object, names: &[(&str, &str)]) {
    for (from, to) in names {
        if let Some(value) = body.remove(*from)
            && !value.is_null()
        {
            body.insert((*to).to_owned(), value);
        }
    }
}

/// The type of a body that is a form.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// A form, as browsers send it.
#[must_use]
pub fn form(fields: &[(&str, &str)]) -> String {
    let mut form = String::new();
    for (name, value) in fields {
        if !form.is_empty() {
            form.push('&');
        }
        escape(name, &mut form);
        form.push('=');
        escape(value, &mut form);
    }
    form
}

/// Writes `text` so that nothing in it means anything in a form or an address.
fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            byte => {
                out.push('%');
                out.push_str(&hex::encode_upper([byte]));
            }
        }
    }
}
