//! What a sink promises, as tests that any sink can be put through.
//!
//! The collector knows a sink only by its contract ([`sink::Sink`]), and builds its own promises on
//! it: that nothing is lost, that nothing is counted twice, that an operator is told what is wrong.
//! The laws here are that contract. A sink that keeps them can be run by the collector; one that
//! does not will lose or repeat events sooner or later.
//!
//! # The laws
//!
//! Delivery:
//! - `what_is_acknowledged_is_stored`
//! - `order_is_kept_within_a_batch`
//! - `a_redelivery_stores_nothing_twice`: of the same batch, also after an answer that got lost.
//! - `a_redelivery_after_a_restart_stores_nothing_twice`: nor by a sink that has been opened anew.
//! - `the_largest_batch_that_is_allowed_is_taken`: by `limits`; and a single event that is larger.
//! - `two_deliveries_at_once_do_not_mix`: if `limits` allows two.
//! - `an_item_that_cannot_be_read_does_not_hold_up_the_others`: it is refused by its index, or kept.
//! - `events_and_alerts_arrive_together`: if the sink takes both.
//! - `awkward_events_arrive_as_they_left`: see [`samples::awkward`].
//!
//! Faults:
//! - `a_fault_is_reported_as_what_it_is`: see [`Fault`].
//! - `a_fault_that_is_over_is_over`
//! - `a_dropped_delivery_leaves_the_sink_usable`: wherever it was dropped.
//! - `a_url_that_leads_nowhere_good_is_reported`: no TLS there, no such name, an address inside the
//!   network; for sinks whose settings have an `http` URL.
//! - `no_secret_is_shown`: not by `Debug`, not in errors, not for a secret in the wrong place.
//!
//! Manners:
//! - `open_does_nothing_yet`: it succeeds although nobody is there, and changes nothing.
//! - `a_probe_leaves_nothing_behind`
//! - `a_probe_notices_that_nobody_is_there`
//! - `unknown_settings_are_refused`: by name.
//!
//! # How to test a sink
//!
//! Write a [`Stand`]: how to set up a destination, and how to read back what it was sent. For a
//! destination that speaks HTTP, [`http::HttpDestination`] does most of it. Then make a test of it
//! without the usual harness (`[[test]] name = "conformance" harness = false` in `Cargo.toml`) whose
//! `main` is `conformance::run(&[&MyStand])`. Each law is a test of its own, that can be filtered:
//! `cargo test --test conformance redelivery`.
//!
//! A complete example: a sink that posts one array of events, and a destination that keeps events by
//! their ids, so that a repetition changes nothing.
//!
//! ```standalone_crate
//! use std::process::ExitCode;
//!
//! use conformance::{Destination, Fault, Rig, Stand, Stored, http::HttpDestination};
//! use event::{EventId, Json, PricedEvent, Secret};
//! use serde::Deserialize;
//! use sink::{
//!     Batch, Receipt, Registration, Sink, SinkEnv, SinkError, SinkErrorKind,
//!     http::{Endpoint, HttpClient, Method, Outgoing, header},
//! };
//!
//! // The sink.
//!
//! #[derive(Debug)]
//! struct Shelf {
//!     config: Config,
//!     http: HttpClient,
//! }
//!
//! #[derive(Debug, Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     url: Endpoint,
//!     key: Secret,
//! }
//!
//! impl Shelf {
//!     async fn send(&self, request: Outgoing) -> Result<(), SinkError> {
//!         let key = &self.config.key;
//!         let request = request.secret_header(header::AUTHORIZATION, "Bearer ", key)?;
//!         self.http.send(request).await.map(|_answer| ())
//!     }
//! }
//!
//! impl Sink for Shelf {
//!     const KIND: &'static str = "shelf";
//!     type Config = Config;
//!
//!     fn open(config: Config, env: &SinkEnv) -> Result<Self, SinkError> {
//!         env.http.check(&config.url)?;
//!         Ok(Self { config, http: env.http.clone() })
//!     }
//!
//!     async fn probe(&self) -> Result<(), SinkError> {
//!         let url = self.config.url.clone();
//!         self.send(Outgoing::new(Method::HEAD, url, Vec::new())).await
//!     }
//!
//!     async fn deliver(&self, batch: &Batch<'_>) -> Result<Receipt, SinkError> {
//!         let (events, receipt) = batch.events();
//!         if !events.is_empty() {
//!             let json: Vec<_> = events.iter().map(|(_item, event)| event).collect();
//!             self.send(Outgoing::json(self.config.url.clone(), &json)?).await?;
//!         }
//!         Ok(receipt)
//!     }
//! }
//!
//! // Its stand.
//!
//! struct ShelfStand;
//!
//! impl Stand for ShelfStand {
//!     fn registration(&self) -> Registration {
//!         Registration::of::<Shelf>()
//!     }
//!
//!     fn rig(&self) -> Rig {
//!         let http = HttpDestination::start().expect("a free port");
//!         Rig {
//!             config: serde_json::json!({ "url": http.url(), "key": "canary-9d2f" }),
//!             secrets: vec!["canary-9d2f".to_owned()],
//!             destination: Box::new(Owner(http)),
//!         }
//!     }
//! }
//!
//! struct Owner(HttpDestination);
//!
//! impl Destination for Owner {
//!     fn stored(&self) -> Result<Vec<Stored>, String> {
//!         let mut stored: Vec<Stored> = Vec::new();
//!         for request in self.0.taken().iter().filter(|request| request.method == "POST") {
//!             if request.header("authorization") != Some("Bearer canary-9d2f") {
//!                 return Err("the key is missing".to_owned());
//!             }
//!             let events: Vec<Json> =
//!                 serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
//!             for said in events {
//!                 let id = said.read::<PricedEvent>().ok_or("not an event")?.id();
//!                 if stored.iter().all(|event| event.id != id) {
//!                     stored.push(Stored { id, said });
//!                 }
//!             }
//!         }
//!         Ok(stored)
//!     }
//!
//!     fn suffer(&self, fault: Fault) -> Option<SinkErrorKind> {
//!         self.0.suffer(fault);
//!         Some(fault.kind())
//!     }
//!
//!     fn recover(&self) {
//!         self.0.recover();
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     conformance::run(&[&ShelfStand])
//! }
//! ```

pub mod http;
mod laws;
pub mod samples;
mod session;
mod stand;
mod truth;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

pub use crate::{
    session::env,
    stand::{Destination, Fault, Rig, Stand, Stored},
};

/// Puts every stand through every law; each pair is a test of its own, and a law that is waived is
/// shown as ignored. Takes the arguments of `cargo test`.
#[must_use]
pub fn run(stands: &[&'static dyn Stand]) -> ExitCode {
    let trials = stands.iter().flat_map(|&stand| trials(stand)).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trials(stand: &'static dyn Stand) -> Vec<Trial> {
    let kind = stand.registration().kind;
    let laws = laws::ALL.iter().map(|law| {
        Trial::test(format!("{kind}::{}", law.name), move || (law.check)(stand))
            .with_ignored_flag(stand.waived().contains(&law.name))
    });
    let exist = Trial::test(format!("{kind}::waives_only_laws_that_exist"), move || {
        let is_law = |name: &&str| laws::ALL.iter().any(|law| law.name == *name);
        let odd = stand.waived().iter().find(|name| !is_law(name));
        odd.map_or(Ok(()), |name| {
            Err(Failed::from(format!("`{name}` is not a law")))
        })
    });
    laws.chain([exist]).collect()
}
