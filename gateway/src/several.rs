//! One request that several models answer (`model: "one,other"`): each of them is a call of its own,
//! with its own event.
//!
//! Either all answers come back as a list, or the first good one does (`fastest_response`) and the
//! other calls are cancelled; what they had asked for by then is accounted. Nobody is asked before
//! every name has been looked up.

use std::{pin::Pin, sync::Arc, task::Poll};

use bytes::{BufMut as _, Bytes, BytesMut};
use event::CallId;
use http::{HeaderName, Response};
use http_body_util::BodyExt as _;

use crate::{
    answer::{self, AnswerBody},
    destination,
    draft::Draft,
    error::{ApiError, ErrorClass},
    gateway::Shared,
    lifecycle,
    request::{Apart, ClientRequest},
    routing::Found,
    stamp::CALL_ID,
};

/// Calls that one request may make.
const CALLS_MAX: usize = 16;

/// The header that says that an answer was the first of several, as LiteLLM names it.
const FASTEST: HeaderName = HeaderName::from_static("x-litellm-fastest_response_batch_completion");

/// A call that goes on beside others.
type Going = Pin<Box<dyn Future<Output = Response<AnswerBody>> + Send>>;

/// How the answers come back.
struct Shape {
    /// The first that is good, alone.
    fastest: bool,
    /// Of each conversation, the answers of so many models in a list of their own.
    models: Option<usize>,
}

/// Serves a request that names several models.
pub(crate) async fn serve(shared: Arc<Shared>, draft: Box<Draft>) -> Response<AnswerBody> {
    let (calls, shape) = match apart(&shared, &draft) {
        Ok(apart) => apart,
        Err(error) => return lifecycle::reject(&shared, draft, &error).await,
    };
    let call_id = draft.call_id.to_string();
    let presence = draft.presence.racing();
    let mut going: Vec<Option<Going>> = Vec::with_capacity(calls.len());
    for (mut draft, found) in calls {
        draft.presence = presence.clone();
        let (shared, draft) = (Arc::clone(&shared), Box::new(draft));
        going.push(Some(Box::pin(lifecycle::one(shared, draft, found))));
    }
    if !shape.fastest {
        return all(going, &shape, &call_id).await;
    }
    let mut last = None;
    while let Some((_, mut response)) = next(&mut going).await {
        if response.status().is_success() {
            presence.outruns();
            answer::set(response.headers_mut(), FASTEST, "True");
            return response;
        }
        last = Some(response);
    }
    last.unwrap_or_else(|| answer::error(&lifecycle::internal()))
}

/// The calls that a request stands for, each with the group that it asks.
///
/// # Errors
///
/// If one of the models is not known, or the request cannot be taken apart.
fn apart(shared: &Shared, draft: &Draft) -> Result<(Vec<(Draft, Found)>, Shape), ApiError> {
    let Some(request) = &draft.request else {
        return Err(lifecycle::internal());
    };
    let wrong = |message: &str| ApiError::new(ErrorClass::BadRequest, message);
    let content_max = shared.config.settings.content_bytes_max;
    let Apart {
        requests,
        models,
        has_conversations,
    } = request
        .apart(CALLS_MAX, content_max)
        .map_err(|error| lifecycle::misunderstood(&error))?;
    let fastest = request.wishes.fastest;
    if fastest && has_conversations {
        let message = "`fastest_response` takes one conversation: `messages` is a list of them";
        return Err(wrong(message));
    }
    if request.stream && !fastest {
        let message = "answers of several models are not streamed: leave out `stream`, or ask for \
                       the first of them with `fastest_response: true`";
        return Err(wrong(message));
    }
    let trace = draft.trace_name();
    let mut calls = Vec::with_capacity(requests.len());
    for (number, mut request) in requests.into_iter().enumerate() {
        let found = destination::find(shared, draft, &mut request)?;
        calls.push((of_one(draft, number, &trace, request), found));
    }
    let models = has_conversations.then_some(models);
    Ok((calls, Shape { fastest, models }))
}

/// The draft of one of the calls: an id of its own, and the trace of all.
fn of_one(draft: &Draft, number: usize, trace: &str, request: ClientRequest) -> Draft {
    let mut one = draft.clone();
    if number > 0 {
        let id = CallId::parse(&format!("{}-{}", draft.call_id, number + 1));
        one.call_id = id.unwrap_or_else(|_too_long| CallId::generate());
    }
    one.trace.name = Some(trace.to_owned());
    one.request = Some(request);
    one
}

/// The next of the calls that has an answer, and which it is; `None` after the last.
async fn next(going: &mut [Option<Going>]) -> Option<(usize, Response<AnswerBody>)> {
    std::future::poll_fn(|cx| {
        let mut is_over = true;
        for (number, slot) in going.iter_mut().enumerate() {
            let Some(call) = slot else { continue };
            is_over = false;
            if let Poll::Ready(response) = call.as_mut().poll(cx) {
                *slot = None;
                return Poll::Ready(Some((number, response)));
            }
        }
        if is_over {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    })
    .await
}

/// Waits for all, and gives a list of their answers in the order of the request. An error stands in
/// the place of its answer.
async fn all(mut going: Vec<Option<Going>>, shape: &Shape, call_id: &str) -> Response<AnswerBody> {
    let mut answers: Vec<Bytes> = vec![Bytes::new(); going.len()];
    while let Some((number, response)) = next(&mut going).await {
        let Ok(body) = response.into_body().collect().await;
        if let Some(place) = answers.get_mut(number) {
            *place = body.to_bytes();
        }
    }
    let body = match shape.models {
        Some(models) => {
            let lists = answers.chunks(models.max(1)).map(list);
            list(&lists.collect::<Vec<_>>())
        }
        None => list(&answers),
    };
    let mut response = answer::json(body);
    answer::set(response.headers_mut(), CALL_ID, call_id);
    response
}

fn list(parts: &[Bytes]) -> Bytes {
    let mut out = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum::<usize>() + 64);
    out.put_u8(b'[');
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            out.put_u8(b',');
        }
        out.put_slice(part);
    }
    out.put_u8(b']');
    out.freeze()
}
