//! Brings the books up to the priced log, and the calls log to where the books are.

use std::{collections::BTreeMap, num::NonZeroUsize};

use bus::{Position, ReadLimit, Reader};
use event::{PricedKind, codec};
use tokio::time::Instant;

use super::{Pipeline, PipelineError, Place};
use crate::books::{Entry, Run, Standing};

/// The reader of what is not settled yet.
const GROUP: &str = "collector-books";

pub(super) const RECORDS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2047);
pub(super) const BYTES: NonZeroUsize = NonZeroUsize::MIN.saturating_add((4 << 20) - 1);

impl Pipeline {
    /// Settles what stands in the priced log beyond the books, then finds the place in the calls
    /// log from where to go on.
    pub(super) async fn recover(&mut self) -> Result<Place, PipelineError> {
        let mut standing = self.books.standing().await?;
        self.follow(&mut standing).await?;
        let head = self.priced.head().offset;
        // At most one reader of a group at a time.
        self.tail = None;
        let mut tail = self.priced.reader(GROUP).map_err(PipelineError::Priced)?;
        if standing.priced_next < head {
            tracing::info!(
                from = standing.priced_next,
                to = head,
                "settling the priced log's tail"
            );
            self.settle_tail(&mut *tail, &mut standing, head).await?;
        }
        self.tail = Some(tail);
        let source = self.calls.source().map_err(PipelineError::Calls)?;
        let mark = standing.marks.get(&source).copied();
        let passed = mark.or_else(|| self.calls.committed().map(|position| position.offset));
        let offset = passed.map_or(0, |passed| passed.saturating_add(1));
        self.calls.seek(Position {
            partition: 0,
            offset,
        });
        let (priced_next, committed) = (standing.priced_next, Instant::now());
        Ok(Place {
            source,
            mark,
            priced_next,
            committed,
            looked: Instant::now(),
            is_ahead: true,
            settled: None,
        })
    }

    /// Makes sure that the books follow this priced log. Another one, or one that has lost its end,
    /// is safe to go on with: the marks say what is settled.
    async fn follow(&mut self, standing: &mut Standing) -> Result<(), PipelineError> {
        let source = self.priced.source();
        let head = self.priced.head().offset;
        let known = standing.priced_source.as_deref() == Some(source);
        if known && standing.priced_next <= head {
            return Ok(());
        }
        if standing.priced_source.is_some() {
            let (from, to) = (standing.priced_next, head);
            tracing::error!(
                from,
                to,
                known,
                "priced log is not the one the books were made from"
            );
            self.alerts.priced_log_replaced(source, from, to).await;
        }
        standing.priced_next = if known { head } else { 0 };
        standing.priced_source = Some(source.to_owned());
        self.books.follow(source, standing.priced_next).await?;
        Ok(())
    }

    async fn settle_tail(
        &mut self,
        reader: &mut dyn Reader,
        standing: &mut Standing,
        head: u64,
    ) -> Result<(), PipelineError> {
        reader.seek(Position {
            partition: 0,
            offset: standing.priced_next,
        });
        while standing.priced_next < head {
            let limit = ReadLimit {
                records: RECORDS,
                bytes: BYTES,
            };
            let batch = reader.try_read(limit).map_err(PipelineError::Priced)?;
            let source = self.priced.source().to_owned();
            self.report_gaps(&batch.gaps, &source).await;
            let ends = batch
                .records
                .iter()
                .map(|record| record.position.offset.saturating_add(1));
            let ends = ends.chain(batch.gaps.iter().map(|gap| gap.to.offset));
            // An empty batch means that the rest of the positions was never written.
            let to = ends.max().unwrap_or(head);
            self.settle_orphans(&batch, standing, to).await?;
        }
        Ok(())
    }

    async fn settle_orphans(
        &mut self,
        batch: &bus::Batch,
        standing: &mut Standing,
        to: u64,
    ) -> Result<(), PipelineError> {
        let mut events: Vec<Entry> = Vec::with_capacity(batch.records.len());
        let mut marks: BTreeMap<String, u64> = BTreeMap::new();
        for record in &batch.records {
            let opened = codec::open_priced(&record.bytes).map_err(PipelineError::Orphan)?;
            if opened.kind == PricedKind::Alert {
                // The books have it: it comes from there.
                continue;
            }
            let event = codec::decode_priced(&record.bytes).map_err(PipelineError::Orphan)?;
            if event.revision() > 0 {
                events.push(Entry::new(event).at(record.position.offset));
                continue;
            }
            let origin = &event.settlement().origin;
            let settled = standing.marks.get(&origin.source);
            if settled.is_none_or(|mark| *mark < origin.sequence) {
                standing
                    .marks
                    .insert(origin.source.clone(), origin.sequence);
                marks.insert(origin.source.clone(), origin.sequence);
                events.push(Entry::new(event).at(record.position.offset));
            }
        }
        let priced_source = self.priced.source();
        let from = standing.priced_next;
        self.books
            .settle(Run {
                events: &events,
                marks: &marks,
                priced_source,
                from,
                to,
            })
            .await?;
        self.metrics.count(&events);
        standing.priced_next = to;
        Ok(())
    }
}
