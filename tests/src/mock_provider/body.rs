//! The body of an answer: its pieces in their time, and the way it ends.

use std::{
    collections::VecDeque,
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::log::Recorder;

/// How long a cut waits, so that what came before it has left.
const BEFORE_CUT: Duration = Duration::from_millis(20);

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// As HTTP wants it.
    Good,
    /// The connection breaks.
    Cut,
    /// Nothing more comes.
    Hang,
}

/// The connection breaks because the script says so.
#[derive(Clone, Copy, Debug)]
pub struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut by the script")
    }
}

impl Error for Cut {}

/// The body of an answer.
#[derive(Debug)]
pub struct Paced {
    pieces: VecDeque<Bytes>,
    delay: Duration,
    ending: Ending,
    /// Announced as the content length; chunked without.
    length: Option<u64>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// The first piece leaves at once.
    due: bool,
    recorder: Option<Recorder>,
}

impl Paced {
    /// One piece, whose length is announced.
    pub(super) fn whole(piece: Bytes, recorder: Option<Recorder>) -> Self {
        let length = u64::try_from(piece.len()).ok();
        let pieces = [piece]
            .into_iter()
            .filter(|piece| !piece.is_empty())
            .collect();
        let ending = Ending::Good;
        Self {
            pieces,
            delay: Duration::ZERO,
            ending,
            length,
            sleep: None,
            due: true,
            recorder,
        }
    }

    /// Several pieces, with time between them.
    pub(super) fn stream(
        pieces: Vec<Bytes>,
        delay: Duration,
        ending: Ending,
        recorder: Option<Recorder>,
    ) -> Self {
        let pieces = pieces.into();
        Self {
            pieces,
            delay,
            ending,
            length: None,
            sleep: None,
            due: true,
            recorder,
        }
    }

    /// Breaks after `bytes`, whatever was announced.
    pub(super) fn cut_at(mut self, bytes: usize) -> Self {
        let mut left = bytes;
        self.pieces.retain_mut(|piece| {
            piece.truncate(left);
            left -= piece.len();
            !piece.is_empty()
        });
        self.ending = Ending::Cut;
        self
    }

    /// Waits `delay` before the next step; ready when it is over.
    fn wait(&mut self, cx: &mut Context<'_>, delay: Duration) -> Poll<()> {
        if self.due || delay.is_zero() {
            return Poll::Ready(());
        }
        let timer = self.sleep.get_or_insert_with(|| Box::pin(sleep(delay)));
        std::task::ready!(timer.as_mut().poll(cx));
        self.sleep = None;
        Poll::Ready(())
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        if !this.pieces.is_empty() {
            std::task::ready!(this.wait(cx, this.delay));
            this.due = false;
        }
        if let Some(piece) = this.pieces.pop_front() {
            let last = this.pieces.is_empty() && this.ending == Ending::Good;
            if let Some(recorder) = &mut this.recorder {
                recorder.sent(&piece, last);
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match this.ending {
            Ending::Good => Poll::Ready(None),
            Ending::Cut => {
                this.due = false;
                std::task::ready!(this.wait(cx, BEFORE_CUT));
                Poll::Ready(Some(Err(Cut)))
            }
            Ending::Hang => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.ending == Ending::Good
    }

    fn size_hint(&self) -> SizeHint {
        match self.length {
            // Only asked before the first piece has left.
            Some(length) => SizeHint::with_exact(length),
            None => SizeHint::default(),
        }
    }
}
