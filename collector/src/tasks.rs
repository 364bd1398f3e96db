//! The only place that spawns, so that shutdown waits for everything that runs.

use std::{future::Future, time::Duration};

use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFuture},
    task::TaskTracker,
};

/// The tasks of one collector, and the word that tells them to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    end: CancellationToken,
}

impl Tasks {
    /// Runs `future` until it ends by itself, which it does soon after [`Tasks::stopping`]; it may
    /// be dropped at any await if it does not.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let end = self.end.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                () = future => {}
                () = end.cancelled() => {}
            }
        });
    }

    /// Resolves when the tasks are told to stop.
    pub(crate) fn stopping(&self) -> WaitForCancellationFuture<'_> {
        self.stop.cancelled()
    }

    /// Whether the tasks have been told to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Tells every task to stop and waits for them; those that do not end in time are dropped, and
    /// the answer is `false`. When it returns none is left.
    pub(crate) async fn stop(&self, patience: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        let in_time = tokio::time::timeout(patience, self.tracker.wait())
            .await
            .is_ok();
        self.end.cancel();
        self.tracker.wait().await;
        in_time
    }
}
