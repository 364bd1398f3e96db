//! How long a lane waits before the next attempt. Pure.
//!
//! Full jitter: a random part of a pause that doubles with each attempt, so that lanes that failed
//! together do not come back together.

use std::time::Duration;

const BASE_MILLIS: u64 = 250;
const CAP_MILLIS: u64 = 60_000;
const PROBE_FIRST: Duration = Duration::from_secs(30);
const PROBE_LAST: Duration = Duration::from_secs(300);
/// What a destination may ask for at most.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// The pauses of one lane.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    failures: u32,
    probes: u32,
    random: u64,
}

impl Backoff {
    /// A lane's pauses; the seed makes them differ from those of others.
    pub(crate) const fn new(seed: u64) -> Self {
        // Xorshift stays at zero for ever.
        Self {
            failures: 0,
            probes: 0,
            random: seed | 1,
        }
    }

    /// The pause after one more failure; the destination's own wish counts if there is one.
    pub(crate) fn after_failure(&mut self, wish: Option<Duration>) -> Duration {
        let ceiling = BASE_MILLIS
            .saturating_mul(1 << self.failures.min(16))
            .min(CAP_MILLIS);
        self.failures = self.failures.saturating_add(1);
        let jitter = Duration::from_millis(self.next() % (ceiling + 1));
        wish.map_or(jitter, Self::bounded)
    }

    /// As much of the destination's wish as it gets.
    pub(crate) fn bounded(wish: Duration) -> Duration {
        wish.min(RETRY_AFTER_MAX)
    }

    /// The pause before one more probe of a destination that needs an operator: 30 s, doubling up
    /// to 5 min.
    pub(crate) fn before_probe(&mut self) -> Duration {
        let pause = PROBE_FIRST
            .saturating_mul(1 << self.probes.min(8))
            .min(PROBE_LAST);
        self.probes = self.probes.saturating_add(1);
        pause
    }

    /// The destination took something.
    pub(crate) const fn succeeded(&mut self) {
        self.failures = 0;
        self.probes = 0;
    }

    /// Failures since the last success.
    pub(crate) const fn failures(&self) -> u32 {
        self.failures
    }

    const fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

/// A seed that differs between lanes and between processes.
pub(crate) fn seed() -> u64 {
    uuid::Uuid::now_v7().as_u64_pair().1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_minute_and_differ() {
        let mut backoff = Backoff::new(42);
        let pauses: Vec<_> = (0..200).map(|_| backoff.after_failure(None)).collect();
        assert!(pauses[0] <= Duration::from_millis(250));
        assert!(pauses[1] <= Duration::from_millis(500));
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(60)));
        assert!(pauses.iter().any(|pause| *pause > Duration::from_secs(50)));
        assert!(
            pauses
                .iter()
                .skip(10)
                .any(|pause| *pause < Duration::from_secs(10))
        );
    }

    #[test]
    fn the_destinations_wish_counts_up_to_an_hour() {
        let mut backoff = Backoff::new(42);
        let wish = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(backoff.after_failure(wish(7)), Duration::from_secs(7));
        assert_eq!(
            backoff.after_failure(wish(86_400)),
            Duration::from_secs(3600)
        );
    }

    #[test]
    fn probes_slow_down_to_one_in_five_minutes() {
        let mut backoff = Backoff::new(42);
        let pauses: Vec<_> = (0..6).map(|_| backoff.before_probe().as_secs()).collect();
        assert_eq!(pauses, [30, 60, 120, 240, 300, 300]);
        backoff.succeeded();
        assert_eq!(backoff.before_probe().as_secs(), 30);
    }
}
