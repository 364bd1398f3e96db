//! Maps over maps, what is different between two, which are not believed, and which are not read.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::error::Error as _;

use cost_map::{
    MapError, PriceMap,
    change::Change,
    check::{self, InUse},
};
use event::Timestamp;
use rust_decimal::Decimal;

fn parse(json: &str) -> PriceMap {
    PriceMap::parse(json.as_bytes(), "test").unwrap()
}

/// A map of models with an input price each.
fn map(prices: &[(&str, &str)]) -> PriceMap {
    let entry =
        |(name, price): &(&str, &str)| format!(r#""{name}":{{"input_cost_per_token":{price}}}"#);
    let entries: Vec<_> = prices.iter().map(entry).collect();
    parse(&format!("{{{}}}", entries.join(",")))
}

fn in_use(model: &str) -> InUse {
    InUse {
        provider: None,
        model: model.to_owned(),
    }
}

fn doubts(before: &PriceMap, after: &PriceMap, used: &[&str]) -> Vec<String> {
    let used: Vec<_> = used.iter().map(|model| in_use(model)).collect();
    let now = Timestamp::from_micros(1_800_000_000_000_000);
    let doubts = check::doubts(before, after, &used, (Decimal::TEN, now));
    doubts.first.iter().map(ToString::to_string).collect()
}

#[test]
fn an_entry_of_the_upper_map_replaces_the_whole_entry_below() {
    let below = parse(
        r#"{"a": {"input_cost_per_token": 1, "output_cost_per_token": 2, "litellm_provider": "x"},
            "b": {"input_cost_per_token": 3, "mode": "chat"}}"#,
    );
    let above = parse(r#"{"A2": {"input_cost_per_token": 9}, "a": {"input_cost_per_token": 7}}"#);
    let merged = above.over(&below);
    let names: Vec<_> = merged.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["A2", "a", "b"]);
    let a = merged.entry("a").unwrap();
    assert_eq!(a.price("input_cost_per_token"), Some(7.into()));
    assert_eq!(
        (a.price("output_cost_per_token"), a.provider()),
        (None, None)
    );
    assert_eq!(merged.entry("b"), below.entry("b"));
    assert_eq!(merged.resolve(None, "a2").unwrap().name, "A2");
}

#[test]
fn the_version_of_a_merged_map_is_that_of_its_layers() {
    let (one, two, three) = (map(&[("a", "1")]), map(&[("b", "1")]), map(&[("c", "1")]));
    let version = |above: &PriceMap, below: &PriceMap| above.over(below).version().to_owned();
    assert!(version(&one, &two).starts_with("test+sha256:"));
    assert_eq!(version(&one, &two), version(&one, &two));
    assert_ne!(version(&one, &two), version(&two, &one));
    assert_ne!(version(&one, &two), version(&one, &three));
    assert_ne!(version(&one, &two), one.version());
}

#[test]
fn a_change_is_what_is_new_gone_and_moved() {
    let before = parse(
        r#"{"gone": {}, "limits": {"max_tokens": 1}, "same": {"input_cost_per_token": 1.0},
            "moved": {"input_cost_per_token": 2e-6, "output_cost_per_token": 1, "cost_per_second": 0}}"#,
    );
    let after = parse(
        r#"{"new": {}, "limits": {"max_tokens": 2}, "same": {"input_cost_per_token": 1},
            "moved": {"input_cost_per_token": 3e-6, "output_cost_per_token_flex": 1, "cost_per_second": 1}}"#,
    );
    let change = Change::between(&before, &after);
    assert_eq!(
        (&*change.new, &*change.vanished),
        (&["new"][..], &["gone"][..])
    );
    let [limits, moved] = &*change.changed else {
        panic!("{change:?}")
    };
    assert_eq!((limits.model, limits.figures.len()), ("limits", 0));
    let figures: Vec<_> = moved
        .figures
        .iter()
        .map(|f| (f.key, f.before, f.after, f.percent()))
        .collect();
    let number = |text: &str| Some(text.parse().unwrap());
    assert_eq!(
        figures,
        [
            ("cost_per_second", number("0"), number("1"), None),
            (
                "input_cost_per_token",
                number("0.000002"),
                number("0.000003"),
                number("50")
            ),
            ("output_cost_per_token", number("1"), None, None),
            ("output_cost_per_token_flex", None, number("1"), None),
        ]
    );
    assert!(Change::between(&before, &before).is_empty());
    assert!(!change.is_empty());
}

