//! Puts aside what a destination will never take: on disk before the cursor moves past it.

use std::time::Duration;

use event::{PricedKind, Severity};
use serde_json::value::RawValue;
use sink::Item;

use super::{
    attempt::{Delivery, Refusal, said},
    dead_letters::Letter,
    gather::Unopenable,
};
use crate::clock;

/// How long a lane waits for its dead letters to be dealt with before it looks again.
const FULL_PAUSE: Duration = Duration::from_secs(30);

/// Writes items to the dead letters; returns how many, or `None` if it is time to stop.
pub(super) async fn items(
    delivery: &Delivery,
    items: &[Item],
    positions: &[u64],
    refusal: &Refusal,
) -> Option<u64> {
    let letter = |(item, position): (&Item, &u64)| {
        let event: Option<Box<RawValue>> = serde_json::from_slice(item.json()).ok();
        Letter {
            event_id: Some(item.id()),
            alert: item.kind() == PricedKind::Alert,
            origin: Some(item.origin().clone()),
            revision: item.revision(),
            record_hex: event.is_none().then(|| hex(item.json())),
            event,
            ..blank(delivery, *position, refusal)
        }
    };
    let letters: Vec<_> = items.iter().zip(positions).map(letter).collect();
    write(delivery, &letters).await
}

/// Writes records that are no events to the dead letters; returns how many, or `None` if it is time
/// to stop.
pub(super) async fn unopenable(delivery: &Delivery, records: &[Unopenable]) -> Option<u64> {
    let letter = |record: &Unopenable| {
        let refusal = Refusal {
            kind: "unreadable",
            detail: record.detail.clone(),
            attempts: 0,
        };
        Letter {
            record_hex: record.bytes.as_ref().map(|bytes| hex(bytes)),
            ..blank(delivery, record.position, &refusal)
        }
    };
    let letters: Vec<_> = records.iter().map(letter).collect();
    write(delivery, &letters).await
}

fn blank(delivery: &Delivery, position: u64, refusal: &Refusal) -> Letter {
    Letter::new(
        (&delivery.name, delivery.shared.log.source(), position),
        clock::now(),
        refusal.kind,
        refusal.detail.clone(),
        refusal.attempts,
    )
}

/// Writes letters, however long it takes: what is not on disk must not be passed.
async fn write(delivery: &Delivery, letters: &[Letter]) -> Option<u64> {
    if letters.is_empty() {
        return Some(0);
    }
    let (name, alerts) = (&delivery.name, &delivery.shared.alerts);
    while let Err(error) = delivery.dead_letters.write(letters).await {
        let detail = said(&error);
        delivery.stats.blocked(&detail);
        tracing::error!(sink = name, detail, "lane waits for its dead letters");
        let message = format!("sink `{name}` is on hold: {detail}");
        alerts.sink_failing(name, Severity::Critical, message).await;
        tokio::select! {
            () = delivery.shared.tasks.stopping() => return None,
            () = tokio::time::sleep(FULL_PAUSE) => {}
        }
    }
    delivery.show();
    delivery.stats.letters(delivery.dead_letters.count());
    let (count, detail) = (letters.len(), letters.first().map_or("", Letter::detail));
    let message = format!("{count} events of sink `{name}` went to its dead letters: {detail}");
    tracing::warn!(sink = name, count, detail, "events became dead letters");
    alerts.dead_letters(name, message).await;
    Some(u64::try_from(count).unwrap_or(u64::MAX))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
