//! The threads that serve calls.
//!
//! Each worker is a thread with a runtime and a pool of upstream connections of its own, so that a
//! call's two connections are woken on the thread that waits for them. On one shared runtime most
//! of a call's cost was threads waking each other.

use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
    thread::{self, JoinHandle},
};

use rustls::ClientConfig;
use tokio::{
    runtime,
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
};

use crate::{
    gateway::{Core, Shared},
    serve::{self, Accepted},
    tasks::Tasks,
    turn::Turn,
    upstream::Upstream,
};

/// The threads, until they have ended.
pub(crate) struct Workers(Vec<JoinHandle<()>>);

impl Workers {
    /// Starts as many as there are processors, and gives back the ways to hand them connections.
    /// They end when all of those are dropped.
    ///
    /// # Errors
    ///
    /// If a thread or its runtime cannot be made.
    pub(crate) fn start(
        core: &Arc<Core>,
        tls: &ClientConfig,
    ) -> io::Result<(Self, Vec<UnboundedSender<Accepted>>)> {
        let count = thread::available_parallelism()?.get();
        let mut threads = Vec::with_capacity(count);
        let mut hands = Vec::with_capacity(count);
        for number in 0..count {
            let (hand, accepted) = mpsc::unbounded_channel();
            let shared = Shared {
                core: Arc::clone(core),
                upstream: Upstream::new(tls),
                tasks: Tasks::default(),
                turn: Turn::default(),
                stopping: AtomicBool::new(false),
            };
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let work = move || run(&runtime, shared, accepted);
            threads.push(
                thread::Builder::new()
                    .name(format!("gateway-{number}"))
                    .spawn(work)?,
            );
            hands.push(hand);
        }
        Ok((Self(threads), hands))
    }

    /// Waits until all have ended.
    pub(crate) async fn end(self) {
        let join = move || {
            for thread in self.0 {
                if thread.join().is_err() {
                    tracing::error!("a worker panicked");
                }
            }
        };
        if tokio::task::spawn_blocking(join).await.is_err() {
            tracing::error!("workers were not waited for");
        }
    }
}

fn run(runtime: &runtime::Runtime, shared: Shared, accepted: UnboundedReceiver<Accepted>) {
    runtime.block_on(serve::work(Arc::new(shared), accepted));
}
