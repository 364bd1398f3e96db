//! A request that has not been admitted: what its head says about the call.

use std::net::IpAddr;

use event::{CallId, SpanId, Timestamp, TraceId};
use http::{HeaderMap, HeaderName, header, request};

use crate::{
    auth, auth::Identity, detach::ClientPresence, operation::Operation, redaction::Redaction,
    request::ClientRequest, stamp::CALL_ID,
};

/// Custom headers that are kept in an event, and the bytes of each.
const HEADERS_MAX: usize = 32;
const HEADER_BYTES_MAX: usize = 512;

// What a request may say of the call in its head.
const END_USER: HeaderName = HeaderName::from_static("x-litellm-end-user-id");
const CUSTOMER: HeaderName = HeaderName::from_static("x-litellm-customer-id");
const TAGS: HeaderName = HeaderName::from_static("x-litellm-tags");
const TRACE: HeaderName = HeaderName::from_static("x-litellm-trace-id");
const SESSION: HeaderName = HeaderName::from_static("x-litellm-session-id");
const ANY_SESSION: HeaderName = HeaderName::from_static("x-session-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What is known of a call before it is admitted. It can become a [`Call`](crate::call::Call), or
/// be rejected.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) call_id: CallId,
    pub(crate) start: Timestamp,
    pub(crate) identity: Identity,
    pub(crate) operation: Operation,
    /// The path that was called.
    pub(crate) route: &'static str,
    pub(crate) client: Client,
    pub(crate) trace: Trace,
    /// `None` until the body has been read and understood.
    pub(crate) request: Option<ClientRequest>,
    /// What its headers say of redaction.
    pub(crate) redaction: Redaction,
    /// Whether the client still waits.
    pub(crate) presence: ClientPresence,
}

/// Who sent the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
    /// The client's `x-` headers without credentials.
    pub(crate) headers: Vec<(String, String)>,
    /// `x-litellm-tags`.
    pub(crate) tags: Vec<String>,
    /// `x-litellm-end-user-id`.
    pub(crate) end_user: Option<String>,
}

/// The trace a call belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    /// As the client named it in a header; a name in the body comes before it.
    pub(crate) name: Option<String>,
    /// As `traceparent` named it.
    pub(crate) w3c: Option<TraceId>,
    /// The caller's span.
    pub(crate) parent: Option<String>,
    /// The conversation.
    pub(crate) session: Option<String>,
}

