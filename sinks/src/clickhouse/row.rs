//! The columns that are inserted, and what stands in them of a call.

use event::{
    CostStatus, EventId, Extension, Json, PricedEvent, StandardLoggingPayload, Timestamp, Usage,
    Usd,
};
use sink::Item;

use super::row_binary::Writer;

/// A column: its name in `schema.sql`, and its value.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) value: Value,
}

/// How a column's value is read of a call; which also says the column's type.
pub(super) enum Value {
    Id(fn(&Call<'_>) -> EventId),
    /// One of not too many different texts.
    Word(for<'a> fn(&'a Call<'a>) -> Text<'a>),
    Text(for<'a> fn(&'a Call<'a>) -> Text<'a>),
    Words(for<'a> fn(&'a Call<'a>) -> &'a [String]),
    Revision(fn(&Call<'_>) -> u32),
    Count(fn(&Call<'_>) -> u64),
    Flag(fn(&Call<'_>) -> bool),
    Time(fn(&Call<'_>) -> Timestamp),
    Usd(fn(&Call<'_>) -> Option<Usd>),
}

type Text<'a> = std::borrow::Cow<'a, str>;

impl Value {
    /// The type's name, exactly as `ClickHouse` writes it: it compares names.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Id(_) => "UUID",
            Self::Word(_) => "LowCardinality(String)",
            Self::Text(_) => "String",
            Self::Words(_) => "Array(LowCardinality(String))",
            Self::Revision(_) => "UInt32",
            Self::Count(_) => "UInt64",
            Self::Flag(_) => "Bool",
            Self::Time(_) => "DateTime64(6, 'UTC')",
            Self::Usd(_) => "Nullable(Decimal(38, 12))",
        }
    }

    fn write(&self, call: &Call<'_>, to: &mut Writer) {
        match self {
            Self::Id(id) => to.id(id(call)),
            Self::Word(text) | Self::Text(text) => to.text(&text(call)),
            Self::Words(texts) => to.texts(texts(call)),
            Self::Revision(number) => to.u32(number(call)),
            Self::Count(number) => to.u64(number(call)),
            Self::Flag(flag) => to.flag(flag(call)),
            Self::Time(time) => to.time(time(call)),
            Self::Usd(amount) => to.usd(amount(call)),
        }
    }
}

/// A call, and what several columns need of it.
pub(super) struct Call<'a> {
    item: &'a Item,
    event: &'a PricedEvent,
    payload: &'a StandardLoggingPayload,
    ours: Option<&'a Extension>,
    tokens: Tokens,
}

/// Parts of the token counts, each at most its whole.
#[derive(Default)]
struct Tokens {
    cache_read: u64,
    cache_write: u64,
    reasoning: u64,
}

impl<'a> Call<'a> {
    fn new(item: &'a Item, event: &'a PricedEvent) -> Self {
        let payload = event.payload();
        Self {
            item,
            event,
            payload,
            ours: payload.tollkeeper.as_deref(),
            tokens: Tokens::of(payload),
        }
    }

    fn ours(&self, field: fn(&Extension) -> &str) -> Text<'_> {
        self.ours.map_or("", field).into()
    }
}

impl Tokens {
    fn of(payload: &StandardLoggingPayload) -> Self {
        let said = [
            &payload.metadata.usage_object,
            &payload.hidden_params.usage_object,
        ];
        let mut read = said.into_iter().filter(|said| !said.is_null());
        let Some(usage) = read.find_map(Json::read::<Usage>) else {
            return Self::default();
        };
        let prompt = usage.prompt_tokens_details.as_ref();
        let cache_read = prompt
            .and_then(|details| details.cached_tokens)
            .or(usage.cache_read_input_tokens);
        let cache_write = prompt
            .and_then(|details| details.cache_write_tokens.or(details.cache_creation_tokens))
            .or(usage.cache_creation_input_tokens);
        let reasoning = usage.completion_tokens_details.as_ref();
        let reasoning = reasoning.and_then(|details| details.reasoning_tokens);
        let (prompt, completion) = (payload.prompt_tokens, payload.completion_tokens);
        let cache_read = cache_read.unwrap_or_default().min(prompt);
        Self {
            cache_read,
            cache_write: cache_write.unwrap_or_default().min(prompt - cache_read),
            reasoning: reasoning.unwrap_or_default().min(completion),
        }
    }
}

/// Rows of these events, headed by the names and types of the columns, so that a table that has come
/// to differ refuses them instead of taking one value for another.
pub(super) fn rows(events: &[(&Item, &PricedEvent)]) -> Vec<u8> {
    let capacity = events.iter().map(|(item, _event)| item.json().len());
    let mut to = Writer::with_capacity(capacity.sum());
    to.length(COLUMNS.len());
    COLUMNS.iter().for_each(|column| to.text(column.name));
    COLUMNS
        .iter()
        .for_each(|column| to.text(column.value.kind()));
    for (item, event) in events {
        let call = Call::new(item, event);
        for column in COLUMNS {
            column.value.write(&call, &mut to);
        }
    }
    to.finish()
}

const fn column(name: &'static str, value: Value) -> Column {
    Column { name, value }
}

fn text(text: Option<&String>) -> Text<'_> {
    text.map_or("", String::as_str).into()
}

/// `null` takes no space.
fn json(json: &Json) -> Text<'_> {
    if json.is_null() { "" } else { json.text() }.into()
}

const fn status(status: CostStatus) -> &'static str {
    match status {
        CostStatus::Priced => "priced",
        CostStatus::Unpriced => "unpriced",
        CostStatus::NothingConsumed => "nothing_consumed",
    }
}

/// In the order in which they are sent; `ClickHouse` goes by their names.
pub(super) const COLUMNS: &[Column] = &[
    column("event_id", Value::Id(|call| call.item.id())),
    column("revision", Value::Revision(|call| call.item.revision())),
    column(
        "source",
        Value::Word(|call| call.item.origin().source.as_str().into()),
    ),
    column("sequence", Value::Count(|call| call.item.origin().sequence)),
    column(
        "call_id",
        Value::Text(|call| call.payload.litellm_call_id.as_str().into()),
    ),
    column(
        "response_id",
        Value::Text(|call| call.payload.id.as_str().into()),
    ),
    column(
        "trace_id",
        Value::Text(|call| match call.ours(|ours| &ours.w3c_trace_id) {
            none if none.is_empty() => call.payload.trace_id.as_str().into(),
            ours => ours,
        }),
    ),
    column(
        "span_id",
        Value::Text(|call| call.ours(|ours| &ours.span_id)),
    ),
    column(
        "parent_span_id",
        Value::Text(|call| call.ours(|ours| ours.parent_span_id.as_deref().unwrap_or_default())),
    ),
    column(
        "session_id",
        Value::Text(|call| call.payload.session_id.as_str().into()),
    ),
    column("start_time", Value::Time(|call| call.payload.start_time)),
    column("end_time", Value::Time(|call| call.payload.end_time)),
    column(
        "first_token_time",
        Value::Time(|call| call.payload.completion_start_time),
    ),
    column(
        "call_type",
        Value::Word(|call| call.payload.call_type.as_str().into()),
    ),
    column(
        "status",
        Value::Word(|call| call.payload.status.as_str().into()),
    ),
    column(
        "outcome",
        Value::Word(|call| call.ours(|ours| ours.outcome.as_str())),
    ),
    column(
        "error_code",
        Value::Word(|call| call.payload.error_information.error_code.as_str().into()),
    ),
    column(
        "error_class",
        Value::Word(|call| call.payload.error_information.error_class.as_str().into()),
    ),
    column(
        "stream",
        Value::Flag(|call| call.payload.stream == Some(true)),
    ),
    column(
        "cache_hit",
        Value::Flag(|call| call.payload.cache_hit == Some(true)),
    ),
    column(
        "provider",
        Value::Word(|call| text(call.payload.custom_llm_provider.as_ref())),
    ),
    column(
        "model",
        Value::Word(|call| call.payload.model.as_str().into()),
    ),
    column(
        "model_group",
        Value::Word(|call| text(call.payload.model_group.as_ref())),
    ),
    column(
        "response_model",
        Value::Word(|call| call.ours(|ours| ours.response_model.as_deref().unwrap_or_default())),
    ),
    column(
        "model_id",
        Value::Word(|call| text(call.payload.model_id.as_ref())),
    ),
    column(
        "api_base",
        Value::Word(|call| text(call.payload.api_base.as_ref())),
    ),
    column(
        "organization_id",
        Value::Word(|call| text(call.payload.metadata.user_api_key_org_id.as_ref())),
    ),
    column(
        "team_id",
        Value::Word(|call| text(call.payload.metadata.user_api_key_team_id.as_ref())),
    ),
    column(
        "team_alias",
        Value::Word(|call| text(call.payload.metadata.user_api_key_team_alias.as_ref())),
    ),
    column(
        "project_id",
        Value::Word(|call| text(call.payload.metadata.user_api_key_project_id.as_ref())),
    ),
    column(
        "key_hash",
        Value::Word(|call| text(call.payload.metadata.user_api_key_hash.as_ref())),
    ),
    column(
        "key_alias",
        Value::Word(|call| text(call.payload.metadata.user_api_key_alias.as_ref())),
    ),
    column(
        "user_id",
        Value::Text(|call| text(call.payload.metadata.user_api_key_user_id.as_ref())),
    ),
    column(
        "end_user",
        Value::Text(|call| text(call.payload.end_user.as_ref())),
    ),
    column("tags", Value::Words(|call| &call.payload.request_tags)),
    column(
        "prompt_tokens",
        Value::Count(|call| call.payload.prompt_tokens),
    ),
    column(
        "completion_tokens",
        Value::Count(|call| call.payload.completion_tokens),
    ),
    column(
        "total_tokens",
        Value::Count(|call| call.payload.total_tokens),
    ),
    column(
        "cache_read_tokens",
        Value::Count(|call| call.tokens.cache_read),
    ),
    column(
        "cache_write_tokens",
        Value::Count(|call| call.tokens.cache_write),
    ),
    column(
        "reasoning_tokens",
        Value::Count(|call| call.tokens.reasoning),
    ),
    column(
        "cost_status",
        Value::Word(|call| status(call.event.cost().status).into()),
    ),
    column("cost", Value::Usd(|call| call.event.cost().total)),
    column(
        "input_cost",
        Value::Usd(|call| Some(call.payload.cost_breakdown.as_ref()?.input_cost)),
    ),
    column(
        "output_cost",
        Value::Usd(|call| Some(call.payload.cost_breakdown.as_ref()?.output_cost)),
    ),
    column(
        "saved_cost",
        Value::Usd(|call| Some(call.payload.saved_cache_cost)),
    ),
    column(
        "price_map",
        Value::Word(|call| call.event.cost().price_map.as_str().into()),
    ),
    column(
        "price_entry",
        Value::Word(|call| text(call.event.cost().entry.as_ref())),
    ),
    column(
        "cost_items",
        Value::Text(|call| Json::of(&call.event.cost().items).text().to_owned().into()),
    ),
    column(
        "metadata",
        Value::Text(|call| json(&call.payload.metadata.requester_metadata)),
    ),
    column(
        "parameters",
        Value::Text(|call| json(&call.payload.model_parameters)),
    ),
    column("messages", Value::Text(|call| json(&call.payload.messages))),
    column("response", Value::Text(|call| json(&call.payload.response))),
    column(
        "error_message",
        Value::Text(|call| text(call.payload.error_str.as_ref())),
    ),
];
