//! Answers that need no provider: those of the configuration, and counts.

use std::collections::VecDeque;

use bytes::Bytes;
use event::Json;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
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

/// An answer that nobody is asked for.
pub(crate) enum Unasked {
    /// A text, as if a model had said it.
    Text(String),
    /// How many tokens a request has.
    Count(u64),
}

/// What a call is answered with without asking anybody, if it is.
pub(crate) fn answer(call: &mut Call) -> Option<Unasked> {
    let open = call.open()?;
    let request = open.draft.request.as_ref()?;
    let configured = open.deployment.mock_response.as_ref();
    if let Some(text) = request.mock_response.as_ref().or(configured) {
        return Some(Unasked::Text(text.clone()));
    }
    let serves = open.deployment.provider.serves(request.operation);
    let counts = request.operation == Operation::CountTokens && !serves;
    counts.then(|| Unasked::Count(tokens::estimated(request.prompt_bytes(), 0).prompt_tokens))
}

/// Gives it to the client.
pub(crate) async fn give(mut call: Call, unasked: Unasked, stamp: &Stamp) -> Response<AnswerBody> {
    let headers = HeaderMap::new();
    let kind = Some(HeaderValue::from_static("application/json"));
    let text = match unasked {
        Unasked::Text(text) => text,
        Unasked::Count(count) => {
            let told = Json::of(&json!({ "input_tokens": count }));
            let body = answer::whole(told.text().to_owned().into(), kind);
            let observed = Observed {
                response: Some(told),
                ..Observed::default()
            };
            let response = stamp.on(body, &headers);
            return complete(call, observed, None, headers, response).await;
        }
    };
    let Some(open) = call.open() else {
        return answer::error(&internal());
    };
    let Some(request) = &open.draft.request else {
        return answer::error(&internal());
    };
    let (stream, operation) = (request.stream, request.operation);
    let mock = Mock::new(&text, &open.draft.call_id, request, open.draft.start);
    let is_text = operation == Operation::Completion;
    if stream {
        let chunks = match is_text {
            true => [texts::of_whole(&texts::of_chat(&mock.whole()), true)].into(),
            false => mock.chunks(),
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
    let response = stamp.on(answer::whole(body, kind), &headers);
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
