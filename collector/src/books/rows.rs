//! Writes call rows: which columns there are, in which order, and what stands in them.

use std::sync::LazyLock;

use cost_map::Units;
use event::{CostStatus, Extension, Outcome, PricedEvent, StandardLoggingPayload, UsageSource};
use serde::Serialize;
use sqlx::{
    Arguments as _, AssertSqlSafe, Encode, Sqlite, SqliteConnection, Type, sqlite::SqliteArguments,
};

use super::detail::Detail;

/// The columns of `calls`, in the order of [`push`].
pub(super) const COLUMNS: [&str; 41] = [
    "number",
    "source",
    "sequence",
    "call_id",
    "response_id",
    "started",
    "ended",
    "completion_started",
    "status",
    "outcome",
    "usage_source",
    "call_type",
    "model",
    "model_group",
    "model_id",
    "provider",
    "api_base",
    "api_key",
    "key_alias",
    "user_id",
    "team_id",
    "org_id",
    "end_user",
    "tags",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cost_status",
    "cost",
    "cost_detail",
    "error_code",
    "error_class",
    "error_message",
    "cache_hit",
    "stream",
    "requester_ip",
    "session_id",
    "trace_id",
    "metadata",
    "card",
    "position",
];

/// What a row is made of.
pub(super) struct Row<'a> {
    /// The id of its source.
    pub(super) source: i64,
    pub(super) event: &'a PricedEvent,
    pub(super) detail: Detail,
    pub(super) position: Option<u64>,
}

/// Rows in one statement: enough to make the way to SQLite's thread cheap, and far below its
/// limit of 32 766 parameters.
const ROWS: usize = 64;

static INSERT_MANY: LazyLock<String> = LazyLock::new(|| super::insert("calls", &COLUMNS, ROWS));
static INSERT_ONE: LazyLock<String> = LazyLock::new(|| super::insert("calls", &COLUMNS, 1));

/// Inserts one row for each event; an event that is there already is an error.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    rows: &[Row<'_>],
) -> Result<(), sqlx::Error> {
    let (many, rest) = rows.as_chunks::<ROWS>();
    for chunk in many {
        insert_with(&mut *connection, INSERT_MANY.as_str(), chunk).await?;
    }
    for row in rest.chunks(1) {
        insert_with(&mut *connection, INSERT_ONE.as_str(), row).await?;
    }
    Ok(())
}

async fn insert_with(
    connection: &mut SqliteConnection,
    statement: &'static str,
    rows: &[Row<'_>],
) -> Result<(), sqlx::Error> {
    let mut values = Values(SqliteArguments::default());
    values.0.reserve(rows.len() * COLUMNS.len(), 0);
    for row in rows {
        push(&mut values, row).map_err(sqlx::Error::Encode)?;
    }
    debug_assert_eq!(
        values.0.len(),
        rows.len() * COLUMNS.len(),
        "one value for each column"
    );
    sqlx::query_with(AssertSqlSafe(statement), values.0)
        .execute(connection)
        .await?;
    Ok(())
}

type Pushed = Result<(), sqlx::error::BoxDynError>;

struct Values(SqliteArguments);

impl Values {
    fn add<'t>(&mut self, value: impl Encode<'t, Sqlite> + Type<Sqlite>) -> Pushed {
        self.0.add(value)
    }

    /// A text where empty means that there is none.
    fn text(&mut self, text: &str) -> Pushed {
        self.add((!text.is_empty()).then_some(text))
    }
}

