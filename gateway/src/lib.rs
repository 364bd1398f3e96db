//! A reverse proxy for OpenAI-compatible calls that writes each of them down once.
//!
//! Start with `lifecycle.rs`, the life of one call, and `call.rs`, the guard that makes one event of it.

mod admission;
mod answer;
mod attempts;
mod auth;
mod cache;
mod call;
mod clock;
pub mod config;
mod control;
mod credentials;
mod describe;
mod destination;
mod detach;
mod draft;
mod error;
mod exchange;
mod gateway;
mod lifecycle;
mod manage;
mod measure;
mod media;
mod metrics;
mod mock;
mod open_calls;
mod operation;
mod payload;
mod price;
pub mod provider;
mod realtime;
mod redaction;
mod relay;
mod report;
mod request;
mod reuse;
mod routes;
pub(crate) mod routing;
mod serve;
mod several;
mod stamp;
mod tasks;
mod tokens;
mod turn;
mod unasked;
mod unstalled;
mod unwritten;
mod upstream;
mod workers;

pub use crate::{
    config::{Config, ConfigError, Warning},
    error::{ApiError, ErrorClass, More},
    gateway::{Gateway, StartError},
    operation::{Content, Dialect, Operation},
    request::{
        CacheControl, ClientMetadata, ClientRequest, Prompt, RequestError, UsageOption, Wishes,
    },
};
