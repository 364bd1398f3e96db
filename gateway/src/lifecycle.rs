//! The life of one call, top to bottom: the file to read first.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use event::{Outcome, Timestamp};
use http::{HeaderMap, HeaderValue, Response, header};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::{
    answer::{self, AnswerBody},
    attempts::{self, Chosen},
    auth,
    call::{Call, Ending},
    draft::Draft,
    error::{ApiError, ErrorClass},
    exchange::Answered,
    gateway::Shared,
    mock::{self, Mock},
    operation::Operation,
    provider::{Observed, Whole, chunks, openai, sse::OpenAiStream},
    relay::{Relay, Source},
    report,
    request::{ClientRequest, RequestError},
    reuse,
    routing::Found,
    several,
    stamp::{CALL_ID, Stamp},
    upstream::{self, Failure, ReadError},
};

/// Serves one request: authenticate, read, admit, ask, answer.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    headers: HeaderMap,
    body: Incoming,
    mut draft: Draft,
) -> Response<AnswerBody> {
    match auth::authenticate(&headers, shared.config.master_key.as_ref()) {
        Ok(identity) => draft.identity = identity,
        // Not a call yet: whoever has no key must not be able to fill the journal.
        Err(error) => {
            shared.metrics.unauthenticated.inc();
            return refuse(draft.call_id.as_str(), &error);
        }
    }
    let request = match read(&shared, draft.operation, &headers, body).await {
        Ok(request) => request,
        Err(error) => return reject(&shared, draft, &error).await,
    };
    let is_for_several = request.is_for_several();
    let found = (!is_for_several).then(|| find(&shared, &request));
    draft.request = Some(request);
    match found {
        Some(Ok(found)) => one(shared, draft, found).await,
        Some(Err(error)) => reject(&shared, draft, &error).await,
        None => several::serve(shared, draft).await,
    }
}

/// The group of the model that a request names.
///
/// # Errors
///
/// If there is none.
pub(crate) fn find(shared: &Shared, request: &ClientRequest) -> Result<Found, ApiError> {
    let found = shared.groups.find(&request.model);
    found.ok_or_else(|| unknown_model(shared, &request.model))
}

/// Serves a request that has been understood: one call.
pub(crate) async fn one(shared: Arc<Shared>, draft: Draft, found: Found) -> Response<AnswerBody> {
    let chosen = attempts::first(&shared, &draft, found).and_then(|(found, chosen)| {
        mock::check(&shared, draft.request.as_ref(), &chosen.deployment)?;
        Ok((found, chosen))
    });
    let (found, chosen) = match chosen {
        Ok(chosen) => chosen,
        Err(error) => return reject(&shared, draft, &error).await,
    };
    let call_id = draft.call_id.to_string();
    let deployment = Arc::clone(&chosen.deployment);
    let stamp = Stamp {
        call_id,
        deployment: Arc::clone(&deployment),
        attempts: 0,
        fallbacks: 0,
    };
    match Call::admit(shared, draft, deployment).await {
        Ok(call) => match begun(&call).await {
            Ok(()) => answer(call, found, chosen, stamp).await,
            Err(error) => failed(call, *Failure::without_answer(error), &stamp).await,
        },
        Err(error) => refuse(&stamp.call_id, &error),
    }
}

/// Waits until the started record is as durable as the configuration says.
async fn begun(call: &Call) -> Result<(), ApiError> {
    match call.started() {
        Some(started) => report::durable(&call.shared, started.position).await,
        None => Ok(()),
    }
}

/// Has the provider, or the configuration, answer an admitted call.
async fn answer(mut call: Call, found: Found, first: Chosen, stamp: Stamp) -> Response<AnswerBody> {
    let kept = reuse::find(&mut call, &found).await;
    let key = reuse::key(&mut call);
    let mut response = match kept {
        Some(body) => reuse::give(call, body, &stamp).await,
        None => {
            let asked = attempts::run(&mut call, found, first).await;
            let stamp = stamp.updated(&mut call);
            match asked {
                Ok(answered) => relay(call, answered, &stamp).await,
                Err(failure) => failed(call, *failure, &stamp).await,
            }
        }
    };
    reuse::name(&mut response, key.as_deref());
    response
}