fn push(row: &mut Values, of: &Row<'_>) -> Pushed {
    let Row {
        source,
        event,
        detail,
        position,
    } = of;
    let payload = event.payload();
    let ours = payload.tollkeeper.as_deref();
    let sequence = i64::try_from(event.settlement().origin.sequence)?;
    row.add(number(*source, sequence).ok_or("sequence is out of range")?)?;
    row.add(*source)?;
    row.add(sequence)?;
    row.add(payload.litellm_call_id.as_str())?;
    // A response id that only repeats the call's would be indexed twice.
    row.add((payload.id != payload.litellm_call_id.as_str()).then_some(payload.id.as_str()))?;
    row.add(payload.start_time.micros())?;
    row.add(payload.end_time.micros())?;
    row.add(payload.completion_start_time.micros())?;
    row.add(payload.status.as_str())?;
    row.add(
        ours.map_or_else(|| guess(payload), |ours| ours.outcome)
            .as_str(),
    )?;
    row.add(usage_source(crate::price::usage_source(payload)))?;
    row.add(payload.call_type.as_str())?;
    row.add(payload.model.as_str())?;
    row.add(payload.model_group.as_deref())?;
    row.add(payload.model_id.as_deref())?;
    row.add(payload.custom_llm_provider.as_deref())?;
    row.add(payload.api_base.as_deref())?;
    push_identity(row, payload)?;
    push_amounts(row, event)?;
    row.add(detail.text.as_str())?;
    push_errors(row, payload)?;
    row.add(payload.cache_hit)?;
    row.add(payload.stream)?;
    row.add(payload.requester_ip_address.as_deref())?;
    row.text(&payload.session_id)?;
    row.text(&payload.trace_id)?;
    row.add(serde_json::to_string(&Remainder::of(event))?)?;
    row.add(detail.card)?;
    row.add(position.map(i64::try_from).transpose()?)
}

/// Sequences jump by 2^20 after a crash, and have room for 2^24 of those.
pub(super) const SEQUENCES: i64 = 1 << 44;

/// The number of the row.
pub(super) fn number(source: i64, sequence: i64) -> Option<i64> {
    let first = source.checked_mul(SEQUENCES)?;
    (sequence < SEQUENCES)
        .then(|| first.checked_add(sequence))
        .flatten()
}

fn push_identity(row: &mut Values, payload: &StandardLoggingPayload) -> Pushed {
    let metadata = &payload.metadata;
    row.add(metadata.user_api_key_hash.as_deref())?;
    row.add(metadata.user_api_key_alias.as_deref())?;
    row.add(metadata.user_api_key_user_id.as_deref())?;
    row.add(super::rollups::team(payload))?;
    row.add(metadata.user_api_key_org_id.as_deref())?;
    row.add(super::rollups::end_user(payload))?;
    if payload.request_tags.is_empty() {
        return row.add("[]");
    }
    row.add(serde_json::to_string(&payload.request_tags)?)
}

fn push_amounts(row: &mut Values, event: &PricedEvent) -> Pushed {
    let (payload, cost) = (event.payload(), event.cost());
    row.add(i64::try_from(payload.prompt_tokens)?)?;
    row.add(i64::try_from(payload.completion_tokens)?)?;
    row.add(i64::try_from(payload.total_tokens)?)?;
    row.add(cost_status(cost.status))?;
    row.add(
        cost.total
            .map(|total| i64::try_from(total.picos()))
            .transpose()?,
    )
}

fn push_errors(row: &mut Values, payload: &StandardLoggingPayload) -> Pushed {
    let error = &payload.error_information;
    row.text(&error.error_code)?;
    row.text(&error.error_class)?;
    row.text(&error.error_message)
}

/// What LiteLLM keeps in a row's `metadata` and no column says; the cost's breakdown follows from
/// its items.
#[derive(Serialize)]
struct Remainder<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_api_key_team_alias: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_api_key_project_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_api_key_request_route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "is_null")]
    spend_logs_metadata: &'a event::Json,
    #[serde(skip_serializing_if = "is_null")]
    requester_metadata: &'a event::Json,
    #[serde(skip_serializing_if = "is_null")]
    usage_object: &'a event::Json,
    /// What a cache hit saved; left out where it was none.
    #[serde(skip_serializing_if = "is_nothing")]
    saved_cache_cost: event::Usd,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_information: Option<&'a event::ErrorInformation>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    attempts: &'a [event::Attempt],
    #[serde(skip_serializing_if = "Option::is_none")]
    pricing: Option<Pricing<'a>>,
    /// Where the call is billed by what was asked for: images, seconds of video.
    #[serde(skip_serializing_if = "Option::is_none")]
    model_parameters: Option<&'a event::Json>,
}

