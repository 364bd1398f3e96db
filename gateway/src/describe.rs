//! What the gateway says of itself: models, their prices and limits, how deployments fare.

mod model_info;

use std::{net::IpAddr, sync::Arc};

use event::Json;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    admission::{self, Lists},
    answer::{self, AnswerBody},
    auth::{self, Identity},
    destination,
    error::{ApiError, ErrorClass},
    gateway::Shared,
    operation::Operation,
    provider::parameters,
    routes::{Endpoint, Matched, decoded},
    tokens, upstream,
};

/// LiteLLM's date, which clients may have seen already.
const CREATED: u32 = 1_677_610_602;

/// Answers a request that is no call.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    (endpoint, matched): (Endpoint, Matched),
    request: Request<Incoming>,
    address: IpAddr,
) -> Response<AnswerBody> {
    let master_key = shared.config.master_key.as_ref();
    let identity = auth::authenticate(request.headers(), master_key, shared.who_calls());
    let identity = match identity {
        Ok(identity) => identity,
        Err(error) => return answer::error(&error),
    };
    let route = matched.route.pattern;
    let key = match admission::enter(shared, &identity, Some(address), route) {
        Ok(key) => key,
        Err(error) => return answer::error(&error),
    };
    let lists = Lists::of(&identity, key, None);
    let wanted = wanted(request.uri().query());
    let told = match endpoint {
        Endpoint::Models => Ok(models(&lists.shown(&shared.groups))),
        Endpoint::Model => model(
            shared,
            (&identity, &lists),
            &matched.rest.unwrap_or_default(),
        ),
        Endpoint::ModelInfo => Ok(model_info::deployments(shared, &lists, wanted.as_deref())),
        Endpoint::ModelGroupInfo => Ok(model_info::groups(shared, &lists, wanted.as_deref())),
        Endpoint::Parameters => supported(shared, (&identity, &lists), wanted.as_deref()),
        Endpoint::CountTokens => count(shared, request).await,
        Endpoint::Health => Ok(health(shared, &lists)),
        Endpoint::Metrics => return metrics(shared),
        // These are answered before, and ask nothing of whoever asks.
        Endpoint::Call(_)
        | Endpoint::Passed(..)
        | Endpoint::Managed
        | Endpoint::Alive
        | Endpoint::Ready => Err(ApiError::new(ErrorClass::NotFound, "no such route here")),
    };
    match told {
        Ok(json) => answer::json(json.text().to_owned()),
        Err(error) => answer::error(&error),
    }
}

/// The model that a query names.
fn wanted(query: Option<&str>) -> Option<String> {
    let mut pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let names = ["model", "model_group", "litellm_model_id"];
    let (_, value) = pairs.find(|(name, _)| names.contains(name))?;
    Some(decoded(&value.replace('+', " ")))
}

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u32,
    owned_by: &'static str,
}

impl<'a> Model<'a> {
    const fn new(id: &'a str) -> Self {
        Self {
            id,
            object: "model",
            created: CREATED,
            owned_by: "openai",
        }
    }
}

fn models(names: &[&str]) -> Json {
    #[derive(Serialize)]
    struct List<'a> {
        data: Vec<Model<'a>>,
        object: &'static str,
    }
    Json::of(&List {
        data: names.iter().map(|name| Model::new(name)).collect(),
        object: "list",
    })
}

fn model(
    shared: &Shared,
    (identity, lists): (&Identity, &Lists<'_>),
    name: &str,
) -> Result<Json, ApiError> {
    let name = decoded(name);
    let denied = lists.denied(&shared.groups, &name);
    match shared.groups.find(&name).filter(|_found| denied.is_none()) {
        Some(_found) => Ok(Json::of(&Model::new(&name))),
        None => Err(ApiError {
            class: ErrorClass::NotFound,
            ..destination::unknown_model(shared, identity, &name)
        }),
    }
}

/// The parameters of OpenAI's that every deployment of a model knows.
fn supported(
    shared: &Shared,
    (identity, lists): (&Identity, &Lists<'_>),
    wanted: Option<&str>,
) -> Result<Json, ApiError> {
    let name = wanted.unwrap_or_default();
    let denied = lists.denied(&shared.groups, name);
    let found = shared.groups.find(name).filter(|_found| denied.is_none());
    let found = found.ok_or_else(|| destination::unknown_model(shared, identity, name))?;
    let members = found.group.members();
    let known = |parameter: &&&str| {
        members.iter().all(|member| {
            let deployment = &member.deployment;
            let provider = deployment.provider;
            let knows = provider.parameters(Operation::Chat, &deployment.model);
            knows.know(parameter)
        })
    };
    let names: Vec<&&str> = parameters::CHAT.iter().filter(known).collect();
    Ok(Json::of(&json!({ "supported_openai_params": names })))
}

/// About how many tokens a prompt has.
async fn count(shared: &Shared, request: Request<Incoming>) -> Result<Json, ApiError> {
    let bad = |message: &str| ApiError::new(ErrorClass::BadRequest, message);
    let settings = &shared.config.settings;
    let deadline = Instant::now() + settings.body_timeout;
    let body = upstream::read(request.into_body(), settings.request_bytes_max, deadline).await;
    let body = body.map_err(|_error| bad("the body is too large, or did not come"))?;
    let asked: Value =
        serde_json::from_slice(&body).map_err(|_error| bad("the body is not a JSON object"))?;
    let name = asked.get("model").and_then(Value::as_str);
    let name = name.ok_or_else(|| bad("`model` is missing"))?;
    let content = ["messages", "contents", "prompt"];
    let content = content.into_iter().find_map(|field| asked.get(field));
    let content = content.ok_or_else(|| bad("`prompt` or `messages` is missing"))?;
    let bytes = match content {
        Value::String(text) => text.len(),
        other => texts(other),
    };
    let found = shared.groups.find(name);
    let member = found
        .as_ref()
        .and_then(|found| found.group.members().first());
    let model = member.map_or(name, |member| &member.deployment.model);
    Ok(Json::of(&json!({
        "total_tokens": tokens::estimated(bytes, 0).prompt_tokens,
        "request_model": name,
        "model_used": model,
        "tokenizer_type": "four_bytes_a_token",
    })))
}

/// Bytes of text in a value, however deep.
fn texts(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(texts).sum(),
        Value::Object(map) => map.values().map(texts).sum(),
        _ => 0,
    }
}

/// How deployments fare that the lists have, as the calls show it: nobody is asked.
fn health(shared: &Shared, lists: &Lists<'_>) -> Json {
    let now = (shared.clock)();
    let (mut well, mut ill) = (Vec::new(), Vec::new());
    for member in shared.groups.members() {
        let deployment = &member.deployment;
        if lists
            .denied(&shared.groups, &deployment.model_name)
            .is_some()
        {
            continue;
        }
        let told = json!({
            "model": crate::payload::qualified(deployment),
            "model_name": deployment.model_name,
            "model_id": deployment.id,
            "api_base": deployment.api_base,
        });
        if member.health.is_cooling(now) {
            ill.push(told);
        } else {
            well.push(told);
        }
    }
    Json::of(&json!({
        "healthy_count": well.len(),
        "unhealthy_count": ill.len(),
        "healthy_endpoints": well,
        "unhealthy_endpoints": ill,
    }))
}

fn metrics(shared: &Shared) -> Response<AnswerBody> {
    let mut response = answer::json(shared.metrics.text());
    let open_metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(open_metrics));
    response
}
