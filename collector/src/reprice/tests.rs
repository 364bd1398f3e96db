//! Jobs against a model: random calls, maps, orders and crashes. What a call costs is worked out
//! here with whole numbers, and not by the code under test.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use bus::{MemoryLog, Position, ReadLimit};
use cost_map::Adjustments;
use event::{Extension, Json, PricedEvent, StandardLoggingPayload, Usage, Usd, codec};
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::time::Instant;

mod batches;

use super::*;
use crate::{
    books::{Filter, Page, StoredCall},
    config::SettleConfig,
    deliver::dead_letters::DeadLetters,
    health::Health,
    metrics::Metrics,
    pipeline::Pipeline,
    price::Pricer,
    samples,
    tap::Tap,
};

const MODELS: [&str; 3] = ["acme/a", "acme/b", "acme/c"];
const PATIENCE: Duration = Duration::from_secs(60);

/// Nano-USD for an input and an output token; nothing for a model without a price.
type Map = [Option<(u32, u32)>; 3];

/// What survives a crash.
struct Rig {
    calls: MemoryLog,
    priced: MemoryLog,
    data: TempDir,
    adjustments: Adjustments,
    /// What each call must cost.
    expected: BTreeMap<String, Option<Usd>>,
    made: Vec<Made>,
}

/// A call as the model knows it.
#[derive(Clone, Debug)]
struct Made {
    model: usize,
    prompt: u32,
    completion: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    /// With prices of its own: 5 and 7 nano-USD.
    Own,
    /// Answered from a cache, so that nothing was consumed.
    Cached,
    /// Priced by another model's entry.
    Based(usize),
}

struct Process {
    tasks: Tasks,
    books: Books,
    repricer: Repricer,
}

impl Made {
    fn cost(&self, map: &Map) -> Option<Usd> {
        let of = |(input, output): (u32, u32)| {
            let nanos = u64::from(input) * u64::from(self.prompt)
                + u64::from(output) * u64::from(self.completion);
            Usd::from_picos(i128::from(nanos) * 1000)
        };
        match self.kind {
            Kind::Cached => Some(Usd::ZERO),
            Kind::Own => Some(of((5, 7))),
            Kind::Based(model) => map[model].map(of),
            Kind::Plain => map[self.model].map(of),
        }
    }

    fn payload(&self, number: u64) -> StandardLoggingPayload {
        let (prompt, completion) = (u64::from(self.prompt), u64::from(self.completion));
        let usage = Usage {
            prompt_tokens: prompt,
            completion_tokens: completion,
            total_tokens: prompt + completion,
            ..Usage::default()
        };
        let mut payload = samples::call(number);
        let ours = payload.tollkeeper.get_or_insert_default();
        match self.kind {
            Kind::Own => {
                let prices = r#"{"input_cost_per_token":5e-9,"output_cost_per_token":0.000000007}"#;
                ours.price_overrides = Json::parse(prices.to_owned());
            }
            Kind::Based(model) => ours.base_model = Some(MODELS[model].to_owned()),
            Kind::Cached => payload.cache_hit = Some(true),
            Kind::Plain => {}
        }
        payload.model = MODELS[self.model].to_owned();
        payload.custom_llm_provider = Some("acme".to_owned());
        payload.metadata.usage_object = Json::of(&usage);
        payload.messages = Json::of(&"what was asked");
        (payload.prompt_tokens, payload.completion_tokens) = (prompt, completion);
        payload.total_tokens = prompt + completion;
        payload
    }
}

fn map_json(map: &Map) -> String {
    let entry = |name: &str, (input, output): (u32, u32)| {
        format!(
            r#""{name}":{{"litellm_provider":"acme","mode":"chat","input_cost_per_token":{input}e-9,"output_cost_per_token":{output}e-9}}"#
        )
    };
    let known = MODELS.iter().zip(map);
    let known = known.filter_map(|(name, prices)| prices.map(|prices| entry(name, prices)));
    let all: Vec<_> = known.chain([entry("acme/other", (1, 1))]).collect();
    format!("{{{}}}", all.join(","))
}

