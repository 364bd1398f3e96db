//! Opens a realtime session at a provider: the request for a WebSocket, at the deployment's address
//! and with its credentials.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use uuid::Uuid;

use super::{Prepared, ProviderError, openai};
use crate::{
    config::Deployment,
    request::{ClientRequest, Socket},
};

/// The request to `deployment`.
///
/// # Errors
///
/// If it has no realtime sessions, or its address or credentials cannot be used.
pub(crate) fn prepare(
    deployment: &Deployment,
    request: &ClientRequest,
    socket: &Socket,
) -> Result<Prepared, ProviderError> {
    let provider = deployment.provider;
    let mut address = provider
        .realtime(deployment)
        .ok_or(ProviderError::Operation {
            provider: provider.name(),
            operation: request.operation,
        })?;
    if !socket.query.is_empty() {
        address.push('&');
        address.push_str(&socket.query);
    }
    let mut headers = request.headers.clone();
    headers.extend(provider.credentials(deployment)?);
    // 16 bytes that nobody else has sent.
    let key = STANDARD.encode(Uuid::new_v4().as_bytes());
    let key = HeaderValue::try_from(key).map_err(|_error| ProviderError::BadCredential)?;
    let mut outgoing = openai::outgoing(deployment, address, headers, Bytes::new())?;
    outgoing.method = Method::GET;
    for (name, value) in [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        ),
        (header::SEC_WEBSOCKET_KEY, key),
    ] {
        outgoing.headers.insert(name, value);
    }
    outgoing.headers.remove(header::CONTENT_TYPE);
    Ok(Prepared {
        outgoing,
        reader: Box::new(openai::AsItIs),
        streams: false,
    })
}

/// A text as the value of a parameter of a query.
pub(super) fn parameter(text: &str) -> String {
    let escaped = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    });
    escaped.collect()
}
