//! Which events and alerts a sink wants.

use event::{Alert, PricedEvent};

use crate::config::FilterConfig;

/// The conditions of one sink, or of one order to deliver again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter(FilterConfig);

impl Filter {
    pub(crate) const fn new(config: FilterConfig) -> Self {
        Self(config)
    }

    /// Whether it wants every event.
    pub(crate) fn is_empty(&self) -> bool {
        let all = FilterConfig {
            severity_min: self.0.severity_min,
            ..FilterConfig::default()
        };
        self.0 == all
    }

    /// Whether it wants this event.
    pub(crate) fn wants(&self, event: &PricedEvent) -> bool {
        let (wanted, payload) = (&self.0, event.payload());
        let metadata = &payload.metadata;
        let either = |one: &Option<String>, other: &Option<String>, list: &[String]| {
            fits(
                list,
                [one.as_deref(), other.as_deref()].into_iter().flatten(),
            )
        };
        let cost = payload.response_cost;
        either(
            &metadata.user_api_key_team_id,
            &metadata.user_api_key_team_alias,
            &wanted.teams,
        ) && either(
            &metadata.user_api_key_hash,
            &metadata.user_api_key_alias,
            &wanted.keys,
        ) && fits(
            &wanted.models,
            [payload.model.as_str()]
                .into_iter()
                .chain(payload.model_group.as_deref()),
        ) && fits(
            &wanted.providers,
            payload.custom_llm_provider.as_deref().into_iter(),
        ) && fits(
            &wanted.tags,
            payload.request_tags.iter().map(String::as_str),
        ) && wanted.status.is_none_or(|status| status == payload.status)
            && wanted
                .cost_min
                .is_none_or(|min| cost.is_some_and(|cost| cost >= min))
            && wanted
                .cost_max
                .is_none_or(|max| cost.is_some_and(|cost| cost <= max))
    }

    /// Whether it wants this alert.
    pub(crate) fn wants_alert(&self, alert: &Alert) -> bool {
        self.0.severity_min.is_none_or(|min| alert.severity >= min)
    }
}

/// Whether one of the names is in the list; every name is in an empty one.
fn fits<'a>(list: &[String], mut names: impl Iterator<Item = &'a str>) -> bool {
    let one = |name: &str| {
        list.iter().any(|wanted| match wanted.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == wanted,
        })
    };
    list.is_empty() || names.any(one)
}
