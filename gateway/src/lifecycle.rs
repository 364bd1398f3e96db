//! The life of one call, top to bottom: the file to read first.

use std::sync::Arc;

use bytes::Bytes;
use event::{Outcome, Timestamp};
use http::{HeaderMap, HeaderValue, Response, header, request};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::{
    admission,
    answer::{self, AnswerBody},
    attempts::{self, Chosen},
    auth,
    call::{Call, Ending},
    destination,
    draft::Draft,
    error::{ApiError, ErrorClass},
    exchange::Answered,
    gateway::Shared,
    mock,
    operation::{Dialect, Operation},
    provider::{Observed, Whole, chunks, texts},
    realtime,
    relay::{Relay, Source},
    report,
    request::{Arrived, ClientRequest, Place, RequestError},
    reuse,
    routing::Found,
    several,
    stamp::{CALL_ID, COST, Stamp},
    unasked,
    upstream::{self, Failure, ReadError},
};

/// Serves one request: authenticate, read, admit, ask, answer.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    (head, place): (request::Parts, Place),
    body: Incoming,
    mut draft: Box<Draft>,
) -> Response<AnswerBody> {
    let dialect = draft.operation.dialect();
    let master_key = shared.config.master_key.as_ref();
    match auth::authenticate(&head.headers, master_key, shared.who_calls()) {
        Ok(identity) => draft.identity = identity,
        // Not a call yet: whoever has no key must not be able to fill the journal.
        Err(error) => {
            shared.metrics.unauthenticated.inc();
            return refuse(draft.call_id.as_str(), dialect, &error);
        }
    }
    let mut request = match read(&shared, draft.operation, (&head, place), body).await {
        Ok(request) => request,
        Err(error) => return reject(&shared, draft, &error).await,
    };
    let is_for_several = request.is_for_several();
    let found = (!is_for_several).then(|| destination::find(&shared, &draft, &mut request));
    draft.request = Some(request);
    match found {
        Some(Ok(found)) => one(shared, draft, found).await,
        Some(Err(error)) => reject(&shared, draft, &error).await,
        None => Box::pin(several::serve(shared, draft)).await,
    }
}

/// Serves a request that has been understood: one call.
pub(crate) async fn one(
    shared: Arc<Shared>,
    draft: Box<Draft>,
    found: Found,
) -> Response<AnswerBody> {
    let dialect = draft.operation.dialect();
    let chosen = attempts::first(&shared, &draft, found).and_then(|(found, chosen)| {
        mock::check(&shared, draft.request.as_ref(), &chosen.deployment)?;
        Ok((found, chosen))
    });
    let (found, chosen) = match chosen {
        Ok(chosen) => chosen,
        Err(error) => return reject(&shared, draft, &error).await,
    };
    let admitted = admission::admit(&shared, &draft, &found, &chosen.deployment).await;
    let permit = match admitted {
        Ok(permit) => permit,
        Err(error) => return reject(&shared, draft, &error).await,
    };
    let call_id = draft.call_id.to_string();
    let deployment = Arc::clone(&chosen.deployment);
    let stamp = Stamp::new(call_id, Arc::clone(&deployment), draft.start, dialect);
    match Call::admit(shared, draft, deployment, permit).await {
        Ok(call) => match begun(&call).await {
            Ok(()) => answer(call, found, chosen, stamp).await,
            Err(error) => Box::pin(failed(call, *Failure::without_answer(error), &stamp)).await,
        },
        Err(error) => refuse(&stamp.call_id, dialect, &error),
    }
}

/// Waits until the started record is as durable as the configuration says.
async fn begun(call: &Call) -> Result<(), ApiError> {
    match call.started() {
        Some(started) => report::durable(&call.shared, started.position).await,
        None => Ok(()),
    }
}

/// Has the provider, or the configuration, answer an admitted call. What few calls need is boxed
/// here and below: the future of a call is moved about, and must not be as large as the rarest of
/// its branches.
async fn answer(mut call: Call, found: Found, first: Chosen, stamp: Stamp) -> Response<AnswerBody> {
    if let Some(count) = unasked::count(&mut call) {
        return Box::pin(unasked::tell(call, count, &stamp)).await;
    }
    let kept = reuse::find(&mut call, &found).await;
    let key = reuse::key(&mut call);
    let mut response = match kept {
        Some(body) => Box::pin(reuse::give(call, body, &stamp)).await,
        None => {
            let asked = attempts::run(&mut call, found, first).await;
            let stamp = stamp.updated(&mut call);
            match asked {
                Ok(answered) => relay(call, answered, &stamp).await,
                Err(failure) => Box::pin(failed(call, *failure, &stamp)).await,
            }
        }
    };
    reuse::name(&mut response, key.as_deref());
    response
}

