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
}

const WAYS: [Way; 4] = [
    Way {
        name: "whole answers, 500/s",
        stream: false,
        script: "chunks=3",
        rate: Some(500),
    },
    Way {
        name: "whole answers, saturated",
        stream: false,
        script: "chunks=3",
        rate: None,
    },
    Way {
        name: "streams of 50 chunks, 2 ms apart, 100/s",
        stream: true,
        script: "chunks=50 chunk_delay_ms=2",
        rate: Some(100),
    },
    Way {
        name: "streams of 50 chunks, saturated",
        stream: true,
        script: "chunks=50",
        rate: None,
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
            let ours = sample(&gateway, addresses[0], way, time).await?;
            let theirs = sample(&floor, floor_address, way, time).await?;
            if round > 0 {
                samples.0.push(theirs);
                samples.1.push(ours);
            }
        }
        row(way, &samples.0, &samples.1);
    }
    Ok(())
}

async fn sample(
    proxy: &Program,
    target: SocketAddr,
    way: &Way,
    time: Duration,
) -> io::Result<Sample> {
    let call = call(way);
    let mut plan = Plan::time(target, 32, time);
    plan.rate = way.rate;
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

/// A prompt of about a kilobyte.
fn call(way: &Way) -> Call {
    let filler = "Tell me about the bridges of the city, one after the other. ".repeat(15);
    Call::chat(
        "mock",
        &format!("{filler}[[mock: {}]]", way.script),
        way.stream,
    )
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
