//! One attempt: fetch what the request needs, send it, and read what comes back.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use crate::{
    call::Call,
    config::Deployment,
    error::{ApiError, ErrorClass},
    gateway::Shared,
    media::MEDIA_BYTES_MAX,
    mock::Mock,
    operation::Operation,
    provider::{
        Answer, Ask, Fetched, Need, Observed, Prepared, ProviderError, Reader, Step, Whole, along,
        bridge, kept, passing, realtime,
    },
    request::{ClientRequest, accept},
    upstream::{self, Failure, ReadError},
};

/// <https://www.w3.org/TR/trace-context/#traceparent-header>
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Bytes of an error answer that are read.
const ERROR_BYTES_MAX: usize = 1 << 20;
/// The longest pause a provider may ask for that is passed on as seconds.
const RETRY_AFTER_MAX: u32 = 3600;

/// What a provider answered.
pub(crate) enum Answered {
    /// A stream that has begun.
    Stream {
        response: Response<Incoming>,
        reader: Box<dyn Reader>,
    },
    /// What nobody was asked for.
    Mock(Box<Mock>),
    /// A WebSocket.
    Socket(Response<Incoming>),
    /// All of it.
    Whole {
        whole: Box<Whole>,
        status: StatusCode,
        headers: HeaderMap,
    },
}

/// Asks `deployment` once.
///
/// # Errors
///
/// If it cannot be asked, does not answer by `deadline`, or answers with an error.
pub(crate) async fn ask(
    call: &mut Call,
    deployment: &Deployment,
    deadline: Instant,
) -> Result<Answered, Box<Failure>> {
    let shared = Arc::clone(&call.shared);
    let prepared = prepare(call, deployment, deadline).await?;
    let mut prepared = Box::new(prepared);
    loop {
        let Prepared {
            mut outgoing,
            mut reader,
            streams,
        } = *prepared;
        if shared.config.forward_traceparent {
            let traceparent = call.open().map(|open| open.draft.traceparent());
            let value = traceparent.and_then(|text| HeaderValue::try_from(text).ok());
            outgoing
                .headers
                .extend(value.map(|value| (TRACEPARENT, value)));
        }
        let opens = accept(&outgoing.headers);
        let response = shared
            .upstream
            .send(call, deployment, outgoing, deadline)
            .await?;
        if let Some(accept) = opens.filter(|_| may_open(&response)) {
            return socket(response, &accept, deployment);
        }
        if !response.status().is_success() {
            return Err(Box::pin(refusal(response, &*reader, deployment, deadline)).await);
        }
        reader.head(response.headers());
        if streams && reader.is_stream(response.headers()) {
            return Ok(Answered::Stream { response, reader });
        }
        let answer = read(response, &shared, deployment, deadline).await?;
        let (status, headers) = (answer.status, answer.headers.clone());
        let said = reader.whole(answer);
        match said {
            Ok(Step::Done(whole)) => {
                return match not_an_answer(&whole.observed, deployment) {
                    Some(failure) => Err(failure.while_answering(whole.observed)),
                    None => Ok(Answered::Whole {
                        whole,
                        status,
                        headers,
                    }),
                };
            }
            Ok(Step::Again(pause, next)) => {
                wait(pause, deployment, deadline).await?;
                prepared = next;
            }
            Err(fault) => {
                let name = &deployment.provider_name;
                let message = format!("{}: {name}: {}", fault.class.name(), fault.message);
                let failure = Failure::here(deployment, fault.class, message);
                return Err(failure.while_answering(Observed::default()));
            }
        }
    }
}

/// Whether the answer is no error to a request for a WebSocket.
fn may_open(response: &Response<Incoming>) -> bool {
    let status = response.status();
    status == StatusCode::SWITCHING_PROTOCOLS || status.is_success()
}

/// A WebSocket, if the provider has opened it.
fn socket(
    response: Response<Incoming>,
    accept: &HeaderValue,
    deployment: &Deployment,
) -> Result<Answered, Box<Failure>> {
    let proof = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
    if response.status() == StatusCode::SWITCHING_PROTOCOLS && proof == Some(accept) {
        return Ok(Answered::Socket(response));
    }
    let message = format!("{} did not open a WebSocket", deployment.provider_name);
    Err(Failure::here(deployment, ErrorClass::BadGateway, message))
}

/// Says the request in the provider's dialect: as it is, as a chat, or as it is passed on.
async fn prepare(
    call: &mut Call,
    deployment: &Deployment,
    deadline: Instant,
) -> Result<Prepared, Box<Failure>> {
    let refused = |error: ProviderError| refused(deployment, &error);
    let keeps_apart = call.shared.groups.keeps_apart(deployment);
    let request = call.request().ok_or_else(Failure::ended_already)?;
    if let Some(passed) = &request.passed {
        let prepared = passing::prepare(deployment, request, passed).map_err(refused)?;
        return Ok(match keeps_apart {
            true => kept::marking(prepared, deployment),
            false => prepared,
        });
    }
    if let Some(socket) = &request.socket {
        return realtime::prepare(deployment, request, socket).map_err(refused);
    }
    let operation = request.operation;
    let chat = bridge::chat(deployment, request).map_err(refused)?;
    let prepared = fetch_and_say(call, deployment, deadline, chat.as_ref()).await?;
    Ok(match chat {
        Some(_chat) => bridge::bridged(prepared, operation),
        None if keeps_apart && operation == Operation::Responses => {
            kept::marking(prepared, deployment)
        }
        None => prepared,
    })
}

