//! The only place that spawns, so that a shutdown waits for what it has to wait for.

use std::future::Future;

use tokio::time::{Instant, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The work of one worker: its connections, and answers that are drained after their client has
/// gone. What has not ended when the worker's runtime goes is dropped with it, and a call that is
/// dropped writes its event.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stopping: CancellationToken,
}

impl Tasks {
    /// Runs `work` until it ends.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        // While the runtime goes there is nothing to run it: it is dropped like the rest.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.tracker.spawn(work);
        }
    }

    /// Waits until work that has no end of its own is asked to end.
    pub(crate) async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// Waits for all work, at most until `deadline`.
    pub(crate) async fn stop(&self, deadline: Instant) {
        self.stopping.cancel();
        self.tracker.close();
        if timeout_at(deadline, self.tracker.wait()).await.is_err() {
            tracing::warn!(
                tasks = self.tracker.len(),
                "dropping what did not end in time"
            );
        }
    }
}

/// Runs `work`, which ends by itself, under a tracker of its owner's.
pub(crate) fn spawn_on(tracker: &TaskTracker, work: impl Future<Output = ()> + Send + 'static) {
    tracker.spawn(work);
}
