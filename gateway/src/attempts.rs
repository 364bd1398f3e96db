//! The attempts of one call: which deployment is asked, when again, and when no more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use event::Timestamp;
use tokio::time::Instant;

use crate::{
    call::{Call, Open},
    config::Deployment,
    error::ApiError,
    exchange::{self, Answered},
    payload,
    upstream::Failure,
};

/// The first pause between attempts; it doubles.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(8);
/// The longest pause that a provider may ask for and get.
const RETRY_AFTER_MAX: u64 = 60;

/// The deployments of one public model name, and whose turn it is.
#[derive(Debug)]
pub(crate) struct Group {
    deployments: Vec<Arc<Deployment>>,
    turn: AtomicU64,
}

impl Group {
    pub(crate) fn new(deployments: Vec<Arc<Deployment>>) -> Self {
        Self {
            deployments,
            turn: AtomicU64::new(0),
        }
    }

    /// A deployment that is not among `tried`, by weight; `None` if all were tried.
    pub(crate) fn choose(&self, tried: &[Arc<Deployment>]) -> Option<Arc<Deployment>> {
        let left: Vec<&Arc<Deployment>> = self
            .deployments
            .iter()
            .filter(|one| !tried.iter().any(|other| other.id == one.id))
            .collect();
        // A weight of 0 keeps a deployment for when there is no other.
        let all_zero = left.iter().all(|one| one.weight == 0);
        let weight = |one: &&Arc<Deployment>| if all_zero { 1 } else { u64::from(one.weight) };
        let total: u64 = left.iter().map(weight).sum();
        // Spread evenly: a step that shares no factor with the totals that occur.
        let turn = self
            .turn
            .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        let mut point = turn.checked_rem(total)?;
        for one in left {
            let weight = weight(&one);
            if point < weight {
                return Some(Arc::clone(one));
            }
            point -= weight;
        }
        None
    }
}

/// Asks one deployment after the other until one answers, or none is to be asked any more. Returns
/// the answer and the deployment that gave it.
///
/// # Errors
///
/// The last attempt's failure.
pub(crate) async fn run(call: &mut Call, group: &Group) -> Result<Answered, Box<Failure>> {
    let mut tried = Vec::new();
    let mut number = 0;
    loop {
        let Some(deployment) = call.open().map(|open| Arc::clone(&open.deployment)) else {
            return Err(Failure::ended_already());
        };
        let (timeout, retries_max) = patience(call, &deployment);
        let deadline = Instant::now() + timeout;
        let failure = match attempt(call, &deployment, deadline).await {
            Ok(answered) => return Ok(answered),
            Err(failure) => failure,
        };
        tried.push(deployment);
        // Nobody pays for an answer that nobody waits for, if it has not been asked for yet.
        let client_gone = call
            .open()
            .is_none_or(|open| open.draft.presence.has_ended());
        // What has been answered is charged, however badly it ended.
        let is_last = client_gone || failure.answering.is_some();
        if is_last || number >= retries_max || !failure.error.class.is_retryable() {
            return Err(failure);
        }
        number += 1;
        if let Some(other) = group.choose(&tried) {
            // Another deployment need not be given time to recover.
            replace(call, other);
            continue;
        }
        tokio::time::sleep(pause(number, &failure.error)).await;
        tried.clear();
        if let Some(next) = group.choose(&[]) {
            replace(call, next);
        }
    }
}

/// How long an attempt may take, and how many may follow the first: as the request says, else the
/// deployment, else the configuration. No request can have more time than the configuration gives.
pub(crate) fn patience(call: &mut Call, deployment: &Deployment) -> (Duration, u32) {
    let config = &call.shared.core.config;
    let timeout = deployment
        .timeout
        .unwrap_or(config.settings.upstream_timeout);
    let retries_max = deployment.retries_max.unwrap_or(config.retries_max);
    match call.request() {
        Some(request) => (
            request.timeout.map_or(timeout, |own| own.min(timeout)),
            request.retries_max.unwrap_or(retries_max),
        ),
        None => (timeout, retries_max),
    }
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
    let asked = exchange::ask(call, deployment, deadline).await;
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
        Some(seconds) if seconds <= RETRY_AFTER_MAX => Duration::from_secs(seconds),
        _ => PAUSE
            .saturating_mul(1 << (number - 1).min(8))
            .min(PAUSE_MAX),
    }
}
