//! A request for a WebSocket.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header, request::Parts};
use hyper::upgrade::OnUpgrade;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Arrived, ClientRequest, RequestError,
    passed::{OURS, in_query, without},
};
use crate::{auth, operation::Operation};

/// The protocol that browsers ask for, beside the one that carries their key.
const PROTOCOL: &str = "realtime";
/// What a key follows that comes as a protocol: a browser cannot set headers.
const KEY_PREFIX: &str = "openai-insecure-api-key.";
/// Parameters of a query that the deployment sets.
const OF_THE_DEPLOYMENT: [&str; 3] = ["api-version", "deployment", "model"];

/// The client's end of a WebSocket.
#[derive(Clone, Debug)]
pub(crate) struct Socket {
    /// What of the query goes on to the provider.
    pub(crate) query: String,
    /// What proves that the client was understood.
    pub(crate) accept: HeaderValue,
    /// The protocol that is spoken, if the client offers any.
    pub(crate) protocol: Option<&'static str>,
    /// Gives the connection once the client has been answered.
    pub(crate) upgrade: OnUpgrade,
    /// The connection's place among those that the gateway holds.
    pub(crate) _place: Option<Arc<OwnedSemaphorePermit>>,
}

impl Socket {
    /// Understands a request for one.
    ///
    /// # Errors
    ///
    /// If it is none, or names no model.
    pub(super) fn read(arrived: &Arrived<'_>) -> Result<ClientRequest, RequestError> {
        let head = arrived.head;
        let (Some(upgrade), Some(accept)) = (
            head.extensions.get::<OnUpgrade>(),
            asks(&head.headers).then(|| accept(&head.headers)).flatten(),
        ) else {
            return Err(RequestError::Socket);
        };
        let query = head.uri.query();
        let model = in_query(query, "model").or_else(|| in_query(query, "deployment"));
        let mut request = ClientRequest::bare(arrived.operation, Bytes::new());
        request.model = model.ok_or(RequestError::Missing("model"))?;
        let dropped = |name: &str| OURS.contains(&name) || OF_THE_DEPLOYMENT.contains(&name);
        let offers = protocols(&head.headers).any(|name| name == PROTOCOL);
        request.socket = Some(Self {
            query: query.map_or_else(String::new, |query| without(query, dropped)),
            accept,
            protocol: offers.then_some(PROTOCOL),
            upgrade: upgrade.clone(),
            _place: head.extensions.get().cloned(),
        });
        request.check_sizes()?;
        Ok(request)
    }
}

/// Lets a key stand where keys are looked for: that of a browser is a protocol, and Google's clients
/// have it in a header or a query of their own.
pub(crate) fn show_key(head: &mut Parts, operation: Operation) {
    let headers = &head.headers;
    let key = match operation {
        Operation::Realtime => {
            let key = protocols(headers).find_map(|name| name.strip_prefix(KEY_PREFIX));
            key.map(str::to_owned)
        }
        Operation::PassThrough | Operation::Stored("pass_through_endpoint") => {
            let own = headers.get("x-goog-api-key");
            let own = own.and_then(|value| value.to_str().ok());
            own.map(str::to_owned)
                .or_else(|| in_query(head.uri.query(), "key"))
        }
        _ => None,
    };
    let value = key.and_then(|key| HeaderValue::try_from(format!("Bearer {key}")).ok());
    if let Some(mut value) = value.filter(|_| !auth::has_key(headers)) {
        value.set_sensitive(true);
        head.headers.insert(header::AUTHORIZATION, value);
    }
}

/// <https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1>
fn asks(headers: &HeaderMap) -> bool {
    let has = |name: header::HeaderName, wanted: &str| {
        let values = headers.get_all(name).into_iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        let mut parts = texts.flat_map(|text| text.split(','));
        parts.any(|part| part.trim().eq_ignore_ascii_case(wanted))
    };
    has(header::CONNECTION, "upgrade")
        && has(header::UPGRADE, "websocket")
        && has(header::SEC_WEBSOCKET_VERSION, "13")
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

/// What answers the `sec-websocket-key` in `headers`.
pub(crate) fn accept(headers: &HeaderMap) -> Option<HeaderValue> {
    const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    let text = [key.as_bytes(), MAGIC].concat();
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &text);
    HeaderValue::try_from(STANDARD.encode(digest)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_answered_as_the_standard_has_it() {
        let mut headers = HeaderMap::new();
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        headers.insert(header::SEC_WEBSOCKET_KEY, key);
        assert_eq!(accept(&headers).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_browser_shows_its_key_as_a_protocol() {
        let offered = "realtime, openai-insecure-api-key.sk-1, x";
        let request = http::Request::get("/v1/realtime?key=sk-2")
            .header(header::SEC_WEBSOCKET_PROTOCOL, offered);
        let mut head = request.body(()).unwrap().into_parts().0;
        show_key(&mut head, Operation::Chat);
        assert!(head.headers.get(header::AUTHORIZATION).is_none());
        show_key(&mut head, Operation::Realtime);
        let shown = &head.headers[header::AUTHORIZATION];
        assert_eq!(shown, "Bearer sk-1");
        assert!(shown.is_sensitive());
    }
}