#[test]
fn a_model_in_use_must_keep_a_price() {
    let before = map(&[("openai/a", "1"), ("b", "1"), ("c", "1")]);
    let after = parse(r#"{"c": {"mode": "chat"}}"#);
    assert_eq!(
        doubts(&before, &after, &["openai/a", "c", "never-priced"]),
        [
            "`openai/a` (no provider) is in use and would have no price",
            "`c` (no provider) is in use and would have no price"
        ]
    );
    assert_eq!(doubts(&before, &after, &[]), Vec::<String>::new());
}

#[test]
fn a_price_may_move_up_to_the_factor() {
    for (before, after, fine) in [
        ("1e-6", "1e-5", true),
        ("1e-5", "1e-6", true),
        ("1e-6", "1.0000001e-5", false),
        ("1.0000001e-5", "1e-6", false),
        ("0", "1e-9", true),
        ("1e-9", "0", false),
        ("0", "0", true),
        ("1", "7e27", false),
        ("7e27", "7.1e27", true),
    ] {
        let found = doubts(&map(&[("m", before)]), &map(&[("m", after)]), &[]);
        assert_eq!(found.is_empty(), fine, "{before} {after}: {found:?}");
    }
    let free_no_more = doubts(&map(&[("m", "0")]), &map(&[("m", "1")]), &["m"]);
    assert_eq!(
        free_no_more,
        ["`input_cost_per_token` of `m` goes from 0 to 1 USD"]
    );
}

/// An entry for `openai/one` with these figures beside its usual ones.
fn one(more: &str) -> PriceMap {
    parse(&format!(
        r#"{{"openai/one": {{"litellm_provider": "openai", "mode": "chat",
            "input_cost_per_token": 1e-6, "output_cost_per_token": 4e-6{more}}}}}"#
    ))
}

#[test]
fn a_new_figure_is_doubted_where_calls_cost_far_more_or_less() {
    let before = one("");
    for (more, words) in [
        (
            r#", "input_cost_per_request": 100000"#,
            "a call of `openai/one` with 1000 tokens of input goes from 0.001 to 100000.001 USD",
        ),
        (
            r#", "effective": [{"from": "2020-01-01", "input_cost_per_token": 0, "output_cost_per_token": 0}]"#,
            "`effective[0].input_cost_per_token` of `openai/one` goes from 0.000001 to 0 USD",
        ),
        (
            r#", "effective": [{"from": "2030-01-01", "input_cost_per_token": 1e-6}]"#,
            "would have no price",
        ),
        (
            r#", "input_cost_per_token_above_1_tokens": 1"#,
            "`input_cost_per_token_above_1_tokens` of `openai/one` goes from 0.000001 to 1 USD",
        ),
        (
            r#", "output_cost_per_token_priority": 1"#,
            "`output_cost_per_token_priority` of `openai/one` goes from 0.000004 to 1 USD",
        ),
        (
            r#", "output_cost_per_reasoning_token": 1"#,
            "of reasoning goes from",
        ),
        (
            r#", "tiered_pricing": [{"range": [0, 1e6], "input_cost_per_token": 1e-9}]"#,
            "`tiered_pricing[0].input_cost_per_token` of `openai/one` goes from 0.000001 to",
        ),
        (
            r#", "off_peak_pricing": {"hours_utc": "00:00-00:01", "input_cost_per_token": 0}"#,
            "`off_peak_pricing.input_cost_per_token` of `openai/one` goes from 0.000001 to 0",
        ),
    ] {
        let found = doubts(&before, &one(more), &["openai/one"]);
        assert!(
            found.first().is_some_and(|said| said.contains(words)),
            "{more}\n{found:?}"
        );
    }
}

#[test]
fn a_figure_that_is_gone_leaves_calls_without_a_price() {
    let before = one("");
    let no_output = parse(
        r#"{"openai/one": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-6}}"#,
    );
    assert_eq!(
        doubts(&before, &no_output, &["openai/one"]),
        [
            "a call of `openai/one` with 1000 tokens of input and 1000000 of output costs 4.001 USD and would have no price"
        ]
    );
}

