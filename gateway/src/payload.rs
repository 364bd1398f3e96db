//! Turns a call and its ending into an event.

mod texts;

use event::{
    Attempt, ErrorInformation, Extension, HiddenParams, Json, Metadata, ModelMapInformation,
    Outcome, StandardLoggingPayload, Status, StatusFields, Timestamp, Usage, UsageSource,
};
use http::HeaderMap;
use serde::Deserialize;

use self::texts::{Texts, provider_headers};
use crate::{
    admission,
    auth::Identity,
    cache::Key,
    call::{Ending, Open},
    config::Deployment,
    draft::Draft,
    error::ApiError,
    gateway::Shared,
    measure, redaction,
    request::left_out,
    tokens,
};

/// What stands where content was taken out.
const REDACTED: &str = "redacted-by-litellm";

/// The upstream model with its provider in front.
pub(crate) fn qualified(deployment: &Deployment) -> String {
    [&deployment.provider_name, "/", &deployment.model].concat()
}

/// The event of an admitted call.
pub(crate) fn of_call(
    shared: &Shared,
    open: Open,
    mut ending: Ending,
    now: Timestamp,
) -> StandardLoggingPayload {
    let asked = open.asked_a_provider();
    let Open {
        draft,
        deployment,
        started,
        attempts,
        fallbacks: _,
        cache_key,
        is_mock: _,
        in_flight,
        permit: _,
    } = open;
    if draft.presence.has_ended() && ending.outcome == Outcome::Success {
        ending.outcome = Outcome::ClientDisconnected;
    }
    let stream = draft.request.as_ref().is_some_and(|request| request.stream);
    let asked = (&*deployment, asked);
    let (usage, usage_source) = usage(shared, &draft, asked, &ending);
    if let Some(in_flight) = in_flight {
        in_flight.consumed(usage.total_tokens, now);
    }
    let is_redacted = redaction::applies(&shared.config, &draft);
    let mut payload = from_draft(shared, *draft, now);
    describe_deployment(&mut payload, &deployment, &ending.headers);
    consumed(&mut payload, &usage);
    let observed = ending.observed;
    payload.id = observed
        .id
        .unwrap_or_else(|| payload.litellm_call_id.to_string());
    let succeeded = ending.outcome == Outcome::Success;
    payload.cache_hit = (stream || !succeeded).then_some(false);
    describe_cache(&mut payload, cache_key, ending.cache_hit);
    if stream && let Some(first) = ending.first_token {
        payload.completion_start_time = first;
        payload.response_time = first.since(payload.start_time);
    }
    let answered = matches!(
        ending.outcome,
        Outcome::Success | Outcome::ClientDisconnected
    );
    if answered {
        payload.response = content(shared, is_redacted, observed.response);
        payload.status = Status::Success;
        payload.status_fields.llm_api_status = Status::Success;
        payload.stream = stream.then_some(true);
    }
    if let Some(error) = &ending.error {
        describe_error(&mut payload, error);
    }
    if let Some(ours) = &mut payload.tollkeeper {
        ours.outcome = ending.outcome;
        ours.usage_source = usage_source;
        ours.started_sequence = started.map(|started| started.position.offset);
        ours.attempts = attempts;
        ours.response_model = observed.model;
        ours.served_service_tier = observed.service_tier;
    }
    payload
}

/// The event of a request that was not admitted.
pub(crate) fn of_rejected(
    shared: &Shared,
    draft: Draft,
    error: &ApiError,
    now: Timestamp,
) -> StandardLoggingPayload {
    let mut payload = from_draft(shared, draft, now);
    describe_error(&mut payload, error);
    payload
}

/// The output of a stream that broke off, if it is more than the provider had said on the way: some
/// say at the start, or with every piece, what was consumed until then.
fn beyond(draft: &Draft, deployment: &Deployment, ending: &Ending, said: &Usage) -> Option<u64> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Answer {
        choices: Vec<Choice>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Choice {
        finish_reason: Option<String>,
    }
    if ending.outcome == Outcome::Success {
        return None;
    }
    let response = ending.observed.response.as_ref();
    let answer: Answer = response.and_then(Json::read)?;
    if answer
        .choices
        .iter()
        .all(|choice| choice.finish_reason.is_some())
    {
        return None;
    }
    let model = (deployment.provider_name.as_str(), deployment.model.as_str());
    let text_bytes = ending.observed.text_bytes;
    let counted = tokens::counted(model, draft.request.as_ref(), response, text_bytes);
    (counted.completion_tokens > said.completion_tokens).then_some(counted.completion_tokens)
}

