//! How fast calls may be made: requests and tokens in the last minute, and calls at the same time.
//!
//! A minute is the sixty seconds before now, second by second, and not a window that begins anew:
//! nobody can make twice as many calls around the turn of one. Each gateway counts its own calls.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use event::{
    Entity, EntityId, Timestamp,
    control::{Known, RateLimits},
};

use crate::{
    draft::Draft,
    error::{ApiError, ErrorClass, More},
};

const MINUTE: usize = 60;
const MICROS: i64 = 1_000_000;
/// Counters from which on those that nobody has used for a minute are thrown away.
const COUNTERS_MAX: usize = 10_000;

/// The counters of everybody who has limits.
#[derive(Default)]
pub(crate) struct Rates {
    counters: Arc<Mutex<HashMap<String, Counter>>>,
}

/// What one of them has done in the last minute.
struct Counter {
    /// By second, modulo a minute: requests and tokens.
    seconds: [(u64, u64); MINUTE],
    /// The second that was counted in last, since the epoch.
    last: i64,
    running: u64,
}

/// One who has limits, and their limits.
struct Scope {
    kind: &'static str,
    id: String,
    name: String,
    rpm: Option<u64>,
    tpm: Option<u64>,
    parallel: Option<u64>,
}

/// What one call counts with; it runs until this goes.
pub(crate) struct Place {
    counters: Arc<Mutex<HashMap<String, Counter>>>,
    names: Vec<String>,
    /// The tokens that were counted for it.
    expected: u64,
}

impl Rates {
    /// Counts a call at everybody whose limits hold for it, or at nobody.
    ///
    /// # Errors
    ///
    /// Whose limit it would pass.
    pub(crate) fn take(
        &self,
        draft: &Draft,
        known: &Known,
        tokens: u64,
        now: Timestamp,
    ) -> Result<Option<Place>, ApiError> {
        let scopes = scopes(draft, known);
        if scopes.is_empty() {
            return Ok(None);
        }
        let second = now.micros().div_euclid(MICROS);
        let mut counters = lock(&self.counters);
        if counters.len() > COUNTERS_MAX {
            counters.retain(|_, counter| counter.running > 0 || second - counter.last < 60);
        }
        for scope in &scopes {
            let counter = counters.entry(scope.name.clone()).or_default();
            counter.turn_to(second);
            counter.check(scope, tokens, second)?;
        }
        for scope in &scopes {
            if let Some(counter) = counters.get_mut(&scope.name) {
                counter.running += 1;
                counter.add(second, (1, tokens));
            }
        }
        drop(counters);
        Ok(Some(Place {
            counters: Arc::clone(&self.counters),
            names: scopes.into_iter().map(|scope| scope.name).collect(),
            expected: tokens,
        }))
    }
}

impl Rates {
    /// Requests and tokens of the last minute of somebody, for one model or for all (an empty name).
    pub(super) fn used(&self, (kind, id, of): (&str, &str, &str), now: Timestamp) -> (u64, u64) {
        let mut counters = lock(&self.counters);
        let Some(counter) = counters.get_mut(&format!("{kind}\n{id}\n{of}")) else {
            return (0, 0);
        };
        counter.turn_to(now.micros().div_euclid(MICROS));
        let add = |sum: (u64, u64), slot: &(u64, u64)| {
            (sum.0.saturating_add(slot.0), sum.1.saturating_add(slot.1))
        };
        counter.seconds.iter().fold((0, 0), add)
    }
}

fn lock(counters: &Mutex<HashMap<String, Counter>>) -> MutexGuard<'_, HashMap<String, Counter>> {
    counters.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Counter {
    fn default() -> Self {
        Self {
            seconds: [(0, 0); MINUTE],
            last: 0,
            running: 0,
        }
    }
}

impl Counter {
    /// Forgets what is a minute ago.
    fn turn_to(&mut self, second: i64) {
        if second.saturating_sub(self.last) >= 60 {
            self.seconds = [(0, 0); MINUTE];
            self.last = second;
        }
        while self.last < second {
            self.last += 1;
            if let Some(slot) = self.slot(self.last) {
                *slot = (0, 0);
            }
        }
    }

    fn slot(&mut self, second: i64) -> Option<&mut (u64, u64)> {
        let index = usize::try_from(second.rem_euclid(60)).ok()?;
        self.seconds.get_mut(index)
    }

