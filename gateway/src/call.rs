//! One admitted call, until its event is written.
//!
//! [`Call::admit`] writes the started record and gives the guard without which no provider can be
//! asked (`upstream::send` wants one). [`Call::finish`] consumes it and writes the event. Dropping
//! it writes the event as well: its client went away, or the gateway is stopping. So every call has
//! one event, by ownership.

use std::sync::{Arc, atomic::Ordering};

use bus::Position;
use event::{Attempt, Outcome, Started, Timestamp, codec};
use http::HeaderMap;

use crate::{
    admission::Permit,
    attempts,
    cache::Key,
    config::Deployment,
    draft::Draft,
    error::{ApiError, ErrorClass},
    gateway::Shared,
    open_calls::Ticket,
    payload, price,
    provider::Observed,
    report::{self, Written},
    request::ClientRequest,
    routing::InFlight,
    tokens,
};

/// A call that has been admitted.
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    /// `None` once the event has been written.
    open: Option<Box<Open>>,
}

/// What an admitted call carries.
pub(crate) struct Open {
    pub(crate) draft: Box<Draft>,
    pub(crate) deployment: Arc<Deployment>,
    /// The started record; `None` if it could not be written and need not be.
    pub(crate) started: Option<StartedRecord>,
    pub(crate) attempts: Vec<Attempt>,
    /// Groups that were asked after the first.
    pub(crate) fallbacks: usize,
    /// What its answer is kept under, if it may be.
    pub(crate) cache_key: Option<Key>,
    /// Whether the last attempt asked nobody.
    pub(crate) is_mock: bool,
    /// Counts at the deployment that is being asked.
    pub(crate) in_flight: Option<InFlight>,
    /// What it was given to run with.
    pub(crate) permit: Permit,
}

impl Open {
    /// Whether a provider was asked: a kept answer and a mock ask nobody.
    pub(crate) const fn asked_a_provider(&self) -> bool {
        !self.attempts.is_empty() && !self.is_mock
    }
}

/// Where the started record of a call stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartedRecord {
    pub(crate) position: Position,
    pub(crate) ticket: Ticket,
}

/// How a call ended.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    pub(crate) outcome: Outcome,
    pub(crate) observed: Observed,
    pub(crate) error: Option<ApiError>,
    pub(crate) first_token: Option<Timestamp>,
    /// The provider's response headers.
    pub(crate) headers: HeaderMap,
    /// Whether the provider had begun to answer: it charges for what it did.
    pub(crate) answering: bool,
    /// Whether the answer was one that had been kept.
    pub(crate) cache_hit: bool,
}

impl Call {
    /// Admits a call: its started record is in the journal when this returns.
    ///
    /// # Errors
    ///
    /// If the record cannot be written and accounting is required. Nothing has been asked of a
    /// provider then.
    pub(crate) async fn admit(
        shared: Arc<Shared>,
        draft: Box<Draft>,
        deployment: Arc<Deployment>,
        permit: Permit,
    ) -> Result<Self, ApiError> {
        let record = codec::encode_started(&Started {
            reserved: permit.reserved.clone(),
            ..started(&shared, &draft, &deployment)
        });
        let open = Box::new(Open {
            draft,
            deployment,
            started: None,
            attempts: Vec::new(),
            fallbacks: 0,
            cache_key: None,
            is_mock: false,
            in_flight: None,
            permit,
        });
        report::begin(shared, open, record).await
    }

    /// A call whose started record is stored.
    pub(crate) const fn new(shared: Arc<Shared>, open: Box<Open>) -> Self {
        Self {
            shared,
            open: Some(open),
        }
    }

    /// Where the started record stands.
    pub(crate) fn started(&self) -> Option<StartedRecord> {
        self.open.as_ref().and_then(|open| open.started)
    }

    /// What the call carries. `None` after [`Call::finish`], which nobody can see.
    pub(crate) fn open(&mut self) -> Option<&mut Open> {
        self.open.as_deref_mut()
    }

    /// What the client asked for.
    pub(crate) fn request(&mut self) -> Option<&ClientRequest> {
        self.open().and_then(|open| open.draft.request.as_ref())
    }

    /// What the call costs in USD if it ends like this, as far as the gateway knows.
    pub(crate) fn cost(&self, ending: &Ending) -> Option<String> {
        price::of(&self.shared, self.open.as_deref()?, ending)
    }

    /// Writes the event.
    pub(crate) fn finish(mut self, ending: Ending) -> Written {
        match self.open.take() {
            Some(open) => report::finish(&self.shared, *open, ending),
            None => Written::default(),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        let (outcome, error) = if open.draft.presence.is_outrun() {
            outrun()
        } else {
            abandoned(&self.shared)
        };
        let now = (self.shared.clock)();
        // An attempt without an end is under way, and what it will cost nobody can stop.
        let answering = !open.is_mock
            && open
                .attempts
                .last()
                .is_some_and(|last| last.end_time < last.start_time);
        attempts::ended(&mut open, now, Some(&error));
        let ending = Ending {
            outcome,
            error: Some(error),
            answering,
            ..Ending::default()
        };
        // There is nobody left to tell.
        let _written = report::finish(&self.shared, *open, ending);
    }
}

/// How a call ends that nobody goes on with.
pub(crate) fn abandoned(shared: &Shared) -> (Outcome, ApiError) {
    let (outcome, class, message) = if shared.stopping.load(Ordering::Relaxed) {
        let message = "the gateway stopped while this call was in flight";
        (Outcome::Aborted, ErrorClass::GatewayAborted, message)
    } else {
        let message = "the client went away before it was answered";
        (
            Outcome::ClientDisconnected,
            ErrorClass::ClientDisconnected,
            message,
        )
    };
    (outcome, ApiError::new(class, message))
}

/// How a call ends that another one was faster than.
fn outrun() -> (Outcome, ApiError) {
    let message = "another model answered first, and this call was cancelled";
    let error = ApiError::new(ErrorClass::ClientDisconnected, message);
    (Outcome::ClientDisconnected, error)
}

fn started(shared: &Shared, draft: &Draft, deployment: &Deployment) -> Started {
    let request = draft.request.as_ref();
    let prompt_bytes = request.map_or(0, |request| request.prompt_bytes());
    let bound = request.and_then(|request| request.output_tokens_max);
    let output_max = bound.unwrap_or(shared.config.settings.reserve_output_tokens);
    let output_max = if draft.operation.generates() {
        output_max
    } else {
        0
    };
    Started {
        call_id: draft.call_id.clone(),
        trace_id: draft.trace_name(),
        start_time: draft.start,
        call_type: draft.call_type().to_owned(),
        stream: request.is_some_and(|request| request.stream),
        model_group: deployment.model_name.clone(),
        model: payload::qualified(deployment),
        provider: deployment.provider_name.clone(),
        model_id: deployment.id.clone(),
        api_base: Some(deployment.api_base.clone()),
        base_model: deployment.base_model.clone(),
        price_overrides: deployment.price_overrides.clone(),
        region: deployment.settings.region(),
        user_api_key_hash: draft.identity.key_hash.clone(),
        user_api_key_alias: draft.identity.key_alias.clone(),
        user_id: draft.identity.user_id.clone(),
        team_id: draft.identity.team_id.clone(),
        org_id: draft.identity.org_id.clone(),
        end_user: draft.end_user(),
        route: draft.route.to_owned(),
        tags: draft.tags(),
        prompt_tokens: tokens::estimated(prompt_bytes, 0).prompt_tokens,
        completion_tokens: output_max,
        ..Started::default()
    }
}
