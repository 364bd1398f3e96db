//! CPU time per call of the gateway, beside the plainest reverse proxy, the two in turns.

use std::{io, net::SocketAddr, time::Duration};

use tests::{
    load::{self, Call, Plan, Report, Stop},
    machine::{median, ratio, say, setting},
    process::Program,
};
use tokio::time::sleep;

use crate::site::{Site, micros};

/// How calls are made in one row of the table.
struct Way {
    name: &'static str,
    stream: bool,
    script: &'static str,
    /// Calls per second; as many as 32 connections can make without.
    rate: Option<u64>,
    /// Whether the gateway translates, while the floor passes on what the provider speaks.
    translated: bool,
}

const WAYS: [Way; 6] = [
    Way {
        name: "whole answers, 500/s",
        stream: false,
        script: "chunks=3",
        rate: Some(500),
        translated: false,
    },
    Way {
        name: "whole answers, saturated",
        stream: false,
        script: "chunks=3",
        rate: None,
        translated: false,
    },
    Way {
        name: "streams of 50 chunks, 2 ms apart, 100/s",
        stream: true,
        script: "chunks=50 chunk_delay_ms=2",
        rate: Some(100),
        translated: false,
    },
    Way {
        name: "streams of 50 chunks, saturated",
        stream: true,
        script: "chunks=50",
        rate: None,
        translated: false,
    },
    Way {
        name: "whole answers translated from Anthropic's dialect, saturated",
        stream: false,
        script: "chunks=3",
        rate: None,
        translated: true,
    },
    Way {
        name: "the same, streams of 50 chunks",
        stream: true,
        script: "chunks=50",
        rate: None,
        translated: true,
    },
];

/// What one proxy needed in one round.
struct Sample {
    /// Tenths of a microsecond of CPU for one call.
    cpu: u128,
    report: Report,
}

pub(crate) async fn measure() -> io::Result<()> {
    let rounds: usize = setting("TOLLKEEPER_BENCH_ROUNDS", 6);
    let time = Duration::from_secs(setting("TOLLKEEPER_BENCH_SECONDS", 5));
    let site = Site::open().await?;
    let (floor, floor_address) = site.floor().await;
    let (gateway, addresses) = site.tollkeeper("gateway", "", &["gateway"]).await?;
    say(format_args!(
        "## Gateway: CPU per call, {rounds} rounds in turns, medians\n"
    ));
    say(
        "| calls | floor µs | gateway µs | ratio | floor p50, p99 | gateway p50, p99 | gateway calls/s |",
    );
    say("|---|---:|---:|---:|---|---|---:|");
    for way in &WAYS {
        let mut samples = (Vec::new(), Vec::new());
        // One round to warm up, which does not count.
        for round in 0..=rounds {
            let plan = plan(way, addresses[0], time);
            let ours = sample(&gateway, way, (plan, call(way))).await?;
            let theirs = sample(&floor, way, passed_on(way, floor_address, time)).await?;
            if round > 0 {
                samples.0.push(theirs);
                samples.1.push(ours);
            }
        }
        row(way, &samples.0, &samples.1);
    }
    Ok(())
}

fn plan(way: &Way, target: SocketAddr, time: Duration) -> Plan {
    Plan {
        rate: way.rate,
        ..Plan::time(target, 32, time)
    }
}

/// What the floor is asked, which passes on everything as it is.
fn passed_on(way: &Way, target: SocketAddr, time: Duration) -> (Plan, Call) {
    let plan = plan(way, target, time);
    if !way.translated {
        return (plan, call(way));
    }
    let path = "/v1/messages".to_owned();
    let call = Call::message("claude-sonnet-4-5", &prompt(way), way.stream);
    (Plan { path, ..plan }, call)
}

async fn sample(proxy: &Program, way: &Way, (plan, call): (Plan, Call)) -> io::Result<Sample> {
    let before = proxy.cpu();
    let report = load::run(plan, Stop::default(), move |_| call.clone()).await?;
    // What it still does for these calls counts too.
    sleep(Duration::from_millis(300)).await;
    let cpu = proxy.cpu().saturating_sub(before);
    let calls = report.complete();
    if usize::try_from(calls) != Ok(report.calls.len()) || calls == 0 {
        return Err(io::Error::other(format!(
            "{}: {report}\n{}",
            way.name,
            proxy.errors()
        )));
    }
    Ok(Sample {
        cpu: cpu.as_nanos() / 100 / u128::from(calls),
        report,
    })
}

fn call(way: &Way) -> Call {
    let model = if way.translated { "claude" } else { "mock" };
    Call::chat(model, &prompt(way), way.stream)
}

/// About a kilobyte.
fn prompt(way: &Way) -> String {
    let filler = "Tell me about the bridges of the city, one after the other. ".repeat(15);
    format!("{filler}[[mock: {}]]", way.script)
}

fn row(way: &Way, floor: &[Sample], gateway: &[Sample]) {
    let cpu = |samples: &[Sample]| median(samples.iter().map(|sample| sample.cpu).collect());
    let took = |samples: &[Sample], per_mille| {
        let took = samples
            .iter()
            .map(|sample| sample.report.percentile(per_mille).as_micros());
        format!("{} µs", median(took.collect()))
    };
    let rate = median(gateway.iter().map(|sample| sample.report.rate()).collect());
    say(format_args!(
        "| {} | {} | {} | {} | {}, {} | {}, {} | {rate} |",
        way.name,
        micros(cpu(floor)),
        micros(cpu(gateway)),
        ratio(cpu(gateway), cpu(floor)),
        took(floor, 500),
        took(floor, 990),
        took(gateway, 500),
        took(gateway, 990),
    ));
}
