//! One sink, opened on one rig, with a runtime to call it from.

use std::{
    error::Error as StdError,
    future::Future,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use event::Timestamp;
use libtest_mimic::Failed;
use serde_json::Value;
use sink::{
    Batch, Clock, Item, OpenSink, Receipt, SinkEnv, SinkError, Takes,
    egress::EgressPolicy,
    http::{HttpClient, HttpOptions},
};
use tokio::runtime::Runtime;

use crate::{Destination, Stand, Stored, samples, truth};

/// Requests end after this time, so that a destination that hangs does not cost much.
const REQUEST_TIME_MAX: Duration = Duration::from_millis(500);
/// No call of a sink takes longer, whatever the destination does.
const CALL_TIME_MAX: Duration = Duration::from_secs(20);

/// A second passes whenever somebody looks, so that no two attempts are at the same time.
static SECONDS: AtomicI64 = AtomicI64::new(1_795_261_334);

pub(crate) struct Session {
    // Dropped in this order: a sink may want the runtime, and both may want the destination.
    sink: Box<dyn OpenSink>,
    runtime: Runtime,
    pub(crate) config: Value,
    pub(crate) secrets: Vec<String>,
    pub(crate) destination: Box<dyn Destination>,
}

/// What the sinks under test are given.
///
/// # Errors
///
/// If no HTTP client can be made on this machine.
pub fn env() -> Result<SinkEnv, SinkError> {
    let http = HttpClient::new(HttpOptions {
        egress: EgressPolicy::with_loopback(),
        connect_timeout: REQUEST_TIME_MAX,
        timeout: REQUEST_TIME_MAX,
        ..HttpOptions::default()
    })?;
    let clock =
        Clock::new(|| Timestamp::from_micros(SECONDS.fetch_add(1, Ordering::Relaxed) * 1_000_000));
    Ok(SinkEnv { http, clock })
}

impl Session {
    pub(crate) fn open(stand: &dyn Stand) -> Result<Self, Failed> {
        let rig = stand.rig();
        let sink = stand.registration().open(rig.config.clone(), &env()?)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (config, secrets, destination) = (rig.config, rig.secrets, rig.destination);
        Ok(Self {
            sink,
            runtime,
            config,
            secrets,
            destination,
        })
    }

    /// As after a restart of the collector: another sink on the same destination.
    pub(crate) fn reopen(&mut self, stand: &dyn Stand) -> Result<(), SinkError> {
        self.sink = stand.registration().open(self.config.clone(), &env()?)?;
        Ok(())
    }

    pub(crate) fn sink(&self) -> &dyn OpenSink {
        &*self.sink
    }

    /// `count` plain items of the kind the sink takes; events, if it takes both.
    pub(crate) fn plain(&self, count: u64) -> Vec<Item> {
        match self.sink.takes() {
            Takes::Events | Takes::Both => samples::plain(count),
            Takes::Alerts => samples::alerts(count),
        }
    }

    /// Such an item of at least so many bytes.
    pub(crate) fn of_size(&self, bytes: usize, number: u64) -> Item {
        match self.sink.takes() {
            Takes::Events | Takes::Both => samples::of_size(bytes, number),
            Takes::Alerts => samples::alert(number, Some(bytes)),
        }
    }

    /// Such an item that cannot be read.
    pub(crate) fn unreadable(&self, number: u64) -> Item {
        match self.sink.takes() {
            Takes::Events | Takes::Both => samples::unreadable(number),
            Takes::Alerts => samples::unreadable_alert(number),
        }
    }

    /// What `deliver` says.
    pub(crate) fn try_deliver(
        &self,
        name: &str,
        items: &[Item],
    ) -> Result<Result<Receipt, SinkError>, Failed> {
        let batch = Batch::new(name, items).ok_or("a law delivers nothing")?;
        self.wait(self.sink.deliver(&batch))
    }

    /// Delivers a batch that there is nothing wrong with.
    pub(crate) fn deliver(&self, name: &str, items: &[Item]) -> Result<(), Failed> {
        let receipt = self
            .try_deliver(name, items)?
            .map_err(|error| chain(&error))?;
        ensure(receipt == Receipt::default(), || {
            format!("batch `{name}` was not taken whole: {receipt:?}")
        })
    }

    /// Begins to deliver and has no patience. Whether it was delivered is not known.
    pub(crate) fn drop_after(
        &self,
        patience: Duration,
        name: &str,
        items: &[Item],
    ) -> Result<(), Failed> {
        let batch = Batch::new(name, items).ok_or("a law delivers nothing")?;
        let dropped = tokio_timeout(patience, self.sink.deliver(&batch));
        drop(self.runtime.block_on(dropped));
        Ok(())
    }

    pub(crate) fn probe(&self) -> Result<Result<(), SinkError>, Failed> {
        self.wait(self.sink.probe())
    }

    /// The destination has kept exactly `items`, once each and in this order, and what it knows of
    /// them is true.
    pub(crate) fn has<'a>(&self, items: impl IntoIterator<Item = &'a Item>) -> Result<(), Failed> {
        let items: Vec<_> = items.into_iter().collect();
        let stored = self.destination.stored()?;
        let expected: Vec<_> = items.iter().map(|item| item.id()).collect();
        let found: Vec<_> = stored.iter().map(|event| event.id).collect();
        ensure(expected == found, || differ(&expected, &found))?;
        items
            .iter()
            .zip(&stored)
            .try_for_each(|(item, stored)| agrees(item, stored))
    }

    pub(crate) fn wait<T>(&self, call: impl Future<Output = T>) -> Result<T, Failed> {
        let done = self.runtime.block_on(tokio_timeout(CALL_TIME_MAX, call));
        done.map_err(|_elapsed| format!("the sink was still at it after {CALL_TIME_MAX:?}").into())
    }
}

/// Makes the timer inside the runtime, as it has to be.
async fn tokio_timeout<T>(
    time: Duration,
    call: impl Future<Output = T>,
) -> Result<T, tokio::time::error::Elapsed> {
    tokio::time::timeout(time, call).await
}

fn agrees(item: &Item, stored: &Stored) -> Result<(), Failed> {
    let event = serde_json::from_slice(item.json())?;
    let said = serde_json::from_str(stored.said.text())?;
    truth::agrees(event, said, "event").map_err(Failed::from)
}

fn differ<T: std::fmt::Display>(expected: &[T], found: &[T]) -> String {
    let list = |ids: &[T]| {
        ids.iter()
            .take(12)
            .map(|id| format!("\n  {id}"))
            .collect::<String>()
    };
    format!(
        "{} events should be stored once and in order:{}\n{} are:{}",
        expected.len(),
        list(expected),
        found.len(),
        list(found)
    )
}

/// An error and all that caused it.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

pub(crate) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds {
        Ok(())
    } else {
        Err(otherwise().into())
    }
}
