//! The contract between the collector and a destination of events.
//!
//! A sink encodes one batch and sends it once. Batching, retries, timeouts, concurrency, metrics,
//! acknowledgement and dead letters belong to the collector, so no sink has any of them.
//!
//! To write one: implement [`Sink`], send through [`http::HttpClient`] if it speaks HTTP, and put it
//! through the laws of the crate `conformance`.

mod batch;
mod clock;
mod contract;
mod error;
pub mod http;
mod registration;
pub mod setting;

pub use ::egress;

pub use crate::{
    batch::{Batch, BatchLimits, Item},
    clock::Clock,
    contract::{Receipt, Sink, SinkEnv},
    error::{SinkError, SinkErrorKind, Verdict},
    registration::{OpenSink, Registration},
};
