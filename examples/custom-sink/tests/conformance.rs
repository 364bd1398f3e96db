//! The sink against every law of the kit: `cargo test`.

use std::io::Read as _;

use conformance::{Destination, Fault, Rig, Stand, Stored, http::HttpDestination};
use custom_sink::Shelf;
use event::{EventId, Json, Usd};
use serde_json::json;
use sink::{Registration, SinkErrorKind};

const KEY: &str = "canary-9d2f";

struct ShelfStand;

impl Stand for ShelfStand {
    fn registration(&self) -> Registration {
        Registration::of::<Shelf>()
    }

    fn rig(&self) -> Rig {
        let http = HttpDestination::start().expect("a free port");
        Rig {
            config: json!({ "url": http.url(), "key": KEY }),
            secrets: vec![KEY.to_owned()],
            destination: Box::new(Owner(http)),
        }
    }
}

struct Owner(HttpDestination);

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: EventId,
    model: String,
    cost: Option<Usd>,
}

/// The same in the event's own form. Amounts stay exact: a `serde_json::Value` would make them floats.
#[derive(serde::Serialize)]
struct Said {
    model: String,
    response_cost: Option<Usd>,
}

impl Owner {
    /// The rows of a request, if it is one that a shelf takes.
    fn rows(request: &conformance::http::Request) -> Result<Vec<Row>, String> {
        if request.header("authorization") != Some(&format!("Bearer {KEY}")) {
            return Err("the key is missing".to_owned());
        }
        if request.header("content-encoding") != Some("gzip") {
            return Err("it is not compressed".to_owned());
        }
        let mut json = Vec::new();
        let read = flate2::read::GzDecoder::new(&*request.body).read_to_end(&mut json);
        read.map_err(|error| error.to_string())?;
        serde_json::from_slice(&json).map_err(|error| error.to_string())
    }
}

impl Destination for Owner {
    fn stored(&self) -> Result<Vec<Stored>, String> {
        let mut stored: Vec<Stored> = Vec::new();
        for request in self
            .0
            .taken()
            .iter()
            .filter(|request| request.method == "POST")
        {
            for Row { id, model, cost } in Self::rows(request)? {
                let said = Json::of(&Said {
                    model,
                    response_cost: cost,
                });
                if stored.iter().all(|event| event.id != id) {
                    stored.push(Stored { id, said });
                }
            }
        }
        Ok(stored)
    }

    fn suffer(&self, fault: Fault) -> Option<SinkErrorKind> {
        self.0.suffer(fault);
        Some(fault.kind())
    }

    fn recover(&self) {
        self.0.recover();
    }
}

fn main() -> std::process::ExitCode {
    conformance::run(&[&ShelfStand])
}
