//! `POST /spend/calculate`: what a call would cost, or did.
//!
//! It takes what LiteLLM's route takes, and the questions that the price calculator answers.

use std::collections::BTreeMap;

use axum::{
    Json,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use cost_map::Question;
use event::Usd;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::{Api, Shared, answer::Refusal};
use crate::clock;

/// Bytes of text that are taken for one token where nobody has counted.
const BYTES_PER_TOKEN: usize = 4;

/// LiteLLM's body.
#[derive(Deserialize)]
struct Theirs {
    model: Option<String>,
    messages: Option<Vec<Value>>,
    completion_response: Option<Answered>,
}

/// The answer of a provider, as far as its cost goes.
#[derive(Deserialize)]
struct Answered {
    model: Option<String>,
    usage: Option<Box<RawValue>>,
    service_tier: Option<String>,
}

/// The question that is asked of the calculator.
#[derive(Serialize)]
struct Asked {
    model: String,
    usage: Box<RawValue>,
    service_tier: Option<String>,
}

/// An answer, field by field.
type Answer = BTreeMap<String, Box<RawValue>>;

/// Prices a call by the map of its time, or of now, with discounts and margins.
pub(super) async fn calculate(State(api): Shared, body: Bytes) -> Result<Response, Refusal> {
    if !is_theirs(&body) {
        return Ok(Json(answered(&api, &body).await?).into_response());
    }
    let (mut answer, cost) = theirs(&api, &body).await?;
    // Their cost is a number; ours has the same digits.
    let number = cost.and_then(|cost| RawValue::from_string(cost).ok());
    answer.extend(number.map(|number| ("cost".to_owned(), number)));
    Ok(Json(answer).into_response())
}

/// What a call costs that is asked for as LiteLLM asks, in US dollars.
///
/// # Errors
/// If the request cannot be understood, or its model has no price.
pub(crate) async fn cost_of(api: &Api, body: &[u8]) -> Result<Usd, Refusal> {
    let (_, cost) = theirs(api, body).await?;
    let cost = cost.and_then(|cost| cost.parse().ok());
    cost.ok_or_else(|| Refusal::bad_request("model", "what the call costs is not known"))
}

/// The answer to LiteLLM's question, and the digits of its cost.
async fn theirs(api: &Api, body: &[u8]) -> Result<(Answer, Option<String>), Refusal> {
    let question = asked(body).map_err(|message| Refusal::bad_request("body", &message))?;
    let answer = answered(api, &question).await?;
    if let Some(reason) = text(&answer, "unpriced") {
        return Err(Refusal::bad_request("model", &reason));
    }
    let cost = text(&answer, "cost");
    Ok((answer, cost))
}

fn text(answer: &Answer, key: &str) -> Option<String> {
    serde_json::from_str(answer.get(key)?.get()).ok()
}

async fn answered(api: &Api, question: &[u8]) -> Result<Answer, Refusal> {
    let refuse = |message: &str| Refusal::bad_request("body", message);
    let now = clock::now();
    let asked = Question::parse(question);
    let at = asked.as_ref().ok().and_then(Question::at);
    let map = api.prices.at(at.unwrap_or(now)).await;
    let map = map.map_err(|unknown| Refusal::unavailable(&unknown.reason))?;
    let cost = asked.and_then(|asked| asked.price(&map, Some(api.prices.adjustments()), now));
    let mut line = Vec::new();
    let was_read = cost_map::write_answer(&cost, &mut line);
    let answer: Answer = serde_json::from_slice(&line)
        .map_err(|error| refuse(&format!("the answer cannot be written: {error}")))?;
    match was_read {
        true => Ok(answer),
        false => Err(refuse(&text(&answer, "error").unwrap_or_default())),
    }
}

/// Whether a body has a field that only LiteLLM's has.
fn is_theirs(body: &[u8]) -> bool {
    let fields: Result<BTreeMap<String, &RawValue>, _> = serde_json::from_slice(body);
    fields.is_ok_and(|fields| {
        fields.contains_key("messages") || fields.contains_key("completion_response")
    })
}

/// The question that a body of LiteLLM's asks.
fn asked(body: &[u8]) -> Result<Vec<u8>, String> {
    let Theirs {
        model,
        messages,
        completion_response,
    } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let missing = || "`model` is missing".to_owned();
    let asked = match (completion_response, messages) {
        (Some(answered), _) => Asked {
            model: answered.model.or(model).ok_or_else(missing)?,
            usage: answered
                .usage
                .ok_or("`completion_response` has no `usage`")?,
            service_tier: answered.service_tier,
        },
        (None, messages) => {
            let tokens = texts(&messages.unwrap_or_default()).div_ceil(BYTES_PER_TOKEN);
            let usage = format!(r#"{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}"#);
            Asked {
                model: model.ok_or_else(missing)?,
                usage: RawValue::from_string(usage).map_err(|error| error.to_string())?,
                service_tier: None,
            }
        }
    };
    serde_json::to_vec(&asked).map_err(|error| error.to_string())
}

/// Bytes of the text in messages.
fn texts(messages: &[Value]) -> usize {
    let parts = messages
        .iter()
        .flat_map(|message| match &message["content"] {
            Value::Array(parts) => parts.iter().map(|part| &part["text"]).collect(),
            content => vec![content],
        });
    parts.filter_map(Value::as_str).map(str::len).sum()
}
