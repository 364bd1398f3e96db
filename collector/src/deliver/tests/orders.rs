//! Several batches at once, dead letters once more, a stretch of the log once more.

use serde_json::json;

use super::*;

const WIDE: &str = r#"{"kind":"scripted","from":"beginning","batch":{"items_max":2}}"#;

#[tokio::test(start_paused = true)]
async fn several_batches_go_at_once_and_none_is_lost() {
    let rig = Rig::new().await;
    rig.add(0..200);
    let sink = Scripted {
        concurrency: 4,
        takes_time: Duration::from_secs(1),
        ..Scripted::default()
    };
    let lane = rig.start_with(sink, WIDE).await;
    let begun = Instant::now();
    let status = lane.settled().await;
    assert_eq!((status.received, status.delivered), (200, 200));
    assert_eq!(status.concurrency, 4);
    let mut taken = lane.taken();
    taken.sort_unstable();
    assert_eq!(taken, (0..200).collect::<Vec<_>>());
    // 100 batches of a second each: one after another they would take 100 seconds.
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_every_sealed_batch_comes_again_under_its_name() {
    let rig = Rig::new().await;
    rig.add(0..40);
    let sink = Scripted {
        concurrency: 4,
        takes_time: Duration::from_secs(10),
        ..Scripted::default()
    };
    let lane = rig.start_with(sink, WIDE).await;
    lane.until(|status| status.delivered >= 8).await;
    assert!(!lane.tasks.stop(Duration::from_millis(1)).await);
    let before: std::collections::BTreeMap<_, _> = lane
        .seen()
        .into_iter()
        .map(|attempt| (attempt.name, attempt.sequences))
        .collect();
    let lane = rig.start_with(Scripted::default(), WIDE).await;
    lane.settled().await;
    let after = lane.seen();
    let again = after
        .iter()
        .filter(|attempt| before.contains_key(&attempt.name))
        .count();
    assert!(again >= 2, "batches were on their way");
    for attempt in after {
        if let Some(sequences) = before.get(&attempt.name) {
            assert_eq!(*sequences, attempt.sequences);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deferred_items_come_again_by_themselves() {
    let rig = Rig::new().await;
    rig.add(0..4);
    let lane = rig.start(script([Step::Defer(vec![1, 3])])).await;
    let status = lane.settled().await;
    assert_eq!((status.delivered, status.dead), (4, 0));
    let seen = lane.seen();
    assert_eq!(seen[1].sequences, [1, 3]);
    assert!(seen[1].name.starts_with(seen[1].name.split_at(12).0));
    assert_ne!(seen[0].name, seen[1].name);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_delivered_once_more() {
    let rig = Rig::new().await;
    rig.add(0..8);
    let lane = rig
        .start(Scripted {
            poison: vec![2, 7],
            ..Scripted::default()
        })
        .await;
    lane.settled().await;
    assert_eq!(lane.stats.status().dead_letters, 2);
    lane.sink.cured.store(true, Ordering::Relaxed);
    let all = dead_letters::Selection::default();
    assert_eq!(lane.control.retry(&all).await.unwrap(), 2);
    let status = lane
        .until(|status| status.pending == 0 && status.delivered == 8)
        .await;
    assert_eq!(
        (status.received, status.dead, status.dead_letters),
        (10, 2, 0)
    );
    assert_eq!(lane.seen().last().unwrap().sequences, [2, 7]);
    assert!(rig.letters().is_empty());
    // What was poison stays poison: it becomes a letter again.
    lane.sink.cured.store(false, Ordering::Relaxed);
    assert_eq!(lane.control.retry(&all).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_was_broken_off_goes_on_after_a_restart() {
    let rig = Rig::new().await;
    rig.add(0..4);
    let poisoned = || Scripted {
        poison: vec![0, 3],
        ..Scripted::default()
    };
    let lane = rig.start(poisoned()).await;
    lane.settled().await;
    *locked(&lane.sink.script) = [Step::Hang].into();
    let all = dead_letters::Selection::default();
    lane.control.retry(&all).await.unwrap();
    assert!(matches!(
        lane.control.retry(&all).await,
        Err(OrderError::Busy)
    ));
    lane.until(|status| status.pending == 2).await;
    lane.tasks.stop(Duration::from_millis(1)).await;
    let lane = rig.start(Scripted::default()).await;
    let status = lane
        .until(|status| status.pending == 0 && status.delivered == 2)
        .await;
    assert_eq!((status.received, status.delivered), (2, 2));
    assert_eq!(lane.taken(), [0, 3]);
    assert!(rig.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stretch_of_the_log_is_replayed_and_nothing_else() {
    let rig = Rig::new().await;
    rig.add(0..10);
    let lane = rig.start(Scripted::default()).await;
    lane.settled().await;
    let end = |sequence: u64| samples::call(sequence).end_time;
    let order = Replay {
        since: end(3),
        until: Some(end(8)),
        r#where: serde_json::from_value(json!({"models": ["openai/gpt-4o"]})).unwrap(),
        end: 0,
    };
    let before = lane.seen().len();
    lane.control.replay(order).await.unwrap();
    lane.until(|status| status.delivered == 12 && status.pending == 0)
        .await;
    let again: Vec<_> = lane
        .seen()
        .into_iter()
        .skip(before)
        .flat_map(|attempt| attempt.sequences)
        .collect();
    assert_eq!(again, [4, 6]);
    // The log lets go of it.
    while rig.data.path().join("lanes/test.replay").exists() {
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_the_retention_is_skipped_loudly() {
    let rig = Rig::new().await;
    rig.add(0..5);
    let config = r#"{"kind":"scripted","from":"beginning","retention":"1h"}"#;
    let lane = rig.start_with(Scripted::default(), config).await;
    // The samples are of another day.
    let status = lane.settled().await;
    assert_eq!((status.skipped, status.skips["expired"]), (5, 5));
    assert!(lane.seen().is_empty());
    assert_eq!(rig.alerts().await, ["sink_failing"]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_holds_what_the_sink_would_have_got_and_no_error_repeats_content() {
    let rig = Rig::new().await;
    rig.add(0..1);
    let config = r#"{"kind":"scripted","from":"beginning","privacy":{"content":"none"}}"#;
    let lane = rig
        .start_with(
            Scripted {
                poison: vec![0],
                echo: Some("cannot read sk-proj-abcdefghijklmnop1234"),
                ..Scripted::default()
            },
            config,
        )
        .await;
    lane.settled().await;
    let letter = rig.letters().remove(0);
    assert!(letter["event"]["messages"].is_null());
    assert_eq!(
        letter["detail"],
        "batch refused: cannot read [redacted:api_key]"
    );
}
