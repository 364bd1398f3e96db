//! What became of each item of a batch that arrived.

/// The destination's word that it has the batch, but for the items named here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    refused: Vec<Refused>,
    deferred: Vec<usize>,
}

/// An item that the destination will never take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its index in the batch.
    pub index: usize,
    /// What the destination said, on one line of at most 2 KB. Never a secret.
    pub reason: Box<str>,
}

impl Receipt {
    /// The item at `index` will never be stored: it goes to the dead letters.
    pub fn refuse(&mut self, index: usize, reason: &str) {
        let reason = crate::error::one_line(reason).into();
        self.refused.push(Refused { index, reason });
    }

    /// The item at `index` is not stored yet: it is delivered again after a pause, in a batch of its
    /// own with others like it.
    pub fn defer(&mut self, index: usize) {
        self.deferred.push(index);
    }

    /// What will never be stored.
    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// Indexes of what is to be delivered again.
    #[must_use]
    pub fn deferred(&self) -> &[usize] {
        &self.deferred
    }
}