    fn add(&mut self, second: i64, (requests, tokens): (u64, u64)) {
        if let Some(slot) = self.slot(second) {
            slot.0 = slot.0.saturating_add(requests);
            slot.1 = slot.1.saturating_add(tokens);
        }
    }

    fn check(&self, scope: &Scope, tokens: u64, second: i64) -> Result<(), ApiError> {
        let sum = |of: fn(&(u64, u64)) -> u64| {
            self.seconds.iter().map(of).fold(0_u64, u64::saturating_add)
        };
        let (requests, used) = (sum(|slot| slot.0), sum(|slot| slot.1));
        for (limit, count, more, what) in [
            (scope.rpm, requests, 1, "requests"),
            (scope.tpm, used, tokens, "tokens"),
            (scope.parallel, self.running, 1, "max_parallel_requests"),
        ] {
            // A call that alone is beyond the limit is let through once nothing else is counted.
            let alone = what == "tokens" && count == 0 && limit.is_some_and(|limit| limit > 0);
            if let Some(limit) = limit
                && count.saturating_add(more) > limit
                && !alone
            {
                let wait = if what == "max_parallel_requests" {
                    1
                } else {
                    self.wait(second)
                };
                return Err(too_fast(scope, (what, limit, count), (second, wait)));
            }
        }
        Ok(())
    }

    /// Seconds until the oldest that is counted is a minute ago.
    fn wait(&self, second: i64) -> i64 {
        let counted = (0..60).rev().find(|ago| {
            let index = usize::try_from((second - ago).rem_euclid(60)).unwrap_or_default();
            self.seconds.get(index).is_some_and(|slot| *slot != (0, 0))
        });
        60 - counted.unwrap_or(0)
    }
}

impl Place {
    /// Counts what was consumed in place of what was expected.
    pub(crate) fn consumed(&mut self, tokens: u64, now: Timestamp) {
        let more = tokens.saturating_sub(self.expected);
        let less = self.expected.saturating_sub(tokens);
        self.expected = tokens;
        let second = now.micros().div_euclid(MICROS);
        let mut counters = lock(&self.counters);
        for name in &self.names {
            if let Some(counter) = counters.get_mut(name) {
                counter.turn_to(second);
                counter.add(second, (0, more));
                let mut less = less;
                for (_, tokens) in &mut counter.seconds {
                    let back = less.min(*tokens);
                    *tokens -= back;
                    less -= back;
                }
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counters = lock(&self.counters);
        for name in &self.names {
            if let Some(counter) = counters.get_mut(name) {
                counter.running = counter.running.saturating_sub(1);
            }
        }
    }
}

/// Everybody whose limits hold for a call.
fn scopes(draft: &Draft, known: &Known) -> Vec<Scope> {
    let snapshot = known.snapshot();
    let identity = &draft.identity;
    let model = draft.request.as_ref().map_or("", |request| &*request.model);
    let mut scopes = Vec::new();
    let mut add = |kind: &'static str, id: &str, limits: Option<&RateLimits>| {
        let Some(limits) = limits else { return };
        let of_model = limits.models.get(model);
        let whole = (limits.rpm, limits.tpm, limits.parallel);
        let narrow = (
            of_model.and_then(|of_model| of_model.rpm),
            of_model.and_then(|of_model| of_model.tpm),
            None,
        );
        for ((rpm, tpm, parallel), of) in [(whole, ""), (narrow, model)] {
            if rpm.or(tpm).or(parallel).is_some() {
                scopes.push(Scope {
                    kind,
                    id: id.to_owned(),
                    name: format!("{kind}\n{id}\n{of}"),
                    rpm,
                    tpm,
                    parallel,
                });
            }
        }
    };
    let (key, user) = (identity.opened_by.as_deref(), identity.user_id.as_deref());
    let (team, org) = (identity.team_id.as_deref(), identity.org_id.as_deref());
    let end_user = draft.end_user();
    if let Some(id) = key {
        add("api_key", id, snapshot.keys.get(id).map(|key| &key.limits));
    }
    if let Some(id) = user {
        add("user", id, snapshot.users.get(id).map(|user| &user.limits));
    }
    if let Some(id) = team {
        add("team", id, snapshot.teams.get(id).map(|team| &team.limits));
    }
    if let (Some(team), Some(user)) = (team, user)
        && let (Ok(team), Ok(user)) = (team.parse::<EntityId>(), user.parse::<EntityId>())
    {
        let member = Entity::team_member(team, user);
        let limits = snapshot.members.get(&member).map(|member| &member.limits);
        add("team_member", &member.to_string(), limits);
    }
    if let Some(id) = org {
        let found = snapshot.organizations.get(id);
        add("organization", id, found.map(|found| &found.limits));
    }
    if let Some(id) = end_user.as_deref() {
        let found = snapshot.end_users.get(id);
        add("end_user", id, found.map(|found| &found.limits));
    }
    scopes
}

fn too_fast(
    scope: &Scope,
    (what, limit, count): (&str, u64, u64),
    (second, wait): (i64, i64),
) -> ApiError {
    let resets = Timestamp::from_micros(second.saturating_add(wait).saturating_mul(MICROS));
    let resets = resets.to_utc().format("%Y-%m-%d %H:%M:%S UTC");
    let left = limit.saturating_sub(count);
    let message = format!(
        "Rate limit exceeded for {}: {}. Limit type: {what}. Current limit: {limit}, Remaining: \
         {left}. Limit resets at: {resets}",
        scope.kind, scope.id
    );
    let kind = if what == "tokens" {
        "tokens"
    } else {
        "requests"
    };
    let headers = vec![
        ("rate_limit_type".to_owned(), what.to_owned()),
        ("reset_at".to_owned(), resets.to_string()),
        (format!("x-ratelimit-limit-{kind}"), limit.to_string()),
        (format!("x-ratelimit-remaining-{kind}"), left.to_string()),
    ];
    ApiError {
        retry_after: u32::try_from(wait).ok(),
        more: Some(Box::new(More {
            headers,
            kind: None,
        })),
        ..ApiError::new(ErrorClass::RateLimit, message)
    }
}

#[cfg(test)]
mod tests {
    use event::control::{Key, Snapshot};

