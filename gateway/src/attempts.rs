//! The attempts of one call: which deployment is asked, when again, when another group, and when no
//! more.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use event::Timestamp;
use tokio::time::Instant;

use crate::{
    call::{Call, Open},
    config::Deployment,
    draft::Draft,
    error::{ApiError, ErrorClass},
    exchange::{self, Answered},
    gateway::Shared,
    mock, payload,
    routing::{Failed, Found, InFlight, Member, Unavailable, Wanted, fallbacks},
    tokens,
    upstream::Failure,
};

/// The first pause between attempts; it doubles.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(8);
/// The longest pause that a provider may ask for and get.
const RETRY_AFTER_MAX: u32 = 60;

/// Who is asked: a member of a group.
#[derive(Clone)]
pub(crate) struct Chosen {
    member: Arc<Member>,
    /// The member's, for the model that was asked for.
    pub(crate) deployment: Arc<Deployment>,
}

/// Whom a call asks first: a member of `found`, or of a group that stands in for it.
///
/// # Errors
///
/// If nobody can be asked now.
pub(crate) fn first(
    shared: &Shared,
    draft: &Draft,
    found: Found,
) -> Result<(Found, Chosen), ApiError> {
    let refused = match choose(shared, draft, &found, &[]) {
        Ok(chosen) => return Ok((found, chosen)),
        Err(unavailable) => unavailable.explain(found.group.name()),
    };
    let (class, message) = refused;
    if let Some(request) = &draft.request {
        let router = &shared.config.router;
        for name in fallbacks(router, request, found.group.name(), class) {
            let other = shared.groups.find(&name);
            if let Some(other) = other
                && let Ok(chosen) = choose(shared, draft, &other, &[])
            {
                return Ok((other, chosen));
            }
        }
    }
    Err(ApiError::new(class, message))
}

/// Asks `first` and then whoever else may be asked, until somebody answers.
///
/// # Errors
///
/// The last attempt's failure.
pub(crate) async fn run(
    call: &mut Call,
    found: Found,
    first: Chosen,
) -> Result<Answered, Box<Failure>> {
    let shared = Arc::clone(&call.shared);
    let mut asked = vec![found.group.name().to_owned()];
    let mut failure = match group(call, &found, Some(first)).await {
        Ok(answered) => return Ok(answered),
        Err(failure) => failure,
    };
    let mut waiting: VecDeque<String> = next_groups(call, &asked, &failure).into();
    while let Some(name) = waiting.pop_front() {
        if asked.len() > shared.config.router.max_fallbacks || is_last(call, &failure) {
            break;
        }
        let Some(found) = shared.groups.find(&name) else {
            tracing::warn!(name, "no such model to fall back to");
            continue;
        };
        if asked.iter().any(|asked| asked == found.group.name()) {
            continue;
        }
        asked.push(found.group.name().to_owned());
        if let Some(open) = call.open() {
            open.fallbacks += 1;
        }
        match group(call, &found, None).await {
            Ok(answered) => return Ok(answered),
            Err(worse) => failure = worse,
        }
        for name in next_groups(call, &asked, &failure).into_iter().rev() {
            waiting.push_front(name);
        }
    }
    Err(failure)
}

/// The groups to be asked after the last of `asked`.
fn next_groups(call: &mut Call, asked: &[String], failure: &Failure) -> Vec<String> {
    let shared = Arc::clone(&call.shared);
    match (call.request(), asked.last()) {
        (Some(request), Some(last)) => {
            fallbacks(&shared.config.router, request, last, failure.error.class)
        }
        _ => Vec::new(),
    }
}

