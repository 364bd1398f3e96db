//! A call that is answered with what was kept of another.

use std::sync::Arc;

use bytes::Bytes;
use event::Outcome;
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use crate::{
    answer::{self, AnswerBody},
    cache::{Key, Question},
    call::{Call, Ending},
    lifecycle,
    provider::openai,
    routing::Found,
    stamp::{COST, Stamp},
};

/// The header that names what an answer is kept under, as LiteLLM names it.
const CACHE_KEY: HeaderName = HeaderName::from_static("x-litellm-cache-key");

/// The answer that is kept for the same request. Notes under what this one's is to be kept.
pub(crate) async fn find(call: &mut Call, found: &Found) -> Option<Bytes> {
    let shared = Arc::clone(&call.shared);
    let open = call.open()?;
    let request = open.draft.request.as_ref()?;
    if !shared.cache.serves(request.operation, &request.cache) {
        return None;
    }
    let question = Question {
        request,
        group: found.group.name(),
        deployment: &open.deployment,
        identity: &open.draft.identity,
    };
    let key = Key::of(question, shared.cache.settings());
    let control = request.cache.clone();
    open.cache_key = Some(key.clone());
    let now = (shared.clock)();
    shared.cache.find(&key, &control, now).await
}

/// Gives the client an answer that was kept.
pub(crate) async fn give(mut call: Call, body: Bytes, stamp: &Stamp) -> Response<AnswerBody> {
    let headers = HeaderMap::new();
    let observed = openai::whole(&body);
    let json = Some(HeaderValue::from_static("application/json"));
    let wants_stream = call.request().is_some_and(|request| request.stream);
    let mut response = if wants_stream {
        let wants_usage = call.wants_usage();
        let chunks = lifecycle::as_stream(&mut call, &body, wants_usage);
        let stream = HeaderValue::from_static("text/event-stream; charset=utf-8");
        stamp.on(answer::whole(chunks, Some(stream)), &headers)
    } else {
        stamp.on(answer::whole(body, json), &headers)
    };
    let ending = Ending {
        outcome: Outcome::Success,
        observed,
        first_token: Some((call.shared.clock)()),
        cache_hit: true,
        ..Ending::default()
    };
    let cost = call.cost(&ending);
    answer::set(response.headers_mut(), COST, &cost.unwrap_or_default());
    lifecycle::finish(call, ending, response).await
}

/// What the call's answer is kept under, as text.
pub(crate) fn key(call: &mut Call) -> Option<String> {
    let key = call.open()?.cache_key.as_ref()?;
    Some(key.to_string())
}

/// Tells the client what the answer is kept under.
pub(crate) fn name(response: &mut Response<AnswerBody>, key: Option<&str>) {
    if let Some(key) = key {
        answer::set(response.headers_mut(), CACHE_KEY, key);
    }
}
