//! Answers that a provider's own reader reads, with the usage filled in where it is reported under
//! names that chats do not have: those of images.

use event::{Json, Usage};
use http::HeaderMap;
use serde_json::value::RawValue;

use super::{Along, Answer, Fault, Prepared, Reader, Step, StreamedAnswer};

struct Filled {
    inner: Box<dyn Reader>,
    along: Along,
}

/// Has what `along` reads of usage filled in where the answer's own reader finds none.
pub(super) fn filled(prepared: Prepared, along: Along) -> Prepared {
    let inner = prepared.reader;
    Prepared {
        reader: Box::new(Filled { inner, along }),
        ..prepared
    }
}

impl Reader for Filled {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let Self { inner, along } = *self;
        match inner.whole(answer)? {
            Step::Done(mut whole) => {
                let observed = &mut whole.observed;
                let said = observed.usage.take();
                // A total alone says nothing of input and output.
                let tells = |usage: &Usage| usage.prompt_tokens > 0 || usage.completion_tokens > 0;
                observed.usage = said.filter(tells).or_else(|| {
                    let answer: &RawValue = observed.response.as_ref().and_then(Json::read)?;
                    along.usage(answer)
                });
                Ok(Step::Done(whole))
            }
            Step::Again(pause, next) => Ok(Step::Again(pause, Box::new(filled(*next, along)))),
        }
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        self.inner.stream(strip_usage)
    }

    fn head(&mut self, headers: &HeaderMap) {
        self.inner.head(headers);
    }

    fn is_stream(&self, headers: &HeaderMap) -> bool {
        self.inner.is_stream(headers)
    }

    fn fault(&self, answer: &Answer) -> Fault {
        self.inner.fault(answer)
    }
}