impl Draft {
    /// Reads what events say about a request from its head.
    pub(crate) fn new(
        head: &request::Parts,
        (route, operation): (&'static str, Operation),
        address: Option<IpAddr>,
        start: Timestamp,
    ) -> Self {
        let headers = &head.headers;
        let call_id = text(headers, CALL_ID).and_then(|id| CallId::parse(id).ok());
        let end_user = text(headers, END_USER).or_else(|| text(headers, CUSTOMER));
        Self {
            call_id: call_id.unwrap_or_else(CallId::generate),
            start,
            identity: Identity::default(),
            operation,
            route,
            client: Client {
                address,
                user_agent: text(headers, header::USER_AGENT).map(str::to_owned),
                headers: custom(headers),
                tags: text(headers, TAGS).map(tags).unwrap_or_default(),
                end_user: end_user.map(str::to_owned),
            },
            trace: Trace::of(headers),
            request: None,
            redaction: Redaction::of(headers),
            presence: ClientPresence::default(),
        }
    }

    /// The trace's name: the body's, else the header's, else the call itself.
    pub(crate) fn trace_name(&self) -> String {
        let body = self
            .request
            .as_ref()
            .and_then(|request| request.metadata.trace_id.clone());
        body.or_else(|| self.trace.name.clone())
            .or_else(|| self.trace.w3c.map(|id| id.to_string()))
            .unwrap_or_else(|| self.call_id.to_string())
    }

    /// The conversation's name, or nothing.
    pub(crate) fn session(&self) -> String {
        let body = self
            .request
            .as_ref()
            .and_then(|request| request.metadata.session_id.clone());
        body.or_else(|| self.trace.session.clone())
            .unwrap_or_default()
    }

    /// The W3C trace and span of the call.
    pub(crate) fn w3c(&self) -> (TraceId, SpanId) {
        let trace = self
            .trace
            .w3c
            .unwrap_or_else(|| TraceId::of(&self.trace_name()));
        (trace, SpanId::of(&self.call_id))
    }

    /// The call's span as a W3C `traceparent`, for whoever is asked on its behalf.
    pub(crate) fn traceparent(&self) -> String {
        let (trace, span) = self.w3c();
        format!("00-{trace}-{span}-01")
    }

    /// The application's own user: the header's, else the body's.
    pub(crate) fn end_user(&self) -> Option<String> {
        let body = self
            .request
            .as_ref()
            .and_then(|request| request.user.clone());
        self.client.end_user.clone().or(body)
    }

    /// The tags of the body and of the header.
    pub(crate) fn own_tags(&self) -> Vec<String> {
        let body = self
            .request
            .iter()
            .flat_map(|request| request.metadata.tags.iter());
        let of_key = self.identity.tags.iter();
        body.chain(&self.client.tags)
            .chain(of_key)
            .cloned()
            .collect()
    }

    /// The tags of the body and of the header, and the user agent as LiteLLM tags it.
    pub(crate) fn tags(&self) -> Vec<String> {
        let mut tags = self.own_tags();
        if let Some(agent) = &self.client.user_agent {
            if let Some((name, _version)) = agent.split_once('/') {
                tags.push(format!("User-Agent: {name}"));
            }
            tags.push(format!("User-Agent: {agent}"));
        }
        tags
    }

    /// LiteLLM's name of the operation.
    pub(crate) const fn call_type(&self) -> &'static str {
        self.operation.call_type()
    }
}

impl Trace {
    fn of(headers: &HeaderMap) -> Self {
        let parent = text(headers, TRACEPARENT).and_then(traceparent);
        let owned = |name| text(headers, name).map(str::to_owned);
        Self {
            name: owned(TRACE),
            w3c: parent.map(|(trace, _span)| TraceId::of(trace)),
            parent: parent.map(|(_trace, span)| span.to_owned()),
            session: owned(SESSION).or_else(|| owned(ANY_SESSION)),
        }
    }
}

/// Trace and span of a W3C `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`, neither all zero.
/// <https://www.w3.org/TR/trace-context/#traceparent-header>
fn traceparent(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, length| {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        part.len() == length && part.bytes().all(digit)
    };
    let is_set = |part: &str| part.bytes().any(|byte| byte != b'0');
    let well_formed = is_hex(version, 2)
        && version != "ff"
        && is_hex(trace, 32)
        && is_hex(span, 16)
        && is_hex(flags, 2)
        && (version != "00" || parts.next().is_none());
    (well_formed && is_set(trace) && is_set(span)).then_some((trace, span))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// A comma list.
fn tags(list: &str) -> Vec<String> {
    list.split(',')
        .map(str::trim)
        .filter(|tag| !tag.is_empty())
        .map(str::to_owned)
        .collect()
}

fn custom(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-") && !auth::is_credential(name))
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?)))
        .filter(|(_, value)| value.len() <= HEADER_BYTES_MAX)
        .map(|(name, value)| (name, value.to_owned()))
        .take(HEADERS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_taken_only_if_it_is_one() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let good = format!("00-{trace}-b7ad6b7169203331-01");
        assert_eq!(traceparent(&good), Some((trace, "b7ad6b7169203331")));
        for bad in [
            String::new(),
            good.replace("00-", "ff-"),
            good.replace("0a", "0A"),
            format!("{good}-x"),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            "00-é".to_owned(),
        ] {
            assert_eq!(traceparent(&bad), None, "{bad}");
        }
    }
}
