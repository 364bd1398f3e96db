//! Which segments may go. Pure: the deciding, not the deleting.

/// A segment that is written no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The offset of its first record.
    pub(crate) base: u64,
    /// The offset after its last record.
    pub(crate) end: u64,
    /// Its size.
    pub(crate) bytes: u64,
}

impl Sealed {
    /// Records that the slowest group has not committed. Without any group, nobody has read it.
    pub(crate) fn needed(&self, slowest: Option<u64>) -> u64 {
        self.end.saturating_sub(slowest.unwrap_or(0).max(self.base))
    }
}

/// How many of the oldest segments every group has passed, and are old enough, or must make room
/// because the journal has `bytes_over` too many. `age` is asked of no more segments than needed.
pub(crate) fn expendable(
    sealed: &[Sealed],
    slowest: Option<u64>,
    bytes_over: u64,
    mut is_old: impl FnMut(&Sealed) -> bool,
) -> usize {
    let mut freed: u64 = 0;
    sealed
        .iter()
        .take_while(|segment| {
            // A segment that is kept keeps all after it, so that the log has no holes.
            let goes = slowest.is_some()
                && segment.needed(slowest) == 0
                && (freed < bytes_over || is_old(segment));
            freed = freed.saturating_add(segment.bytes);
            goes
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEALED: [Sealed; 3] = [
        Sealed {
            base: 0,
            end: 10,
            bytes: 100,
        },
        Sealed {
            base: 10,
            end: 20,
            bytes: 100,
        },
        // Empty, after a crash.
        Sealed {
            base: 1000,
            end: 1000,
            bytes: 48,
        },
    ];

    #[test]
    fn segments_go_when_the_slowest_group_has_passed_them() {
        let go = |slowest| expendable(&SEALED, slowest, 0, |_| true);
        assert_eq!(go(Some(9)), 0);
        assert_eq!(go(Some(10)), 1);
        assert_eq!(go(Some(19)), 1);
        assert_eq!(go(Some(20)), 3);
    }

    #[test]
    fn nothing_goes_before_anybody_has_read_it() {
        assert_eq!(expendable(&SEALED, None, 1000, |_| true), 0);
    }

    #[test]
    fn young_segments_stay_unless_there_is_no_room() {
        assert_eq!(expendable(&SEALED, Some(20), 0, |_| false), 0);
        assert_eq!(expendable(&SEALED, Some(20), 1, |_| false), 1);
        assert_eq!(expendable(&SEALED, Some(20), 101, |_| false), 2);
    }

    #[test]
    fn what_a_group_still_needs_is_counted() {
        assert_eq!(SEALED[0].needed(Some(4)), 6);
        assert_eq!(SEALED[1].needed(Some(4)), 10);
        assert_eq!(SEALED[1].needed(None), 10);
    }
}
