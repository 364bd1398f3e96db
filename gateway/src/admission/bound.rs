//! What a call may cost, before it is made.

use event::{Usage, Usd};

use super::reach::{self, Reach};
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

/// The output of a call that sets no bound is lowered to less than this.
const OUTPUT_MAX_LOWERED: u64 = 1 << 17;
/// Errors with lists of their own of groups to ask then.
const FALL_BACK: [ErrorClass; 3] = [
    ErrorClass::InternalServer,
    ErrorClass::ContextWindowExceeded,
    ErrorClass::ContentPolicyViolation,
];

/// The most a call can cost at whichever deployment it reaches, with at most `cap` tokens in each
/// answer; `None` if one has no price.
pub(super) fn most(shared: &Shared, draft: &Draft, found: &Found, cap: Option<u64>) -> Option<Usd> {
    let request = (draft.request.as_ref()?, cap);
    let mut most = of_group(shared, draft, request, found)?;
    for other in others(shared, request.0, found) {
        most = most.max(of_group(shared, draft, request, &other)?);
    }
    Some(most)
}

/// The groups that a call may fall back to, and those that it may fall back to from there.
fn others(shared: &Shared, request: &ClientRequest, found: &Found) -> Vec<Found> {
    let mut asked = vec![found.group.name().to_owned()];
    let mut others = Vec::new();
    let mut at = 0;
    while let Some(name) = asked.get(at).cloned() {
        at += 1;
        for class in FALL_BACK {
            let names = fallbacks(&shared.config.router, request, &name, class);
            for other in names.iter().filter_map(|name| shared.groups.find(name)) {
                let name = other.group.name().to_owned();
                if !asked.contains(&name) {
                    asked.push(name);
                    others.push(other);
                }
            }
        }
    }
    others
}

fn of_group(
    shared: &Shared,
    draft: &Draft,
    request: (&ClientRequest, Option<u64>),
    found: &Found,
) -> Option<Usd> {
    let mut most = Usd::ZERO;
    for member in found.group.members() {
        let deployment = match (request.0.own_model.as_deref(), &found.star) {
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
    (request, cap): (&ClientRequest, Option<u64>),
    deployment: &Deployment,
) -> Option<Usd> {
    let tariff = shared.control.tariff(draft.start);
    let provider = Some(&*deployment.provider_name);
    let found = tariff.map.resolve(provider, &deployment.model);
    let reach = Reach::of(request, deployment, found.map(|found| found.entry));
    let reach = reach.capped(cap);
    let of_call = deployment.timeout.unwrap_or_default();
    let longest = of_call.max(shared.config.settings.upstream_timeout);
    let beside = (longest, reach.audio_seconds);
    price::most(shared, (draft, deployment), &reach.bounds, beside)
}

/// Whether nothing bounds the output of a call but what is assumed here, so that the provider has
/// to be told.
pub(super) fn is_assumed(shared: &Shared, draft: &Draft, found: &Found) -> bool {
    let Some(request) = &draft.request else {
        return false;
    };
    let tariff = shared.control.tariff(draft.start);
    let is_known = |deployment: &Deployment| {
        let provider = Some(&*deployment.provider_name);
        let found = tariff.map.resolve(provider, &deployment.model);
        let entry = found.map(|found| found.entry);
        let of_model = entry.and_then(|entry| entry.max_output_tokens().or(entry.max_tokens()));
        of_model.is_some()
    };
    let is_unknown = |found: &Found| {
        let mut members = found.group.members().iter();
        members.any(|member| !is_known(&member.deployment))
    };
    reach::own_bound(request).is_none()
        && request.can_be_bounded()
        && (is_unknown(found) || others(shared, request, found).iter().any(is_unknown))
}

/// The largest bound of the output below the request's own, and at least `least`, with which a call
/// costs at most `room`; `None` if there is none.
pub(super) fn lowered(
    shared: &Shared,
    draft: &Draft,
    found: &Found,
    (room, least): (Usd, u64),
) -> Option<u64> {
    let request = draft.request.as_ref()?;
    let fits = |cap| most(shared, draft, found, Some(cap)).is_some_and(|most| most <= room);
    let bound = reach::own_bound(request).unwrap_or(OUTPUT_MAX_LOWERED);
    if !request.can_be_bounded() || bound <= least || !fits(least) {
        return None;
    }
    let (mut low, mut high) = (least, bound);
    while high - low > 1 {
        let middle = low.midpoint(high);
        if fits(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(low)
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

fn usage(input: u64, output: u64) -> Usage {
    Usage {
        prompt_tokens: input,
        completion_tokens: output,
        total_tokens: input.saturating_add(output),
        ..Usage::default()
    }
}