/// What was consumed, and who says so.
pub(crate) fn usage(
    shared: &Shared,
    draft: &Draft,
    (deployment, asked): (&Deployment, bool),
    ending: &Ending,
) -> (Usage, UsageSource) {
    let operation = draft.operation;
    if !operation.consumes() {
        return (Usage::default(), UsageSource::None);
    }
    if let Some(mut usage) = ending.observed.usage.clone() {
        if usage.total_tokens == 0 {
            usage.total_tokens = usage.prompt_tokens.saturating_add(usage.completion_tokens);
        }
        if let Some(streamed) = beyond(draft, deployment, ending, &usage) {
            usage.completion_tokens = streamed;
            usage.completion_tokens_details = None;
            usage.total_tokens = usage.prompt_tokens.saturating_add(streamed);
            return (usage, UsageSource::Counted);
        }
        // Without an attempt there was no provider: a mock says what it has counted.
        let source = if asked || ending.cache_hit {
            UsageSource::Provider
        } else {
            UsageSource::Counted
        };
        return (usage, source);
    }
    let Some(request) = &draft.request else {
        return (Usage::default(), UsageSource::None);
    };
    let unseen = asked && ending.observed.text_bytes == 0;
    if ending.outcome == Outcome::Aborted && unseen && operation.generates() {
        // Nobody saw what the provider did: the call costs what it was admitted with.
        let bound = request.output_tokens_max;
        let output = bound.unwrap_or(shared.config.settings.reserve_output_tokens);
        let mut usage = tokens::estimated(request.prompt_bytes(), 0);
        usage.completion_tokens = output;
        usage.total_tokens = usage.prompt_tokens.saturating_add(output);
        return (usage, UsageSource::Estimated);
    }
    // Where the provider had begun to answer, it charges for what it sent.
    if !ending.answering && ending.outcome != Outcome::Success {
        return (Usage::default(), UsageSource::None);
    }
    match measure::counted(deployment, request, &ending.observed) {
        usage if usage == Usage::default() => (usage, UsageSource::None),
        usage => (usage, UsageSource::Counted),
    }
}

/// Whose the call is, and what they may spend.
fn whose(shared: &Shared, identity: Identity, start: Timestamp) -> Metadata {
    let mut metadata = Metadata {
        user_api_key_hash: identity.key_hash,
        user_api_key_alias: identity.key_alias,
        user_api_key_user_id: identity.user_id,
        user_api_key_user_email: identity.user_email,
        user_api_key_team_id: identity.team_id,
        user_api_key_team_alias: identity.team_alias,
        user_api_key_org_id: identity.org_id,
        user_api_key_org_alias: identity.org_alias,
        user_api_key_auth_metadata: identity.metadata,
        ..Metadata::default()
    };
    if !identity.known.is_without_budgets() {
        admission::note_budgets(shared, &mut metadata, &identity.known, start);
    }
    metadata
}

/// What is known of every request, admitted or not.
fn from_draft(shared: &Shared, draft: Draft, now: Timestamp) -> StandardLoggingPayload {
    let address = draft.client.address.map(|address| address.to_string());
    let end_user = draft.end_user();
    let request_tags = draft.tags();
    let trace_id = draft.trace_name();
    let session_id = draft.session();
    let call_type = draft.call_type().to_owned();
    let is_redacted = redaction::applies(&shared.config, &draft);
    let ours = extension(shared, &draft);
    let request = draft.request.as_ref();
    let metadata = Metadata {
        user_api_key_end_user_id: end_user.clone(),
        user_api_key_request_route: Some(draft.route.to_owned()),
        spend_logs_metadata: request
            .and_then(|request| request.metadata.spend_logs_metadata.clone())
            .unwrap_or_default(),
        requester_ip_address: address.clone(),
        user_agent: draft.client.user_agent.clone(),
        requester_metadata: request
            .and_then(|request| request.metadata.whole.clone())
            .unwrap_or_default(),
        usage_object: Json::empty_object(),
        requester_custom_headers: Json::of(&Texts(&draft.client.headers)),
        ..whose(shared, draft.identity, draft.start)
    };
    StandardLoggingPayload {
        id: draft.call_id.to_string(),
        trace_id,
        session_id,
        call_type,
        cache_hit: Some(false),
        start_time: draft.start,
        end_time: now,
        completion_start_time: now,
        response_time: now.since(draft.start),
        model: request
            .map(|request| request.model.clone())
            .unwrap_or_default(),
        model_group: request.map(|request| request.model.clone()),
        request_tags,
        end_user,
        requester_ip_address: address,
        user_agent: draft.client.user_agent,
        messages: content(
            shared,
            is_redacted,
            request.map(|request| request.content()),
        ),
        response: Json::empty_object(),
        model_parameters: request.map_or_else(Json::empty_object, |request| request.parameters()),
        metadata,
        tollkeeper: Some(Box::new(ours)),
        litellm_call_id: draft.call_id,
        status_fields: StatusFields::default(),
        ..StandardLoggingPayload::default()
    }
}