/// Passes a provider's answer on.
async fn relay(mut call: Call, answered: Answered, stamp: &Stamp) -> Response<AnswerBody> {
    match answered {
        Answered::Mock(mock) => Box::pin(unasked::mocked(call, &mock, stamp)).await,
        Answered::Stream { response, reader } => {
            let (head, body) = response.into_parts();
            let (idle_max, _retries_max) = attempts::patience(&mut call, &stamp.deployment);
            let operation = call.request().map(|request| request.operation);
            let reader = reader.stream(!call.wants_usage());
            let source = Source::Provider(body);
            let relay = Relay::new(call, source, reader, head.headers.clone(), idle_max);
            let kind = head.headers.get(header::CONTENT_TYPE);
            let kind = kind.filter(|_| operation.is_some_and(Operation::answers_anything));
            stamp.on(answer::stream(head.status, relay, kind), &head.headers)
        }
        Answered::Socket(response) => realtime::give(call, response, stamp),
        Answered::Whole {
            whole,
            status,
            headers,
        } => {
            let Whole { body, observed } = *whole;
            let operation = call.request().map(|request| request.operation);
            let streams = call.request().is_some_and(|request| request.stream);
            if streams && operation.is_some_and(Operation::is_chat) {
                let chunks = as_stream(&mut call, &body, true);
                return unasked::streamed(call, [chunks].into(), &headers, stamp);
            }
            let first_token = Some((call.shared.clock)());
            let json = HeaderValue::from_static("application/json");
            let own = headers.get(header::CONTENT_TYPE).cloned();
            let kind = if operation.is_some_and(Operation::answers_anything) {
                own
            } else {
                Some(json)
            };
            let mut response = stamp.on(answer::whole(body, kind), &headers);
            *response.status_mut() = status;
            complete(call, observed, first_token, headers, response).await
        }
    }
}

/// Writes the event of an answer that came whole, and only then lets the client have it.
pub(crate) async fn complete(
    mut call: Call,
    observed: Observed,
    first_token: Option<Timestamp>,
    headers: HeaderMap,
    mut response: Response<AnswerBody>,
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
    let cost = call.cost(&ending);
    answer::set(response.headers_mut(), COST, &cost.unwrap_or_default());
    finish(call, ending, response).await
}

/// A whole answer as a stream, in the shape of what was asked for.
pub(crate) fn as_stream(call: &mut Call, body: &Bytes, wants_usage: bool) -> Bytes {
    let operation = call.request().map(|request| request.operation);
    if operation == Some(Operation::Completion) {
        return texts::of_whole(body, wants_usage);
    }
    let now = (call.shared.clock)();
    chunks::of_whole(body, now, wants_usage)
}

/// Writes the event; the client gets `response` only if that worked.
pub(crate) async fn finish(
    mut call: Call,
    ending: Ending,
    mut response: Response<AnswerBody>,
) -> Response<AnswerBody> {
    let shared = Arc::clone(&call.shared);
    let dialect = call.open().map(|open| open.draft.operation.dialect());
    match call.finish(ending).durable(shared).await {
        Ok(()) => response,
        Err(error) => {
            let mut instead = answer::error_in(dialect.unwrap_or_default(), &error);
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
    let response = answer::error_in(stamp.dialect, &failure.error);
    let response = stamp.on(response, &failure.headers);
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
    (head, place): (&request::Parts, Place),
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
    let announced = head
        .headers
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
    let arrived = Arrived {
        operation,
        head,
        place,
        body,
        content_bytes_max: limits.content_bytes_max,
    };
    ClientRequest::read(&arrived).map_err(|error| misunderstood(&error))
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
    draft: Box<Draft>,
    error: &ApiError,
) -> Response<AnswerBody> {
    let dialect = draft.operation.dialect();
    let response = refuse(draft.call_id.as_str(), dialect, error);
    // A refusal is worth no wait for the disk.
    match report::reject(shared, *draft, error).stored().await {
        Ok(_place) => response,
        Err(unwritten) => answer::error_in(dialect, &unwritten),
    }
}

/// Answers a request that did not become a call, and leaves no event.
fn refuse(call_id: &str, dialect: Dialect, error: &ApiError) -> Response<AnswerBody> {
    let mut response = answer::error_in(dialect, error);
    answer::set(response.headers_mut(), CALL_ID, call_id);
    response
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
