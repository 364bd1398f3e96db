//! Resident memory of `tollkeeper up` under load, and whether it grows.

use std::io;

use tests::{
    load::{self, Call, Plan, Stop},
    machine::{say, setting},
};

use crate::site::Site;

/// Rows of the table.
const STEPS: u64 = 10;

pub(crate) async fn measure() -> io::Result<()> {
    let calls: u64 = setting("TOLLKEEPER_BENCH_CALLS", 200_000);
    let site = Site::open().await?;
    let events = site.path("events").display().to_string();
    let sinks = format!("sinks:\n  events: {{kind: file, path: \"{events}\"}}\n");
    let (up, addresses) = site
        .tollkeeper("up", &sinks, &["gateway", "collector"])
        .await?;
    say("## Memory of `tollkeeper up`: whole answers and streams, 32 connections\n");
    say("| calls | resident MB |");
    say("|---:|---:|");
    for step in 1..=STEPS {
        let plan = Plan::calls(addresses[0], 32, calls / STEPS);
        let report = load::run(plan, Stop::default(), call).await?;
        if usize::try_from(report.complete()) != Ok(report.calls.len()) {
            return Err(io::Error::other(format!("{report}\n{}", up.errors())));
        }
        // While it still works on what came, which is when it holds most.
        say(format_args!(
            "| {} | {} |",
            calls / STEPS * step,
            up.resident() / 1_000_000
        ));
    }
    Ok(())
}

fn call(index: u64) -> Call {
    let filler = "Tell me about the bridges of the city, one after the other. ".repeat(15);
    let prompt = format!("{filler}[[mock: chunks=20 usage={}/20]]", 200 + index % 100);
    Call::chat("mock", &prompt, index.is_multiple_of(2))
}
