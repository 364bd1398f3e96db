//! The contract between the collector and a destination of events or alerts.
//!
//! A sink encodes one batch and sends it once. Batching, retries, timeouts, concurrency, filters,
//! redaction, metrics, acknowledgement and dead letters belong to the collector, so no sink has any
//! of them.
//!
//! To write one: implement [`Sink`], send through [`http::HttpClient`] if it speaks HTTP, and put it
//! through the laws of the crate `conformance`.

mod batch;
mod clock;
mod contract;
mod error;
pub mod http;
mod receipt;
mod registration;
pub mod setting;

pub use ::egress;

pub use crate::{
    batch::{Batch, BatchLimits, Item},
    clock::Clock,
    contract::{Settings, Sink, SinkEnv, Takes},
    error::{SinkError, SinkErrorKind, Verdict},
    receipt::{Receipt, Refused},
    registration::{OpenSink, Registration},
};
