//! How a deployment fares: what it has in flight, how fast it is, and whether it is left alone for
//! a while after failures.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use event::Timestamp;

use super::Member;
use crate::{
    config::{Deployment, RouterSettings},
    error::{ApiError, ErrorClass},
};

/// Failures are counted minute by minute.
const MINUTE: i64 = 60_000_000;
/// Requests in a minute from which on a share of failures says something.
const ENOUGH: u64 = 5;
/// Requests that all failed, from which on even the only deployment is left alone.
const HOPELESS: u64 = 1000;

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Health {
    in_flight: AtomicU64,
    /// Microseconds since the epoch until which it is left alone.
    cools_until: AtomicI64,
    minute: Mutex<Minute>,
    /// Microseconds to the first byte, averaged over about the last ten answers.
    latency: AtomicU64,
}

/// What happened in the current minute.
#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    began: i64,
    requests: u64,
    failures: u64,
    tokens: u64,
}

/// A call that a deployment works on.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Member>);

impl InFlight {
    pub(crate) fn begin(member: &Arc<Member>, now: Timestamp) -> Self {
        member.health.in_flight.fetch_add(1, Ordering::Relaxed);
        member.health.minute(now).requests += 1;
        Self(Arc::clone(member))
    }

    /// The deployment has answered, or begun to.
    pub(crate) fn answered(&self, began: Timestamp, now: Timestamp) {
        let took = u64::try_from(now.since(began).micros()).unwrap_or(0).max(1);
        let average = |latency: u64| match latency {
            0 => took,
            latency => (latency * 9 + took) / 10,
        };
        let latency = &self.0.health.latency;
        // A lost race loses one measurement.
        latency.store(average(latency.load(Ordering::Relaxed)), Ordering::Relaxed);
    }

    /// What the call consumed.
    pub(crate) fn consumed(&self, tokens: u64, now: Timestamp) {
        self.0.health.minute(now).tokens += tokens;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.health.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Health {
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Microseconds to the first byte; 0 if it was never asked.
    pub(crate) fn latency(&self) -> u64 {
        self.latency.load(Ordering::Relaxed)
    }

    /// Requests and tokens of the current minute.
    pub(crate) fn used(&self, now: Timestamp) -> (u64, u64) {
        let minute = self.minute(now);
        (minute.requests, minute.tokens)
    }

    pub(crate) fn has_room(&self, max: Option<u64>) -> bool {
        max.is_none_or(|max| self.in_flight() < max)
    }

    pub(crate) fn is_cooling(&self, now: Timestamp) -> bool {
        self.cools_until.load(Ordering::Relaxed) > now.micros()
    }

    /// Counts a failure; says whether the deployment is left alone now.
    pub(crate) fn failed(&self, failure: &Failed<'_>) -> bool {
        let minute = {
            let mut minute = self.minute(failure.now);
            minute.failures += 1;
            *minute
        };
        if !failure.cools(minute) {
            return false;
        }
        let pause = i64::try_from(failure.pause().as_micros()).unwrap_or(i64::MAX);
        if pause == 0 {
            return false;
        }
        let until = failure.now.micros().saturating_add(pause);
        self.cools_until.fetch_max(until, Ordering::Relaxed);
        true
    }

    /// The counts of the minute in which `now` lies.
    fn minute(&self, now: Timestamp) -> MutexGuard<'_, Minute> {
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let began = now.micros().div_euclid(MINUTE);
        if minute.began != began {
            *minute = Minute {
                began,
                ..Minute::default()
            };
        }
        minute
    }
}

/// A failure, and what has to be known to judge it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed<'a> {
    pub(crate) error: &'a ApiError,
    pub(crate) deployment: &'a Deployment,
    pub(crate) router: &'a RouterSettings,
    /// Whether the group has others.
    pub(crate) has_others: bool,
    pub(crate) now: Timestamp,
}

impl Failed<'_> {
    fn cools(
        &self,
        Minute {
            requests, failures, ..
        }: Minute,
    ) -> bool {
        let status = self.error.class.status().as_u16();
        // What the client did wrong says nothing about the deployment.
        let counts = matches!(status, 401 | 402 | 404 | 408 | 429 | 500..)
            && self.error.class != ErrorClass::ApiConnection;
        if self.router.disable_cooldowns || !counts {
            return false;
        }
        if let Some(allowed) = self.router.fails_allowed(self.error.class) {
            return failures > allowed;
        }
        match status {
            // Asking again would end the same way; the only deployment says so itself.
            401 | 402 | 404 | 429 => self.has_others,
            _ if failures >= requests && requests >= HOPELESS => true,
            _ => self.has_others && requests >= ENOUGH && failures * 2 > requests,
        }
    }

    /// The deployment's own time, else what the provider asked for, else the router's.
    fn pause(&self) -> Duration {
        let asked = self
            .error
            .retry_after
            .map(u64::from)
            .map(Duration::from_secs);
        self.deployment
            .cooldown_time
            .or(asked)
            .unwrap_or(self.router.cooldown_time)
    }
}
