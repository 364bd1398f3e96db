//! A call as a span of LLM Observability.

use event::{CostStatus, PricedEvent, Seconds, StandardLoggingPayload, Status, Usage, Usd};
use serde::Serialize;
use sink::Item;

use super::{
    config::Config,
    first_token, ids, is_hex,
    said::{self, Message},
    short, tags,
};

/// Bytes of a span with what was said; Datadog takes 5 MB, and a batch of one has a frame too.
const SPAN_BYTES_MAX: usize = 4_500_000;
/// In the place of what was said and is too much.
const TOO_LONG: &str = "[left out: larger than Datadog takes]";
/// Bytes of an error's message.
const MESSAGE_BYTES_MAX: usize = 16 << 10;
/// Bytes of a name or an id.
const NAME_BYTES_MAX: usize = 1 << 10;
/// The same, where it is shown in lists.
const NAME_SHOWN_MAX: usize = 200;

/// The whole body.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    r#type: &'static str,
    attributes: Attributes<'a>,
}

#[derive(Serialize)]
struct Attributes<'a> {
    ml_app: &'a str,
    spans: Vec<Span<'a>>,
}

/// One call.
#[derive(Serialize)]
pub(super) struct Span<'a> {
    trace_id: String,
    span_id: String,
    parent_id: &'a str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    start_ns: i64,
    duration: i64,
    status: &'static str,
    meta: Meta<'a>,
    metrics: Metrics,
    tags: Vec<String>,
}

#[derive(Serialize)]
struct Meta<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Said::is_empty")]
    input: Said,
    #[serde(skip_serializing_if = "Said::is_empty")]
    output: Said,
    metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorSaid<'a>>,
}

/// Messages of a model, or a text where there are none.
#[derive(Default, Serialize)]
struct Said {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<Message>,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
}

impl Said {
    fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.value.is_empty()
    }

    fn of(messages: Vec<Message>, kind: &str) -> Self {
        if kind == "llm" {
            return Self {
                messages,
                ..Self::default()
            };
        }
        let texts: Vec<_> = messages.iter().map(Message::content).collect();
        Self {
            messages: Vec::new(),
            value: texts.join("\n"),
        }
    }

    fn left_out(self, kind: &str) -> Self {
        if self.is_empty() {
            return self;
        }
        Self::of(vec![Message::plain("", TOO_LONG.to_owned())], kind)
    }
}

#[derive(Serialize)]
struct Metadata<'a> {
    model_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_group: Option<&'a str>,
    call_type: &'a str,
    /// The idempotency key: what comes twice has the same.
    event_id: String,
    litellm_call_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_hit: Option<bool>,
    #[serde(skip_serializing_if = "is_zero")]
    saved_cache_cost: Usd,
    cost_status: CostStatus,
    price_map: &'a str,
    #[serde(skip_serializing_if = "is_first")]
    revision: u32,
    #[serde(flatten)]
    parameters: Parameters,
    cost_tags: Vec<&'static str>,
}

/// The parameters that Datadog shows.
#[derive(Default, Serialize, serde::Deserialize)]
struct Parameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    temperature: Option<event::Exact>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
}

#[derive(Serialize)]
struct ErrorSaid<'a> {
    message: &'a str,
    r#type: &'a str,
}

/// Parts of the prompt are given as well: without them all of it counts at the full rate.
#[derive(Default, Serialize)]
struct Metrics {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
    #[serde(flatten)]
    parts: Option<Parts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_to_first_token: Option<Seconds>,
    /// All three or none: of a missing one Datadog makes an estimate, and the sums disagree.
    #[serde(flatten)]
    costs: Option<Costs>,
}

#[derive(Serialize)]
struct Parts {
    non_cached_input_tokens: u64,
    cache_read_input_tokens: u64,
    cache_write_input_tokens: u64,
    reasoning_output_tokens: u64,
}

#[derive(Serialize)]
struct Costs {
    input_cost: Usd,
    output_cost: Usd,
    total_cost: Usd,
}

/// The body for these spans.
pub(super) fn body<'a>(spans: Vec<Span<'a>>, config: &'a Config) -> Body<'a> {
    let ml_app = &config.ml_app;
    let attributes = Attributes { ml_app, spans };
    Body {
        data: Data {
            r#type: "span",
            attributes,
        },
    }
}

