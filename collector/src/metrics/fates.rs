//! What can become of an event on its way to a sink, and how a sink's circuit is shown.

/// What became of the events that a cursor moves past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fates {
    pub(crate) delivered: u64,
    pub(crate) dead: u64,
    pub(crate) skips: Skips,
}

/// Why an event does not go to a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    /// Lost from the log before the sink got to it.
    Lost,
    /// An alert, and the sink takes events; or the other way round.
    NotTaken,
    /// The client wanted the call in no sink.
    NoLog,
    /// The sink's filter does not want it.
    Filtered,
    /// Its trace is not in the sample.
    SampledOut,
    /// Its key and team do not name the sink.
    NotRouted,
    /// Older than the sink's retention.
    Expired,
}

/// Events by the reason for which they were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skips([u64; Skip::ALL.len()]);

impl Skip {
    const ALL: [Self; 7] = [
        Self::Lost,
        Self::NotTaken,
        Self::NoLog,
        Self::Filtered,
        Self::SampledOut,
        Self::NotRouted,
        Self::Expired,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::NotTaken => "not_taken",
            Self::NoLog => "no_log",
            Self::Filtered => "filtered",
            Self::SampledOut => "sampled_out",
            Self::NotRouted => "not_routed",
            Self::Expired => "expired",
        }
    }
}

impl Skips {
    /// Counts events.
    pub(crate) fn add(&mut self, reason: Skip, count: u64) {
        for (known, sum) in Skip::ALL.iter().zip(&mut self.0) {
            if *known == reason {
                *sum += count;
            }
        }
    }

    /// All of them.
    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn each(self) -> impl Iterator<Item = (&'static str, u64)> {
        Skip::ALL.iter().map(|reason| reason.name()).zip(self.0)
    }
}

impl std::ops::AddAssign for Fates {
    fn add_assign(&mut self, more: Self) {
        self.delivered += more.delivered;
        self.dead += more.dead;
        for (sum, count) in self.skips.0.iter_mut().zip(more.skips.0) {
            *sum += count;
        }
    }
}

/// What a lane is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LaneState {
    /// Delivering, or waiting for events.
    #[default]
    Closed,
    /// Failing, and tried with one attempt at a time.
    HalfOpen,
    /// Sent nothing for now: it fails again and again, or needs an operator.
    Open,
}

impl LaneState {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}
