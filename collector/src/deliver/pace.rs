//! When a sink may be sent something, and how much at once: one answer for all of a sink's batches.
//!
//! - A failure that will pass holds the whole sink for a pause: the destination's own wish, or a
//!   random part of one that doubles. After it one attempt goes alone; if that succeeds the others
//!   follow.
//! - A failure that needs an operator holds it until a probe says otherwise.
//! - Batches on their way at once: one at first, one more after each round of successes, half of
//!   them after a failure.
//!
//! Attempts that were under way together and fail together are one failure.

use std::{
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::backoff::Backoff;
use crate::metrics::LaneState;

/// Failures in a row after which the circuit is shown as open while it pauses.
const OPEN_AT: u32 = 5;

/// The pace of one sink.
#[derive(Debug)]
pub(crate) struct Pace {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    pauses: Backoff,
    /// Nobody sends before.
    until: Option<Instant>,
    /// Whether the last word of the destination was a failure.
    failing: bool,
    /// Whether an operator is needed.
    held: bool,
    /// Whether the one attempt that may be made while failing is under way.
    trial: bool,
    /// Counts failures, so that those of one moment count once.
    generation: u64,
    limit: usize,
    max: usize,
    /// Successes since the limit was last changed.
    streak: usize,
}

/// The right to make one attempt; dropping it gives the right back.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    pace: &'a Pace,
    generation: u64,
    trial: bool,
    /// Whether the destination has to be asked first whether it takes anything.
    pub(crate) probe: bool,
}

impl Pace {
    /// At most `max` batches at once.
    pub(crate) fn new(max: usize, seed: u64) -> Self {
        let state = State {
            pauses: Backoff::new(seed),
            until: None,
            failing: false,
            held: false,
            trial: false,
            generation: 0,
            limit: 1,
            max: max.max(1),
            streak: 0,
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }

    /// Batches that may be on their way at once.
    pub(crate) fn limit(&self) -> usize {
        self.state().limit
    }

    /// How it is shown.
    pub(crate) fn shown(&self) -> LaneState {
        let state = self.state();
        if state.held || (state.pauses.failures() >= OPEN_AT && !state.trial) {
            LaneState::Open
        } else if state.failing {
            LaneState::HalfOpen
        } else {
            LaneState::Closed
        }
    }

    /// Waits until an attempt may be made.
    pub(crate) async fn enter(&self) -> Pass<'_> {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let until = match self.try_enter() {
                Ok(pass) => return pass,
                Err(until) => until,
            };
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => changed.await,
            }
        }
    }

    /// Or says when to ask again; `None` is after something has changed.
    fn try_enter(&self) -> Result<Pass<'_>, Option<Instant>> {
        let mut state = self.state();
        if let Some(until) = state.until.filter(|until| *until > Instant::now()) {
            return Err(Some(until));
        }
        if state.failing && state.trial {
            return Err(None);
        }
        state.trial = state.failing;
        Ok(Pass {
            pace: self,
            generation: state.generation,
            trial: state.failing,
            probe: state.held,
        })
    }

    /// The pause after a failure of the lane's own.
    pub(crate) fn stumbled(&self) -> Duration {
        self.state().pauses.after_failure(None)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// The destination took the batch.
    pub(crate) fn succeeded(self) {
        let mut state = self.pace.state();
        state.pauses.succeeded();
        state.failing = false;
        state.held = false;
        state.streak += 1;
        if state.streak >= state.limit {
            state.streak = 0;
            state.limit = (state.limit + 1).min(state.max);
        }
    }

    /// The destination is there, and refused what it was sent.
    pub(crate) fn answered(self) {
        let mut state = self.pace.state();
        state.failing = false;
        state.held = false;
    }

    /// The destination failed, and may want a pause. Returns the pause, and the failures in a row.
    pub(crate) fn failed(self, wish: Option<Duration>) -> (Duration, u32) {
        let mut state = self.pace.state();
        let now = Instant::now();
        state.failing = true;
        if self.generation == state.generation {
            let pause = state.pauses.after_failure(wish);
            state.until = Some(now + pause);
            state.halve();
        } else if let Some(wish) = wish {
            // The longest wish counts.
            let pause = Backoff::bounded(wish);
            state.until = state.until.max(Some(now + pause));
        }
        let pause = state.until.map(|until| until - now).unwrap_or_default();
        (pause, state.pauses.failures())
    }

    /// The destination needs an operator.
    pub(crate) fn held(self) {
        let mut state = self.pace.state();
        state.failing = true;
        state.held = true;
        if self.generation == state.generation {
            let pause = state.pauses.before_probe();
            state.until = Some(Instant::now() + pause);
            state.halve();
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.trial {
            self.pace.state().trial = false;
        }
        self.pace.changed.notify_waiters();
    }
}

impl State {
    fn halve(&mut self) {
        self.generation += 1;
        self.limit = (self.limit / 2).max(1);
        self.streak = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace::new(8, 42)
    }

    #[tokio::test(start_paused = true)]
    async fn more_go_at_once_while_all_goes_well_and_half_after_a_failure() {
        let pace = pace();
        assert_eq!(pace.limit(), 1);
        for _ in 0..100 {
            pace.enter().await.succeeded();
        }
        assert_eq!(pace.limit(), 8);
        let (first, second) = (pace.enter().await, pace.enter().await);
        first.failed(None);
        second.failed(None);
        assert_eq!(pace.limit(), 4, "what fails together is one failure");
    }

    #[tokio::test(start_paused = true)]
    async fn while_it_fails_one_attempt_goes_alone() {
        let pace = pace();
        pace.enter().await.failed(None);
        let trial = pace.enter().await;
        assert_eq!(pace.shown(), LaneState::HalfOpen);
        let other = tokio::time::timeout(Duration::from_secs(3600), pace.enter()).await;
        assert!(other.is_err());
        trial.succeeded();
        drop((pace.enter().await, pace.enter().await));
        assert_eq!(pace.shown(), LaneState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wish_for_a_pause_holds_everything_and_the_longest_counts() {
        let pace = pace();
        let (first, second) = (pace.enter().await, pace.enter().await);
        let begun = Instant::now();
        first.failed(Some(Duration::from_secs(7)));
        second.failed(Some(Duration::from_secs(90)));
        drop(pace.enter().await);
        assert!(begun.elapsed() >= Duration::from_secs(90));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_trial_lets_the_next_one_go() {
        let pace = pace();
        pace.enter().await.failed(None);
        drop(pace.enter().await);
        pace.enter().await.succeeded();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_needs_an_operator_is_probed() {
        let pace = pace();
        pace.enter().await.held();
        assert_eq!(pace.shown(), LaneState::Open);
        let begun = Instant::now();
        let pass = pace.enter().await;
        assert!(pass.probe && begun.elapsed() >= Duration::from_secs(30));
        pass.answered();
        assert!(!pace.enter().await.probe);
    }
}
