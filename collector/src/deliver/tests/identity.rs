//! Whatever a destination does, each event gets one fate, and the numbers add up at every moment.

use proptest::prelude::*;

use super::*;

/// What the destination does, told in numbers.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(0_u8),
        2 => Just(1),
        2 => Just(2),
        1 => Just(3),
        1 => Just(4),
        1 => Just(5),
        1 => Just(6),
        1 => Just(7),
    ];
    prop::collection::vec((step, 0_usize..4), 0..12).prop_map(|steps| {
        steps
            .into_iter()
            .map(|(step, at)| match step {
                0 => Step::Take,
                1 => Step::Fail(SinkErrorKind::Failing),
                2 => Step::Throttle(Duration::from_secs(9)),
                3 => Step::Refuse(vec![at]),
                4 => Step::Defer(vec![at]),
                5 => Step::Fail(SinkErrorKind::Refused),
                6 => Step::Fail(SinkErrorKind::Unauthorized),
                _ => Step::Panic,
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_event_gets_one_fate(
        script in steps(),
        events in 1_u64..30,
        concurrency in 1_usize..5,
        stops in prop::collection::vec(1_u64..2000, 0..3),
        poison in prop::collection::vec(0_u64..30, 0..3),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(play(script, events, concurrency, stops, poison));
    }
}

async fn play(
    script: Vec<Step>,
    events: u64,
    concurrency: usize,
    stops: Vec<u64>,
    poison: Vec<u64>,
) {
    let rig = Rig::new().await;
    rig.add(0..events);
    let mut script: VecDeque<Step> = script.into();
    let mut taken = Vec::new();
    let (mut delivered, mut dead) = (0, 0);
    for stop in stops {
        let lane = rig.start(sink(&mut script, concurrency, &poison)).await;
        for _ in 0..stop / 50 {
            check(&lane);
            tokio::task::spawn_blocking(|| ()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        lane.tasks.stop(Duration::from_millis(1)).await;
        taken.extend(lane.taken());
        let status = check(&lane);
        delivered += status.delivered;
        dead += status.dead;
        script = std::mem::take(&mut *locked(&lane.sink.script));
    }
    let lane = rig.start(sink(&mut script, concurrency, &poison)).await;
    let status = lane.settled().await;
    taken.extend(lane.taken());
    delivered += status.delivered;
    dead += status.dead;
    assert_eq!(delivered + dead, events, "every event has one fate");
    let mut fated: Vec<u64> = rig
        .letters()
        .iter()
        .map(|letter| letter["position"].as_u64().unwrap())
        .collect();
    let letters = fated.len();
    fated.sort_unstable();
    fated.dedup();
    assert_eq!(fated.len(), letters, "nothing has two letters");
    fated.extend(taken);
    fated.sort_unstable();
    fated.dedup();
    assert_eq!(fated, (0..events).collect::<Vec<_>>(), "nothing is lost");
}

fn sink(script: &mut VecDeque<Step>, concurrency: usize, poison: &[u64]) -> Scripted {
    Scripted {
        script: Mutex::new(std::mem::take(script)),
        concurrency,
        poison: poison.to_vec(),
        takes_time: Duration::from_millis(30),
        ..Scripted::default()
    }
}

fn check(lane: &Running) -> SinkStatus {
    let status = lane.stats.status();
    let fated = status.delivered + status.dead + status.skipped;
    assert_eq!(status.received, fated + status.pending, "{status:?}");
    assert_eq!(status.skipped, 0);
    status
}