/// Passes a provider's answer on.
async fn relay(mut call: Call, answered: Answered, stamp: &Stamp) -> Response<AnswerBody> {
    match answered {
        Answered::Mock(mock) => mocked(call, &mock, stamp).await,
        Answered::Stream { response, reader } => {
            let (head, body) = response.into_parts();
            let (idle_max, _retries_max) = attempts::patience(&mut call, &stamp.deployment);
            let reader = reader.stream(!call.wants_usage());
            let source = Source::Provider(body);
            let relay = Relay::new(call, source, reader, head.headers.clone(), idle_max);
            stamp.on(answer::stream(head.status, relay), &head.headers)
        }
        Answered::Whole { whole, headers } => {
            let Whole { body, observed } = *whole;
            if call.request().is_some_and(|request| request.stream) {
                let now = (call.shared.clock)();
                let chunks = chunks::of_whole(&body, now, true);
                return streamed(call, [chunks].into(), &headers, stamp);
            }
            let first_token = Some((call.shared.clock)());
            let json = HeaderValue::from_static("application/json");
            let response = stamp.on(answer::whole(body, Some(json)), &headers);
            complete(call, observed, first_token, headers, response).await
        }
    }
}

/// Gives the client as a stream what is there as a whole.
fn streamed(
    mut call: Call,
    chunks: VecDeque<Bytes>,
    headers: &HeaderMap,
    stamp: &Stamp,
) -> Response<AnswerBody> {
    let reader = OpenAiStream::new(!call.wants_usage());
    let idle_max = call.shared.config.settings.upstream_timeout;
    let source = Source::Mock(chunks);
    let relay = Relay::new(call, source, Box::new(reader), headers.clone(), idle_max);
    stamp.on(answer::stream(http::StatusCode::OK, relay), headers)
}

/// Writes the event of an answer that came whole, and only then lets the client have it.
async fn complete(
    mut call: Call,
    observed: Observed,
    first_token: Option<Timestamp>,
    headers: HeaderMap,
    response: Response<AnswerBody>,
) -> Response<AnswerBody> {
    let now = (call.shared.clock)();
    if let Some(open) = call.open() {
        attempts::ended(open, now, None);
    }
    let ending = Ending {
        outcome: Outcome::Success,
        observed,
        error: None,
        first_token,
        headers,
        answering: true,
        cache_hit: false,
    };
    finish(call, ending, response).await
}

/// Gives the client what nobody was asked for.
async fn mocked(mut call: Call, mock: &Mock, stamp: &Stamp) -> Response<AnswerBody> {
    let headers = HeaderMap::new();
    if call.request().is_some_and(|request| request.stream) {
        let now = (call.shared.clock)();
        return streamed(call, mock.chunks(now), &headers, stamp);
    }
    let body = mock.whole();
    let observed = openai::whole(&body);
    let json = Some(HeaderValue::from_static("application/json"));
    let response = stamp.on(answer::whole(body, json), &headers);
    complete(call, observed, None, headers, response).await
}

/// Writes the event; the client gets `response` only if that worked.
pub(crate) async fn finish(
    call: Call,
    ending: Ending,
    mut response: Response<AnswerBody>,
) -> Response<AnswerBody> {
    let shared = Arc::clone(&call.shared);
    match call.finish(ending).durable(shared).await {
        Ok(()) => response,
        Err(error) => {
            let mut instead = answer::error(&error);
            if let Some(id) = response.headers_mut().remove(CALL_ID) {
                instead.headers_mut().insert(CALL_ID, id);
            }
            instead
        }
    }
}

