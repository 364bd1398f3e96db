//! The ledger in the books: what is settled, lent, and taken back.

use std::collections::BTreeMap;

use event::{
    Cost, CostStatus, EntityId, Extension, Metadata, Origin, PricedEvent, Reserved,
    StandardLoggingPayload, Timestamp, Usd, Window,
    control::{BudgetAsk, Hello, LeaseRequest, Snapshot},
    ledger::{Ask, Generation, Lease},
};

use super::{LEASE, LONGEST_CALL, end_silent, hello, lease, open, store};
use crate::books::{Books, Entry, Run};

const SOURCE: &str = "journal-1";

struct Stand {
    books: Books,
    priced: u64,
    _folder: tempfile::TempDir,
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn id(text: &str) -> EntityId {
    text.parse().unwrap()
}

fn generation(start: u64) -> Generation {
    let source = id(SOURCE);
    Generation { source, start }
}

fn now() -> Timestamp {
    Timestamp::from_micros(1_790_000_000_000_000)
}

impl Stand {
    async fn new(limit: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let books = Books::open(&folder.path().join("books.sqlite"))
            .await
            .unwrap();
        books.follow("priced", 0).await.unwrap();
        let json = format!(
            r#"{{"version":1,"budgets":{{"b":{{"id":"b","entity":"key:h","terms":{{"limit":{limit}}}}}}}}}"#
        );
        let snapshot: Snapshot = serde_json::from_str(&json).unwrap();
        books.directory().put(snapshot);
        Self {
            books,
            priced: 0,
            _folder: folder,
        }
    }

    async fn hello(&self, start: u64) -> bool {
        let said = Hello {
            generation: generation(start),
            software: String::new(),
            snapshot: None,
        };
        hello(&self.books, &said, now()).await.unwrap().is_ok()
    }

    async fn ask(&self, start: u64, number: u64, wanted: &str) -> Option<Lease> {
        let ask = Ask {
            number,
            wanted: usd(wanted),
            returned: Usd::ZERO,
        };
        let asks = ["b", "no such budget"].map(|budget| BudgetAsk {
            budget: id(budget),
            window: Window::ever().id,
            ask,
        });
        let request = LeaseRequest {
            generation: generation(start),
            sent_at: now(),
            asks: asks.into(),
        };
        let known = self.books.directory().known();
        let reply = lease(&self.books, &known, &request, now())
            .await
            .unwrap()
            .ok()?;
        let [told] = reply.leases.try_into().unwrap();
        Some(told.lease)
    }

    /// Settles a call whose started record stands at `started` and its event at `sequence`.
    async fn settle(&mut self, (started, sequence): (u64, u64), held: &str, cost: Option<&str>) {
        let reserved = Reserved {
            budget: id("b"),
            window: Window::ever().id,
            amount: usd(held),
        };
        let payload = StandardLoggingPayload {
            metadata: Metadata {
                user_api_key_hash: Some("h".to_owned()),
                ..Metadata::default()
            },
            tollkeeper: Some(Box::new(Extension {
                started_sequence: (started > 0).then_some(started),
                reserved: (started > 0).then_some(reserved).into_iter().collect(),
                ..Extension::default()
            })),
            ..StandardLoggingPayload::default()
        };
        let origin = Origin {
            source: SOURCE.to_owned(),
            sequence,
        };
        let cost = Cost {
            status: if cost.is_some() {
                CostStatus::Priced
            } else {
                CostStatus::Unpriced
            },
            total: cost.map(usd),
            ..Cost::default()
        };
        let event = PricedEvent::new(payload, origin, cost);
        let entry = Entry::new(event).at(self.priced);
        let marks = BTreeMap::from([(SOURCE.to_owned(), sequence)]);
        let run = Run {
            events: &[entry],
            marks: &marks,
            priced_source: "priced",
            from: self.priced,
            to: self.priced + 1,
        };
        self.books.settle(run).await.unwrap();
        self.priced += 1;
    }