#[test]
fn a_usual_new_figure_is_not_doubted_nor_is_its_end() {
    let before = one("");
    for usual in [
        r#", "cache_read_input_token_cost": 1e-7, "cache_creation_input_token_cost": 1.25e-6"#,
        r#", "input_cost_per_token_priority": 2e-6, "input_cost_per_token_flex": 5e-7"#,
        r#", "input_cost_per_token_above_200k_tokens": 2e-6, "input_cost_per_token_batches": 5e-7"#,
        r#", "effective": [{"from": "2030-01-01", "input_cost_per_token": 5e-7, "output_cost_per_token": 4e-6}]"#,
    ] {
        assert_eq!(
            doubts(&before, &one(usual), &["openai/one"]),
            Vec::<String>::new(),
            "{usual}"
        );
        assert_eq!(
            doubts(&one(usual), &before, &["openai/one"]),
            Vec::<String>::new(),
            "{usual}"
        );
    }
}

#[test]
fn of_many_doubts_the_first_are_kept_and_the_rest_counted() {
    let names: Vec<String> = (0..1000).map(|n| format!("m{n}")).collect();
    let of = |price| {
        map(&names
            .iter()
            .map(|name| (&**name, price))
            .collect::<Vec<_>>())
    };
    let now = Timestamp::default();
    let found = check::doubts(&of("1"), &of("100"), &[in_use("m999")], (Decimal::TEN, now));
    assert_eq!((found.first.len(), found.left_out), (20, 980));
    assert!(found.first[0].to_string().contains("m999"));
}

#[test]
fn models_in_use_are_named_first_and_once() {
    let before = map(&[("a", "1"), ("z", "1")]);
    let after = map(&[("a", "100"), ("z", "200")]);
    assert_eq!(
        doubts(&before, &after, &["z"]),
        [
            "`input_cost_per_token` of `z` goes from 1 to 200 USD",
            "`input_cost_per_token` of `a` goes from 1 to 100 USD"
        ]
    );
}

#[test]
fn a_new_entry_that_answers_to_a_name_in_use_is_looked_at_too() {
    let before = map(&[("m", "1")]);
    let after = map(&[("m", "1"), ("m-2026-01-01", "1000")]);
    assert_eq!(
        doubts(&before, &after, &["m-2026-01-01"]),
        ["`input_cost_per_token` of `m-2026-01-01` goes from 1 to 1000 USD"]
    );
}

#[test]
fn half_of_the_entries_is_enough() {
    let of = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("m{n}")).collect();
        let prices: Vec<_> = names.iter().map(|name| (&**name, "1")).collect();
        map(&prices)
    };
    for (before, after, fine) in [
        (10, 5, true),
        (10, 4, false),
        (9, 5, true),
        (9, 4, false),
        (1, 1, true),
    ] {
        let doubt = check::shrunk(&of(before), &of(after));
        assert_eq!(doubt.is_none(), fine, "{before} {after}: {doubt:?}");
    }
}

