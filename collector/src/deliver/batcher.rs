//! Decides when a batch is full. Pure: it is told the time.

use sink::BatchLimits;
use tokio::time::Instant;

/// How full the batch in the making is.
#[derive(Clone, Debug)]
pub(crate) struct Batcher {
    limits: BatchLimits,
    items: usize,
    bytes: usize,
    oldest: Option<Instant>,
}

impl Batcher {
    pub(crate) const fn new(limits: BatchLimits) -> Self {
        Self {
            limits,
            items: 0,
            bytes: 0,
            oldest: None,
        }
    }

    /// Takes an item of so many bytes, or says that the batch has to go without it. The first item
    /// of a batch is always taken.
    pub(crate) fn take(&mut self, bytes: usize, now: Instant) -> bool {
        let fits = self.items < self.limits.items_max.max(1)
            && self.bytes.saturating_add(bytes) <= self.limits.bytes_max;
        if !fits && self.items > 0 {
            return false;
        }
        self.items += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        self.oldest.get_or_insert(now);
        true
    }

    /// Whether nothing more fits.
    pub(crate) fn is_full(&self) -> bool {
        self.items >= self.limits.items_max.max(1) || self.bytes >= self.limits.bytes_max
    }

    /// How many items still fit by their number.
    pub(crate) fn room(&self) -> usize {
        self.limits.items_max.max(1).saturating_sub(self.items)
    }

    /// How many bytes still fit.
    pub(crate) const fn room_bytes(&self) -> usize {
        self.limits.bytes_max.saturating_sub(self.bytes)
    }

    /// When the batch has to go, full or not; `None` while it is empty.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.oldest.map(|oldest| oldest + self.limits.age_max)
    }

    /// Starts the next batch.
    pub(crate) const fn reset(&mut self) {
        self.items = 0;
        self.bytes = 0;
        self.oldest = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn batcher() -> Batcher {
        let age_max = Duration::from_secs(2);
        let limits = BatchLimits {
            items_max: 3,
            bytes_max: 100,
            age_max,
            ..BatchLimits::default()
        };
        Batcher::new(limits)
    }

    #[tokio::test]
    async fn a_batch_is_full_at_its_number_of_items() {
        let (mut batcher, now) = (batcher(), Instant::now());
        assert!((0..3).all(|_| batcher.take(1, now)));
        assert!(batcher.is_full());
        assert!(!batcher.take(1, now));
        batcher.reset();
        assert!(batcher.take(1, now));
    }

    #[tokio::test]
    async fn a_batch_is_full_at_its_bytes() {
        let (mut batcher, now) = (batcher(), Instant::now());
        assert!(batcher.take(60, now));
        assert_eq!((batcher.room(), batcher.room_bytes()), (2, 40));
        assert!(!batcher.take(41, now));
        assert!(batcher.take(40, now));
        assert!(batcher.is_full());
    }

    #[tokio::test]
    async fn a_single_item_may_be_larger_than_a_batch() {
        let (mut batcher, now) = (batcher(), Instant::now());
        assert!(batcher.take(1000, now));
        assert!(batcher.is_full());
    }

    #[tokio::test]
    async fn a_batch_is_due_by_its_oldest_item() {
        let (mut batcher, now) = (batcher(), Instant::now());
        assert_eq!(batcher.due(), None);
        batcher.take(1, now);
        batcher.take(1, now + Duration::from_secs(1));
        assert_eq!(batcher.due(), Some(now + Duration::from_secs(2)));
    }
}
