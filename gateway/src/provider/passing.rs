//! Requests that are passed on as they are: path, query and body are the client's, the address and
//! the credentials are the deployment's.

use http::{HeaderName, Uri, header};

use super::{Outgoing, Prepared, ProviderError, along::Along, batch, openai, realtime::parameter};
use crate::{
    config::Deployment,
    request::{ClientRequest, Passed},
};

/// The request to `deployment`.
///
/// # Errors
///
/// If the path cannot stand in an address, or the deployment's credentials in a header.
pub(crate) fn prepare(
    deployment: &Deployment,
    request: &ClientRequest,
    passed: &Passed,
) -> Result<Prepared, ProviderError> {
    let mut headers = request.headers.clone();
    for (name, value) in &deployment.provider.credentials(deployment)? {
        // A client may ask for another version, not show another key.
        if value.is_sensitive() || !headers.contains_key(name) {
            headers.insert(name, value.clone());
        }
    }
    for (name, value) in &deployment.headers {
        if let Ok(name) = HeaderName::try_from(name) {
            headers.insert(name, openai::sensitive(value.expose())?);
        }
    }
    headers.remove(header::CONTENT_LENGTH);
    let body = match passed.names_model && request.own_model.is_none() {
        true => renamed(request, deployment),
        false => None,
    };
    let outgoing = Outgoing {
        method: passed.method.clone(),
        uri: address(deployment, passed, request.own_model.is_none())?,
        headers,
        body: body.unwrap_or_else(|| request.body()),
    };
    let along = Along::new(request.operation, &deployment.provider_name);
    Ok(Prepared {
        outgoing,
        reader: batch::watched(along, passed, &deployment.provider_name),
        streams: true,
    })
}

/// The body with the provider's own name of the model in place of the client's.
fn renamed(request: &ClientRequest, deployment: &Deployment) -> Option<bytes::Bytes> {
    use std::collections::BTreeMap;

    use serde_json::value::RawValue;

    let body = request.body();
    let mut object: BTreeMap<&str, &RawValue> = serde_json::from_slice(&body).ok()?;
    let model = event::Json::of(&deployment.model);
    let model = serde_json::from_str(model.text()).ok()?;
    object.insert("model", model);
    Some(event::Json::of(&object).text().to_owned().into())
}

/// Where it goes: below the deployment's own address, whatever the path says.
fn address(
    deployment: &Deployment,
    passed: &Passed,
    is_renamed: bool,
) -> Result<Uri, ProviderError> {
    let bad = |text: &str| ProviderError::BadAddress(text.to_owned());
    let (base, fixed) = if passed.is_kept {
        deployment.provider.keeps_at(deployment)
    } else {
        (deployment.api_base.clone(), None)
    };
    let path = match &passed.place {
        Some(place) if is_renamed => {
            let mut path = passed.path.clone();
            path.replace_range(place.clone(), &parameter(&deployment.model));
            path
        }
        _ => passed.path.clone(),
    };
    let joined = join(&base, &path);
    let own = passed.query.as_deref().filter(|query| !query.is_empty());
    let query = match (own, fixed.as_deref()) {
        (Some(own), Some(fixed)) if !own.contains("api-version=") => Some(format!("{own}&{fixed}")),
        (Some(own), _) => Some(own.to_owned()),
        (None, fixed) => fixed.map(str::to_owned),
    };
    let text = match query {
        Some(query) => format!("{joined}?{query}"),
        None => joined,
    };
    let uri = Uri::try_from(&text).map_err(|_error| bad(&text))?;
    let home = Uri::try_from(&base).map_err(|_error| bad(&base))?;
    if uri.authority() != home.authority() || uri.scheme() != home.scheme() {
        return Err(bad(&text));
    }
    Ok(uri)
}

/// The path below the address. Where both have the version, it stands there once; where only the
/// address has it, the path is taken as below it.
fn join(base: &str, path: &str) -> String {
    let base = base.trim_end_matches('/');
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let last = base.rsplit('/').next().unwrap_or_default();
    let is_version = |part: &str| {
        let number = part.strip_prefix('v').unwrap_or_default();
        number.starts_with(|letter: char| letter.is_ascii_digit())
    };
    match (is_version(last), is_version(first)) {
        // The path's own version holds: `v1beta` where the address says `v1`.
        (true, true) => {
            let home = base.strip_suffix(last).unwrap_or(base);
            format!("{home}{first}/{rest}")
                .trim_end_matches('/')
                .to_owned()
        }
        _ => format!("{base}/{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_once() {
        for (base, path, wanted) in [
            ("https://h/v1", "v1/files", "https://h/v1/files"),
            ("https://h/v1", "files", "https://h/v1/files"),
            ("https://h", "v1/messages", "https://h/v1/messages"),
            (
                "https://h/v1",
                "v1beta/models/m:x",
                "https://h/v1beta/models/m:x",
            ),
            ("https://h/tenant/v1/", "v1", "https://h/tenant/v1"),
            ("https://h/vault", "v1/x", "https://h/vault/v1/x"),
        ] {
            assert_eq!(join(base, path), wanted, "{base} {path}");
        }
    }
}
