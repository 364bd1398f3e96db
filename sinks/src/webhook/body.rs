//! What is posted. Everything in it comes from the events, so that a redelivery has the same bytes.

use chrono::SecondsFormat;
use event::{
    CallId, CostStatus, EventId, Outcome, Previous, PricedEvent, PricedKind, Status, Timestamp,
    UsageSource, Usd,
};
use serde::Serialize;
use sink::{Batch, Item, Receipt};

use super::Content;

/// The body, and a receipt that refuses items that cannot be read; no body if there is nothing else.
pub(super) fn encode(batch: &Batch<'_>, content: Content) -> (Option<Vec<u8>>, Receipt) {
    let (mut events, mut alerts) = (Vec::new(), Vec::new());
    let mut receipt = Receipt::default();
    let mut latest = None;
    for (index, item) in batch.items().iter().enumerate() {
        match (item.event(), item.alert()) {
            (Some(event), _) => {
                latest = latest.max(Some(event.payload().end_time));
                events.push((item, event));
            }
            (_, Some(alert)) => {
                latest = latest.max(Some(alert.at));
                alerts.push(item);
            }
            _ => receipt.refuse(index, "it cannot be read"),
        }
    }
    let Some(latest) = latest else {
        return (None, receipt);
    };
    let kind = kind(batch.items());
    let time = latest.to_utc().to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut body = format!(r#"{{"type":"{kind}","timestamp":"{time}","data":"#).into_bytes();
    // By what was asked for and not by what is left, so that the form goes with the id.
    let alone = batch.items().len() == 1;
    let has_alerts = batch.items().iter().any(is_alert);
    let has_events = !batch.items().iter().all(is_alert);
    let each_event = |body: &mut Vec<u8>, (item, event): (&Item, &PricedEvent)| {
        write(body, item, event, content);
    };
    let each_alert = |body: &mut Vec<u8>, item: &Item| body.extend_from_slice(item.json());
    if alone {
        events
            .into_iter()
            .for_each(|pair| each_event(&mut body, pair));
        alerts
            .into_iter()
            .for_each(|item| each_alert(&mut body, item));
    } else {
        body.push(b'{');
        if has_events {
            list(&mut body, "events", events, each_event);
        }
        if has_events && has_alerts {
            body.push(b',');
        }
        if has_alerts {
            list(&mut body, "alerts", alerts, each_alert);
        }
        body.push(b'}');
    }
    body.push(b'}');
    (Some(body), receipt)
}

fn is_alert(item: &Item) -> bool {
    item.kind() == PricedKind::Alert
}

fn kind(items: &[Item]) -> &'static str {
    match items {
        [item] if is_alert(item) => "llm.alert",
        [item] if item.revision() > 0 => "llm.call.corrected",
        [_] => "llm.call.completed",
        items if items.iter().all(is_alert) => "llm.alerts.batch",
        _ => "llm.calls.batch",
    }
}

/// `"name":[…]`.
fn list<T>(body: &mut Vec<u8>, name: &str, all: Vec<T>, each: impl Fn(&mut Vec<u8>, T)) {
    body.extend_from_slice(format!(r#""{name}":["#).as_bytes());
    for (position, one) in all.into_iter().enumerate() {
        if position > 0 {
            body.push(b',');
        }
        each(body, one);
    }
    body.push(b']');
}

/// One event: where it comes from, then the event's own fields.
fn write(body: &mut Vec<u8>, item: &Item, event: &PricedEvent, content: Content) {
    let origin = item.origin();
    let ids = Ids {
        event_id: item.id(),
        source: &origin.source,
        sequence: origin.sequence,
        revision: (item.revision() > 0).then(|| item.revision()),
    };
    write_json(body, &ids);
    // Two objects become one: the end of the first and the beginning of the second are a comma.
    // Neither is empty.
    body.pop();
    let seam = body.len();
    match content {
        Content::Thin => write_json(body, &Thin::of(event)),
        Content::Full => body.extend_from_slice(item.json()),
    }
    if let Some(brace) = body.get_mut(seam) {
        debug_assert_eq!(*brace, b'{', "an event is an object");
        *brace = b',';
    }
}

fn write_json(body: &mut Vec<u8>, value: &impl Serialize) {
    let written = serde_json::to_writer(body, value);
    debug_assert!(
        written.is_ok(),
        "there are no maps with keys that are no strings"
    );
}

/// Which event it is.
#[derive(Serialize)]
struct Ids<'a> {
    event_id: EventId,
    source: &'a str,
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u32>,
}

/// The event without what was said in it: a selection of its fields, under their own names.
#[derive(Serialize)]
struct Thin<'a> {
    litellm_call_id: &'a CallId,
    id: &'a str,
    trace_id: &'a str,
    session_id: &'a str,
    call_type: &'a str,
    stream: Option<bool>,
    cache_hit: Option<bool>,
    status: Status,
    custom_llm_provider: Option<&'a str>,
    model: &'a str,
    model_group: Option<&'a str>,
    model_id: Option<&'a str>,
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    response_cost: Option<Usd>,
    #[serde(rename = "startTime")]
    start_time: Timestamp,
    #[serde(rename = "endTime")]
    end_time: Timestamp,
    #[serde(rename = "completionStartTime")]
    completion_start_time: Timestamp,
    end_user: Option<&'a str>,
    request_tags: &'a [String],
    metadata: ThinMetadata<'a>,
    error_information: ThinError<'a>,
    tollkeeper: ThinExtension<'a>,
}

