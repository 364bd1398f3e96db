//! Corrections, and crashes between any two steps of entering them.

use std::collections::HashMap;

use event::{Cost, CostStatus, EventId, Unpriced};
use tokio::sync::oneshot;

use super::*;
use crate::pipeline::corrections::Corrections;

/// The same call at another price, or at none.
fn corrected(event: &PricedEvent, picos: Option<i64>) -> PricedEvent {
    let cost = match picos {
        Some(picos) => Cost {
            status: CostStatus::Priced,
            total: Some(Usd::from_picos(i128::from(picos))),
            ..Cost::nothing("another map")
        },
        None => Cost::unpriced(
            "another map",
            Unpriced::NoSuchModel,
            "there is no price any more",
        ),
    };
    event.clone().corrected(cost, clock_of(event), "a test")
}

fn clock_of(event: &PricedEvent) -> event::Timestamp {
    event.payload().end_time
}

fn submission(events: &[PricedEvent]) -> (Corrections, oneshot::Receiver<Vec<bool>>) {
    let (entered, answer) = oneshot::channel();
    let corrections = Corrections {
        events: events.iter().cloned().map(Entry::new).collect(),
        encoded: events.iter().map(codec::encode_priced).collect(),
        entered,
    };
    (corrections, answer)
}

impl Rig {
    /// The newest revision of every call in the priced log.
    fn newest(&self) -> HashMap<EventId, PricedEvent> {
        let mut newest: HashMap<EventId, PricedEvent> = HashMap::new();
        for event in self.priced() {
            let before = newest.insert(event.id(), event.clone());
            let expected = before.map_or(0, |before| before.revision() + 1);
            assert_eq!(event.revision(), expected, "a revision is lost or doubled");
        }
        newest
    }

    /// Starts a process that enters these corrections and dies on the way.
    async fn correct_until(&self, events: &[PricedEvent], dies: Dies) {
        let mut pipeline = self.pipeline().await;
        let mut place = pipeline.recover().await.unwrap();
        if dies == Dies::AfterIntake {
            return;
        }
        self.priced
            .fails
            .store(dies == Dies::HalfwayThroughAppend, Ordering::Relaxed);
        let (corrections, _answer) = submission(events);
        if dies == Dies::AfterAppend {
            let mut intake = Intake {
                events: corrections.events,
                encoded: corrections.encoded,
                ..Intake::default()
            };
            pipeline.append(&mut intake, &place).await.unwrap();
            return;
        }
        let entered = pipeline.correct(corrections, &mut place).await;
        assert_eq!(entered.is_err(), dies == Dies::HalfwayThroughAppend);
        if dies == Dies::AfterCommit {
            pipeline.commit(&mut place).unwrap();
        }
    }

    /// Whether rows, sums and the priced log agree to the last digit.
    async fn check_corrected(&self, books: &Books) {
        let newest = self.newest();
        let page = Page {
            skip: 0,
            take: 10_000,
        };
        let rows = books.calls(&Filter::default(), page).await.unwrap();
        assert_eq!(rows.len(), newest.len());
        for row in &rows {
            let event = &newest[&row.event_id()];
            assert_eq!(row.spend(), event.cost().total);
            assert_eq!(row.revision, i64::from(event.revision()));
            let cost: Cost = serde_json::from_str(&row.cost_detail).unwrap();
            assert_eq!(&cost, event.cost());
            let steps = books.corrections(&row.origin()).await.unwrap();
            assert_eq!(steps.len(), usize::try_from(row.revision).unwrap());
        }
        let log = self.priced();
        let first = log.iter().filter(|event| event.revision() == 0);
        let first: Usd = first.filter_map(|event| event.cost().total).sum();
        let steps = log
            .iter()
            .filter_map(|event| event.settlement().previous.as_ref());
        let moved: Usd = steps.clone().map(|previous| previous.difference).sum();
        let spend: Usd = rows.iter().filter_map(|row| row.spend()).sum();
        assert_eq!(spend, first + moved, "rows = first costs + corrections");
        let totals = books.totals().await.unwrap();
        assert_eq!(totals.cost, spend);
        let unpriced = rows.iter().filter(|row| row.cost.is_none()).count();
        assert_eq!(usize::try_from(totals.unpriced).unwrap(), unpriced);
        let audit = books.audit().await.unwrap();
        assert!(audit.balanced, "{audit:?}");
        assert_eq!((audit.spend, audit.corrected), (spend, moved));
        assert_eq!(usize::try_from(audit.corrections).unwrap(), steps.count());
    }
}

