//! Batches that are priced again.

use super::*;

#[tokio::test]
async fn a_batch_stays_with_the_event_that_it_is_billed_with() {
    let mut rig = Rig::new();
    let map = [None; 3];
    let batch = event::Batch {
        stage: event::BatchStage::Ended,
        names: vec!["batch_1".to_owned()],
        parts: vec![event::BatchPart {
            model: "a".to_owned(),
            usage: Usage {
                prompt_tokens: 1000,
                total_tokens: 1000,
                ..Usage::default()
            },
            ..event::BatchPart::default()
        }],
        ..event::Batch::default()
    };
    for number in 0..3 {
        let mut payload = plain(0).payload(number);
        payload.metadata.usage_object = Json::default();
        (payload.prompt_tokens, payload.completion_tokens) = (0, 0);
        payload.total_tokens = 0;
        payload.tollkeeper.get_or_insert_default().batch = Some(Box::new(batch.clone()));
        rig.calls.append(&[&samples::finished(&payload)]).unwrap();
        rig.made.push(plain(0));
    }
    let process = rig.start(&map).await;
    assert_eq!(process.books.totals().await.unwrap().unpriced, 1);
    process.kill().await;
    // Half of 5 nano-USD, for one of the three.
    let process = rig.start(&[Some((5, 0)), None, None]).await;
    for (order, corrected) in [(Order::default(), 1), (all(), 0)] {
        let report = process.reprice(&order).await;
        assert_eq!(report.corrected, corrected, "{report:?}");
        let rows = rig.check(&process.books).await;
        let spend: Usd = rows.iter().filter_map(StoredCall::spend).sum();
        assert_eq!(spend, Usd::from_picos(2_500_000));
    }
    process.kill().await;
}