#[derive(Serialize)]
struct ThinMetadata<'a> {
    user_api_key_hash: Option<&'a str>,
    user_api_key_alias: Option<&'a str>,
    user_api_key_team_id: Option<&'a str>,
    user_api_key_team_alias: Option<&'a str>,
    user_api_key_org_id: Option<&'a str>,
    user_api_key_user_id: Option<&'a str>,
}

/// Without the message, which may quote the prompt.
#[derive(Serialize)]
struct ThinError<'a> {
    error_code: &'a str,
    error_class: &'a str,
}

#[derive(Serialize)]
struct ThinExtension<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_source: Option<UsageSource>,
    settlement: ThinSettlement<'a>,
}

#[derive(Serialize)]
struct ThinSettlement<'a> {
    cost: ThinCost,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<&'a Previous>,
}

#[derive(Serialize)]
struct ThinCost {
    status: CostStatus,
}

impl<'a> Thin<'a> {
    fn of(event: &'a PricedEvent) -> Self {
        let payload = event.payload();
        let (metadata, error) = (&payload.metadata, &payload.error_information);
        let extension = payload.tollkeeper.as_deref();
        let cost = ThinCost {
            status: event.cost().status,
        };
        Self {
            litellm_call_id: &payload.litellm_call_id,
            id: &payload.id,
            trace_id: &payload.trace_id,
            session_id: &payload.session_id,
            call_type: &payload.call_type,
            stream: payload.stream,
            cache_hit: payload.cache_hit,
            status: payload.status,
            custom_llm_provider: payload.custom_llm_provider.as_deref(),
            model: &payload.model,
            model_group: payload.model_group.as_deref(),
            model_id: payload.model_id.as_deref(),
            prompt_tokens: payload.prompt_tokens,
            completion_tokens: payload.completion_tokens,
            total_tokens: payload.total_tokens,
            response_cost: payload.response_cost,
            start_time: payload.start_time,
            end_time: payload.end_time,
            completion_start_time: payload.completion_start_time,
            end_user: payload.end_user.as_deref(),
            request_tags: &payload.request_tags,
            metadata: ThinMetadata {
                user_api_key_hash: metadata.user_api_key_hash.as_deref(),
                user_api_key_alias: metadata.user_api_key_alias.as_deref(),
                user_api_key_team_id: metadata.user_api_key_team_id.as_deref(),
                user_api_key_team_alias: metadata.user_api_key_team_alias.as_deref(),
                user_api_key_org_id: metadata.user_api_key_org_id.as_deref(),
                user_api_key_user_id: metadata.user_api_key_user_id.as_deref(),
            },
            error_information: ThinError {
                error_code: &error.error_code,
                error_class: &error.error_class,
            },
            tollkeeper: ThinExtension {
                outcome: extension.map(|ours| ours.outcome),
                usage_source: extension.map(|ours| ours.usage_source),
                settlement: ThinSettlement {
                    cost,
                    previous: event.settlement().previous.as_ref(),
                },
            },
        }
    }
}
