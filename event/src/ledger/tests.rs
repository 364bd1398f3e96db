//! The ledger against a plain sum over all calls, through crashes and lost, repeated and overtaking
//! messages. `TOLLKEEPER_LEDGER_OPS` says how many operations; the seed is fixed.

mod world;

use std::{collections::BTreeMap, env};

use world::{Random, World};

use super::*;
use crate::{Seconds, Timestamp};

const OPERATIONS: u32 = 20_000;

fn usd(picos: i128) -> Usd {
    Usd::from_picos(picos)
}

fn generation(start: u64) -> Generation {
    let source = "g".parse().unwrap();
    Generation { source, start }
}

const fn seconds(count: i64) -> Seconds {
    Seconds::from_micros(count * 1_000_000)
}

const fn at(count: i64) -> Timestamp {
    Timestamp::from_micros(count * 1_000_000)
}

/// One gateway and its collector, exchanging an ask and its lease.
fn exchange(grants: &mut Grants, holds: &mut Holds, need: i128, as_of: u64) {
    let ask = holds.ask(usd(need));
    grants.ask(&generation(0), ask);
    holds.apply(grants.lease(&generation(0), as_of * 100, as_of), at(1000));
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs it says how long it runs"
)]
fn nothing_is_overspent_leaked_or_refused_without_reason() {
    let operations = env::var("TOLLKEEPER_LEDGER_OPS").ok();
    let operations = operations.map_or(OPERATIONS, |text| text.parse().unwrap());
    let mut random = Random::new(0x70_11);
    let mut world = World::new();
    let mut seen = BTreeMap::new();
    for operation in 0..operations {
        let name = world.step(&mut random);
        *seen.entry(name).or_insert(0) += 1;
        world.check(name);
        if operation % 500 == 499 {
            world.settle_down(&mut random);
        }
    }
    // What the run must have met to mean anything.
    for name in [
        "admitted",
        "waited",
        "refused",
        "crashed",
        "ended",
        "ended with open calls",
        "corrected",
        "given back",
    ] {
        let often = seen.get(name).or(world.met.get(name)).copied();
        assert!(
            often.unwrap_or(0) > operations / 5000,
            "{name}: {often:?} of {operations}"
        );
    }
}

#[test]
fn what_is_lent_is_used_and_settled() {
    let (mut grants, mut holds) = (Grants::new(usd(100), usd(10)), Holds::default());
    assert_eq!(holds.verdict(usd(1), at(0)), Verdict::Wait);
    exchange(&mut grants, &mut holds, 60, 1);
    assert_eq!((grants.committed(), holds.free()), (usd(70), usd(60)));
    assert_eq!(holds.admit(150, usd(50), (at(0), at(9))), Verdict::Admitted);
    assert_eq!(holds.admit(160, usd(20), (at(0), at(9))), Verdict::Wait);
    holds.finish(150, 199, Some(usd(30)));
    assert_eq!(holds.admit(160, usd(20), (at(0), at(9))), Verdict::Admitted);
    let (spent, held, limit) = (usd(40), usd(20), usd(100));
    let refused = Verdict::Refused { spent, held, limit };
    assert_eq!(holds.verdict(usd(61), at(0)), refused);
    grants.settle(Some(&generation(0)), usd(30));
    exchange(&mut grants, &mut holds, 0, 2);
    assert_eq!((grants.settled(), grants.committed()), (usd(40), usd(70)));
    assert_eq!((holds.free(), holds.calls().count()), (usd(10), 1));
}

#[test]
fn a_lease_that_has_run_out_admits_nothing() {
    let (mut grants, mut holds) = (Grants::new(usd(100), usd(0)), Holds::default());
    exchange(&mut grants, &mut holds, 60, 1);
    assert_eq!(holds.verdict(usd(1), at(999)), Verdict::Admitted);
    assert_eq!(holds.verdict(usd(1), at(1000)), Verdict::Wait);
    assert_eq!(holds.verdict(usd(0), at(1000)), Verdict::Admitted);
}

#[test]
fn a_lowered_limit_holds_at_once_and_is_asked_back() {
    let (mut grants, mut holds) = (Grants::new(usd(100), usd(0)), Holds::default());
    exchange(&mut grants, &mut holds, 100, 1);
    grants.set_limit(usd(40));
    exchange(&mut grants, &mut holds, 0, 2);
    assert!(matches!(
        holds.verdict(usd(41), at(0)),
        Verdict::Refused { .. }
    ));
    exchange(&mut grants, &mut holds, 0, 3);
    assert_eq!((grants.room(), holds.free()), (usd(0), usd(40)));
}

#[test]
fn a_correction_moves_the_budget_and_not_the_lease() {
    let (mut grants, mut holds) = (Grants::new(usd(100), usd(0)), Holds::default());
    exchange(&mut grants, &mut holds, 50, 1);
    grants.correct(usd(30));
    assert_eq!((grants.committed(), grants.settled()), (usd(80), usd(30)));
    exchange(&mut grants, &mut holds, 50, 2);
    assert_eq!(holds.free(), usd(50));
    grants.correct(usd(40));
    assert_eq!(grants.room(), usd(-20));
}

