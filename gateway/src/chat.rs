//! The life of one chat call, top to bottom: the file to read first.

use std::sync::Arc;

use event::{Outcome, Timestamp};
use http::{HeaderMap, HeaderValue, Response, header};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::{
    answer::{self, AnswerBody},
    attempts, auth,
    call::{Call, Ending},
    config::Deployment,
    draft::Draft,
    error::{ApiError, ErrorClass},
    gateway::Shared,
    mock,
    provider::Observed,
    relay::{Relay, Source},
    report,
    request::ChatRequest,
    stamp::{CALL_ID, Stamp},
    upstream::{self, Failure, ReadError},
};

/// Serves one chat request: authenticate, read, admit, ask, answer.
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
    let request = match read(&shared, &headers, body).await {
        Ok(request) => request,
        Err(error) => return reject(&shared, draft, &error).await,
    };
    let group = shared.groups.get(&request.model).cloned();
    let model = request.model.clone();
    draft.request = Some(request);
    let Some(group) = group else {
        let error = unknown_model(&shared, &model);
        return reject(&shared, draft, &error).await;
    };
    let Some(deployment) = group.choose(&[]) else {
        return reject(&shared, draft, &unknown_model(&shared, &model)).await;
    };
    let call_id = draft.call_id.to_string();
    let stamp = Stamp {
        call_id,
        deployment: Arc::clone(&deployment),
        attempts: 0,
    };
    match Call::admit(shared, draft, deployment).await {
        Ok(call) => match begun(&call).await {
            Ok(()) => answer(call, &group, stamp).await,
            Err(error) => {
                let failure = Failure {
                    error,
                    status: None,
                    headers: HeaderMap::new(),
                    answering: None,
                };
                failed(call, failure, &stamp).await
            }
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
async fn answer(mut call: Call, group: &attempts::Group, stamp: Stamp) -> Response<AnswerBody> {
    if let Some(text) = mock_text(&mut call) {
        return mocked(call, &text, &stamp).await;
    }
    let asked = attempts::run(&mut call, group).await;
    let stamp = stamp.updated(&mut call);
    match asked {
        Ok((response, deadline)) => relay(call, response, deadline, &stamp).await,
        Err(failure) => failed(call, *failure, &stamp).await,
    }
}

/// Passes a provider's answer on.
async fn relay(
    mut call: Call,
    response: Response<Incoming>,
    deadline: Instant,
    stamp: &Stamp,
) -> Response<AnswerBody> {
    let (head, body) = response.into_parts();
    let asked_for_stream = call.request().is_some_and(|request| request.stream);
    if asked_for_stream && answer::is_event_stream(&head.headers) {
        let strip_usage = !call.wants_usage();
        let reader = stamp.deployment.provider.stream(strip_usage);
        let (idle_max, _retries_max) = attempts::patience(&mut call, &stamp.deployment);
        let source = Source::Provider(body);
        let relay = Relay::new(call, source, reader, head.headers.clone(), idle_max);
        return stamp.on(answer::stream(head.status, relay), &head.headers);
    }
    let first_token = Some((call.shared.clock)());
    let bytes_max = call.shared.config.settings.response_bytes_max;
    let body = match upstream::read(body, bytes_max, deadline).await {
        Ok(body) => body,
        Err(error) => {
            let failure = unreadable(error, &stamp.deployment, bytes_max);
            let failure = failure.while_answering(Observed::default());
            return failed(call, *failure, stamp).await;
        }
    };
    let observed = stamp.deployment.provider.whole(&body);
    if let Some(error) = not_an_answer(&observed, &stamp.deployment) {
        return failed(call, *error.while_answering(observed), stamp).await;
    }
    let content_type = head.headers.get(header::CONTENT_TYPE).cloned();
    let mut response = answer::whole(body, content_type);
    *response.status_mut() = head.status;
    let response = stamp.on(response, &head.headers);
    complete(call, observed, first_token, head.headers, response).await
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
    };
    finish(call, ending, response).await
}

async fn mocked(mut call: Call, text: &str, stamp: &Stamp) -> Response<AnswerBody> {
    let Some(open) = call.open() else {
        return answer::error(&internal());
    };
    let Some(request) = &open.draft.request else {
        return answer::error(&internal());
    };
    let stream = request.stream;
    let mock = mock::Mock::new(text, &open.draft.call_id, request, open.draft.start);
    let headers = HeaderMap::new();
    if stream {
        let reader = stamp.deployment.provider.stream(!call.wants_usage());
        let idle_max = call.shared.config.settings.upstream_timeout;
        let relay = Relay::new(
            call,
            Source::Mock(mock.chunks()),
            reader,
            headers.clone(),
            idle_max,
        );
        return stamp.on(answer::stream(http::StatusCode::OK, relay), &headers);
    }
    let body = mock.whole();
    let observed = stamp.deployment.provider.whole(&body);
    let json = Some(HeaderValue::from_static("application/json"));
    let response = stamp.on(answer::whole(body, json), &headers);
    complete(call, observed, None, headers, response).await
}

fn mock_text(call: &mut Call) -> Option<String> {
    let open = call.open()?;
    let own = open
        .draft
        .request
        .as_ref()
        .and_then(|request| request.mock_response.clone());
    own.or_else(|| open.deployment.mock_response.clone())
}

/// Writes the event; the client gets `response` only if that worked.
async fn finish(
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
    };
    finish(call, ending, response).await
}

/// Reads and understands the body.
async fn read(
    shared: &Shared,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<ChatRequest, ApiError> {
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
    ChatRequest::parse(body, limits.content_bytes_max).map_err(|error| {
        let param = error.param().map(str::to_owned);
        ApiError {
            param,
            ..ApiError::new(ErrorClass::BadRequest, error.to_string())
        }
    })
}

/// Answers a request that did not become a call, and writes its event.
async fn reject(shared: &Shared, draft: Draft, error: &ApiError) -> Response<AnswerBody> {
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
    let mut names: Vec<&str> = shared.groups.keys().map(String::as_str).collect();
    names.sort_unstable();
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

fn unreadable(error: ReadError, deployment: &Deployment, bytes_max: usize) -> Box<Failure> {
    let name = &deployment.provider_name;
    match error {
        ReadError::TooLarge => {
            let message = format!("{name}'s answer is larger than {bytes_max} bytes");
            Failure::here(deployment, ErrorClass::BadGateway, message)
        }
        ReadError::Broken => {
            let message = format!("{name}'s answer broke off");
            Failure::here(deployment, ErrorClass::ApiConnection, message)
        }
        ReadError::Late => {
            let message = format!("{name} did not answer in time");
            Failure::here(deployment, ErrorClass::Timeout, message)
        }
    }
}

/// A success whose body is none.
fn not_an_answer(observed: &Observed, deployment: &Deployment) -> Option<Box<Failure>> {
    let name = &deployment.provider_name;
    if let Some(message) = &observed.error {
        let message = format!("{name}: {message}");
        return Some(Failure::here(
            deployment,
            ErrorClass::InternalServer,
            message,
        ));
    }
    if observed.response.is_none() {
        let message = format!("{name} answered with something that is not JSON");
        return Some(Failure::here(deployment, ErrorClass::BadGateway, message));
    }
    None
}

fn internal() -> ApiError {
    ApiError::new(ErrorClass::InternalServer, "this call has ended already")
}

impl Call {
    /// Whether the client is to get the stream's usage chunk.
    fn wants_usage(&mut self) -> bool {
        let always = self.shared.config.always_include_usage;
        always || self.request().is_some_and(|request| request.include_usage)
    }
}
