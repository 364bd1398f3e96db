//! Measures how many records of 2 KB a journal takes per second, and what they cost.
//!
//! `cargo run --release -p bus --example append_rate [DIRECTORY]`
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "a measurement prints its result, and ends at the first failure"
)]

use std::{env, fs, path::PathBuf, sync::Arc, thread, time::Instant};

use bus::{Journal, JournalOptions, Log};

const RECORDS: u64 = 400_000;
const RECORD_BYTES: usize = 2048;

/// `/proc` counts in hundredths of a second.
const TICK_MICROS: u64 = 10_000;

fn main() {
    let root = env::args_os()
        .nth(1)
        .map_or_else(env::temp_dir, PathBuf::from);
    println!("threads  records  appends/s  CPU s per million (user + system)");
    for threads in [1, 2] {
        let dir = root.join(format!("append_rate-{}-{threads}", std::process::id()));
        let journal = Arc::new(Journal::open(&dir, JournalOptions::default()).unwrap());
        let (start, cpu) = (Instant::now(), cpu_micros());
        let writers: Vec<_> = (0..threads)
            .map(|_| {
                let journal = Arc::clone(&journal);
                thread::spawn(move || append(&*journal, RECORDS / threads))
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        let micros = u64::try_from(start.elapsed().as_micros()).unwrap().max(1);
        let (user, system) = cpu_micros();
        let (user, system) = (user - cpu.0, system - cpu.1);
        println!(
            "{threads:>7}  {RECORDS:>7}  {:>9}  {} + {}",
            RECORDS * 1_000_000 / micros,
            per_million(user),
            per_million(system),
        );
        drop(journal);
        fs::remove_dir_all(&dir).unwrap();
    }
}

fn append(journal: &dyn Log, records: u64) {
    let record = [b'x'; RECORD_BYTES];
    for _ in 0..records {
        journal.append(&[&record]).unwrap();
    }
}

/// Seconds of CPU for a million records, to the hundredth.
fn per_million(micros: u64) -> String {
    let hundredths = micros * 1_000_000 / RECORDS / 10_000;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// What this process has used so far, in user and in system mode.
fn cpu_micros() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The name in parentheses may contain spaces; user and system time are fields 14 and 15.
    let after_name = stat.rsplit(')').next().unwrap();
    let mut fields = after_name.split_whitespace().skip(11);
    let mut next = || fields.next().unwrap().parse::<u64>().unwrap() * TICK_MICROS;
    (next(), next())
}
