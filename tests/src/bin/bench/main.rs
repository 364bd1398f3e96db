//! Measures what was promised and prints tables in Markdown.
//!
//! `bench [gateway] [journal] [collector] [fanout] [clickhouse] [s3] [cost] [memory]`; without a word, all of them. Shorter or
//! longer with `TOLLKEEPER_BENCH_ROUNDS`, `TOLLKEEPER_BENCH_SECONDS` and `TOLLKEEPER_BENCH_CALLS`.

mod clickhouse;
mod collector;
mod cost;
mod fanout;
mod gateway;
mod journal;
mod memory;
mod s3;
mod site;

use std::io;

use tests::machine::{Arguments, say};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> io::Result<()> {
    let arguments = Arguments::read();
    let words = arguments.words();
    let known = [
        "journal",
        "cost",
        "gateway",
        "collector",
        "fanout",
        "clickhouse",
        "s3",
        "memory",
    ];
    if let Some(odd) = words.iter().find(|word| !known.contains(word)) {
        return Err(io::Error::other(format!("`{odd}` is none of {known:?}")));
    }
    for part in known
        .iter()
        .filter(|part| words.is_empty() || words.contains(part))
    {
        match *part {
            "journal" => journal::measure()?,
            "cost" => cost::measure(),
            "gateway" => gateway::measure().await?,
            "collector" => collector::measure().await?,
            "fanout" => fanout::measure().await?,
            "clickhouse" => clickhouse::measure().await?,
            "s3" => s3::measure().await?,
            _ => memory::measure().await?,
        }
        say("");
    }
    Ok(())
}
