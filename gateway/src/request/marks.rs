//! The marks of deployments in the ids that a request names.

use bytes::Bytes;

use super::RequestError;
use crate::provider::kept::{self, Mark};

/// Whose the things are that a request names.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) found: Option<Mark>,
}

impl Marks {
    /// Takes the marks out of a part of the request.
    ///
    /// # Errors
    ///
    /// If they are of two deployments, here or in the parts before.
    pub(super) fn take(&mut self, part: Bytes) -> Result<Bytes, RequestError> {
        let Some((text, mark)) = kept::unmarked(&part).map_err(|_of_two| RequestError::OfTwo)?
        else {
            return Ok(part);
        };
        if self.found.as_ref().is_some_and(|found| *found != mark) {
            return Err(RequestError::OfTwo);
        }
        self.found = Some(mark);
        Ok(text.into())
    }

    /// The same for text.
    pub(super) fn take_text(&mut self, part: &str) -> Result<String, RequestError> {
        let taken = self.take(Bytes::copy_from_slice(part.as_bytes()))?;
        Ok(String::from_utf8_lossy(&taken).into_owned())
    }
}
