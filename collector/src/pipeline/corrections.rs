//! Enters corrections between two batches of calls.

use tokio::sync::oneshot;

use super::{Pipeline, PipelineError, Place, intake::Intake};
use crate::books::Entry;

/// Corrections that somebody wants entered, and waits for.
#[derive(Debug)]
pub(crate) struct Corrections {
    /// The corrected events.
    pub(crate) events: Vec<Entry>,
    /// The same, as records of the priced log.
    pub(crate) encoded: Vec<Vec<u8>>,
    /// Is told of each whether it stands in the books now; dropped if nobody knows.
    pub(crate) entered: oneshot::Sender<Vec<bool>>,
}

impl Pipeline {
    /// Appends corrections to the priced log and settles them. One that does not follow on the
    /// revision in the books is left out: it was made from a row that has been corrected since.
    pub(super) async fn correct(
        &mut self,
        corrections: Corrections,
        place: &mut Place,
    ) -> Result<(), PipelineError> {
        let Corrections {
            events,
            encoded,
            entered,
        } = corrections;
        let origins = events.iter().map(|entry| &entry.event.settlement().origin);
        let stands = self.books.revisions(origins).await?;
        let follows = |(entry, at): (&Entry, Option<i64>)| {
            at.is_some_and(|at| at.saturating_add(1) == i64::from(entry.event.revision()))
        };
        let fits: Vec<bool> = events.iter().zip(stands).map(follows).collect();
        let mut intake = Intake::default();
        for ((entry, record), fits) in events.into_iter().zip(encoded).zip(&fits) {
            if *fits {
                intake.events.push(entry);
                intake.encoded.push(record);
            }
        }
        if !intake.events.is_empty() {
            let to = self.append(&mut intake, place).await?;
            self.settle(&intake, place, to).await?;
            self.told(&intake).await;
        }
        // Whoever asked may have gone, and the corrections stand all the same.
        let _gone = entered.send(fits);
        Ok(())
    }
}
