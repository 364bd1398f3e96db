//! Step 1: decode, price and encode in one pass.

use std::collections::BTreeMap;

use bus::{Gap, Record};
use event::{
    CallRecord, Cost, Origin, PricedEvent, Reserved, StandardLoggingPayload, Unpriced, Usage, codec,
};

use super::{
    Pipeline, PipelineError, Place,
    batches::{Claims, Known},
};
use crate::{
    books::{self, Entry},
    clock,
    deliver::dead_letters::{Letter, chain},
    price,
};

/// Records between two points at which other tasks may run.
const STRETCH: usize = 128;

/// What came of a batch.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// The calls that ended, priced.
    pub(super) events: Vec<Entry>,
    /// The same, as records of the priced log.
    pub(super) encoded: Vec<Vec<u8>>,
    /// Calls that were seen to start.
    pub(super) started: u64,
    /// What those of them hold that were not seen to end, by where their records stand.
    pub(super) open: BTreeMap<u64, Vec<Reserved>>,
    /// Records that became dead letters.
    pub(super) bad: u64,
}

impl Intake {
    fn take(&mut self, event: PricedEvent, usage: Option<&Usage>) {
        self.encoded.push(codec::encode_priced(&event));
        self.events.push(match usage {
            Some(usage) => Entry::with_usage(event, usage),
            None => Entry::new(event),
        });
    }

    /// A call has ended: what it held is settled with it.
    fn ended(&mut self, payload: &StandardLoggingPayload) {
        let ours = payload.tollkeeper.as_deref();
        if let Some(started) = ours.and_then(|ours| ours.started_sequence) {
            self.open.remove(&started);
        }
    }
}

impl Pipeline {
    /// Turns records of the calls log into records of the priced log.
    pub(super) async fn take_in(
        &mut self,
        records: &[Record],
        place: &Place,
    ) -> Result<Intake, PipelineError> {
        let mut intake = Intake::default();
        let mut claims = Claims::default();
        let mut bad = Vec::new();
        for stretch in records.chunks(STRETCH) {
            for record in stretch {
                let sequence = record.position.offset;
                if place.mark.is_some_and(|mark| sequence <= mark) {
                    continue;
                }
                let mut payload = match codec::decode_call(&record.bytes) {
                    Ok(CallRecord::Finished(payload)) => payload,
                    Ok(CallRecord::Started(started)) => {
                        intake.started += 1;
                        intake.open.insert(sequence, started.reserved);
                        continue;
                    }
                    Err(error) => {
                        bad.push((record, "unreadable", chain(&error)));
                        continue;
                    }
                };
                let origin = Origin {
                    source: place.source.clone(),
                    sequence,
                };
                intake.ended(&payload);
                let known = Known {
                    books: &self.books,
                    claims: &claims,
                    events: &intake.events,
                };
                let claim = known.claim(&mut payload, &origin).await?;
                let usage = price::usage(&payload);
                let cost = self.price(&mut payload, &usage).await;
                let event = PricedEvent::new(*payload, origin, cost);
                if let Err(error) = books::fits(&event) {
                    bad.push((record, "beyond the books", chain(&error)));
                    continue;
                }
                if let Some(mut claim) = claim {
                    if let Some(correction) = claim.correction.take() {
                        intake.take(correction, None);
                    }
                    claims.enter(claim, intake.events.len(), &event);
                }
                intake.take(event, Some(&usage));
            }
            tokio::task::yield_now().await;
        }
        intake.bad = u64::try_from(bad.len()).unwrap_or(u64::MAX);
        if !bad.is_empty() {
            self.put_aside(&bad, place).await?;
        }
        Ok(intake)
    }

    /// What a call cost by the map of its time; what a cache hit saved is noted in it.
    async fn price(&mut self, payload: &mut StandardLoggingPayload, usage: &Usage) -> Cost {
        let map = match self.pricer.map_at(payload.start_time).await {
            Ok(map) => map,
            Err(unknown) => {
                return Cost::unpriced(&unknown.version, Unpriced::Other, unknown.reason);
            }
        };
        let cost = self.pricer.cost(&map, payload, usage);
        if let Some(saved) = self.pricer.saved(&map, payload, usage) {
            payload.saved_cache_cost = saved;
        }
        cost
    }

    /// Writes what cannot be settled where somebody will find it.
    async fn put_aside(
        &mut self,
        bad: &[(&Record, &'static str, String)],
        place: &Place,
    ) -> Result<(), PipelineError> {
        let letter = |(record, kind, detail): &(&Record, &'static str, String)| {
            let about = ("pipeline", place.source.as_str(), record.position.offset);
            Letter {
                record_hex: Some(hex(&record.bytes)),
                ..Letter::new(about, clock::now(), kind, detail.clone(), 1)
            }
        };
        let letters: Vec<_> = bad.iter().map(letter).collect();
        self.bad_records.write(&letters).await?;
        for letter in &letters {
            tracing::error!(
                position = letter.position,
                kind = letter.kind,
                detail = letter.detail,
                "record of the calls log put aside"
            );
        }
        self.metrics
            .bad_records
            .inc_by(u64::try_from(bad.len()).unwrap_or(u64::MAX));
        self.alerts.bad_records(&place.source, &letters).await;
        Ok(())
    }

    /// Says loudly what is missing from the calls log.
    pub(super) async fn report_gaps(&mut self, gaps: &[Gap], source: &str) {
        for gap in gaps {
            let lost = gap.to.offset.saturating_sub(gap.from.offset);
            self.metrics.gaps.inc_by(lost);
            tracing::error!(from = %gap.from, to = %gap.to, reason = ?gap.reason, "calls were lost");
            self.alerts.gap(source, gap).await;
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
