//! Headers and pairs as objects of text values.

use event::Json;
use http::{HeaderMap, HeaderName};
use serde::{Serialize, Serializer};

/// The provider's headers, as LiteLLM names them.
pub(super) fn provider_headers(headers: &HeaderMap) -> Json {
    if headers.is_empty() {
        return Json::default();
    }
    Json::of(&ProviderHeaders(headers))
}

/// Headers as an object of text values.
struct ProviderHeaders<'a>(&'a HeaderMap);

impl Serialize for ProviderHeaders<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = self
            .0
            .iter()
            .filter(|(name, _)| name.as_str() != "set-cookie");
        serializer.collect_map(
            shown.filter_map(|(name, value)| Some((LlmProvider(name), value.to_str().ok()?))),
        )
    }
}

/// A header's name with LiteLLM's prefix.
struct LlmProvider<'a>(&'a HeaderName);

impl Serialize for LlmProvider<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&["llm_provider-", self.0.as_str()].concat())
    }
}

/// Pairs as an object of text values.
pub(super) struct Texts<'a>(pub(super) &'a [(String, String)]);

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
