//! Appends per second to the journal, records of 2 KB, synced in the background.

use std::{io, thread};

use bus::{Journal, JournalOptions, Log};
use tempfile::TempDir;
use tests::{
    machine::{median, say, setting},
    process::cpu,
};
use tokio::time::Instant;

use crate::site::micros;

/// Appends by each thread.
const APPENDS: u64 = 200_000;
const RECORD: [u8; 2048] = [b'x'; 2048];

pub(crate) fn measure() -> io::Result<()> {
    let rounds: usize = setting("TOLLKEEPER_BENCH_ROUNDS", 6);
    say("## Journal: appends of one 2 KB record each\n");
    say("| threads | appends/s | CPU µs per append |");
    say("|---:|---:|---:|");
    for threads in [1, 2] {
        let mut rates = Vec::new();
        let mut costs = Vec::new();
        for _ in 0..rounds.div_ceil(2) {
            let (rate, cost) = round(threads)?;
            rates.push(rate);
            costs.push(cost);
        }
        say(format_args!(
            "| {threads} | {} | {} |",
            median(rates),
            micros(median(costs))
        ));
    }
    Ok(())
}

/// Appends per second, and tenths of a microsecond of CPU for each.
fn round(threads: u64) -> io::Result<(u128, u128)> {
    let folder = TempDir::new()?;
    let journal =
        Journal::open(folder.path(), JournalOptions::default()).map_err(io::Error::other)?;
    let (began, before) = (Instant::now(), cpu(std::process::id()));
    let failed = thread::scope(|scope| {
        let append = || (0..APPENDS).find_map(|_| journal.append(&[&RECORD]).err());
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(append)).collect();
        threads
            .into_iter()
            .find_map(|thread| thread.join().ok().flatten())
    });
    let took = began.elapsed().as_micros().max(1);
    let cost = cpu(std::process::id()).saturating_sub(before).as_nanos() / 100;
    if let Some(error) = failed {
        return Err(io::Error::other(error));
    }
    let appends = u128::from(APPENDS * threads);
    Ok((appends * 1_000_000 / took, cost / appends))
}
