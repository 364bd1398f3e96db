//! A request that is passed on as it is.

use std::ops::Range;

use bytes::Bytes;
use event::Json;
use http::{HeaderMap, HeaderName, Method, header};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Arrived, ClientRequest, RequestError, Wishes, arrived::content_type, marks::Marks};
use crate::{auth, operation::Operation, routes::decoded};

/// Where a request goes that is passed on as it is.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    pub(crate) method: Method,
    /// The path at the provider, without a slash in front.
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    /// Whether it is something the provider keeps in OpenAI's way, and not its own dialect.
    pub(crate) is_kept: bool,
    /// Whether the body names the model.
    pub(crate) names_model: bool,
    /// Where the path names the model, as it stands there.
    pub(crate) place: Option<Range<usize>>,
}

/// What a body says of itself.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    model: Option<String>,
    stream: Option<bool>,
    user: Option<String>,
}

/// Headers that are between two ends of one connection, or are made anew.
const OF_THE_CONNECTION: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];

/// Headers that say who pays, which the deployment says.
const OF_THE_ACCOUNT: &[&str] = &[
    "openai-organization",
    "openai-project",
    "x-goog-user-project",
];

/// Parameters of a query that are for the gateway, or name its key.
pub(super) const OURS: &[&str] = &["key", "api_key", "access_token"];

impl Passed {
    /// Understands a request that is passed on as it is.
    ///
    /// # Errors
    ///
    /// If its path leads elsewhere.
    pub(super) fn read(arrived: &Arrived<'_>) -> Result<ClientRequest, RequestError> {
        let head = arrived.head;
        let is_kept = arrived.place.rest.is_none();
        let path = match &arrived.place.rest {
            Some(rest) => rest.clone(),
            None => below_version(head.uri.path()).to_owned(),
        };
        check(&path)?;
        let mut marks = Marks::default();
        let path = marks.take_text(&path)?;
        let query = head.uri.query();
        let query = query.map(|query| marks.take_text(query)).transpose()?;
        let body = marks.take(arrived.body.clone())?;
        let is_json = content_type(&head.headers).ends_with("json");
        let json = is_json.then(|| serde_json::from_slice::<&RawValue>(&body).ok());
        let json = json.flatten();
        let said = json.and_then(|json| serde_json::from_str(json.get()).ok());
        let said: Said = said.unwrap_or_default();
        let in_body = said.model.is_some();
        let query = query.as_deref();
        let by_header = head.headers.get("x-litellm-model");
        let by_header = by_header.and_then(|value| value.to_str().ok());
        let model = said
            .model
            .or_else(|| in_query(query.filter(|_| is_kept), "model"))
            .or_else(|| by_header.map(str::to_owned));
        let place = in_path(&path).filter(|_| !is_kept);
        let in_path = place.clone().and_then(|place| path.get(place)).map(decoded);
        let mut request = ClientRequest::bare(arrived.operation, body.clone());
        request.stream = said.stream == Some(true) || path.contains(":streamGenerateContent");
        request.user = said.user;
        request.model = model.or(in_path.clone()).unwrap_or_default();
        request.own_model = in_path;
        let fits = |json: &&RawValue| json.get().len() <= arrived.content_bytes_max;
        request.content = json.filter(fits).map(Json::from);
        request.headers = sent(&head.headers);
        // Nobody else has what this one keeps, and nobody else speaks its dialect.
        request.disable_fallbacks = true;
        if head.method != Method::GET {
            request.retries_max = Some(0);
        }
        let dropped = |name: &str| OURS.contains(&name) || (is_kept && name == "model");
        request.passed = Some(Self {
            method: head.method.clone(),
            path,
            query: query.map(|query| without(query, dropped)),
            is_kept,
            names_model: in_body,
            place,
        });
        request.mark = marks.found;
        request.check_sizes()?;
        Ok(request)
    }
}

impl ClientRequest {
    /// A request of which nothing is known but its body.
    pub(super) fn bare(operation: Operation, body: Bytes) -> Self {
        Self {
            operation,
            body,
            fields: Vec::new(),
            model: String::new(),
            stream: false,
            include_usage: false,
            output_tokens_max: None,
            user: None,
            service_tier: None,
            wishes: Wishes::default(),
            retries_max: None,
            timeout: None,
            metadata: super::ClientMetadata::default(),
            cache: super::CacheControl::default(),
            fallbacks: Vec::new(),
            context_window_fallbacks: crate::config::Lists::default(),
            content_policy_fallbacks: crate::config::Lists::default(),
            disable_fallbacks: false,
            drop_params: None,
            dropped: Vec::new(),
            allowed: Vec::new(),
            content: None,
            stream_options: None,
            form: None,
            passed: None,
            mark: None,
            socket: None,
            headers: HeaderMap::new(),
            providers: &[],
            own_model: None,
            own_dialect: false,
        }
    }
}

