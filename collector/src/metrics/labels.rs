//! Labels, how many there may be, and the sums of one batch by label.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use event::{Seconds, Status, Unpriced, Usd};
use prometheus_client::encoding::EncodeLabelSet;

use crate::books::{Counts, Entry};

const OTHER: &str = "other";

/// Of `llm_requests_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    provider: String,
    model: String,
    model_group: String,
    team: String,
    operation: String,
    status: String,
    error_class: String,
}

/// Of what is counted by model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ModelLabels {
    provider: String,
    model: String,
    team: String,
}

/// Of `llm_cost_unknown_requests_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct UnknownLabels {
    provider: String,
    model: String,
    team: String,
    reason: &'static str,
}

impl UnknownLabels {
    pub(super) fn of(model: &ModelLabels, reason: Unpriced) -> Self {
        let ModelLabels {
            provider,
            model,
            team,
        } = model.clone();
        Self {
            provider,
            model,
            team,
            reason: reason.as_str(),
        }
    }
}

/// Of `llm_tokens_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TokenLabels {
    provider: String,
    model: String,
    team: String,
    r#type: &'static str,
}

/// Of what is timed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TimeLabels {
    provider: String,
    model: String,
    status: String,
}

/// Of what corrections changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct SignLabels {
    pub(super) sign: &'static str,
}

impl TokenLabels {
    pub(super) fn of(model: &ModelLabels, kind: &'static str) -> Self {
        let ModelLabels {
            provider,
            model,
            team,
        } = model.clone();
        Self {
            provider,
            model,
            team,
            r#type: kind,
        }
    }
}

impl TimeLabels {
    pub(super) fn of(request: &RequestLabels) -> Self {
        let RequestLabels {
            provider,
            model,
            status,
            ..
        } = request.clone();
        Self {
            provider,
            model,
            status,
        }
    }
}

/// What is told apart about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CallLabels<'a> {
    provider: &'a str,
    model: &'a str,
    model_group: &'a str,
    team: &'a str,
    operation: &'a str,
    status: Status,
    error_class: &'a str,
}

/// Which label sets there are: the first so many, and one for the rest.
#[derive(Debug)]
pub(super) struct Admission {
    seen: HashSet<RequestLabels>,
    max: usize,
}

impl Admission {
    pub(super) fn new(max: usize) -> Self {
        Self {
            seen: HashSet::new(),
            max,
        }
    }

    pub(super) fn admit(&mut self, call: &CallLabels<'_>) -> (RequestLabels, ModelLabels) {
        let mut request = call.labels();
        if !self.seen.contains(&request) {
            if self.seen.len() < self.max {
                self.seen.insert(request.clone());
            } else {
                request = call.other();
            }
        }
        let RequestLabels {
            provider,
            model,
            team,
            ..
        } = request.clone();
        (
            request,
            ModelLabels {
                provider,
                model,
                team,
            },
        )
    }
}

impl CallLabels<'_> {
    fn labels(&self) -> RequestLabels {
        RequestLabels {
            provider: self.provider.to_owned(),
            model: self.model.to_owned(),
            model_group: self.model_group.to_owned(),
            team: self.team.to_owned(),
            operation: self.operation.to_owned(),
            status: self.status.as_str().to_owned(),
            error_class: self.error_class.to_owned(),
        }
    }

    fn other(&self) -> RequestLabels {
        let other = || OTHER.to_owned();
        RequestLabels {
            provider: other(),
            model: other(),
            model_group: other(),
            team: other(),
            operation: other(),
            status: self.status.as_str().to_owned(),
            error_class: other(),
        }
    }
}

/// The sums of one batch.
#[derive(Debug, Default)]
pub(super) struct Batch<'a>(HashMap<CallLabels<'a>, Sums>);

/// The sums of the calls that share their labels.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) calls: u64,
    pub(super) unpriced: BTreeMap<Unpriced, u64>,
    pub(super) cost: Usd,
    counts: Counts,
    pub(super) durations: Vec<Duration>,
    pub(super) first_tokens: Vec<Duration>,
}

impl<'a> Batch<'a> {
    pub(super) fn add(&mut self, entry: &'a Entry) {
        let Entry { event, counts, .. } = entry;
        let payload = event.payload();
        let labels = CallLabels {
            provider: payload.custom_llm_provider.as_deref().unwrap_or_default(),
            model: &payload.model,
            model_group: payload.model_group.as_deref().unwrap_or_default(),
            team: payload
                .metadata
                .user_api_key_team_id
                .as_deref()
                .unwrap_or_default(),
            operation: &payload.call_type,
            status: payload.status,
            error_class: &payload.error_information.error_class,
        };
        let sums = self.0.entry(labels).or_default();
        sums.calls += 1;
        if super::is_unpriced(event) {
            let reason = event.cost().unpriced.unwrap_or(Unpriced::Other);
            *sums.unpriced.entry(reason).or_default() += 1;
        }
        sums.cost += event.cost().total.unwrap_or_default();
        sums.counts.add(counts);
        sums.durations
            .push(time(payload.end_time.since(payload.start_time)));
        if payload.stream == Some(true) {
            let first = payload.completion_start_time.since(payload.start_time);
            sums.first_tokens.push(time(first));
        }
    }

    pub(super) fn into_sums(self) -> impl Iterator<Item = (CallLabels<'a>, Sums)> {
        self.0.into_iter()
    }
}

impl Sums {
    /// Tokens by type, those that were there.
    pub(super) fn tokens(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let kinds = [
            ("input", self.counts.prompt_tokens),
            ("output", self.counts.completion_tokens),
            ("cache_read", self.counts.cache_read_tokens),
            ("cache_write", self.counts.cache_write_tokens),
            ("reasoning", self.counts.reasoning_tokens),
        ];
        let kinds = kinds.map(|(kind, count)| (kind, u64::try_from(count).unwrap_or_default()));
        kinds.into_iter().filter(|(_, count)| *count > 0)
    }
}

fn time(seconds: Seconds) -> Duration {
    Duration::from_micros(u64::try_from(seconds.micros()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_models_are_counted_together() {
        let mut admission = Admission::new(2);
        let mut admit = |model: &str| {
            let call = CallLabels {
                provider: "openai",
                model,
                model_group: "",
                team: "",
                operation: "",
                status: Status::Success,
                error_class: "",
            };
            admission.admit(&call).1.model
        };
        let shown: Vec<_> = ["a", "b", "c", "d", "a"]
            .into_iter()
            .map(&mut admit)
            .collect();
        assert_eq!(shown, ["a", "b", "other", "other", "a"]);
    }
}
