//! The load generator as a process of its own.
//!
//! `load --target 127.0.0.1:4000 --connections 32 --calls 10000 [--time-s 10] [--rate 500]
//! [--stream] [--model mock] [--key sk-1234] [--prompt "[[mock: chunks=50]]"]`, or
//! `load --idle 5000 --target …`, which opens connections, says so, and holds them until its
//! standard input ends.

use std::{
    io::{self, Read},
    net::SocketAddr,
    time::Duration,
};

use tests::{
    load::{self, Call, Plan, Stop},
    machine::{Arguments, say},
};
use tokio::net::TcpStream;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> io::Result<()> {
    let arguments = Arguments::read();
    let target = arguments.value("--target").unwrap_or("127.0.0.1:4000");
    let target: SocketAddr = target.parse().map_err(io::Error::other)?;
    let idle = arguments.parsed("--idle", 0)?;
    if idle > 0 {
        return hold(target, idle).await;
    }
    let calls = arguments.parsed("--calls", 1_000)?;
    let mut plan = Plan::calls(target, arguments.parsed("--connections", 8)?, calls);
    plan.time = Duration::from_secs(arguments.parsed("--time-s", 600)?);
    if let Some(key) = arguments.value("--key") {
        key.clone_into(&mut plan.key);
    }
    if arguments.value("--rate").is_some() {
        plan = plan.at_rate(arguments.parsed("--rate", 1)?);
    }
    let model = arguments.value("--model").unwrap_or("mock");
    let prompt = arguments.value("--prompt").unwrap_or("Hello");
    let call = Call::chat(model, prompt, arguments.flag("--stream"));
    let report = load::run(plan, Stop::default(), move |_| call.clone()).await?;
    say(&report);
    match report.calls.iter().all(|call| call.end.is_complete()) {
        true => Ok(()),
        false => Err(io::Error::other("not every call was answered in full")),
    }
}

/// Opens `count` connections and holds them.
async fn hold(target: SocketAddr, count: usize) -> io::Result<()> {
    if !target.ip().is_loopback() || count > 20_000 {
        return Err(io::Error::other(
            "at most 20000 connections, on this machine only",
        ));
    }
    let mut open = Vec::with_capacity(count);
    while open.len() < count {
        open.push(TcpStream::connect(target).await?);
    }
    say(format_args!("holding {count} connections"));
    let held = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new()));
    held.await.map_err(io::Error::other)??;
    drop(open);
    Ok(())
}
