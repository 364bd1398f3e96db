//! What an answer says of the key that asked: its limits, what it has spent, and what is left of the
//! minute, in LiteLLM's headers.

use event::{EntityKind, control::RateLimits};

use super::{Rates, key_of};
use crate::{draft::Draft, gateway::Shared};

/// The headers of an answer to an admitted call. What it spent is what is known so far: this call's
/// own cost comes later.
pub(crate) fn standing(shared: &Shared, draft: &Draft) -> Vec<(String, String)> {
    let identity = &draft.identity;
    let known = &identity.known;
    let key = identity.opened_by.as_deref().zip(key_of(identity));
    let Some((hash, key)) = key else {
        return Vec::new();
    };
    let model = draft.request.as_ref().map_or("", |request| &*request.model);
    let mut told = rates(&shared.rates, (hash, &key.limits), model, draft);
    let budget = identity.key_hash.as_deref();
    if let Some(budget) = budget.and_then(|id| known.own(EntityKind::Key, id)) {
        let window = budget.terms.window(draft.start);
        let spent = shared.control.purse.spent(&budget.id, &window.id);
        let limit = budget.terms.limit.to_string();
        told.push(("x-litellm-key-max-budget".to_owned(), limit));
        let spent = spent.map(|spent| ("x-litellm-key-spend".to_owned(), spent.to_string()));
        told.extend(spent);
    }
    told
}

fn rates(
    rates: &Rates,
    (hash, limits): (&str, &RateLimits),
    model: &str,
    draft: &Draft,
) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let mut tell = |name: String, count: u64| told.push((name, count.to_string()));
    let of_model = limits.models.get(model).copied().unwrap_or_default();
    for (scope, of, rpm, tpm) in [
        ("api_key", "", limits.rpm, limits.tpm),
        ("model_per_key", model, of_model.rpm, of_model.tpm),
    ] {
        if rpm.or(tpm).is_none() {
            continue;
        }
        let (requests, tokens) = rates.used(("api_key", hash, of), draft.start);
        for (what, limit, used) in [("requests", rpm, requests), ("tokens", tpm, tokens)] {
            let Some(limit) = limit else { continue };
            let left = limit.saturating_sub(used);
            tell(format!("x-ratelimit-{scope}-limit-{what}"), limit);
            tell(format!("x-ratelimit-{scope}-remaining-{what}"), left);
            if !of.is_empty() {
                tell(format!("x-litellm-key-remaining-{what}-{of}"), left);
            }
        }
    }
    for (name, limit) in [("rpm", limits.rpm), ("tpm", limits.tpm)] {
        if let Some(limit) = limit {
            tell(format!("x-litellm-key-{name}-limit"), limit);
        }
    }
    told
}
