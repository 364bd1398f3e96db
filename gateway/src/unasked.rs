//! Answers that need no provider: mocks, and counts.

use std::collections::VecDeque;

use bytes::Bytes;
use event::Json;
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};

use crate::{
    answer::{self, AnswerBody},
    call::Call,
    lifecycle::{complete, internal},
    mock::Mock,
    operation::Operation,
    provider::{Observed, bridge, openai, sse::OpenAiStream, texts},
    relay::{Relay, Source},
    stamp::Stamp,
    tokens,
};

/// How many tokens a request has, if that is what it asks and its provider cannot say.
pub(crate) fn count(call: &mut Call) -> Option<u64> {
    let open = call.open()?;
    let request = open.draft.request.as_ref()?;
    let serves = open.deployment.provider.serves(request.operation);
    let counts = request.operation == Operation::CountTokens && !serves;
    counts.then(|| tokens::estimated(request.prompt_bytes(), 0).prompt_tokens)
}

/// Tells the client how many.
pub(crate) async fn tell(call: Call, count: u64, stamp: &Stamp) -> Response<AnswerBody> {
    let headers = HeaderMap::new();
    let told = Json::of(&json!({ "input_tokens": count }));
    let response = stamp.on(answer::json(told.text().to_owned()), &headers);
    let observed = Observed {
        response: Some(told),
        ..Observed::default()
    };
    complete(call, observed, None, headers, response).await
}

/// Gives the client a mock, in the shape of what was asked for.
pub(crate) async fn mocked(mut call: Call, mock: &Mock, stamp: &Stamp) -> Response<AnswerBody> {
    let headers = HeaderMap::new();
    let now = (call.shared.clock)();
    let Some(request) = call.request() else {
        return answer::error(&internal());
    };
    let (stream, operation) = (request.stream, request.operation);
    let is_text = operation == Operation::Completion;
    if stream {
        let chunks = match is_text {
            true => [texts::of_whole(&texts::of_chat(&mock.whole()), true)].into(),
            false => mock.chunks(now),
        };
        return streamed(call, chunks, &headers, stamp);
    }
    let mut body = mock.whole();
    if is_text {
        body = texts::of_chat(&body);
    }
    let mut observed = openai::whole(&body);
    if is_bridged(operation) {
        let chat: Value = serde_json::from_slice(&body).unwrap_or_default();
        let said = Json::of(&bridge::whole(operation, &chat));
        body = said.text().to_owned().into();
        observed.response = Some(said);
    }
    let response = stamp.on(answer::json(body), &headers);
    complete(call, observed, None, headers, response).await
}

const fn is_bridged(operation: Operation) -> bool {
    matches!(operation, Operation::Messages | Operation::Responses)
}

/// Gives the client as a stream what is there as a whole.
pub(crate) fn streamed(
    mut call: Call,
    chunks: VecDeque<Bytes>,
    headers: &HeaderMap,
    stamp: &Stamp,
) -> Response<AnswerBody> {
    let operation = call.request().map(|request| request.operation);
    let reader = match operation.filter(|operation| is_bridged(*operation)) {
        Some(operation) => bridge::stream(operation, Box::new(OpenAiStream::new(false))),
        None => Box::new(OpenAiStream::new(!call.wants_usage())),
    };
    let idle_max = call.shared.config.settings.upstream_timeout;
    let source = Source::Mock(chunks);
    let relay = Relay::new(call, source, reader, headers.clone(), idle_max);
    stamp.on(answer::stream(StatusCode::OK, relay, None), headers)
}
