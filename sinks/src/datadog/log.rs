//! A call as a log entry: who, what, how much, how it ended; never what was said.

use event::{CostStatus, PricedEvent, Seconds, Status, Usd};
use serde::Serialize;
use sink::Item;

use super::{config::Config, first_token, ids, short, tags};

/// Bytes of an error's message: an entry of more than 1 MB is cut by Datadog, and is no JSON then.
const MESSAGE_BYTES_MAX: usize = 16 << 10;
/// Bytes of a name or an id.
const NAME_BYTES_MAX: usize = 1 << 10;

/// One entry.
#[derive(Serialize)]
pub(super) struct Entry<'a> {
    message: String,
    ddsource: &'a str,
    ddtags: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<&'a str>,
    service: &'a str,
    /// Milliseconds since 1970.
    timestamp: i64,
    status: &'static str,
    /// Nanoseconds.
    duration: i64,
    /// The idempotency key: what comes twice has the same.
    event_id: String,
    trace_id: String,
    span_id: String,
    llm: Llm<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usr: Option<User<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorSaid<'a>>,
}

#[derive(Serialize)]
struct Llm<'a> {
    litellm_call_id: &'a str,
    call_type: &'a str,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_hit: Option<bool>,
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    /// USD, all digits; left out where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    response_cost: Option<Usd>,
    cost_status: CostStatus,
    #[serde(skip_serializing_if = "is_first")]
    revision: u32,
    /// Of a correction: what is to be added to the cost before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<Usd>,
    /// Seconds; of streams alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_to_first_token: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_alias: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_user: Option<&'a str>,
}

#[derive(Serialize)]
struct User<'a> {
    id: &'a str,
}

#[derive(Serialize)]
struct ErrorSaid<'a> {
    kind: &'a str,
    message: &'a str,
    code: &'a str,
}

impl<'a> Entry<'a> {
    pub(super) fn of(item: &Item, event: &'a PricedEvent, config: &'a Config) -> Self {
        let payload = event.payload();
        let (trace_id, span_id) = ids(payload);
        let micros = payload.end_time.since(payload.start_time).micros().max(0);
        let failed = payload.status == Status::Failure;
        let error = &payload.error_information;
        let user = name(&payload.metadata.user_api_key_user_id);
        Self {
            message: message(event),
            ddsource: &config.ddsource,
            ddtags: tags::of(event, config).join(","),
            hostname: config.hostname.as_deref(),
            service: &config.service,
            timestamp: payload.end_time.micros().div_euclid(1_000),
            status: if failed { "error" } else { "info" },
            duration: micros.saturating_mul(1_000),
            event_id: item.key(),
            trace_id,
            span_id,
            llm: llm(item, event),
            usr: user.map(|id| User { id }),
            error: failed.then(|| ErrorSaid {
                kind: short(&error.error_class, NAME_BYTES_MAX),
                message: short(&error.error_message, MESSAGE_BYTES_MAX),
                code: short(&error.error_code, NAME_BYTES_MAX),
            }),
        }
    }
}

fn llm<'a>(item: &Item, event: &'a PricedEvent) -> Llm<'a> {
    let payload = event.payload();
    let metadata = &payload.metadata;
    Llm {
        litellm_call_id: payload.litellm_call_id.as_str(),
        call_type: short(&payload.call_type, NAME_BYTES_MAX),
        model: short(&payload.model, NAME_BYTES_MAX),
        model_group: name(&payload.model_group),
        provider: name(&payload.custom_llm_provider),
        outcome: payload
            .tollkeeper
            .as_ref()
            .map(|ours| ours.outcome.as_str()),
        stream: payload.stream,
        cache_hit: payload.cache_hit,
        prompt_tokens: payload.prompt_tokens,
        completion_tokens: payload.completion_tokens,
        total_tokens: payload.total_tokens,
        response_cost: payload.response_cost,
        cost_status: event.cost().status,
        revision: item.revision(),
        difference: event
            .settlement()
            .previous
            .as_ref()
            .map(|before| before.difference),
        time_to_first_token: first_token(payload),
        key_alias: name(&metadata.user_api_key_alias),
        team_id: name(&metadata.user_api_key_team_id),
        end_user: name(&payload.end_user),
    }
}

fn name(name: &Option<String>) -> Option<&str> {
    name.as_deref().map(|name| short(name, NAME_BYTES_MAX))
}

/// What a person reads in the list.
fn message(event: &PricedEvent) -> String {
    let payload = event.payload();
    let model = short(tags::model(payload), 200);
    let (status, tokens) = (payload.status.as_str(), payload.total_tokens);
    match payload.response_cost {
        Some(cost) => format!("{model} {status}: {tokens} tokens, {cost} USD"),
        None => format!("{model} {status}: {tokens} tokens, cost unknown"),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_first(revision: &u32) -> bool {
    *revision == 0
}
