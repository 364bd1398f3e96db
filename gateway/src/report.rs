//! Records of calls on their way into the journal.

use std::sync::Arc;

use bus::Position;
use bytes::Bytes;
use event::{Outcome, codec};
use tokio::sync::oneshot;

use crate::{
    admission::Permit,
    call::{Call, Ending, Open, StartedRecord},
    config::{Accounting, Durability},
    draft::Draft,
    error::{ApiError, ErrorClass},
    gateway::Shared,
    payload, price,
    turn::{Begun, Of, Stored, Waits},
};

/// Bytes of text up to which a stream is put together whole.
const KEPT_TEXT_BYTES_MAX: u64 = 4 << 20;

/// Writes the started record of a call, and makes it a call when that is stored.
///
/// # Errors
///
/// If it cannot be written and accounting is required.
pub(crate) async fn begin(
    shared: Arc<Shared>,
    open: Box<Open>,
    record: Vec<u8>,
) -> Result<Call, ApiError> {
    let (tell, told) = oneshot::channel();
    let begun = Begun {
        shared: Arc::clone(&shared),
        open,
    };
    let of = Of::Begun(begun, tell);
    shared.turn.put(&shared, Waits { record, of });
    told.await.map_err(forgotten)?
}

/// Writes the event of an admitted call.
pub(crate) fn finish(shared: &Shared, mut open: Open, ending: Ending) -> Written {
    let now = (shared.clock)();
    shared
        .metrics
        .call_ended(&open.deployment.model_name, ending.outcome);
    keep_answer(shared, &open, &ending);
    let started = open.started;
    let mut permit = std::mem::take(&mut open.permit);
    if !permit.reserved.is_empty() {
        note_cost(shared, &open, &ending);
    }
    let mut payload = payload::of_call(shared, open, ending, now);
    permit.consumed(payload.total_tokens, now);
    if !permit.reserved.is_empty() {
        permit.cost = price::settled(shared, &payload);
    }
    if let Some(ours) = &mut payload.tollkeeper {
        ours.reserved.clone_from(&permit.reserved);
    }
    write(shared, started, (codec::encode_finished(&payload), permit))
}

/// Notes what a call cost, as far as the gateway knows: the next one is expected to cost that.
fn note_cost(shared: &Shared, open: &Open, ending: &Ending) {
    let cost = price::of(shared, open, ending).and_then(|cost| cost.parse().ok());
    if let (Some(cost), Outcome::Success) = (cost, ending.outcome) {
        let key = open.draft.identity.key_hash.as_deref().unwrap_or_default();
        let model = payload::qualified(&open.deployment);
        shared.recent.note(key, &model, cost);
    }
}

/// Keeps an answer that came in full, for the next request that is the same.
fn keep_answer(shared: &Shared, open: &Open, ending: &Ending) {
    let (Some(key), true) = (&open.cache_key, open.asked_a_provider()) else {
        return;
    };
    let observed = &ending.observed;
    let whole = ending.outcome == Outcome::Success
        && observed.error.is_none()
        && observed.text_bytes <= KEPT_TEXT_BYTES_MAX;
    let request = open.draft.request.as_ref();
    if let (true, Some(request), Some(answer)) = (whole, request, &observed.response) {
        // What a stream says beside text and tools is not put together again.
        let is_plain = !["logprobs", "audio", "modalities"]
            .iter()
            .any(|name| request.sets(name));
        if !request.stream || is_plain {
            let body = Bytes::copy_from_slice(answer.text().as_bytes());
            let now = (shared.clock)();
            let rest = shared.cache.keep(key.clone(), &request.cache, body, now);
            if let Some(rest) = rest {
                shared.tasks.spawn(rest);
            }
        }
    }
}

/// Writes the event of a request that was not admitted.
pub(crate) fn reject(shared: &Shared, draft: Draft, error: &ApiError) -> Written {
    let now = (shared.clock)();
    shared.metrics.call_ended("", Outcome::Rejected);
    let payload = payload::of_rejected(shared, draft, error, now);
    write(
        shared,
        None,
        (codec::encode_finished(&payload), Permit::default()),
    )
}

fn write(
    shared: &Shared,
    started: Option<StartedRecord>,
    (record, permit): (Vec<u8>, Permit),
) -> Written {
    let (tell, told) = oneshot::channel();
    let of = Of::Ended(started, permit, tell);
    shared.turn.put(shared, Waits { record, of });
    Written(Some(told))
}

/// An event that is being written. It will be, whoever waits for it.
#[derive(Debug, Default)]
#[must_use = "a client must not get its last byte before the event is stored"]
pub(crate) struct Written(Option<oneshot::Receiver<Stored>>);

impl Written {
    /// Whether there is nothing to wait for.
    pub(crate) const fn is_nothing(&self) -> bool {
        self.0.is_none()
    }

    /// Waits until the event survives the end of this process.
    ///
    /// # Errors
    ///
    /// If it could not be written and accounting is required: the client must not get its last
    /// byte. The event is kept and written later.
    pub(crate) async fn stored(self) -> Stored {
        let Some(told) = self.0 else {
            return Ok(None);
        };
        told.await.map_err(forgotten)?
    }

    /// Waits until the event is as durable as the configuration says.
    ///
    /// # Errors
    ///
    /// As [`Written::stored`], or if it cannot be known to be on disk.
    pub(crate) async fn durable(self, shared: Arc<Shared>) -> Result<(), ApiError> {
        match self.stored().await? {
            Some(position) => durable(&shared, position).await,
            None => Ok(()),
        }
    }
}

/// Only a panic forgets a record.
fn forgotten(_error: oneshot::error::RecvError) -> ApiError {
    ApiError::new(ErrorClass::InternalServer, "internal error")
}

/// Waits until a record is on disk, if it has to be.
///
/// # Errors
///
/// If it cannot be known to be, and accounting is required.
pub(crate) async fn durable(shared: &Shared, position: Position) -> Result<(), ApiError> {
    if shared.config.settings.durability != Durability::Fsync {
        return Ok(());
    }
    match shared.log.synced(position).await {
        Ok(()) => Ok(()),
        Err(error) => {
            shared.journal_refused();
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "record not synced"
            );
            not_written(shared).map_or(Ok(()), Err)
        }
    }
}

/// What a client is told, if it has to be told.
pub(crate) fn not_written(shared: &Shared) -> Option<ApiError> {
    match shared.config.settings.accounting {
        Accounting::Required => Some(ApiError::new(
            ErrorClass::ServiceUnavailable,
            "this call cannot be written down, and accounting is required: the gateway's disk is \
             full or failing",
        )),
        Accounting::BestEffort => None,
    }
}
