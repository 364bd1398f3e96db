//! The address of a destination, as a user configures it.

use std::fmt;

use reqwest::Url;
use serde::Deserialize;

/// An `http` or `https` URL without user and password.
///
/// It is shown without path and query: some destinations give out URLs whose path is the secret.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Endpoint(Url);

/// Why a text is not an [`Endpoint`]. Does not repeat the text, which may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Not a URL.
    #[error("this is not a URL such as `https://example.com/path`")]
    NotAUrl,
    /// Neither `http` nor `https`.
    #[error("the URL must begin with `https://`")]
    Scheme,
    /// `user:password@` in front of the host.
    #[error("the URL must not contain a user or password: use a setting meant for credentials")]
    Credentials,
}

impl Endpoint {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// If it is not one that requests can be sent to.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let mut url = Url::parse(text).map_err(|_error| EndpointError::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EndpointError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Credentials);
        }
        if url.host_str().is_none() {
            return Err(EndpointError::NotAUrl);
        }
        url.set_fragment(None);
        Ok(Self(url))
    }

    /// The same destination, with `path` behind its own path: `https://a/b` and `v1/c` give
    /// `https://a/b/v1/c`.
    #[must_use]
    pub fn join(&self, path: &str) -> Self {
        let mut url = self.0.clone();
        let base = url.path().trim_end_matches('/');
        let full = format!("{base}/{}", path.trim_start_matches('/'));
        url.set_path(&full);
        Self(url)
    }

    /// The same destination with one more query parameter.
    #[must_use]
    pub fn with_query(&self, name: &str, value: &str) -> Self {
        let mut url = self.0.clone();
        url.query_pairs_mut().append_pair(name, value);
        Self(url)
    }

    /// The host: a name, an IPv4 address, or an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether it is encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The whole URL, which may hold a secret: not to be shown.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) const fn url(&self) -> &Url {
        &self.0
    }
}

/// Scheme, host and port.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.host())?;
        self.0.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self}/…)")
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_without_path_and_query() {
        let endpoint =
            Endpoint::parse("https://Hooks.example:8443/T0/SECRET?key=SECRET#x").unwrap();
        assert_eq!(endpoint.to_string(), "https://hooks.example:8443");
        assert_eq!(
            format!("{endpoint:?}"),
            "Endpoint(https://hooks.example:8443/…)"
        );
    }

    #[test]
    fn what_no_request_can_be_sent_to_is_refused() {
        for (text, error) in [
            ("", EndpointError::NotAUrl),
            ("example.com", EndpointError::NotAUrl),
            ("https://", EndpointError::NotAUrl),
            ("file:///etc/passwd", EndpointError::Scheme),
            ("gopher://example.com", EndpointError::Scheme),
            ("https://user@example.com", EndpointError::Credentials),
            ("https://:pass@example.com", EndpointError::Credentials),
        ] {
            assert_eq!(Endpoint::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_path_is_put_behind_the_base() {
        for base in ["https://a/b", "https://a/b/"] {
            let joined = Endpoint::parse(base)
                .unwrap()
                .join("/v1/c")
                .with_query("q", "1 2");
            assert_eq!(joined.url().as_str(), "https://a/b/v1/c?q=1+2");
        }
    }
}