impl Rig {
    fn new() -> Self {
        Self {
            calls: MemoryLog::new(),
            priced: MemoryLog::new(),
            data: tempfile::tempdir().unwrap(),
            adjustments: Adjustments::default(),
            expected: BTreeMap::new(),
            made: Vec::new(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.data.path().join(name)
    }

    fn add(&mut self, made: Made, map: &Map) {
        let number = u64::try_from(self.made.len()).unwrap();
        let payload = made.payload(number);
        self.calls.append(&[&samples::finished(&payload)]).unwrap();
        let id = payload.litellm_call_id.to_string();
        self.expected.insert(id, made.cost(map));
        self.made.push(made);
    }

    /// Changes what is expected as an order should.
    fn expect(&mut self, order: &Order, map: &Map) {
        for (number, made) in self.made.iter().enumerate() {
            let expected = self.expected.get_mut(&format!("call-{number}")).unwrap();
            let named = order.models.is_empty()
                || order.models.iter().any(|model| model == MODELS[made.model]);
            let wanted = named && (expected.is_none() || order.all) && !order.dry_run;
            if let (true, Some(now)) = (wanted, made.cost(map)) {
                *expected = Some(now);
            }
        }
    }

    /// Starts a process with this map, and waits until all calls are settled.
    async fn start(&self, map: &Map) -> Process {
        let tasks = Tasks::default();
        let books = Books::open(&self.file("books.sqlite")).await.unwrap();
        let prices = PriceMaps::of_file(map_json(map).as_bytes(), self.adjustments.clone());
        let alerts = Alerts::new(books.clone());
        let health = Arc::new(Health::default());
        let log: Arc<dyn Log> = Arc::new(self.priced.clone());
        let (repricer, corrections) = Repricer::new(Parts {
            books: books.clone(),
            prices: prices.clone(),
            log: Arc::clone(&log),
            alerts: alerts.clone(),
            tasks: tasks.clone(),
        });
        let pipeline = Pipeline {
            calls: self.calls.reader("collector").unwrap(),
            priced: log,
            tail: None,
            books: books.clone(),
            pricer: Pricer::new(prices),
            bad_records: DeadLetters::new(self.file("bad.jsonl"), 1 << 20),
            alerts,
            metrics: Arc::new(Metrics::new(10, Vec::new())),
            health: Arc::clone(&health),
            tap: Tap::new(),
            settle: SettleConfig {
                linger: Duration::ZERO,
                ..SettleConfig::default()
            },
            corrections,
        };
        tasks.spawn(pipeline.run(tasks.clone()));
        let begun = Instant::now();
        let count = i64::try_from(self.made.len()).unwrap();
        // Well once the tail of the priced log is settled.
        while health.trouble().is_some() || books.totals().await.unwrap().calls() < count {
            assert!(begun.elapsed() < PATIENCE, "not settled");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Process {
            tasks,
            books,
            repricer,
        }
    }

    fn log(&self) -> Vec<PricedEvent> {
        let mut reader = self.priced.reader("test").unwrap();
        reader.seek(Position {
            partition: 0,
            offset: 0,
        });
        let limit = ReadLimit {
            records: std::num::NonZeroUsize::MAX,
            bytes: std::num::NonZeroUsize::MAX,
        };
        let records = reader.try_read(limit).unwrap().records;
        let decode = |record: &bus::Record| codec::decode_priced(&record.bytes).unwrap();
        records.iter().map(decode).collect()
    }

    /// Whether rows, sums and the priced log agree, to the last digit.
    async fn check(&self, books: &Books) -> Vec<StoredCall> {
        let page = Page {
            skip: 0,
            take: 10_000,
        };
        let rows = books.calls(&Filter::default(), page).await.unwrap();
        let spend: Usd = rows.iter().filter_map(StoredCall::spend).sum();
        let log = self.log();
        let first = log.iter().filter(|event| event.revision() == 0);
        let first: Usd = first.filter_map(|event| event.cost().total).sum();
        let steps = log
            .iter()
            .filter_map(|event| event.settlement().previous.as_ref());
        let moved: Usd = steps.map(|previous| previous.difference).sum();
        assert_eq!(spend, first + moved, "rows = first costs + corrections");
        assert_eq!(books.totals().await.unwrap().cost, spend);
        let audit = books.audit().await.unwrap();
        assert!(audit.balanced, "{audit:?}");
        assert_eq!((audit.spend, audit.corrected), (spend, moved));
        rows
    }
}

impl Process {
    async fn reprice(&self, order: &Order) -> Report {
        let mut watched = self.repricer.start(order.clone()).unwrap();
        let report = ended(&mut watched).await.unwrap();
        assert_eq!((report.state, &report.error), (State::Done, &None));
        report
    }

    /// As `kill -9` does it: at whatever everything waits for.
    async fn kill(self) {
        self.tasks.stop(Duration::ZERO).await;
    }
}

fn all() -> Order {
    Order {
        all: true,
        ..Order::default()
    }
}

fn costs(rows: &[StoredCall]) -> BTreeMap<String, Option<Usd>> {
    let cost = |row: &StoredCall| (row.call_id.clone(), row.spend());
    rows.iter().map(cost).collect()
}

fn plain(model: usize) -> Made {
    Made {
        model,
        prompt: 1000,
        completion: 10,
        kind: Kind::Plain,
    }
}

#[tokio::test]
async fn a_price_that_is_found_later_settles_the_calls_before_it() {
    let mut rig = Rig::new();
    let none = [Some((3, 4)), None, None];
    for model in [0, 1, 1, 2] {
        rig.add(plain(model), &none);
    }
    let process = rig.start(&none).await;
    assert_eq!(process.books.totals().await.unwrap().unpriced, 3);
    process.kill().await;
    let found = [Some((3, 4)), Some((5, 6)), None];
    let process = rig.start(&found).await;
    let dry = Order {
        dry_run: true,
        ..all()
    };
    let expected = Usd::from_picos(2 * 5_060_000);
    for order in [dry, all()] {
        let report = process.reprice(&order).await;
        let fates = (report.unchanged, report.corrected, report.still_unpriced);
        assert_eq!((report.scanned, fates), (4, (1, 2, 1)), "{report:?}");
        assert_eq!((report.increase, report.difference), (expected, expected));
        let sum = &report.models[0];
        assert_eq!((&*sum.model, sum.newly_priced), ("acme/b", 2));
        let unpriced = process.books.totals().await.unwrap().unpriced;
        assert_eq!(unpriced, if order.dry_run { 3 } else { 1 });
    }
    rig.expect(&all(), &found);
    let rows = rig.check(&process.books).await;
    assert_eq!(costs(&rows), rig.expected);
    let alerts = process.books.alerts().await.unwrap();
    assert!(alerts.iter().any(|alert| alert.kind == "costs_corrected"));
    // What was said is in the revision, and the group that read it back holds nothing.
    let log = rig.log();
    let revisions: Vec<_> = log.iter().filter(|event| event.revision() == 1).collect();
    assert_eq!(revisions.len(), 2);
    assert!(
        revisions
            .iter()
            .all(|e| e.payload().messages.text().contains("asked"))
    );
    assert_eq!(
        rig.priced.reader("collector-reprice").unwrap().committed(),
        None
    );
    process.kill().await;
}

#[tokio::test]
async fn prices_of_today_do_not_reach_calls_that_have_a_price_unless_it_is_ordered() {
    let mut rig = Rig::new();
    let before = [Some((3, 4)), None, None];
    rig.add(plain(0), &before);
    rig.add(plain(1), &before);
    rig.start(&before).await.kill().await;
    let cut = [Some((1, 1)), Some((5, 6)), None];
    let process = rig.start(&cut).await;
    for (order, fates) in [(Order::default(), (1, 1, 0)), (all(), (2, 1, 1))] {
        let report = process.reprice(&order).await;
        let found = (report.scanned, report.corrected, report.unchanged);
        assert_eq!((found, report.all), (fates, order.all), "{report:?}");
        rig.expect(&order, &cut);
        assert_eq!(costs(&rig.check(&process.books).await), rig.expected);
    }
    process.kill().await;
}

#[tokio::test]
async fn a_known_cost_is_not_made_unknown() {
    let mut rig = Rig::new();
    let known = [Some((3, 4)), Some((1, 1)), None];
    rig.add(plain(0), &known);
    rig.start(&known).await.kill().await;
    let process = rig.start(&[None, Some((1, 1)), None]).await;
    let report = process.reprice(&all()).await;
    assert_eq!((report.kept, report.corrected), (1, 0));
    assert_eq!(report.reasons[0].fate, "kept");
    assert_eq!(costs(&rig.check(&process.books).await), rig.expected);
    process.kill().await;
}

#[tokio::test]
async fn a_margin_that_changes_corrects_the_calls_before_it() {
    let mut rig = Rig::new();
    let map = [Some((3, 4)), None, None];
    rig.add(plain(0), &map);
    rig.start(&map).await.kill().await;
    // 3,040 nano-USD, a quarter off, and a thousandth of a USD on top.
    let margins = r#"{"global": {"fixed_amount": "0.001"}}"#;
    rig.adjustments = Adjustments::parse(r#"{"acme": 0.25}"#, margins).unwrap();
    let process = rig.start(&map).await;
    let report = process.reprice(&all()).await;
    assert_eq!((report.corrected, report.unchanged), (1, 0), "{report:?}");
    let rows = rig.check(&process.books).await;
    assert_eq!(
        rows[0].spend(),
        Some(Usd::from_picos(2_280_000 + 1_000_000_000))
    );
    assert_eq!(process.reprice(&all()).await.unchanged, 1);
    process.kill().await;
}

#[tokio::test]
async fn when_the_content_is_gone_the_correction_settles_without_it() {
    let mut rig = Rig::new();
    let (before, after) = ([Some((3, 4)), None, None], [Some((5, 4)), None, None]);
    rig.add(plain(0), &before);
    rig.start(&before).await.kill().await;
    // Another log in the place of the one that has the event.
    let old = std::mem::replace(&mut rig.priced, MemoryLog::new());
    let process = rig.start(&after).await;
    let report = process.reprice(&all()).await;
    assert_eq!(
        (report.corrected, report.without_content),
        (1, 1),
        "{report:?}"
    );
    let revision = rig.log().pop().unwrap();
    let first = codec::decode_priced(&{
        let mut reader = old.reader("test").unwrap();
        let one = std::num::NonZeroUsize::MIN;
        let limit = ReadLimit {
            records: one,
            bytes: one,
        };
        reader.try_read(limit).unwrap().records.remove(0).bytes
    })
    .unwrap();
    assert!(revision.payload().messages.is_null());
    assert_eq!((revision.id(), revision.revision()), (first.id(), 1));
    let (was, now) = (first.payload(), revision.payload());
    assert_eq!(was.request_tags, now.request_tags);
    assert_eq!(was.metadata, now.metadata);
    let totals = process.books.totals().await.unwrap();
    assert_eq!(totals.cost, rig.made[0].cost(&after).unwrap());
    assert!(process.books.audit().await.unwrap().balanced);
    process.kill().await;
}

#[tokio::test]
async fn one_order_at_a_time() {
    let mut rig = Rig::new();
    let map = [Some((3, 4)), None, None];
    (0..600).for_each(|_| rig.add(plain(0), &map));
    let process = rig.start(&map).await;
    let mut watched = process.repricer.start(all()).unwrap();
    assert_eq!(process.repricer.start(all()).err(), Some(Busy));
    assert_eq!(ended(&mut watched).await.unwrap().unchanged, 600);
    assert!(process.repricer.start(all()).is_ok());
    process.kill().await;
}

/// What a row keeps is what a call is priced by.
#[test]
fn a_row_gives_back_what_the_call_is_priced_by() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut rig = Rig::new();
        let map = [Some((3, 4)), None, None];
        let mut payload = plain(0).payload(0);
        let priced_by = Extension {
            response_model: Some("acme/a-2026".to_owned()),
            base_model: Some("acme/base".to_owned()),
            requested_service_tier: Some("auto".to_owned()),
            served_service_tier: Some("flex".to_owned()),
            price_overrides: Json::parse(r#"{"input_cost_per_token":1}"#.to_owned()),
            region: Some("eu-west-1".to_owned()),
            ..*payload.tollkeeper.take().unwrap()
        };
        payload.tollkeeper = Some(Box::new(priced_by.clone()));
        rig.calls.append(&[&samples::finished(&payload)]).unwrap();
        rig.made.push(plain(0));
        let process = rig.start(&map).await;
        let scan = crate::books::Scan {
            before: Timestamp::from_micros(i64::MAX),
            ..Default::default()
        };
        let rows = process.books.scan(&scan, None, 9).await.unwrap();
        let back = stored::payload(&rows[0]).unwrap();
        assert_eq!(back.tollkeeper.as_deref(), Some(&priced_by));
        payload.messages = Json::default();
        payload.response = Json::default();
        assert_eq!(back, payload);
        process.kill().await;
    });
}

fn made() -> impl Strategy<Value = Made> {
    let kind = prop_oneof![
        5 => Just(Kind::Plain),
        1 => Just(Kind::Own),
        1 => Just(Kind::Cached),
        1 => (0..3_usize).prop_map(Kind::Based),
    ];
    (0..3_usize, 1_u32..100_000, 0_u32..10_000, kind).prop_map(
        |(model, prompt, completion, kind)| Made {
            model,
            prompt,
            completion,
            kind,
        },
    )
}

prop_compose! {
    fn order()(models in prop::collection::vec(0..3_usize, 0..3), all: bool, dry_run in prop::bool::weighted(0.2)) -> Order {
        let models = models.into_iter().map(|model| MODELS[model].to_owned()).collect();
        Order { models, all, dry_run, ..Order::default() }
    }
}

fn map() -> impl Strategy<Value = Map> {
    let prices = || prop::option::weighted(0.7, (0_u32..5000, 0_u32..5000));
    [prices(), prices(), prices()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn whatever_the_maps_orders_and_crashes_each_call_costs_what_it_must(
        lives in prop::collection::vec(
            (prop::collection::vec(made(), 0..20), map(), prop::collection::vec(order(), 0..3),
             prop::option::of(0_u64..3000)),
            1..6,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut rig = Rig::new();
            let mut last = [None; 3];
            for (calls, map, orders, killed) in lives {
                last = map;
                calls.into_iter().for_each(|call| rig.add(call, &map));
                let process = rig.start(&map).await;
                for order in orders {
                    let before = process.books.totals().await.unwrap().cost;
                    rig.expect(&order, &map);
                    let report = process.reprice(&order).await;
                    let fates = [report.unchanged, report.corrected, report.still_unpriced, report.kept];
                    assert_eq!(report.scanned, fates.iter().sum::<u64>());
                    assert_eq!(report.difference, report.increase - report.decrease);
                    let by_model: Usd = report.models.iter().map(|sum| sum.difference).sum();
                    assert_eq!(report.difference, by_model);
                    let after = process.books.totals().await.unwrap().cost;
                    let moved = if order.dry_run { Usd::ZERO } else { report.difference };
                    assert_eq!(after, before + moved);
                    assert_eq!(costs(&rig.check(&process.books).await), rig.expected);
                    // The same order again changes nothing.
                    let head = rig.priced.head();
                    let again = process.reprice(&Order { dry_run: false, ..order.clone() }).await;
                    if order.dry_run {
                        rig.expect(&Order { dry_run: false, ..order }, &map);
                    } else {
                        assert_eq!((again.corrected, rig.priced.head()), (0, head));
                    }
                }
                // One that is killed on its way.
                if let Some(micros) = killed {
                    let watched = process.repricer.start(all());
                    assert!(watched.is_ok());
                    tokio::time::sleep(Duration::from_micros(micros)).await;
                    process.kill().await;
                    let process = rig.start(&map).await;
                    rig.check(&process.books).await;
                    process.reprice(&all()).await;
                    rig.expect(&all(), &map);
                    process.kill().await;
                } else {
                    process.kill().await;
                }
            }
            let process = rig.start(&last).await;
            assert_eq!(costs(&rig.check(&process.books).await), rig.expected);
            process.kill().await;
        });
    }
}