/// Fetches what the request needs, and says it in the provider's dialect; `chat` in its place.
async fn fetch_and_say(
    call: &mut Call,
    deployment: &Deployment,
    deadline: Instant,
    chat: Option<&ClientRequest>,
) -> Result<Prepared, Box<Failure>> {
    let refused = |error: ProviderError| refused(deployment, &error);
    let now = (call.shared.clock)();
    let drops = call.shared.config.drop_params;
    let needs = {
        let request = call.request().ok_or_else(Failure::ended_already)?;
        let request = chat.unwrap_or(request);
        let ask = Ask::new(deployment, request, now, drops).map_err(refused)?;
        let needs = deployment.provider.needs(&ask).map_err(refused)?;
        if needs.is_empty() {
            let prepared = deployment.provider.prepare(&ask).map_err(refused)?;
            return Ok(along::fitted(&ask, prepared));
        }
        needs
    };
    let fetched = Box::pin(fetch(call, deployment, deadline, needs)).await?;
    let request = call.request().ok_or_else(Failure::ended_already)?;
    let request = chat.unwrap_or(request);
    let mut ask = Ask::new(deployment, request, now, drops).map_err(refused)?;
    ask.fetched = fetched;
    let prepared = deployment.provider.prepare(&ask).map_err(refused)?;
    Ok(along::fitted(&ask, prepared))
}

/// Fetches what has to be there before a request can be said.
async fn fetch(
    call: &mut Call,
    deployment: &Deployment,
    deadline: Instant,
    needs: Vec<Need>,
) -> Result<Fetched, Box<Failure>> {
    let shared = Arc::clone(&call.shared);
    let refused = |error: ProviderError| refused(deployment, &error);
    let mut fetched = Fetched::default();
    let mut media_left = MEDIA_BYTES_MAX;
    for need in needs {
        match need {
            Need::Token(request) => {
                let token = shared
                    .credentials
                    .token(call, deployment, *request, deadline)
                    .await?;
                fetched.token = Some(token);
            }
            Need::TokenFrom(source) => {
                let token = match shared.credentials.kept(&source.name()) {
                    Some(token) => token,
                    None => {
                        let request = source.request().map_err(refused)?;
                        let credentials = &shared.credentials;
                        credentials
                            .token(call, deployment, request, deadline)
                            .await?
                    }
                };
                fetched.token = Some(token);
            }
            Need::Media(address) => {
                let media = shared
                    .media
                    .fetch(call, &address, media_left, deadline)
                    .await?;
                media_left = media_left.saturating_sub(media.bytes.len());
                fetched.media.insert(address, media);
            }
        }
    }
    Ok(fetched)
}

fn refused(deployment: &Deployment, error: &ProviderError) -> Box<Failure> {
    Failure::here(deployment, error.class(), error.to_string())
}

async fn read(
    response: Response<Incoming>,
    shared: &Shared,
    deployment: &Deployment,
    deadline: Instant,
) -> Result<Answer, Box<Failure>> {
    let (head, body) = response.into_parts();
    let bytes_max = shared.config.settings.response_bytes_max;
    match upstream::read(body, bytes_max, deadline).await {
        Ok(body) => Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        }),
        Err(error) => {
            let failure = unreadable(error, deployment, bytes_max);
            Err(failure.while_answering(Observed::default()))
        }
    }
}

/// Waits before the answer is asked for again.
async fn wait(
    pause: Duration,
    deployment: &Deployment,
    deadline: Instant,
) -> Result<(), Box<Failure>> {
    let pause = tokio::time::sleep(pause);
    timeout_at(deadline, pause).await.map_err(|_elapsed| {
        let message = format!("{} was not ready in time", deployment.provider_name);
        Failure::here(deployment, ErrorClass::Timeout, message).while_answering(Observed::default())
    })
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
    if let Some(fault) = &observed.error {
        let message = format!("{name}: {}", fault.message);
        return Some(Failure::here(deployment, fault.class, message));
    }
    if observed.response.is_none() {
        let message = format!("{name} answered with something that is not JSON");
        return Some(Failure::here(deployment, ErrorClass::BadGateway, message));
    }
    None
}

/// Turns an answer that is no success into an error.
async fn refusal(
    response: Response<Incoming>,
    reader: &dyn Reader,
    deployment: &Deployment,
    deadline: Instant,
) -> Box<Failure> {
    let (head, body) = response.into_parts();
    let body = upstream::read(body, ERROR_BYTES_MAX, deadline)
        .await
        .unwrap_or_default();
    let answer = Answer {
        status: head.status,
        headers: head.headers,
        body,
    };
    let status = answer.status.as_u16();
    let fault = reader.fault(&answer);
    let provider = &deployment.provider_name;
    let said = if fault.message.is_empty() {
        format!("status {status}")
    } else {
        fault.message
    };
    let class = fault.class;
    let mut error = ApiError::new(class, format!("{}: {provider}: {said}", class.name()));
    error.provider = Some(provider.clone());
    let header = |name: &str| {
        let value = answer.headers.get(name)?;
        value.to_str().ok()
    };
    error.provider_request_id = header("x-request-id")
        .or_else(|| header("request-id"))
        .or_else(|| header("x-amzn-requestid"))
        .map(str::to_owned);
    error.retry_after = header("retry-after")
        .and_then(|value| value.trim().parse().ok())
        .map(|seconds: u32| seconds.min(RETRY_AFTER_MAX));
    Box::new(Failure {
        error,
        status: Some(status),
        headers: answer.headers,
        answering: None,
    })
}