/// What LiteLLM has no field for.
fn extension(shared: &Shared, draft: &Draft) -> Extension {
    let (w3c_trace_id, span_id) = draft.w3c();
    let request = draft.request.as_ref();
    let is_unlogged = |request| redaction::is_unlogged(&shared.config, request);
    Extension {
        outcome: Outcome::Rejected,
        w3c_trace_id: w3c_trace_id.to_string(),
        span_id: span_id.to_string(),
        parent_span_id: draft.trace.parent.clone(),
        no_log: request.is_some_and(is_unlogged),
        requested_service_tier: request.and_then(|request| request.service_tier.clone()),
        ..Extension::default()
    }
}

fn describe_cache(payload: &mut StandardLoggingPayload, key: Option<Key>, hit: bool) {
    payload.cache_key = key.map(|key| key.to_string());
    if hit {
        payload.cache_hit = Some(true);
        // The same answer may be given many times, and ids are not.
        let now = payload.end_time.micros();
        payload.id = format!("{}_cache_hit{now}", payload.id);
    }
}

fn describe_deployment(
    payload: &mut StandardLoggingPayload,
    deployment: &Deployment,
    headers: &HeaderMap,
) {
    payload.model = qualified(deployment);
    if !deployment.model_name.contains('*') {
        payload.model_group = Some(deployment.model_name.clone());
    }
    payload.model_map_information = ModelMapInformation {
        model_map_key: payload.model.clone(),
        ..Default::default()
    };
    payload.custom_llm_provider = Some(deployment.provider_name.clone());
    payload.api_base = Some(deployment.api_base.clone());
    payload.model_id = Some(deployment.id.clone());
    if let Some(ours) = &mut payload.tollkeeper {
        ours.base_model.clone_from(&deployment.base_model);
        ours.price_overrides.clone_from(&deployment.price_overrides);
        ours.region = deployment.settings.region();
    }
    payload.hidden_params = HiddenParams {
        model_id: Some(deployment.id.clone()),
        api_base: Some(deployment.api_base.clone()),
        litellm_model_name: Some(payload.model.clone()),
        additional_headers: provider_headers(headers),
        ..HiddenParams::default()
    };
}

fn consumed(payload: &mut StandardLoggingPayload, usage: &Usage) {
    payload.prompt_tokens = usage.prompt_tokens;
    payload.completion_tokens = usage.completion_tokens;
    payload.total_tokens = usage.total_tokens;
    if *usage != Usage::default() {
        payload.metadata.usage_object = Json::of(usage);
    }
}

fn describe_error(payload: &mut StandardLoggingPayload, error: &ApiError) {
    payload.error_str = Some(error.message.clone());
    payload.error_information = ErrorInformation {
        traceback: String::new(),
        ..error.information()
    };
}

/// Content as far as it may be kept.
fn content(shared: &Shared, is_redacted: bool, content: Option<Json>) -> Json {
    let Some(content) = content else {
        return Json::default();
    };
    if is_redacted {
        return Json::of(&REDACTED);
    }
    let bytes = content.text().len();
    if bytes > shared.config.settings.content_bytes_max {
        left_out(bytes)
    } else {
        content
    }
}

/// One attempt, as the event lists it.
pub(crate) fn attempt(
    draft: &Draft,
    number: usize,
    deployment: &Deployment,
    start_time: Timestamp,
) -> Attempt {
    Attempt {
        id: format!("{}-{number}", draft.call_id),
        model_id: deployment.id.clone(),
        start_time,
        ..Attempt::default()
    }
}
