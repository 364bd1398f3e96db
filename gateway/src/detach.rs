//! A call that outlives its client.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use http::Response;

use crate::{answer::AnswerBody, config::OnDisconnect, gateway::Shared};

/// Whether anybody still waits for a call's answer; shared by all who hold a part of the call.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientPresence {
    ended: Arc<AtomicBool>,
    /// Whether another call's answer was taken.
    outrun: Arc<AtomicBool>,
}

impl ClientPresence {
    /// Notes that nobody waits any more.
    pub(crate) fn ends(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The same client, for calls of which it takes the first answer.
    pub(crate) fn racing(&self) -> Self {
        Self {
            ended: Arc::clone(&self.ended),
            outrun: Arc::default(),
        }
    }

    /// Notes that the client has taken an answer: calls that go on are cancelled.
    pub(crate) fn outruns(&self) {
        self.outrun.store(true, Ordering::Relaxed);
    }

    /// Whether a client that is still there does not want this answer any more.
    pub(crate) fn is_outrun(&self) -> bool {
        self.outrun.load(Ordering::Relaxed) && !self.has_ended()
    }
}

/// The work of one request. When the client goes away before the answer's head, the server drops
/// this; the work then goes on as a task, so that what the provider charges is accounted. With
/// `on_disconnect: cancel` it is dropped as well.
pub(crate) struct Detached<F>
where
    F: Future<Output = Response<AnswerBody>> + Send + 'static,
{
    shared: Arc<Shared>,
    client: ClientPresence,
    /// `None` once it has given its answer.
    work: Option<Pin<Box<F>>>,
}

impl<F> Detached<F>
where
    F: Future<Output = Response<AnswerBody>> + Send + 'static,
{
    pub(crate) fn new(shared: Arc<Shared>, work: impl FnOnce(ClientPresence) -> F) -> Self {
        let client = ClientPresence::default();
        Self {
            shared,
            work: Some(Box::pin(work(client.clone()))),
            client,
        }
    }
}

impl<F> Future for Detached<F>
where
    F: Future<Output = Response<AnswerBody>> + Send + 'static,
{
    type Output = Response<AnswerBody>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let polled = work.as_mut().poll(cx);
        if polled.is_ready() {
            self.work = None;
        }
        polled
    }
}

impl<F> Drop for Detached<F>
where
    F: Future<Output = Response<AnswerBody>> + Send + 'static,
{
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        self.client.ends();
        if self.shared.config.settings.on_disconnect == OnDisconnect::Drain {
            // Dropping the answer tells a stream that nobody listens.
            self.shared.tasks.spawn(async move { drop(work.await) });
        }
    }
}