/// The path without its version.
fn below_version(path: &str) -> &str {
    let path = path.trim_matches('/');
    path.strip_prefix("v1/").unwrap_or(path)
}

/// A path that stays below the provider's address.
fn check(path: &str) -> Result<(), RequestError> {
    let decoded = decoded(path);
    let mut parts = decoded.split(['/', '\\']);
    let leads_out = parts.any(|part| part == ".." || part == ".");
    if leads_out || path.starts_with('/') || decoded.chars().any(char::is_control) {
        return Err(RequestError::Path);
    }
    Ok(())
}

/// Where the model stands in a path: `models/NAME:generateContent`,
/// `deployments/NAME/chat/completions`.
fn in_path(path: &str) -> Option<Range<usize>> {
    let mut begin = 0;
    for part in path.split('/') {
        begin += part.len() + 1;
        if ["models", "deployments"].contains(&part) {
            let name = path.get(begin..)?.split(['/', ':']).next()?;
            return (!name.is_empty()).then(|| begin..begin + name.len());
        }
    }
    None
}

pub(super) fn in_query(query: Option<&str>, wanted: &str) -> Option<String> {
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == wanted)?;
    Some(decoded(value))
}

/// A query without some of its parameters.
pub(super) fn without(query: &str, dropped: impl Fn(&str) -> bool) -> String {
    let name = |pair: &str| decoded(pair.split('=').next().unwrap_or_default());
    let kept = query.split('&').filter(|pair| !dropped(&name(pair)));
    kept.collect::<Vec<_>>().join("&")
}

/// The headers that go on: no credentials, and nothing that is for the gateway.
fn sent(headers: &HeaderMap) -> HeaderMap {
    let goes_on = |name: &HeaderName| {
        let text = name.as_str();
        !auth::is_credential(name)
            && !OF_THE_CONNECTION.contains(&text)
            && !OF_THE_ACCOUNT.contains(&text)
            && !text.starts_with("x-litellm-")
            && !text.starts_with("x-forwarded-")
            && !text.starts_with("proxy-")
    };
    let mut sent = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| goes_on(name)) {
        sent.append(name.clone(), value.clone());
    }
    // Not a credential, whatever its name.
    if let Some(value) = headers.get(header::CONTENT_TYPE) {
        sent.insert(header::CONTENT_TYPE, value.clone());
    }
    sent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_elsewhere_is_refused() {
        for path in [
            "../x",
            "a/../../b",
            "a/%2e%2E/b",
            "a/..%2fb",
            "/x",
            "a/..\\b",
            "a\u{1}",
        ] {
            assert!(check(path).is_err(), "{path}");
        }
        for path in [
            "v1/files/f-1/content",
            "v1beta/models/gemini-2.0:generateContent",
        ] {
            assert!(check(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn the_model_is_found_where_a_path_has_it() {
        let named = |path: &str| in_path(path).map(|place| path[place].to_owned());
        let gemini = "v1beta/models/gemini-2.0-flash:streamGenerateContent";
        assert_eq!(named(gemini).as_deref(), Some("gemini-2.0-flash"));
        assert_eq!(
            named("deployments/d/chat/completions").as_deref(),
            Some("d")
        );
        assert_eq!(named("v1/models"), None);
        assert_eq!(
            in_query(Some("a=1&model=x%2Fy"), "model").as_deref(),
            Some("x/y")
        );
    }

    #[test]
    fn credentials_stay_here() {
        let mut headers = HeaderMap::new();
        for name in [
            "authorization",
            "x-api-key",
            "x-goog-api-key",
            "cookie",
            "host",
            "te",
        ] {
            headers.insert(name, http::HeaderValue::from_static("v"));
        }
        for name in [
            "x-litellm-tags",
            "x-custom",
            "content-type",
            "anthropic-beta",
        ] {
            headers.insert(name, http::HeaderValue::from_static("v"));
        }
        let sent = sent(&headers);
        let mut names: Vec<&str> = sent.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["anthropic-beta", "content-type", "x-custom"]);
        assert_eq!(
            without("key=sk&alt=sse", |name| OURS.contains(&name)),
            "alt=sse"
        );
    }
}