/// What a map is refused with, and why.
fn refused(json: impl AsRef<[u8]>) -> String {
    let error: MapError = PriceMap::parse(json.as_ref(), "test").unwrap_err();
    let source = error.source().map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

/// Checks that each map is refused with words that say where.
fn all_refused(maps: &[(String, &str)]) {
    for (json, place) in maps {
        let said = refused(json);
        assert!(said.contains(place), "{place}\n{said}");
        assert!(said.len() < 400, "{said}");
    }
}

fn price(value: &str) -> String {
    format!(r#"{{"good":{{}},"bad":{{"input_cost_per_token":{value}}}}}"#)
}

fn deep(count: usize) -> String {
    format!("{}{}", "[".repeat(count), "]".repeat(count))
}

#[test]
fn what_is_no_map_is_refused_at_a_named_place() {
    let cut = price("1")[..40].to_owned();
    all_refused(&[
        (String::new(), "at line 1 column 0"),
        ("[]".to_owned(), "expected an object at line 1"),
        ("null".to_owned(), "expected an object at line 1"),
        (cut, "EOF while parsing an object at line 1 column 40"),
        (price("NaN"), "at line 1 column"),
        (price("Infinity"), "at line 1 column"),
        (deep(100_000), "expected an object at line 1"),
    ]);
    let said = refused(b"{\"bad\":{\"mode\":\"\xff\"}}");
    assert!(said.contains("at line 1 column"), "{said}");
}

#[test]
fn figures_that_are_none_are_refused_by_model_and_key() {
    let not_a_number = "`input_cost_per_token` of `bad` is not a number";
    all_refused(&[
        (price("1e308"), not_a_number),
        (price("1e999999999999"), not_a_number),
        (price("\"cheap\""), not_a_number),
        (price("\"NaN\""), not_a_number),
        (price("\"1_000\""), not_a_number),
        (price(&deep(1000)), not_a_number),
        (
            price("-1e-9"),
            "`input_cost_per_token` of `bad` is negative",
        ),
    ]);
}

#[test]
fn entries_beyond_any_models_are_refused_by_name() {
    let long = "k".repeat(1 << 20);
    all_refused(&[
        (
            price(&deep(100_000)),
            "`bad` in the price map has 200025 bytes",
        ),
        (
            format!(r#"{{"bad":{}}}"#, deep(1000)),
            "`bad` in the price map is not an object",
        ),
        (
            format!(r#"{{"{long}":{{}}}}"#),
            "kkk…` in the price map is a name of 1048576 bytes",
        ),
        (
            format!(r#"{{"bad":{{"{long}":1}}}}"#),
            "`bad` in the price map has 1048582 bytes",
        ),
    ]);
}

#[test]
fn what_is_there_twice_with_two_values_is_refused() {
    all_refused(&[
        (
            r#"{"bad":{},"bad":{"mode":"chat"}}"#.to_owned(),
            "`bad` is in the price map twice",
        ),
        (
            r#"{"bad":{"input_cost_per_token":1,"input_cost_per_token":2}}"#.to_owned(),
            "`input_cost_per_token` of `bad` is there twice",
        ),
        (
            r#"{"bad":{"search_context_cost_per_query":{"low":1,"low":2}}}"#.to_owned(),
            "`search_context_cost_per_query.low` of `bad` is there twice",
        ),
        (
            r#"{"bad":{"search_context_cost_per_query":{"low":1},"search_context_cost_per_query.low":2}}"#.to_owned(),
            "`search_context_cost_per_query.low` of `bad` is there twice",
        ),
        (
            r#"{"bad":{"search_context_cost_per_query.low":5,"search_context_cost_per_query":{"low":1}}}"#.to_owned(),
            "`search_context_cost_per_query.low` of `bad` is there twice",
        ),
    ]);
}

#[test]
fn a_million_entries_are_refused_before_they_are_kept() {
    let entries: Vec<String> = (0..1_000_000).map(|n| format!(r#""m{n}":{{}}"#)).collect();
    let said = refused(format!("{{{}}}", entries.join(",")));
    assert!(
        said.contains("more than 100,000 members at line 1"),
        "{said}"
    );
}

#[test]
fn a_million_different_keys_are_refused() {
    let entry = |n: u32| {
        let keys: Vec<_> = (0..1000)
            .map(|k| format!(r#""cost_per_{}":1"#, n * 1000 + k))
            .collect();
        format!(r#""m{n}":{{{}}}"#, keys.join(","))
    };
    let entries: Vec<_> = (0..1000).map(entry).collect();
    let said = refused(format!("{{{}}}", entries.join(",")));
    assert!(said.contains("more than 10,000 different keys"), "{said}");
    assert!(said.ends_with("up to `m10`"), "{said}");
}

#[test]
fn a_million_dated_blocks_are_refused() {
    let blocks = vec![r#"{"from":"2026-01-01"}"#; 1000].join(",");
    let entry = |n: u32| format!(r#""m{n}":{{"effective":[{blocks}]}}"#);
    let entries: Vec<_> = (0..1000).map(entry).collect();
    let said = refused(format!("{{{}}}", entries.join(",")));
    assert!(
        said.ends_with("100,000 blocks of `effective` and brackets, up to `m100`"),
        "{said}"
    );
}

#[test]
fn a_million_brackets_are_refused() {
    let brackets = vec![r#"{"range":[0,1]}"#; 1000].join(",");
    let entry = |n: u32| format!(r#""m{n}":{{"tiered_pricing":[{brackets}]}}"#);
    let entries: Vec<_> = (0..1000).map(entry).collect();
    let said = refused(format!("{{{}}}", entries.join(",")));
    assert!(
        said.contains("100,000 blocks of `effective` and brackets"),
        "{said}"
    );
}