/// What a call is priced by and no column says, as the event has it.
#[derive(PartialEq, Serialize)]
struct Pricing<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    response_model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    served_service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price_overrides: Option<&'a event::Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    /// Not a price, but a correction must not go where the call did not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    no_log: bool,
    /// What a batch consumed.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<&'a event::Batch>,
    /// In which windows of which budgets it counts.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    reserved: &'a [event::Reserved],
}

impl<'a> Pricing<'a> {
    /// Names every field, so that a new one is either kept here or left out on purpose.
    fn of(ours: &'a Extension) -> Option<Self> {
        let Extension {
            response_model,
            base_model,
            requested_service_tier,
            served_service_tier,
            price_overrides,
            region,
            no_log,
            batch,
            reserved,
            outcome: _,
            usage_source: _,
            started_sequence: _,
            w3c_trace_id: _,
            span_id: _,
            parent_span_id: _,
            attempts: _,
            settlement: _,
        } = ours;
        let kept = Self {
            response_model: response_model.as_deref(),
            base_model: base_model.as_deref(),
            requested_service_tier: requested_service_tier.as_deref(),
            served_service_tier: served_service_tier.as_deref(),
            price_overrides: price_overrides.as_ref(),
            region: region.as_deref(),
            no_log: *no_log,
            batch: batch.as_deref(),
            reserved,
        };
        let nothing = Self {
            response_model: None,
            base_model: None,
            requested_service_tier: None,
            served_service_tier: None,
            price_overrides: None,
            region: None,
            no_log: false,
            batch: None,
            reserved: &[],
        };
        (kept != nothing).then_some(kept)
    }
}

fn is_nothing(amount: &event::Usd) -> bool {
    *amount == event::Usd::ZERO
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_null(json: &&event::Json) -> bool {
    json.text() == "null"
}

impl<'a> Remainder<'a> {
    fn of(event: &'a PricedEvent) -> Self {
        let payload = event.payload();
        let metadata = &payload.metadata;
        let error = &payload.error_information;
        Self {
            user_api_key_team_alias: metadata.user_api_key_team_alias.as_deref(),
            user_api_key_project_id: metadata.user_api_key_project_id.as_deref(),
            user_api_key_request_route: metadata.user_api_key_request_route.as_deref(),
            user_agent: payload.user_agent.as_deref(),
            spend_logs_metadata: &metadata.spend_logs_metadata,
            requester_metadata: &metadata.requester_metadata,
            usage_object: &metadata.usage_object,
            saved_cache_cost: payload.saved_cache_cost,
            error_information: (!error.error_code.is_empty()).then_some(error),
            attempts: payload
                .tollkeeper
                .as_deref()
                .map_or(&[], |ours| &ours.attempts),
            pricing: payload.tollkeeper.as_deref().and_then(Pricing::of),
            model_parameters: Units::asked(&payload.call_type, payload.model_parameters.text())
                .map(|_| &payload.model_parameters),
        }
    }
}

/// How a call of another gateway ended, which says no more than success or failure.
const fn guess(payload: &StandardLoggingPayload) -> Outcome {
    match payload.status {
        event::Status::Success => Outcome::Success,
        event::Status::Failure => Outcome::ProviderError,
    }
}

const fn usage_source(source: UsageSource) -> &'static str {
    match source {
        UsageSource::None => "none",
        UsageSource::Provider => "provider",
        UsageSource::Counted => "counted",
        UsageSource::Estimated => "estimated",
    }
}

pub(super) const fn cost_status(status: CostStatus) -> &'static str {
    match status {
        CostStatus::Priced => "priced",
        CostStatus::Unpriced => "unpriced",
        CostStatus::NothingConsumed => "nothing_consumed",
    }
}