/// Writes the event of a call that failed, and says why.
async fn failed(mut call: Call, failure: Failure, stamp: &Stamp) -> Response<AnswerBody> {
    let now = (call.shared.clock)();
    let outcome = match failure.error.class {
        ErrorClass::Timeout if failure.status.is_none() => Outcome::Timeout,
        ErrorClass::ApiConnection if failure.answering.is_some() => Outcome::Interrupted,
        _ => Outcome::ProviderError,
    };
    if let Some(open) = call.open() {
        attempts::ended(open, now, Some(&failure.error));
    }
    let response = stamp.on(answer::error(&failure.error), &failure.headers);
    let ending = Ending {
        outcome,
        error: Some(failure.error),
        headers: failure.headers,
        answering: failure.answering.is_some(),
        observed: failure
            .answering
            .map(|observed| *observed)
            .unwrap_or_default(),
        first_token: None,
        cache_hit: false,
    };
    finish(call, ending, response).await
}

/// Reads and understands the body.
async fn read(
    shared: &Shared,
    operation: Operation,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<ClientRequest, ApiError> {
    let limits = &shared.config.settings;
    let too_large = || {
        let message = format!(
            "the body is larger than {} bytes, the limit of this gateway (`request_bytes_max`)",
            limits.request_bytes_max
        );
        ApiError::new(ErrorClass::TooLarge, message)
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    if announced.and_then(|length| length.parse().ok()) > Some(limits.request_bytes_max) {
        return Err(too_large());
    }
    let deadline = Instant::now() + limits.body_timeout;
    let body = upstream::read(body, limits.request_bytes_max, deadline).await;
    let body = body.map_err(|error| match error {
        ReadError::TooLarge => too_large(),
        ReadError::Late => {
            let message = format!("the body did not come within {:?}", limits.body_timeout);
            ApiError::new(ErrorClass::Timeout, message)
        }
        ReadError::Broken => ApiError::new(ErrorClass::BadRequest, "the body broke off"),
    })?;
    ClientRequest::parse(operation, body, limits.content_bytes_max)
        .map_err(|error| misunderstood(&error))
}

/// What a client is told whose request cannot be understood.
pub(crate) fn misunderstood(error: &RequestError) -> ApiError {
    let param = error.param().map(str::to_owned);
    ApiError {
        param,
        ..ApiError::new(ErrorClass::BadRequest, error.to_string())
    }
}

/// Answers a request that did not become a call, and writes its event.
pub(crate) async fn reject(
    shared: &Shared,
    draft: Draft,
    error: &ApiError,
) -> Response<AnswerBody> {
    let response = refuse(draft.call_id.as_str(), error);
    // A refusal is worth no wait for the disk.
    match report::reject(shared, draft, error).stored().await {
        Ok(_place) => response,
        Err(unwritten) => answer::error(&unwritten),
    }
}

/// Answers a request that did not become a call, and leaves no event.
fn refuse(call_id: &str, error: &ApiError) -> Response<AnswerBody> {
    let mut response = answer::error(error);
    answer::set(response.headers_mut(), CALL_ID, call_id);
    response
}

fn unknown_model(shared: &Shared, model: &str) -> ApiError {
    let names = shared.groups.names();
    let shown: String = model.chars().take(100).collect();
    let message = format!(
        "Invalid model name passed in model={shown}. Known here: {}. Ask `/v1/models` for the list",
        names.join(", ").chars().take(500).collect::<String>()
    );
    ApiError {
        param: Some("model".to_owned()),
        ..ApiError::new(ErrorClass::BadRequest, message)
    }
}

pub(crate) fn internal() -> ApiError {
    ApiError::new(ErrorClass::InternalServer, "this call has ended already")
}

impl Call {
    /// Whether the client is to get the stream's usage chunk.
    pub(crate) fn wants_usage(&mut self) -> bool {
        let always = self.shared.config.always_include_usage;
        always || self.request().is_some_and(|request| request.include_usage)
    }
}
