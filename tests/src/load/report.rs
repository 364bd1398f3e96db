//! What came of a run.

use std::{collections::BTreeMap, fmt, time::Duration};

/// How one call ended, as the client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Answered with 200, to the last byte.
    Complete,
    /// Answered with another status.
    Status(u16),
    /// Ended in good order, but something is missing.
    Short,
    /// The connection broke.
    Broken,
    /// There was nobody to connect to: the call was never made.
    Refused,
    /// Took too long.
    TimedOut,
}

impl End {
    /// Whether the client had the answer in full.
    #[must_use]
    pub fn is_complete(self) -> bool {
        self == Self::Complete
    }
}

/// One call.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its number, from 0.
    pub index: u64,
    /// The id that the answer named, else the one that was sent.
    pub call_id: Option<String>,
    /// How it ended.
    pub end: End,
    /// From its (intended) start to its last byte.
    pub took: Duration,
}

/// A whole run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The calls, in no order.
    pub calls: Vec<Done>,
    /// How long it all took.
    pub elapsed: Duration,
}

impl Report {
    /// Calls that were answered in full.
    #[must_use]
    pub fn complete(&self) -> u64 {
        self.ends().get(&End::Complete).copied().unwrap_or(0)
    }

    /// How many calls ended in each way.
    #[must_use]
    pub fn ends(&self) -> BTreeMap<End, u64> {
        let mut ends = BTreeMap::new();
        for call in &self.calls {
            *ends.entry(call.end).or_default() += 1;
        }
        ends
    }

    /// How long all but so many of a thousand complete calls took at most.
    #[must_use]
    pub fn percentile(&self, per_mille: usize) -> Duration {
        let complete = self.calls.iter().filter(|call| call.end.is_complete());
        let mut took: Vec<Duration> = complete.map(|call| call.took).collect();
        took.sort_unstable();
        let at = (took.len() * per_mille / 1000).min(took.len().saturating_sub(1));
        took.get(at).copied().unwrap_or_default()
    }

    /// Complete calls per second.
    #[must_use]
    pub fn rate(&self) -> u128 {
        u128::from(self.complete()) * 1000 / self.elapsed.as_millis().max(1)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (end, count) in self.ends() {
            write!(f, "{end:?}: {count}, ")?;
        }
        write!(f, "{}/s", self.rate())?;
        for (name, per_mille) in [("p50", 500), ("p90", 900), ("p99", 990), ("max", 1000)] {
            write!(f, ", {name} {:?}", self.percentile(per_mille))?;
        }
        Ok(())
    }
}