    async fn committed(&self) -> (Usd, Usd) {
        let mut connection = self.books.writer().await;
        let window = Window::ever().id;
        let grants = store::grants(&mut connection, (&id("b"), &window), Usd::ZERO)
            .await
            .unwrap();
        (grants.settled(), grants.committed())
    }
}

#[tokio::test]
async fn what_is_lent_and_settled_never_passes_the_limit() {
    let mut stand = Stand::new("10").await;
    assert!(
        stand.ask(1, 1, "4").await.is_none(),
        "it has not said hello"
    );
    assert!(stand.hello(1).await);
    assert_eq!(stand.ask(1, 1, "4").await.unwrap().given, usd("4"));
    // A call that nothing was held for: what it cost is not taken from what was lent.
    stand.settle((0, 3), "0", Some("5")).await;
    let lease = stand.ask(1, 2, "9").await.unwrap();
    assert_eq!(
        (lease.given, lease.settled, lease.used),
        (usd("5"), usd("5"), Usd::ZERO)
    );
    assert_eq!(lease.settled_below, 4);
    stand.settle((4, 5), "2", Some("1.5")).await;
    let lease = stand.ask(1, 3, "9").await.unwrap();
    assert_eq!(
        (lease.given, lease.settled, lease.used),
        (usd("5"), usd("6.5"), usd("1.5"))
    );
    assert_eq!(stand.committed().await, (usd("6.5"), usd("10")));
}

#[tokio::test]
async fn a_generation_gives_back_its_rest_when_all_of_it_is_settled() {
    let mut stand = Stand::new("10").await;
    assert!(stand.hello(1).await);
    stand.ask(1, 1, "10").await.unwrap();
    assert!(stand.hello(7).await);
    assert!(
        stand.ask(1, 2, "10").await.is_none(),
        "a newer one has begun"
    );
    assert_eq!(stand.ask(7, 1, "3").await.unwrap().given, Usd::ZERO);
    stand.settle((2, 6), "4", Some("1")).await;
    assert_eq!(stand.ask(7, 2, "3").await.unwrap().given, usd("3"));
    assert_eq!(stand.committed().await, (usd("1"), usd("4")));
    assert!(!stand.hello(1).await);
}

#[tokio::test]
async fn a_call_without_a_price_counts_with_what_was_held() {
    let mut stand = Stand::new("10").await;
    assert!(stand.hello(1).await);
    stand.ask(1, 1, "10").await.unwrap();
    stand.settle((2, 3), "4", None).await;
    assert_eq!(stand.committed().await, (usd("4"), usd("10")));
}

#[tokio::test]
async fn what_a_lost_gateway_was_lent_is_free_again_but_for_its_open_calls() {
    let mut stand = Stand::new("10").await;
    assert!(stand.hello(1).await);
    stand.ask(1, 1, "10").await.unwrap();
    let held = |amount: &str| {
        let reserved = Reserved {
            budget: id("b"),
            window: Window::ever().id,
            amount: usd(amount),
        };
        vec![reserved]
    };
    let started = [(2, held("3")), (3, held("4"))];
    for _ in 0..2 {
        open(&stand.books, SOURCE, &started).await.unwrap();
    }
    stand.settle((2, 5), "3", Some("1")).await;
    let after = |micros: i64| Timestamp::from_micros(now().micros() + micros);
    let longest = LEASE.micros() + LONGEST_CALL.micros();
    let end = async |at, source| end_silent(&stand.books, source, at).await.unwrap();
    assert_eq!(end(after(longest), SOURCE).await, 0);
    assert_eq!(end(after(longest + 1), "another").await, 0);
    assert_eq!(stand.committed().await, (usd("1"), usd("10")));
    assert_eq!(end(after(longest + 1), SOURCE).await, 1);
    assert_eq!(stand.committed().await, (usd("1"), usd("5")));
    assert!(stand.ask(1, 2, "10").await.is_none(), "it is closed");
    // It comes back, says what became of its last call, and begins anew.
    stand.settle((3, 7), "4", Some("2")).await;
    assert_eq!(stand.committed().await, (usd("3"), usd("5")));
    assert!(stand.hello(8).await);
    assert_eq!(stand.ask(8, 1, "10").await.unwrap().given, usd("7"));
    assert_eq!(stand.committed().await, (usd("3"), usd("10")));
}
