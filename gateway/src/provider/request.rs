//! Requests as most dialects send them: one JSON object, with the key in a header.

use event::Json;
use http::{HeaderMap, header};

use super::{Ask, Outgoing, ProviderError, conversation::Object, openai};

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
    let body = Json::of(body).text().to_owned().into();
    openai::outgoing(ask.deployment, uri, headers, body)
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
