//! Who is calling.

use event::Secret;
use http::{HeaderMap, header};
use subtle::ConstantTimeEq;

use crate::error::{ApiError, ErrorClass};

/// Headers that a key may come in, in the order they are looked at.
const KEY_HEADERS: &[&str] = &["x-litellm-api-key", "authorization", "api-key", "x-api-key"];

/// Whom a call is counted for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// SHA-256 of the key in hexadecimal, or the name LiteLLM gives the master key.
    pub key_hash: Option<String>,
    /// The key's user.
    pub user_id: Option<String>,
}

impl Identity {
    /// With whom answers are shared that are kept: with the same key. Beside it what kind of name
    /// that is, so that no name of one kind is taken for one of another.
    pub(crate) fn shares_with(&self) -> (&'static str, &str) {
        match &self.key_hash {
            Some(key) => ("key", key),
            None => ("", ""),
        }
    }
}

/// Finds out who is calling. Without a master key everybody is let in, as nobody in particular.
///
/// # Errors
///
/// If there is a master key and the request does not bring it.
pub(crate) fn authenticate(
    headers: &HeaderMap,
    master_key: Option<&Secret>,
) -> Result<Identity, ApiError> {
    let Some(master_key) = master_key else {
        return Ok(Identity::default());
    };
    let Some(key) = presented(headers) else {
        return Err(refused("no key: send `Authorization: Bearer sk-…`"));
    };
    // The comparison takes the same time wherever the keys differ.
    if !bool::from(key.as_bytes().ct_eq(master_key.expose().as_bytes())) {
        return Err(refused("this key is not known here"));
    }
    Ok(Identity {
        key_hash: Some("litellm_proxy_master_key".to_owned()),
        user_id: Some("default_user_id".to_owned()),
    })
}

/// Whether a request brings a key where keys are looked for.
pub(crate) fn has_key(headers: &HeaderMap) -> bool {
    KEY_HEADERS.iter().any(|name| headers.contains_key(*name))
}

fn presented(headers: &HeaderMap) -> Option<&str> {
    let value = KEY_HEADERS
        .iter()
        .find_map(|name| headers.get(*name))?
        .to_str()
        .ok()?;
    let scheme = value
        .get(..7)
        .filter(|scheme| scheme.eq_ignore_ascii_case("bearer "));
    Some(if scheme.is_some() {
        value[7..].trim()
    } else {
        value.trim()
    })
}

fn refused(message: &str) -> ApiError {
    ApiError::new(
        ErrorClass::Authentication,
        format!("Authentication Error, {message}"),
    )
}

/// Whether a request header carries a credential, and so stays out of events.
#[must_use]
pub(crate) fn is_credential(name: &header::HeaderName) -> bool {
    let name = name.as_str();
    KEY_HEADERS.contains(&name)
        || [
            "cookie",
            "proxy-authorization",
            "x-goog-api-key",
            "ocp-apim-subscription-key",
        ]
        .contains(&name)
        || [
            "auth",
            "cookie",
            "credential",
            "key",
            "password",
            "secret",
            "signature",
            "token",
        ]
        .iter()
        .any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn the_master_key_is_taken_from_every_header_that_clients_use() {
        let key = Secret::new("sk-1".to_owned());
        for (name, value) in [
            ("authorization", "Bearer sk-1"),
            ("authorization", "bearer sk-1"),
            ("authorization", "sk-1"),
            ("x-litellm-api-key", "sk-1"),
            ("api-key", "sk-1"),
            ("x-api-key", "Bearer sk-1"),
        ] {
            assert!(
                authenticate(&with(name, value), Some(&key)).is_ok(),
                "{name}: {value}"
            );
        }
    }

    #[test]
    fn no_key_and_a_wrong_key_are_refused() {
        let key = Secret::new("sk-1".to_owned());
        for headers in [
            HeaderMap::new(),
            with("authorization", "Bearer sk-2"),
            with("api-key", ""),
        ] {
            let error = authenticate(&headers, Some(&key)).unwrap_err();
            assert_eq!(error.class, ErrorClass::Authentication);
        }
        assert_eq!(
            authenticate(&HeaderMap::new(), None),
            Ok(Identity::default())
        );
    }
}
