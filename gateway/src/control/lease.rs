//! Says hello, asks the collector for what calls need, and tells the calls what was lent.

use std::{sync::Arc, time::Duration};

use event::{
    Timestamp,
    control::{Hello, LeaseReply, LeaseRequest, Welcome},
    ledger::Generation,
};
use tokio::time::Instant;

use super::{Follower, PAUSE_FIRST, client::AskError};

/// Between two requests, while calls wait.
const WHILE_WAITING: Duration = Duration::from_millis(15);
/// The same while nothing is needed: a sign of life, and what has been settled since.
const WHILE_IDLE: Duration = Duration::from_secs(1);

/// Asks until told to stop, then gives back what is left.
pub(super) async fn run(follower: Arc<Follower>) {
    let mut pause = PAUSE_FIRST;
    let mut is_told = false;
    let mut generation = None;
    loop {
        let outcome = tokio::select! {
            () = follower.stop.cancelled() => return,
            outcome = live(&follower, &mut generation) => outcome,
        };
        let Err(error) = outcome else { return };
        if matches!(error, AskError::Closed) {
            continue;
        }
        if !std::mem::replace(&mut is_told, true) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "nothing is lent for budgets"
            );
        }
        if follower.pause(&mut pause).await {
            return;
        }
        pause = pause.min(Duration::from_millis(400));
    }
}

/// Says hello and asks, until something goes wrong.
async fn live(follower: &Follower, generation: &mut Option<Generation>) -> Result<(), AskError> {
    let purse = &follower.control.purse;
    let own = match generation {
        Some(own) => own.clone(),
        None => {
            let source = follower
                .log
                .source()
                .parse()
                .map_err(|_name| AskError::Away)?;
            let start = follower.log.head().offset;
            generation.insert(Generation { source, start }).clone()
        }
    };
    let hello = Hello {
        generation: own.clone(),
        software: env!("CARGO_PKG_VERSION").to_owned(),
        snapshot: Some(follower.control.known().snapshot().version),
    };
    let welcome: Welcome = match follower.client.post("/control/hello", &hello).await {
        Err(AskError::Closed) => {
            // What was lent is gone; a new life begins, with nothing.
            *generation = None;
            purse.begin_anew();
            return Err(AskError::Closed);
        }
        answer => answer?,
    };
    loop {
        let sent_at = (follower.clock)();
        let request = LeaseRequest {
            generation: own.clone(),
            sent_at,
            asks: purse.asks(sent_at),
        };
        let reply: LeaseReply = follower.client.post("/control/leases", &request).await?;
        let until = sent_at.micros().saturating_add(welcome.lease.micros());
        purse.apply(reply.leases, sent_at, Timestamp::from_micros(until));
        let next = Instant::now() + WHILE_WAITING;
        if !purse.has_waiting() {
            tokio::select! {
                () = purse.wanted() => {}
                () = tokio::time::sleep(WHILE_IDLE) => {}
            }
        }
        tokio::time::sleep_until(next).await;
    }
}