/// Asks one deployment of a group after the other until one answers, or none is to be asked any
/// more.
async fn group(
    call: &mut Call,
    found: &Found,
    first: Option<Chosen>,
) -> Result<Answered, Box<Failure>> {
    let shared = Arc::clone(&call.shared);
    let mut next = match first {
        Some(chosen) => chosen,
        None => choose_for(call, found, &[])?,
    };
    let mut tried: Vec<Arc<Member>> = Vec::new();
    let mut number = 0;
    loop {
        replace(call, Arc::clone(&next.deployment));
        let failure = match member(call, &next).await {
            Ok(answered) => return Ok(answered),
            Err(failure) => failure,
        };
        if !is_of_the_object(call, failure.error.class) {
            note_failure(&shared, found, &next, &failure.error);
        }
        tried.push(Arc::clone(&next.member));
        let other = choose_for(call, found, &tried).ok();
        let class = failure.error.class;
        let retries_max = retries(call, &next.deployment, found.group.name(), class);
        if is_last(call, &failure) || number >= retries_max || !is_retryable(class, other.is_some())
        {
            return Err(failure);
        }
        number += 1;
        if let Some(other) = other {
            // Another deployment need not be given time to recover.
            next = other;
            continue;
        }
        let least = shared.config.router.retry_after;
        tokio::time::sleep(pause(number, &failure.error).max(least)).await;
        tried.clear();
        match choose_for(call, found, &[]) {
            Ok(chosen) => next = chosen,
            Err(_all_cooling) => return Err(failure),
        }
    }
}

/// One attempt, counted at its deployment for as long as it lasts.
async fn member(call: &mut Call, chosen: &Chosen) -> Result<Answered, Box<Failure>> {
    let shared = Arc::clone(&call.shared);
    let began = (shared.clock)();
    if let Some(open) = call.open() {
        open.in_flight = Some(InFlight::begin(&chosen.member, began));
    }
    let (timeout, _retries_max) = patience(call, &chosen.deployment);
    let deadline = Instant::now() + timeout;
    let asked = attempt(call, &chosen.deployment, deadline).await;
    if let Some(open) = call.open() {
        match &asked {
            Ok(_answered) => {
                if let Some(in_flight) = &open.in_flight {
                    in_flight.answered(began, (shared.clock)());
                }
            }
            Err(_failure) => open.in_flight = None,
        }
    }
    asked
}

/// Whether it is about what the client asked for by its id, and not about the deployment.
fn is_of_the_object(call: &mut Call, class: ErrorClass) -> bool {
    let names_it = call
        .request()
        .is_some_and(|request| request.passed.is_some());
    names_it && matches!(class, ErrorClass::NotFound | ErrorClass::BadRequest)
}

fn note_failure(shared: &Shared, found: &Found, chosen: &Chosen, error: &ApiError) {
    let failed = Failed {
        error,
        deployment: &chosen.deployment,
        router: &shared.config.router,
        has_others: found.group.members().len() > 1,
        now: (shared.clock)(),
    };
    if chosen.member.health.failed(&failed) {
        shared.metrics.cooldowns.inc();
        tracing::warn!(
            model_group = found.group.name(),
            model_id = chosen.deployment.id,
            error = error.class.name(),
            "deployment is left alone for a while"
        );
    }
}

/// Whether nobody is to be asked after this failure: nobody pays for an answer that nobody waits
/// for, if it has not been asked for yet, and what has been answered is charged, however badly it
/// ended.
fn is_last(call: &mut Call, failure: &Failure) -> bool {
    let client_gone = call
        .open()
        .is_none_or(|open| open.draft.presence.has_ended());
    client_gone || failure.answering.is_some()
}

/// Whether the same request may succeed elsewhere or later.
fn is_retryable(class: ErrorClass, has_other: bool) -> bool {
    let of_the_key = matches!(
        class,
        ErrorClass::Authentication | ErrorClass::PermissionDenied
    );
    class.is_retryable() || (of_the_key && has_other)
}

fn choose_for(
    call: &mut Call,
    found: &Found,
    tried: &[Arc<Member>],
) -> Result<Chosen, Box<Failure>> {
    let shared = Arc::clone(&call.shared);
    let Some(open) = call.open() else {
        return Err(Failure::ended_already());
    };
    choose(&shared, &open.draft, found, tried).map_err(|unavailable| {
        let (class, message) = unavailable.explain(found.group.name());
        Failure::without_answer(ApiError::new(class, message))
    })
}

