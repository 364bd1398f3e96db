//! Answers questions, one JSON object a line, from stdin to stdout. An argument is the path of a
//! price map; without one it is the map that is compiled in.
#![expect(clippy::print_stderr, reason = "it is where a program complains")]
#![expect(
    clippy::disallowed_methods,
    reason = "calls that say no time are of this moment"
)]

use std::{
    env, fs,
    io::{self, BufRead, Write},
    process::ExitCode,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use cost_map::{PriceMap, answer};
use event::Timestamp;

const ANSWERS_BYTES: usize = 64 * 1024;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every line could be read.
fn run() -> Result<bool, Box<dyn std::error::Error>> {
    let map = match env::args().nth(1) {
        Some(path) => Arc::new(PriceMap::parse(&fs::read(&path)?, &path)?),
        None => Arc::clone(PriceMap::bundled()),
    };
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let now = Timestamp::from_micros(i64::try_from(elapsed.as_micros())?);
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let (mut line, mut answers) = (Vec::new(), Vec::new());
    let mut all_read = true;
    while input.read_until(b'\n', &mut line)? > 0 {
        if !line.trim_ascii().is_empty() {
            all_read &= answer(&map, None, now, &line, &mut answers);
        }
        line.clear();
        if answers.len() > ANSWERS_BYTES {
            output.write_all(&answers)?;
            answers.clear();
        }
    }
    output.write_all(&answers)?;
    output.flush()?;
    Ok(all_read)
}
