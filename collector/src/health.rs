//! Whether the books and the logs can be used.

use std::sync::{Mutex, PoisonError};

use crate::deliver::dead_letters::chain;

/// The pipeline's own word on how it is.
#[derive(Debug)]
pub(crate) struct Health(Mutex<Option<String>>);

/// Before anything has gone well.
impl Default for Health {
    fn default() -> Self {
        Self(Mutex::new(Some("starting".to_owned())))
    }
}

impl Health {
    /// Everything can be used.
    pub(crate) fn works(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Something cannot, and nothing is settled until it can.
    pub(crate) fn broke(&self, error: &dyn std::error::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(chain(error));
    }

    /// What is wrong, if something is.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