fn choose(
    shared: &Shared,
    draft: &Draft,
    found: &Found,
    tried: &[Arc<Member>],
) -> Result<Chosen, Unavailable> {
    let request = draft.request.as_ref();
    let router = &shared.config.router;
    let prompt_bytes = match request {
        Some(request) if router.enable_pre_call_checks => request.prompt_bytes(),
        _ => 0,
    };
    let tags = if router.enable_tag_filtering {
        draft.own_tags()
    } else {
        Vec::new()
    };
    let member = found.group.choose(Wanted {
        router,
        now: (shared.clock)(),
        tags: &tags,
        prompt_tokens: tokens::estimated(prompt_bytes, 0).prompt_tokens,
        tried,
    })?;
    let own_model = request.and_then(|request| request.own_model.as_deref());
    let deployment = match (own_model, &found.star) {
        (Some(own), _) => Arc::new(member.deployment.of_model(own)),
        (None, Some(star)) => Arc::new(member.deployment.of_star(star)),
        (None, None) => Arc::clone(&member.deployment),
    };
    Ok(Chosen { member, deployment })
}

/// How long an attempt may take, or a stream may pause, and how many may follow the first: as the
/// request says, else the deployment, else the configuration. No request can have more time than
/// the configuration gives.
pub(crate) fn patience(call: &mut Call, deployment: &Deployment) -> (Duration, u32) {
    let config = &call.shared.core.config;
    let whole = deployment
        .timeout
        .unwrap_or(config.settings.upstream_timeout);
    let streamed = deployment
        .stream_timeout
        .or(config.stream_timeout)
        .unwrap_or(whole);
    let retries_max = deployment.retries_max.unwrap_or(config.retries_max);
    match call.request() {
        Some(request) => {
            let timeout = if request.stream { streamed } else { whole };
            (
                request.timeout.map_or(timeout, |own| own.min(timeout)),
                request.retries_max.unwrap_or(retries_max),
            )
        }
        None => (whole, retries_max),
    }
}

/// Attempts after the first: by the policy for the error, unless the request wants none.
fn retries(call: &mut Call, deployment: &Deployment, group: &str, class: ErrorClass) -> u32 {
    let (_timeout, usual) = patience(call, deployment);
    let wants_none = call.request().and_then(|request| request.retries_max) == Some(0);
    let policy = call.shared.config.router.retries(group, class);
    policy.filter(|_| !wants_none).unwrap_or(usual)
}

/// One attempt, noted as such.
async fn attempt(
    call: &mut Call,
    deployment: &Deployment,
    deadline: Instant,
) -> Result<Answered, Box<Failure>> {
    let shared = Arc::clone(&call.shared);
    let Some(open) = call.open() else {
        return Err(Failure::ended_already());
    };
    let number = open.attempts.len();
    let attempt = payload::attempt(&open.draft, number, deployment, (shared.clock)());
    open.attempts.push(attempt);
    let mock = mock::of(call, deployment);
    if let Some(open) = call.open() {
        open.is_mock = mock.is_some();
    }
    let asked = match mock {
        Some(mock) => Box::pin(mock::play(call, &mock, deployment, deadline)).await,
        None => exchange::ask(call, deployment, deadline).await,
    };
    if let Some(open) = call.open() {
        let status = match &asked {
            Ok(_answered) => Some(200),
            Err(failure) => failure.status,
        };
        if let Some(attempt) = open.attempts.last_mut() {
            attempt.status = status;
        }
        if let Err(failure) = &asked {
            ended(open, (shared.clock)(), Some(&failure.error));
        }
    }
    asked
}

/// Notes how the last attempt ended.
pub(crate) fn ended(open: &mut Open, now: Timestamp, error: Option<&ApiError>) {
    if let Some(attempt) = open.attempts.last_mut() {
        attempt.end_time = now;
        attempt.error_class = error
            .map(|error| error.class.name().to_owned())
            .unwrap_or_default();
    }
}

fn replace(call: &mut Call, deployment: Arc<Deployment>) {
    if let Some(open) = call.open() {
        open.deployment = deployment;
    }
}

/// The pause in front of attempt `number`: what the provider asked for, else doubling.
fn pause(number: u32, error: &ApiError) -> Duration {
    match error.retry_after {
        Some(seconds) if seconds <= RETRY_AFTER_MAX => Duration::from_secs(seconds.into()),
        _ => PAUSE
            .saturating_mul(1 << (number - 1).min(8))
            .min(PAUSE_MAX),
    }
}
