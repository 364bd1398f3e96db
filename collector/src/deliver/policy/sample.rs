//! Of which traces a sink gets the events.

use event::{StandardLoggingPayload, Status};
use rust_decimal::{Decimal, prelude::ToPrimitive as _};
use sha2::{Digest as _, Sha256};

use crate::config::SampleConfig;

/// Rates are told apart to this part of one.
const PARTS: u64 = 1_000_000_000;

/// The sample of one sink. The same traces are in it on every machine and after every restart, and
/// a smaller sample is a part of a larger one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    kept: u64,
    keep_failures: bool,
}

impl Sample {
    pub(super) fn new(config: SampleConfig) -> Self {
        let kept = (config.rate * Decimal::from(PARTS)).to_u64();
        Self {
            kept: kept.unwrap_or(PARTS),
            keep_failures: config.keep_failures,
        }
    }

    /// Whether nothing is left out.
    pub(super) const fn keeps_all(&self) -> bool {
        self.kept >= PARTS
    }

    /// Whether an event is in it.
    pub(super) fn keeps(&self, payload: &StandardLoggingPayload) -> bool {
        if self.keeps_all() || (self.keep_failures && payload.status == Status::Failure) {
            return true;
        }
        let trace = match payload.trace_id.as_str() {
            "" => payload.litellm_call_id.as_str(),
            trace => trace,
        };
        let digest = Sha256::digest(trace.as_bytes());
        let first = digest.first_chunk().copied().unwrap_or_default();
        u64::from_le_bytes(first) % PARTS < self.kept
    }
}
