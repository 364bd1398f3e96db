//! Batches on their way, oldest first: the cursor follows those that have arrived, and never passes
//! one that has not. Pure.

use std::collections::VecDeque;

use event::Timestamp;

use super::sealed::Range;
use crate::metrics::Fates;

/// The batches of one lane that are on their way, or wait for an older one.
#[derive(Debug, Default)]
pub(crate) struct Window {
    flights: VecDeque<Flight>,
}

#[derive(Debug)]
struct Flight {
    range: Range,
    oldest: Option<Timestamp>,
    landed: Option<Fates>,
}

impl Window {
    /// A batch begins; it is younger than all before it.
    pub(crate) fn begin(&mut self, range: Range, oldest: Option<Timestamp>) {
        self.flights.push_back(Flight {
            range,
            oldest,
            landed: None,
        });
    }

    /// The batch that begins at `first` has got its fates.
    pub(crate) fn land(&mut self, first: u64, fates: Fates) {
        let mut flights = self.flights.iter_mut();
        if let Some(flight) = flights.find(|flight| flight.range.first == first) {
            flight.landed = Some(fates);
        }
    }

    /// Takes out what the cursor may pass: the last position, and the fates of what lies before it.
    pub(crate) fn pass(&mut self) -> Option<(u64, Fates)> {
        let mut passed: Option<(u64, Fates)> = None;
        while let Some(fates) = self.flights.front().and_then(|flight| flight.landed) {
            let last = self
                .flights
                .pop_front()
                .map_or(0, |flight| flight.range.last);
            let (_, sum) = passed.get_or_insert((last, Fates::default()));
            *sum += fates;
            passed = passed.map(|(_, sum)| (last, sum));
        }
        passed
    }

    /// The ranges that are not passed: what has to be known after a crash.
    pub(crate) fn ranges(&self) -> Vec<Range> {
        self.flights.iter().map(|flight| flight.range).collect()
    }

    /// The time of the oldest event in it.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.flights.iter().find_map(|flight| flight.oldest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(delivered: u64) -> Fates {
        Fates {
            delivered,
            ..Fates::default()
        }
    }

    #[test]
    fn the_cursor_never_passes_what_has_not_arrived() {
        let mut window = Window::default();
        for first in [0, 10, 20] {
            let last = first + 9;
            window.begin(Range { first, last }, None);
        }
        window.land(10, delivered(2));
        assert_eq!(window.pass(), None);
        assert_eq!(window.ranges().len(), 3);
        window.land(0, delivered(1));
        assert_eq!(window.pass(), Some((19, delivered(3))));
        assert_eq!(window.pass(), None);
        window.land(20, delivered(4));
        assert_eq!(window.pass(), Some((29, delivered(4))));
        assert!(window.ranges().is_empty());
    }
}
