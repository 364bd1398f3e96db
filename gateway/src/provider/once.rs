//! A reader of answers that come whole, never as streams.

use super::{Answer, Fault, Reader, Step, StreamedAnswer, sse::OpenAiStream};

/// Reads with the function that it holds.
pub struct Once<F>(pub F);

impl<F> Reader for Once<F>
where
    F: FnOnce(Answer) -> Result<Step, Fault> + Send + Sync,
{
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        (self.0)(answer)
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        Box::new(OpenAiStream::new(strip_usage))
    }
}
