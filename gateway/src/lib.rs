//! A reverse proxy for OpenAI-compatible calls that writes each of them down once.
//!
//! Start with `chat.rs`, the life of one call, and `call.rs`, the guard that makes one event of it.

mod answer;
mod attempts;
mod auth;
mod call;
mod chat;
mod clock;
pub mod config;
mod detach;
mod draft;
mod error;
mod gateway;
mod metrics;
mod mock;
mod open_calls;
mod payload;
pub mod provider;
mod relay;
mod report;
mod request;
mod serve;
mod stamp;
mod tasks;
mod tokens;
mod turn;
mod unstalled;
mod unwritten;
mod upstream;
mod workers;

pub use crate::{
    config::{Config, ConfigError, Warning},
    error::{ApiError, ErrorClass},
    gateway::{Gateway, StartError},
    request::{ChatRequest, ClientMetadata, RequestError, UsageOption},
};
