//! Keeps the snapshot as new as the collector's, and the prices that it names.

use std::{path::Path, sync::Arc};

use event::control::{Changes, Message, PriceLayer, Prices, Snapshot};

use super::{Follower, PAUSE_FIRST, client::AskError, stored, tariff};

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
    prices(follower, &known.snapshot().prices).await?;
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
        Ok(()) => learn(follower, snapshot).await,
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
    learn(follower, snapshot).await
}

/// Takes a snapshot, and the prices that it names. The snapshot holds whatever comes of those.
async fn learn(follower: &Follower, snapshot: Snapshot) -> Result<(), AskError> {
    let layers = snapshot.prices.clone();
    keep(&follower.settings.file, &snapshot);
    follower.control.learn(snapshot);
    prices(follower, &layers).await
}

/// Asks for the prices if they are others than are known.
async fn prices(follower: &Follower, layers: &[PriceLayer]) -> Result<(), AskError> {
    let known = follower.control.tariffs();
    if known.are(layers) {
        return Ok(());
    }
    let path = format!("/control/prices?own={}", tariff::own());
    let told: Prices = follower.client.get(&path).await?;
    keep(&stored::prices(&follower.settings.file), &told);
    // Reading a map takes a moment, in which others go on.
    let read = tokio::task::spawn_blocking(move || known.followed_by(told)).await;
    let tariffs = read.map_err(|error| AskError::Prices(error.to_string()))?;
    follower
        .control
        .learn_prices(tariffs.map_err(AskError::Prices)?);
    Ok(())
}

fn keep(file: &Path, message: &impl Message) {
    if let Err(error) = stored::write(file, message) {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "`{}` not kept",
            file.display()
        );
    }
}
