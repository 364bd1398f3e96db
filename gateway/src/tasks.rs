//! The only place that spawns, so that a shutdown waits for what it has to wait for.

use std::{future::Future, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Work that goes on beside the requests: answers that are drained after their client has gone.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    abort: CancellationToken,
}

impl Tasks {
    /// Runs `work` until it ends or a shutdown has lasted too long; it is dropped then.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let abort = self.abort.clone();
        // Outside a runtime there is nothing to run it: dropping it is what a late shutdown does.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.tracker.spawn(async move {
                tokio::select! {
                    () = work => {}
                    () = abort.cancelled() => {}
                }
            });
        }
    }

    /// Waits for all work, at most `patience`; then drops what is left.
    pub(crate) async fn stop(&self, patience: Duration) {
        self.tracker.close();
        if tokio::time::timeout(patience, self.tracker.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                tasks = self.tracker.len(),
                "dropping what did not end in time"
            );
        }
        self.abort.cancel();
        self.tracker.wait().await;
    }
}

/// Runs `work`, which ends by itself, under a tracker of its owner's.
pub(crate) fn spawn_on(tracker: &TaskTracker, work: impl Future<Output = ()> + Send + 'static) {
    tracker.spawn(work);
}
