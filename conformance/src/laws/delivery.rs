//! What arrives.

use std::{slice, time::Duration};

use libtest_mimic::Failed;
use sink::{Batch, Receipt, Takes};

use crate::{
    Fault, Stand, samples,
    session::{Session, chain, ensure},
};

pub(super) fn what_is_acknowledged_is_stored(stand: &dyn Stand) -> Result<(), Failed> {
    let session = Session::open(stand)?;
    let items = session.plain(6);
    session.deliver("first", &items[..3])?;
    session.has(&items[..3])?;
    session.deliver("second", &items[3..])?;
    session.has(&items)
}

pub(super) fn order_is_kept_within_a_batch(stand: &dyn Stand) -> Result<(), Failed> {
    let session = Session::open(stand)?;
    let items = session.plain(40);
    session.deliver("forty", &items)?;
    session.has(&items)
}

pub(super) fn a_redelivery_stores_nothing_twice(stand: &dyn Stand) -> Result<(), Failed> {
    let session = Session::open(stand)?;
    let items = session.plain(6);
    for (name, part) in [
        ("one", &items[..1]),
        ("two", &items[1..3]),
        ("three", &items[3..]),
    ] {
        for _ in 0..3 {
            session.deliver(name, part)?;
        }
    }
    session.has(&items)?;
    // The usual reason for a redelivery: the batch was taken and the answer got lost.
    for &fault in Fault::STORES {
        let session = Session::open(stand)?;
        if session.destination.suffer(fault).is_none() {
            continue;
        }
        ensure(session.try_deliver("lost", &items)?.is_err(), || {
            format!("{fault:?} was taken for success")
        })?;
        session.destination.recover();
        session.deliver("lost", &items)?;
        session.has(&items)?;
    }
    Ok(())
}

pub(super) fn a_redelivery_after_a_restart_stores_nothing_twice(
    stand: &dyn Stand,
) -> Result<(), Failed> {
    let mut session = Session::open(stand)?;
    let items = session.plain(6);
    session.deliver("before", &items[..2])?;
    session.deliver("again", &items[2..4])?;
    session.reopen(stand)?;
    session.deliver("again", &items[2..4])?;
    session.deliver("after", &items[4..])?;
    session.has(&items)
}

pub(super) fn the_largest_batch_that_is_allowed_is_taken(stand: &dyn Stand) -> Result<(), Failed> {
    let session = Session::open(stand)?;
    let limits = session.sink().limits();
    ensure(limits.items_max >= 1 && limits.concurrency_max >= 1, || {
        format!("such limits allow nothing: {limits:?}")
    })?;
    // As many plain events as fit.
    let size = session.plain(1)[0].json().len() + 16;
    let fit = limits.items_max.min(limits.bytes_max / size).max(1);
    let mut items = session.plain(u64::try_from(fit)?);
    session.deliver("many", &items)?;
    // As many bytes as fit, then an event that is larger than the limit and goes alone.
    for (name, bytes, sequence) in [
        ("bytes", limits.bytes_max.saturating_sub(size), 1_000_001),
        ("larger", limits.bytes_max * 2, 1_000_002),
    ] {
        let item = session.of_size(bytes, sequence);
        session.deliver(name, slice::from_ref(&item))?;
        items.push(item);
    }
    session.has(&items)
}

/// Holds for sinks that take one batch at a time: the collector sends them no more.
pub(super) fn two_deliveries_at_once_do_not_mix(stand: &dyn Stand) -> Result<(), Failed> {
    let session = Session::open(stand)?;
    if session.sink().limits().concurrency_max < 2 {
        return Ok(());
    }
    let items = session.plain(40);
    let (left, right) = items.split_at(20);
    let batch = |name, items| Batch::new(name, items).ok_or("a law delivers nothing");
    let (left_batch, right_batch) = (batch("left", left)?, batch("right", right)?);
    session.wait(async {
        let mut second = session.sink().deliver(&right_batch);
        let first = session.sink().deliver(&left_batch);
        // The second is begun, and goes on after the first has had its turn.
        let begun = tokio::time::timeout(Duration::ZERO, &mut second).await;
        first.await.map_err(|error| chain(&error))?;
        match begun {
            Ok(done) => done.map_err(|error| chain(&error)),
            Err(_elapsed) => second.await.map_err(|error| chain(&error)),
        }
    })??;
    session
        .has(left.iter().chain(right))
        .or_else(|_| session.has(right.iter().chain(left)))
}

pub(super) fn an_item_that_cannot_be_read_does_not_hold_up_the_others(
    stand: &dyn Stand,
) -> Result<(), Failed> {
    let session = Session::open(stand)?;
    let mut items = session.plain(3);
    items[1] = session.unreadable(2);
    let receipt = session
        .try_deliver("damaged", &items)?
        .map_err(|error| chain(&error))?;
    // A destination that takes bytes as they are may store it; any other refuses it by its index.
    if receipt == Receipt::default() {
        session.has(&items)
    } else {
        let refused: Vec<_> = receipt.refused().iter().map(|item| item.index).collect();
        ensure(refused == [1] && receipt.deferred().is_empty(), || {
            format!("item 1 is to be refused, and the receipt is {receipt:?}")
        })?;
        session.has([&items[0], &items[2]])
    }
}

pub(super) fn events_and_alerts_arrive_together(stand: &dyn Stand) -> Result<(), Failed> {
    let session = Session::open(stand)?;
    if session.sink().takes() != Takes::Both {
        return Ok(());
    }
    let mut items = samples::plain(2);
    items.extend(samples::alerts(2));
    session.deliver("mixed", &items)?;
    session.deliver("mixed", &items)?;
    let alone = samples::alerts(4).split_off(2);
    session.deliver("alone", &alone[..1])?;
    session.deliver("alerts", &alone[1..])?;
    session.has(items.iter().chain(&alone))
}

/// Holds for sinks that take events.
pub(super) fn awkward_events_arrive_as_they_left(stand: &dyn Stand) -> Result<(), Failed> {
    let session = Session::open(stand)?;
    if session.sink().takes() == Takes::Alerts {
        return Ok(());
    }
    let items = samples::awkward();
    let (alone, together) = items.split_at(1);
    session.deliver("alone", alone)?;
    session.deliver("together", together)?;
    session.has(&items)
}
