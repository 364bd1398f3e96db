//! What a call may cost, before it is made.

use cost_map::PriceMap;
use event::{CacheWriteDetails, PromptDetails, Usage, Usd};
use serde_json::Value;

use crate::{
    config::Deployment,
    draft::Draft,
    error::ErrorClass,
    gateway::Shared,
    payload, price,
    request::ClientRequest,
    routing::{Found, fallbacks},
    tokens,
};

/// Output tokens of a call that sets no bound, to a model that names none.
const OUTPUT_MAX: u64 = 16_384;
/// Errors with lists of their own of groups to ask then.
const FALL_BACK: [ErrorClass; 3] = [
    ErrorClass::InternalServer,
    ErrorClass::ContextWindowExceeded,
    ErrorClass::ContentPolicyViolation,
];
/// Answers that one call may ask for.
const ANSWERS_MAX: u64 = 128;

/// The most a call can cost at whichever deployment it reaches; `None` if one has no price.
///
/// No token is shorter than a byte, so the body's length bounds the input.
pub(super) fn most(shared: &Shared, draft: &Draft, found: &Found) -> Option<Usd> {
    let request = draft.request.as_ref()?;
    let mut most = of_group(shared, draft, request, found)?;
    let router = &shared.config.router;
    let mut names = Vec::new();
    for class in FALL_BACK {
        names.extend(fallbacks(router, request, found.group.name(), class));
    }
    names.sort();
    names.dedup();
    for other in names.iter().filter_map(|name| shared.groups.find(name)) {
        most = most.max(of_group(shared, draft, request, &other)?);
    }
    Some(most)
}

fn of_group(shared: &Shared, draft: &Draft, request: &ClientRequest, found: &Found) -> Option<Usd> {
    let mut most = Usd::ZERO;
    for member in found.group.members() {
        let deployment = match (request.own_model.as_deref(), &found.star) {
            (Some(own), _) => &member.deployment.of_model(own),
            (None, Some(star)) => &member.deployment.of_star(star),
            (None, None) => &*member.deployment,
        };
        most = most.max(at_most(shared, draft, request, deployment)?);
    }
    Some(most)
}

fn at_most(
    shared: &Shared,
    draft: &Draft,
    request: &ClientRequest,
    deployment: &Deployment,
) -> Option<Usd> {
    let body = u64::try_from(request.body().len()).unwrap_or(u64::MAX);
    let input = body.saturating_add(request.prompt().media_tokens);
    let output = request.output_tokens_max.or_else(|| {
        let provider = Some(&*deployment.provider_name);
        let found = PriceMap::bundled().resolve(provider, &deployment.model)?;
        found.entry.max_output_tokens()
    });
    let output = output
        .unwrap_or(OUTPUT_MAX)
        .saturating_mul(answers(request));
    let output = if draft.operation.generates() {
        output
    } else {
        0
    };
    let plain = usage(input, output);
    // All of it written into the provider's cache for as long as it keeps anything.
    let written = Usage {
        cache_creation_input_tokens: Some(input),
        prompt_tokens_details: Some(PromptDetails {
            cache_creation_tokens: Some(input),
            cache_creation_token_details: Some(CacheWriteDetails {
                ephemeral_1h_input_tokens: Some(input),
                ..CacheWriteDetails::default()
            }),
            ..PromptDetails::default()
        }),
        ..plain.clone()
    };
    let of = |usage: &Usage| price::of_usage(shared, (draft, deployment), usage);
    Some(of(&plain)?.max(of(&written)?))
}

/// What such a call has cost lately, or would with the tokens it is expected to use; `None` if
/// there is no price.
pub(super) fn likely(shared: &Shared, draft: &Draft, deployment: &Deployment) -> Option<Usd> {
    let key = draft.identity.key_hash.as_deref().unwrap_or_default();
    let model = payload::qualified(deployment);
    if let Some(usual) = shared.recent.usual(key, &model) {
        return Some(usual);
    }
    let request = draft.request.as_ref()?;
    let input = tokens::estimated(request.prompt_bytes(), 0).prompt_tokens;
    let usage = usage(input, output(shared, draft, request));
    price::of_usage(shared, (draft, deployment), &usage)
}

/// The tokens that a call is expected to use.
pub(super) fn expected(shared: &Shared, draft: &Draft) -> u64 {
    let Some(request) = &draft.request else {
        return 0;
    };
    let input = tokens::estimated(request.prompt_bytes(), 0).prompt_tokens;
    let bound = request.output_tokens_max.unwrap_or(0);
    if draft.operation.generates() {
        input.saturating_add(bound.min(shared.config.settings.reserve_output_tokens))
    } else {
        input
    }
}

fn output(shared: &Shared, draft: &Draft, request: &ClientRequest) -> u64 {
    if !draft.operation.generates() {
        return 0;
    }
    let usual = shared.config.settings.reserve_output_tokens;
    request
        .output_tokens_max
        .map_or(usual, |bound| bound.min(usual))
}

/// How many answers are asked for.
fn answers(request: &ClientRequest) -> u64 {
    let asked = ["n", "best_of"].iter().filter_map(|name| {
        let value: Value = serde_json::from_str(request.text(name)?).ok()?;
        value.as_u64()
    });
    asked.max().unwrap_or(1).clamp(1, ANSWERS_MAX)
}

fn usage(input: u64, output: u64) -> Usage {
    Usage {
        prompt_tokens: input,
        completion_tokens: output,
        total_tokens: input.saturating_add(output),
        ..Usage::default()
    }
}