#[tokio::test]
async fn a_correction_moves_every_sum_by_the_difference_and_keeps_what_was() {
    let rig = Rig::new();
    rig.add(0..3);
    rig.calls
        .append(&[&samples::finished(&samples::unpriced(3))])
        .unwrap();
    let mut pipeline = rig.run().await;
    let mut place = pipeline.recover().await.unwrap();
    let log = rig.priced();
    let events = [
        corrected(&log[0], Some(1)),
        corrected(&log[1], None),
        corrected(&log[3], Some(7_000_000_000_001)),
    ];
    let (corrections, answer) = submission(&events);
    pipeline.correct(corrections, &mut place).await.unwrap();
    assert_eq!(answer.await.unwrap(), [true, true, true]);
    rig.check_corrected(&pipeline.books).await;
    assert_eq!(pipeline.books.totals().await.unwrap().unpriced, 1);
    let origin = &log[0].settlement().origin;
    let steps = pipeline.books.corrections(origin).await.unwrap();
    assert_eq!(steps[0].was(), log[0].cost().total);
    let was: Cost = serde_json::from_str(&steps[0].was_detail).unwrap();
    assert_eq!(&was, log[0].cost(), "the bill as it was is kept whole");
    let keys = pipeline
        .books
        .entities("key", crate::books::Span::EVER, 10)
        .await
        .unwrap();
    let by_key: Usd = keys.iter().map(|entity| entity.counts.cost).sum();
    assert_eq!(by_key, pipeline.books.totals().await.unwrap().cost);
}

#[tokio::test]
async fn a_correction_that_does_not_follow_on_its_row_is_left_out() {
    let rig = Rig::new();
    rig.add(0..2);
    let mut pipeline = rig.run().await;
    let mut place = pipeline.recover().await.unwrap();
    let log = rig.priced();
    let (once, again) = (corrected(&log[0], Some(5)), corrected(&log[0], Some(6)));
    let unknown = PricedEvent::new(
        samples::call(9),
        event::Origin::default(),
        log[0].cost().clone(),
    );
    let unknown = corrected(&unknown, Some(8));
    let (corrections, answer) = submission(&[once, unknown]);
    pipeline.correct(corrections, &mut place).await.unwrap();
    assert_eq!(answer.await.unwrap(), [true, false]);
    let (corrections, answer) = submission(&[again, corrected(&log[1], Some(7))]);
    pipeline.correct(corrections, &mut place).await.unwrap();
    assert_eq!(answer.await.unwrap(), [false, true]);
    rig.check_corrected(&pipeline.books).await;
    assert_eq!(rig.priced().len(), 4);
}

#[tokio::test]
async fn new_books_are_folded_from_the_log_with_its_corrections() {
    let rig = Rig::new();
    rig.add(0..4);
    rig.run().await;
    let events: Vec<_> = rig.priced().iter().map(|e| corrected(e, Some(3))).collect();
    rig.correct_until(&events, Dies::AfterCommit).await;
    let again: Vec<_> = events.iter().map(|event| corrected(event, None)).collect();
    rig.correct_until(&again[..2], Dies::AfterSettle).await;
    for file in std::fs::read_dir(rig.data.path()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let pipeline = rig.run().await;
    rig.check_corrected(&pipeline.books).await;
    assert_eq!(pipeline.books.totals().await.unwrap().unpriced, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_the_crashes_no_correction_is_lost_or_doubled(
        lives in prop::collection::vec(
            (0_u64..6, 0..ALL.len(), prop::collection::vec((any::<prop::sample::Index>(),
             prop::option::of(0_i64..1 << 50)), 0..8), 0..ALL.len()),
            1..8,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let rig = Rig::new();
            let mut count = 0;
            for (more, dies, changes, dies_correcting) in lives {
                rig.add(count..count + more);
                count += more;
                rig.run_until(ALL[dies]).await;
                drop(rig.pipeline().await.recover().await.unwrap());
                let mut newest: Vec<_> = rig.newest().into_values().collect();
                newest.sort_by_key(PricedEvent::id);
                let mut events: Vec<PricedEvent> = Vec::new();
                for (which, picos) in changes.into_iter().filter(|_| !newest.is_empty()) {
                    let event = which.get(&newest);
                    if events.iter().all(|other| other.id() != event.id()) {
                        events.push(corrected(event, picos));
                    }
                }
                if !events.is_empty() {
                    rig.correct_until(&events, ALL[dies_correcting]).await;
                }
            }
            let pipeline = rig.run().await;
            assert_eq!(rig.newest().len(), usize::try_from(count).unwrap());
            rig.check_corrected(&pipeline.books).await;
        });
    }
}
