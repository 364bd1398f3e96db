//! What a stream of bytes is made of, whatever the dialect: server-sent events, lines of JSON, or
//! AWS's binary messages. Each holds back what has not come whole, up to a bound.

mod aws;
mod lines;
mod sse;

pub use self::{aws::AwsFrames, lines::LineFrames, sse::SseFrames};

/// The largest frame; an image may come in one.
pub const FRAME_BYTES_MAX: usize = 32 << 20;

/// One element of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The event's name; empty if the framing has none.
    pub kind: String,
    /// What it says, JSON mostly.
    pub data: Vec<u8>,
}

/// Why a stream cannot be read any further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A frame that is larger than any provider sends.
    #[error("the provider's stream has an element of more than {FRAME_BYTES_MAX} bytes")]
    TooLarge,
    /// Bytes that are no frame.
    #[error("the provider's stream is damaged")]
    Damaged,
}

/// Takes a stream of bytes apart.
///
/// Law: the frames do not depend on how the bytes were cut.
pub trait Frames: Send {
    /// Takes more bytes.
    fn push(&mut self, bytes: &[u8]);

    /// The next whole frame; `None` if it has not come yet.
    fn next(&mut self) -> Option<Result<Frame, FrameError>>;

    /// What is left when the stream has ended, if it is one.
    fn last(&mut self) -> Option<Frame>;
}
