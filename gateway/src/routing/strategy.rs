//! Whom of several deployments that could answer is asked.

use std::sync::Arc;

use serde::Deserialize;

use super::{Member, Wanted};

/// `router_settings.routing_strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// By weight: `weight`, else `rpm`, else `tpm`, else all the same.
    #[default]
    SimpleShuffle,
    /// Who has the fewest calls in flight.
    LeastBusy,
    /// Who has used the least of its `tpm` and `rpm` this minute.
    #[serde(alias = "usage-based-routing-v2")]
    UsageBasedRouting,
    /// Who has answered fastest lately.
    LatencyBasedRouting,
    /// Who is cheapest.
    CostBasedRouting,
}

/// The one of `members` that is asked; `turn` spreads those that are alike.
pub(super) fn choose<'m>(
    wanted: Wanted<'_>,
    members: &[&'m Arc<Member>],
    turn: u64,
) -> Option<&'m Arc<Member>> {
    match wanted.router.routing_strategy {
        Strategy::SimpleShuffle => by_weight(members, turn),
        Strategy::LeastBusy => least(members, turn, |member| Some(member.health.in_flight())),
        Strategy::LatencyBasedRouting => {
            least(members, turn, |member| Some(member.health.latency()))
        }
        Strategy::UsageBasedRouting => least(members, turn, |member| used(member, wanted)),
        Strategy::CostBasedRouting => least(members, turn, |member| {
            Some(member.deployment.picodollars.unwrap_or(u64::MAX))
        }),
    }
}

/// In proportion to their weights. A weight of 0 keeps a deployment for when there is no other.
fn by_weight<'m>(members: &[&'m Arc<Member>], turn: u64) -> Option<&'m Arc<Member>> {
    let all_zero = members.iter().all(|one| one.deployment.weight == 0);
    let weight = |one: &&Arc<Member>| {
        if all_zero {
            1
        } else {
            u64::from(one.deployment.weight)
        }
    };
    let total: u64 = members.iter().map(weight).sum();
    let mut point = turn.checked_rem(total)?;
    for one in members {
        let weight = weight(one);
        if point < weight {
            return Some(one);
        }
        point -= weight;
    }
    None
}

/// One of those with the least of something; those without it cannot be asked.
fn least<'m>(
    members: &[&'m Arc<Member>],
    turn: u64,
    of: impl Fn(&Member) -> Option<u64>,
) -> Option<&'m Arc<Member>> {
    let measured: Vec<(u64, &Arc<Member>)> = members
        .iter()
        .filter_map(|member| Some((of(member)?, *member)))
        .collect();
    let least = measured.iter().map(|(value, _)| *value).min()?;
    let best: Vec<&Arc<Member>> = measured
        .into_iter()
        .filter(|(value, _)| *value == least)
        .map(|(_, member)| member)
        .collect();
    by_weight(&best, turn)
}

/// Thousandths of its limits that a member has used this minute; `None` if there is nothing left.
fn used(member: &Member, wanted: Wanted<'_>) -> Option<u64> {
    let (requests, tokens) = member.health.used(wanted.now);
    let share = |used: u64, more: u64, limit: Option<u64>| match limit {
        None => Some(0),
        Some(limit) if used + more > limit => None,
        Some(limit) => used.saturating_mul(1000).checked_div(limit),
    };
    let by_requests = share(requests, 1, member.deployment.rpm)?;
    let by_tokens = share(tokens, wanted.prompt_tokens, member.deployment.tpm)?;
    // Without limits, the plain counts.
    let unlimited = member.deployment.rpm.is_none() && member.deployment.tpm.is_none();
    Some(if unlimited {
        tokens.saturating_add(requests)
    } else {
        by_requests.max(by_tokens)
    })
}
