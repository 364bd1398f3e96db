//! Keeps the snapshot as new as the collector's.

use std::sync::Arc;

use event::control::{Changes, Snapshot};

use super::{Follower, PAUSE_FIRST, client::AskError, stored};

/// Follows the collector until told to stop.
pub(super) async fn run(follower: Arc<Follower>) {
    let mut pause = PAUSE_FIRST;
    let mut is_told = false;
    loop {
        let step = tokio::select! {
            () = follower.stop.cancelled() => return,
            step = step(&follower) => step,
        };
        match step {
            Ok(()) => (pause, is_told) = (PAUSE_FIRST, false),
            Err(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "keys and budgets are not followed"
                    );
                }
                if follower.pause(&mut pause).await {
                    return;
                }
            }
        }
    }
}

/// Takes the next changes, or everything where they do not fit.
async fn step(follower: &Follower) -> Result<(), AskError> {
    let known = follower.control.known();
    let since = known.snapshot().version;
    let path = format!("/control/changes?since={since}");
    let changes: Changes = match follower.client.get(&path).await {
        Ok(changes) => changes,
        Err(AskError::Gone) => return whole(follower).await,
        Err(error) => return Err(error),
    };
    if changes.version == since {
        return Ok(());
    }
    let mut snapshot = known.snapshot().clone();
    match snapshot.apply(changes) {
        Ok(()) => {
            learn(follower, snapshot);
            Ok(())
        }
        Err(_gap) => whole(follower).await,
    }
}

/// Takes everything, once; what goes wrong is told by [`run`].
pub(super) async fn take(follower: &Follower) {
    let mut pause = PAUSE_FIRST;
    while whole(follower).await.is_err() {
        if follower.pause(&mut pause).await {
            return;
        }
    }
}

async fn whole(follower: &Follower) -> Result<(), AskError> {
    let snapshot: Snapshot = follower.client.get("/control/snapshot").await?;
    learn(follower, snapshot);
    Ok(())
}

fn learn(follower: &Follower, snapshot: Snapshot) {
    if let Err(error) = stored::write(&follower.settings.file, &snapshot) {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "snapshot of keys and budgets not kept"
        );
    }
    follower.control.learn(snapshot);
}
