//! What providers are sent and what they answer, case by case, in their own wire formats.
//!
//! A case is a file in `cases`; `record.py` says how it is written, and writes what litellm sends
//! and returns for it. Where Tollkeeper differs, the case says why.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod case;
mod client;
mod cut;
mod fake;
mod noise;
mod plain;
mod replay;
mod whole;