    use super::*;

    fn known(limits: RateLimits) -> Known {
        let key = Key {
            limits,
            ..Key::default()
        };
        Known::new(Snapshot {
            keys: [("h".parse().unwrap(), key)].into(),
            ..Snapshot::default()
        })
    }

    fn draft() -> Draft {
        let request = http::Request::new(()).into_parts().0;
        let route = ("/v1/chat/completions", crate::Operation::Chat);
        let mut draft = Draft::new(&request, route, None, Timestamp::default());
        draft.identity.opened_by = Some("h".to_owned());
        draft
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * MICROS)
    }

    #[test]
    fn no_minute_has_more_requests_than_allowed() {
        let (rates, draft) = (Rates::default(), draft());
        let known = known(RateLimits {
            rpm: Some(3),
            ..RateLimits::default()
        });
        let take = |second| rates.take(&draft, &known, 0, at(second)).map(drop);
        for second in [100, 110, 159] {
            take(second).unwrap();
        }
        let error = take(159).unwrap_err();
        assert_eq!(
            (error.class, error.retry_after),
            (ErrorClass::RateLimit, Some(1))
        );
        take(160).unwrap();
        assert_eq!(take(161).unwrap_err().retry_after, Some(9));
    }

    #[test]
    fn tokens_are_counted_as_they_were_used() {
        let (rates, draft) = (Rates::default(), draft());
        let known = known(RateLimits {
            tpm: Some(100),
            ..RateLimits::default()
        });
        let take = |second, tokens| rates.take(&draft, &known, tokens, at(second));
        let mut first = take(1, 90).unwrap().unwrap();
        assert!(take(1, 20).is_err());
        first.consumed(10, at(2));
        take(2, 90).unwrap();
        assert!(take(2, 1).is_err());
        take(62, 5000).unwrap();
    }

    #[test]
    fn a_place_is_free_again_when_its_call_has_ended() {
        let (rates, draft) = (Rates::default(), draft());
        let known = known(RateLimits {
            parallel: Some(1),
            ..RateLimits::default()
        });
        let take = |second| rates.take(&draft, &known, 0, at(second));
        let first = take(1).unwrap();
        assert!(take(1).is_err());
        drop(first);
        assert!(take(1).is_ok());
    }
}