impl<'a> Span<'a> {
    /// The span of a call, no larger than Datadog takes.
    pub(super) fn of(item: &Item, event: &'a PricedEvent, config: &Config) -> Self {
        let payload = event.payload();
        let call_type = short(&payload.call_type, NAME_SHOWN_MAX);
        let kind = kind(call_type);
        let (trace_id, span_id) = ids(payload);
        let ours = payload.tollkeeper.as_deref();
        let parent = ours.and_then(|ours| ours.parent_span_id.as_deref());
        let parent = parent.filter(|id| is_hex(id, 16));
        let failed = payload.status == Status::Failure;
        let error = &payload.error_information;
        let micros = payload.end_time.since(payload.start_time).micros().max(0);
        let mut span = Span {
            trace_id,
            span_id,
            // The word for a root there.
            parent_id: parent.unwrap_or("undefined"),
            name: format!(
                "{call_type} {}",
                short(tags::model(payload), NAME_SHOWN_MAX)
            ),
            session_id: Some(short(&payload.session_id, NAME_SHOWN_MAX))
                .filter(|id| !id.is_empty()),
            start_ns: payload.start_time.micros().saturating_mul(1_000),
            duration: micros.saturating_mul(1_000),
            status: if failed { "error" } else { "ok" },
            meta: Meta {
                kind,
                input: Said::of(said::asked(&payload.messages), kind),
                output: Said::of(said::answered(&payload.response), kind),
                metadata: metadata(item, event, config),
                error: failed.then(|| ErrorSaid {
                    message: short(&error.error_message, MESSAGE_BYTES_MAX),
                    r#type: short(&error.error_class, NAME_BYTES_MAX),
                }),
            },
            metrics: metrics(event),
            tags: tags::of(event, config),
        };
        let size = serde_json::to_vec(&span).map_or(usize::MAX, |json| json.len());
        if size > SPAN_BYTES_MAX {
            span.meta.input = span.meta.input.left_out(kind);
            span.meta.output = span.meta.output.left_out(kind);
            span.tags.push("content:left_out".to_owned());
        }
        span
    }
}

/// What kind of span an operation is.
fn kind(call_type: &str) -> &'static str {
    if call_type.contains("embedding") {
        "embedding"
    } else if call_type.contains("rerank") || call_type.contains("search") {
        "retrieval"
    } else {
        "llm"
    }
}

fn metadata<'a>(item: &Item, event: &'a PricedEvent, config: &Config) -> Metadata<'a> {
    let payload = event.payload();
    let name = |name: &'a Option<String>| name.as_deref().map(|name| short(name, NAME_BYTES_MAX));
    Metadata {
        model_name: short(tags::model(payload), NAME_BYTES_MAX),
        model_provider: name(&payload.custom_llm_provider),
        model_group: name(&payload.model_group),
        call_type: short(&payload.call_type, NAME_SHOWN_MAX),
        event_id: item.key(),
        litellm_call_id: payload.litellm_call_id.as_str(),
        stream: payload.stream,
        cache_hit: payload.cache_hit,
        saved_cache_cost: payload.saved_cache_cost,
        cost_status: event.cost().status,
        price_map: &event.cost().price_map,
        revision: item.revision(),
        parameters: payload.model_parameters.read().unwrap_or_default(),
        cost_tags: tags::of_costs(config),
    }
}

fn metrics(event: &PricedEvent) -> Metrics {
    let payload = event.payload();
    let (input, output) = (payload.prompt_tokens, payload.completion_tokens);
    let costs = payload.response_cost.and_then(|total_cost| {
        let parts = payload.cost_breakdown.as_ref();
        let parts = parts.map(|parts| (parts.input_cost, parts.output_cost));
        let nothing = (total_cost == Usd::ZERO).then_some((Usd::ZERO, Usd::ZERO));
        let (input_cost, output_cost) = parts.or(nothing)?;
        Some(Costs {
            input_cost,
            output_cost,
            total_cost,
        })
    });
    Metrics {
        input_tokens: input,
        output_tokens: output,
        total_tokens: payload.total_tokens,
        parts: parts(payload),
        time_to_first_token: first_token(payload),
        costs,
    }
}

/// The parts of the prompt and of the answer, none larger than its whole.
fn parts(payload: &StandardLoggingPayload) -> Option<Parts> {
    let usage: Usage = payload.metadata.usage_object.read()?;
    let prompt = usage.prompt_tokens_details.unwrap_or_default();
    let completion = usage.completion_tokens_details.unwrap_or_default();
    let read = prompt.cached_tokens.or(usage.cache_read_input_tokens);
    let written = prompt.cache_write_tokens.or(prompt.cache_creation_tokens);
    let written = written.or(usage.cache_creation_input_tokens);
    let reasoning = completion.reasoning_tokens.unwrap_or_default();
    let read = read.unwrap_or_default().min(payload.prompt_tokens);
    let rest = payload.prompt_tokens.saturating_sub(read);
    let written = written.unwrap_or_default().min(rest);
    Some(Parts {
        non_cached_input_tokens: rest.saturating_sub(written),
        cache_read_input_tokens: read,
        cache_write_input_tokens: written,
        reasoning_output_tokens: reasoning.min(payload.completion_tokens),
    })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_first(revision: &u32) -> bool {
    *revision == 0
}

fn is_zero(cost: &Usd) -> bool {
    *cost == Usd::ZERO
}
