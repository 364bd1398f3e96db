//! A batch is billed once, whoever looks at it how often, and whatever is known when.

use event::{Batch, BatchPart, BatchStage, Class, CostStatus, StandardLoggingPayload, Usage};

use super::*;
use crate::books::StoredCall;

/// Who asks.
const CREATOR: &str = "hash-creator";
const OTHER: &str = "hash-other";

fn part(model: &str, prompt: (u64, u64)) -> BatchPart {
    let (min, max) = prompt;
    BatchPart {
        model: model.to_owned(),
        usage: Usage {
            prompt_tokens: 1000,
            completion_tokens: 100,
            total_tokens: 1100,
            ..Usage::default()
        },
        requests: 10,
        prompt_min: min,
        prompt_max: max,
        ..BatchPart::default()
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn created() -> Batch {
    Batch {
        names: names(&["batch_1"]),
        ..Batch::default()
    }
}

/// The batch as it tells what it consumed.
fn ended() -> Batch {
    Batch {
        stage: BatchStage::Ended,
        names: names(&["batch_1", "file-out"]),
        parts: vec![part("gpt-4o-2024-08-06", (0, 1000))],
        ..Batch::default()
    }
}

/// The batch as it does not tell.
fn untold() -> Batch {
    Batch {
        parts: Vec::new(),
        unknown: Some("the batch does not say".to_owned()),
        ..ended()
    }
}

/// The file with its results.
fn results() -> Batch {
    Batch {
        names: names(&["file-out", "batch_req_1"]),
        ..ended()
    }
}

fn call(number: u64, key: &str, batch: Batch) -> StandardLoggingPayload {
    let mut payload = samples::call(number);
    payload.call_type = "aretrieve_batch".to_owned();
    payload.api_base = Some("https://api.openai.com/v1".to_owned());
    payload.model = "openai/whoever-keeps-it".to_owned();
    payload.metadata.user_api_key_hash = Some(key.to_owned());
    payload.metadata.user_api_key_team_id = Some(format!("team-of-{key}"));
    payload.metadata.usage_object = event::Json::empty_object();
    payload.request_tags = vec![format!("tag-of-{key}")];
    (payload.prompt_tokens, payload.completion_tokens) = (0, 0);
    payload.total_tokens = 0;
    payload.tollkeeper.get_or_insert_default().batch = Some(Box::new(batch));
    payload
}

impl Rig {
    fn see(&self, payload: &StandardLoggingPayload) {
        self.calls.append(&[&samples::finished(payload)]).unwrap();
    }
}

async fn rows(books: &Books) -> Vec<StoredCall> {
    let page = Page { skip: 0, take: 999 };
    let mut rows = books.calls(&Filter::default(), page).await.unwrap();
    rows.reverse();
    rows
}

/// 1000 x 0.00000125 + 100 x 0.000005: half of what the model costs outside of batches.
const COST: Usd = Usd::from_picos(1_750_000_000);

/// The books balance, nothing is unknown, and the batch costs this.
async fn check(pipeline: &Pipeline, cost: Usd) -> Vec<StoredCall> {
    let audit = pipeline.books.audit().await.unwrap();
    assert!(audit.balanced, "{audit:?}");
    assert_eq!(audit.spend, cost);
    let totals = pipeline.books.totals().await.unwrap();
    assert_eq!((totals.cost, totals.unpriced), (cost, 0));
    rows(&pipeline.books).await
}

#[tokio::test]
async fn a_batch_is_billed_once_at_the_prices_of_batches() {
    let rig = Rig::new();
    rig.see(&call(0, CREATOR, created()));
    rig.see(&call(1, CREATOR, ended()));
    rig.see(&call(2, OTHER, ended()));
    drop(rig.run().await);
    // Another process, another spelling of the address, the results after the batch.
    let mut elsewhere = call(3, OTHER, ended());
    elsewhere.api_base = Some("https://API.openai.com/v1/".to_owned());
    rig.see(&elsewhere);
    rig.see(&call(4, OTHER, results()));
    // A copy of the file, of which only the first result is known.
    let copy = Batch {
        names: names(&["file-copy", "batch_req_1"]),
        ..results()
    };
    rig.see(&call(5, OTHER, copy));
    let pipeline = rig.run().await;
    let rows = check(&pipeline, COST).await;
    let costs: Vec<_> = rows.iter().map(|row| row.spend().unwrap()).collect();
    let nothing = Usd::ZERO;
    assert_eq!(costs, [nothing, COST, nothing, nothing, nothing, nothing]);
    assert_eq!(rows[1].model, "openai/gpt-4o-2024-08-06");
    assert_eq!(
        (rows[1].prompt_tokens, rows[1].completion_tokens),
        (1000, 100)
    );
    let billed = rig.priced()[1].clone();
    let items: Vec<_> = billed.cost().items.iter().map(|item| item.class).collect();
    assert_eq!(items, [Class::Input, Class::Output]);
    assert_eq!(billed.cost().items[0].key, "input_cost_per_token_batches");
    for row in &rows[2..] {
        let id = billed.id().to_string();
        assert!(row.cost_detail.contains(&id), "{}", row.cost_detail);
        assert_eq!(
            (&*row.cost_status, row.total_tokens),
            ("nothing_consumed", 0)
        );
    }
}

#[tokio::test]
async fn another_account_may_have_a_batch_of_the_same_name() {
    let rig = Rig::new();
    rig.see(&call(0, CREATOR, ended()));
    let mut elsewhere = call(1, CREATOR, ended());
    elsewhere.api_base = Some("https://other.example/v1".to_owned());
    rig.see(&elsewhere);
    check(&rig.run().await, COST + COST).await;
}

#[tokio::test]
async fn who_created_the_batch_pays_for_it() {
    for settled_between in [false, true] {
        let rig = Rig::new();
        rig.see(&call(0, CREATOR, created()));
        if settled_between {
            drop(rig.run().await);
        }
        rig.see(&call(1, OTHER, ended()));
        let pipeline = rig.run().await;
        let rows = check(&pipeline, COST).await;
        assert_eq!(rows[1].api_key.as_deref(), Some(CREATOR));
        assert_eq!(rows[1].team_id.as_deref(), Some("team-of-hash-creator"));
        assert_eq!(rows[1].tags, "[\"tag-of-hash-creator\"]");
        assert!(rows[1].metadata.contains(r#""asked_by":"hash-other""#));
        let keys = pipeline
            .books
            .entities("key", crate::books::Span::EVER, 9)
            .await
            .unwrap();
        let of = |id: &str| keys.iter().find(|key| key.id == id);
        assert_eq!(of(CREATOR).unwrap().counts.cost, COST);
        assert!(of(OTHER).is_none());
    }
    // Nobody saw it created: who asked pays.
    let rig = Rig::new();
    rig.see(&call(0, OTHER, ended()));
    let rows = check(&rig.run().await, COST).await;
    assert_eq!(rows[0].api_key.as_deref(), Some(OTHER));
}

#[tokio::test]
async fn what_a_batch_consumed_is_unknown_until_it_is_known() {
    for settled_between in [false, true] {
        let rig = Rig::new();
        for number in 0..3 {
            rig.see(&call(number, OTHER, untold()));
        }
        if settled_between {
            let pipeline = rig.run().await;
            let totals = pipeline.books.totals().await.unwrap();
            assert_eq!(
                (totals.cost, totals.unpriced),
                (Usd::ZERO, 1),
                "one batch, not three"
            );
            let rows = rows(&pipeline.books).await;
            assert_eq!(rows[0].cost, None);
            assert!(rows[0].cost_detail.contains("does not say"));
        }
        rig.see(&call(3, OTHER, results()));
        rig.see(&call(4, OTHER, untold()));
        let pipeline = rig.run().await;
        let rows = check(&pipeline, COST).await;
        assert_eq!(rows[3].spend(), Some(COST));
        assert_eq!((rows[0].spend(), rows[0].revision), (Some(Usd::ZERO), 1));
        let last = rig.priced().pop().unwrap();
        assert_eq!(last.cost().status, CostStatus::NothingConsumed);
    }
}

#[tokio::test]
async fn a_crash_between_any_two_steps_bills_a_batch_once() {
    for dies in ALL {
        let rig = Rig::new();
        rig.see(&call(0, OTHER, untold()));
        rig.see(&call(1, OTHER, results()));
        rig.run_until(dies).await;
        rig.see(&call(2, OTHER, ended()));
        rig.run_until(dies).await;
        let rows = check(&rig.run().await, COST).await;
        assert_eq!(rows.len(), 3, "{dies:?}");
    }
}

#[tokio::test]
async fn a_price_that_depends_on_lengths_needs_them() {
    let long = |prompt| Batch {
        parts: vec![part("gpt-5.4", prompt)],
        ..ended()
    };
    let rig = Rig::new();
    rig.see(&call(0, OTHER, long((0, 300_000))));
    let pipeline = rig.run().await;
    let row = rows(&pipeline.books).await.remove(0);
    assert_eq!(row.cost, None);
    assert!(
        row.cost_detail.contains("depends on its length"),
        "{}",
        row.cost_detail
    );
    // Its results say them; asking for the batch once more does not.
    rig.see(&call(1, OTHER, long((0, 300_000))));
    let results = Batch {
        parts: vec![part("gpt-5.4", (10, 1000))],
        ..results()
    };
    rig.see(&call(2, OTHER, results));
    rig.see(&call(3, OTHER, long((0, 300_000))));
    drop(pipeline);
    let rows = check(&rig.run().await, Usd::from_picos(2_000_000_000)).await;
    let revisions: Vec<_> = rows.iter().map(|row| row.revision).collect();
    assert_eq!(revisions, [1, 0, 0, 0]);
    for (lengths, cost) in [
        ((10, 1000), 2_000_000_000),
        ((280_000, 300_000), 3_625_000_000),
    ] {
        let rig = Rig::new();
        rig.see(&call(0, OTHER, long(lengths)));
        check(&rig.run().await, Usd::from_picos(cost)).await;
    }
}

#[tokio::test]
async fn a_batch_of_several_models_is_one_bill() {
    let rig = Rig::new();
    let mut batch = ended();
    batch.parts.push(part("gpt-4o-mini", (0, 1000)));
    rig.see(&call(0, OTHER, batch.clone()));
    // 1000 x 0.000000075 + 100 x 0.0000003 more.
    check(&rig.run().await, COST + Usd::from_picos(105_000_000)).await;
    let event = rig.priced().remove(0);
    assert_eq!(event.payload().prompt_tokens, 2000);
    let key = &event.cost().items[0].key;
    assert_eq!(key, "gpt-4o-2024-08-06.input_cost_per_token_batches");

    let rig = Rig::new();
    batch.parts.push(part("unheard-of", (0, 1000)));
    rig.see(&call(0, OTHER, batch));
    let row = rows(&rig.run().await.books).await.remove(0);
    assert_eq!(row.cost, None, "one that is not known is not free");
}