#[test]
fn what_overtakes_or_comes_twice_changes_nothing() {
    let (mut grants, mut holds) = (Grants::new(usd(100), usd(0)), Holds::default());
    let (first, second) = (holds.ask(usd(10)), holds.ask(usd(30)));
    for ask in [second, first, second, first] {
        grants.ask(&generation(0), ask);
    }
    assert_eq!(grants.committed(), usd(30));
    let old = grants.lease(&generation(0), 0, 1);
    grants.settle(Some(&generation(0)), usd(5));
    let new = grants.lease(&generation(0), 9, 2);
    holds.hold(8, usd(5), at(9));
    holds.apply(new, at(1000));
    holds.apply(old, at(1000));
    // Its finished record was settled before the gateway came to say so.
    assert_eq!(holds.free(), usd(20));
    holds.finish(8, 8, Some(usd(5)));
    assert_eq!((holds.free(), holds.calls().count()), (usd(25), 0));
}

#[test]
fn a_generation_ends_when_everything_of_it_is_settled() {
    let mut generations = Generations::new(seconds(10), seconds(5));
    let source = generation(0).source;
    assert_eq!(generations.hello(&generation(0), at(0)), Ok(vec![]));
    assert_eq!(generations.hello(&generation(50), at(1)), Ok(vec![]));
    assert_eq!(
        generations.hello(&generation(0), at(2)),
        Err(GenerationClosed)
    );
    assert_eq!(generations.of(&source, 49), Some(generation(0)));
    assert_eq!(generations.of(&source, 50), Some(generation(50)));
    assert_eq!(generations.settled_below(&source, 49), []);
    assert_eq!(generations.settled_below(&source, 50), [generation(0)]);
    assert_eq!(generations.end_silent(at(16), |_source| true), []);
    assert_eq!(generations.end_silent(at(17), |_source| false), []);
    assert_eq!(
        generations.end_silent(at(17), |_source| true),
        [generation(50)]
    );
    assert_eq!(
        generations.heard(&generation(50), at(18)),
        Err(GenerationClosed)
    );
    assert_eq!(generations.settled_below(&source, 70), []);
    let replaced = Ok(vec![generation(50)]);
    assert_eq!(generations.hello(&generation(70), at(18)), replaced);
}

#[test]
fn two_that_were_each_lent_a_part_do_not_wait_for_each_other() {
    let mut grants = Grants::new(usd(100), usd(0));
    let mut gateways = [generation(1), generation(2)].map(|own| (own, Holds::default()));
    let mut admitted = Vec::new();
    for (round, need) in [50, 60, 60, 60, 60].into_iter().enumerate() {
        for (own, holds) in &mut gateways {
            let ask = holds.ask(usd(need));
            grants.ask(own, ask);
            let as_of = 10 + u64::try_from(round).unwrap();
            holds.apply(grants.lease(own, 0, as_of), at(1000));
            if need == 60 && holds.admit(own.start, usd(60), (at(0), at(9))) == Verdict::Admitted {
                admitted.push(own.start);
            }
        }
    }
    assert_eq!(admitted, [1]);
    assert_eq!(grants.committed(), usd(100));
}

#[test]
fn an_ask_that_was_overtaken_does_not_hide_what_is_lacking() {
    let (mut grants, mut holds) = (Grants::new(usd(100), usd(0)), Holds::default());
    exchange(&mut grants, &mut holds, 100, 1);
    let mut other = Holds::default();
    for ask in [other.ask(usd(0)), other.ask(usd(40))].into_iter().rev() {
        grants.ask(&generation(9), ask);
    }
    exchange(&mut grants, &mut holds, 0, 2);
    holds.give_back(usd(10));
    assert_eq!(holds.free(), usd(90));
    exchange(&mut grants, &mut holds, 0, 3);
    assert_eq!(holds.free(), usd(60));
    holds.give_back(usd(1000));
    assert_eq!(holds.free(), usd(0));
}

#[test]
fn holds_change_only_as_told() {
    let mut holds = Holds::default();
    holds.hold(1, usd(10), at(5));
    holds.hold(1, usd(7), at(8));
    holds.tighten(1, usd(30));
    assert_eq!((holds.free(), holds.overdue(at(7))), (usd(-17), vec![]));
    holds.tighten(1, usd(4));
    assert_eq!((holds.free(), holds.overdue(at(8))), (usd(-4), vec![1]));
    holds.finish(1, 3, None);
    holds.cancel(1);
    assert_eq!((holds.free(), holds.overdue(at(9))), (usd(-4), vec![]));
    holds.hold(2, usd(9), at(5));
    holds.cancel(2);
    assert_eq!(holds.free(), usd(-4));
}
