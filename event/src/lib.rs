//! The record of one LLM call, as every other crate sees it, and how it is written down.
//!
//! What is here: the [`StandardLoggingPayload`] with LiteLLM's field names, what Tollkeeper adds to
//! it ([`Extension`]), exact money ([`Usd`]), ids, [`Alert`]s, and the [`codec`] for the bus.
//! What is not: prices, sinks, the bus, any I/O and any clock.

mod alert;
mod batch;
mod budget;
pub mod codec;
pub mod control;
mod cost;
mod entity;
mod extension;
mod id;
mod json;
pub mod ledger;
mod money;
mod payload;
mod priced;
mod reserved;
mod secret;
mod started;
mod time;
mod usage;
mod window;

pub use crate::{
    alert::{Alert, AlertFacts, AlertKind, ReportLine, Severity, SpendReport, WebhookBody},
    batch::{Batch, BatchPart, BatchStage, BatchTells},
    budget::{Budget, BudgetError, Enforcement, Refusal, Terms, WhenUnpriced},
    codec::{CallRecord, DecodeError, PricedKind, PricedRecord},
    cost::{Class, Cost, CostStatus, LineItem, Unpriced},
    entity::{Entity, EntityError, EntityId, EntityKind},
    extension::{Attempt, Extension, Outcome, Previous, Settlement, UsageSource},
    id::{CallId, EventId, IdError, Origin, SpanId, TraceId},
    json::Json,
    money::{Exact, MoneyError, Usd},
    payload::{
        CostBreakdown, ErrorInformation, HiddenParams, Metadata, ModelMapInformation,
        StandardLoggingPayload, Status, StatusFields,
    },
    priced::{NotPriced, PricedEvent},
    reserved::Reserved,
    secret::Secret,
    started::Started,
    time::{Seconds, Timestamp},
    usage::{
        CacheWriteDetails, CachedDetails, CompletionDetails, PromptDetails, ServerToolUse, Usage,
    },
    window::{
        DurationError, ResetAt, ResetAtError, Window, WindowDuration, WindowId, WindowIdError,
        WindowRule,
    },
};
