//! Prices calls from stdin to stdout, one JSON object a line, as they come.

use std::io::{self, BufRead, BufReader, Read as _, Write};

use anyhow::{Context as _, bail};
use chrono::Utc;
use cost_map::PriceMap;

use super::maps;
use crate::args::Choice;

/// The longest line that is kept, with its end: longer than any question, so that the answer says so.
const LINE_BYTES_MAX: u64 = (1 << 20) + 2;
/// Bytes that are read or written at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Answers every line.
pub(super) async fn calculate(choice: &Choice) -> anyhow::Result<()> {
    let map = maps::chosen(choice).await?;
    let input = BufReader::with_capacity(BUFFER_BYTES, io::stdin().lock());
    let counted = answer_all(&map, input, io::stdout().lock());
    let counted = match counted {
        // As when `head` has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        counted => counted.context("stopped before the last line")?,
    };
    if counted.bad > 0 {
        bail!("{} of {} lines could not be read", counted.bad, counted.all);
    }
    Ok(())
}

/// How many lines there were.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    all: u64,
    bad: u64,
}

fn answer_all<R: io::Read>(
    map: &PriceMap,
    mut input: BufReader<R>,
    mut output: impl Write,
) -> io::Result<Counted> {
    let (mut line, mut answers) = (Vec::new(), Vec::new());
    let mut counted = Counted::default();
    loop {
        // Whoever waits for an answer before it asks again gets it.
        if input.buffer().is_empty() || answers.len() > BUFFER_BYTES {
            output.write_all(&answers)?;
            output.flush()?;
            answers.clear();
        }
        line.clear();
        if input
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)?
            == 0
        {
            return Ok(counted);
        }
        if line.ends_with(b"\n") {
            line.pop();
        } else {
            input.skip_until(b'\n')?;
        }
        if !line.trim_ascii().is_empty() {
            let now = Utc::now().into();
            counted.all += 1;
            counted.bad += u64::from(!cost_map::answer(map, None, now, &line, &mut answers));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn answers(input: &str) -> (Vec<Value>, Counted) {
        let mut output = Vec::new();
        let reader = BufReader::with_capacity(16, input.as_bytes());
        let counted = answer_all(PriceMap::bundled(), reader, &mut output).unwrap();
        let lines = output
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let lines = lines.map(|line| serde_json::from_slice(line).unwrap());
        (lines.collect(), counted)
    }

    #[test]
    fn a_bad_line_is_answered_by_an_error_and_the_rest_go_on() {
        let long = format!(r#"{{"model":"{}"}}"#, "x".repeat(3 << 20));
        let input = format!(
            "{}\n\nnonsense\n{long}\n{}",
            r#"{"model":"gpt-4o","usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3}}"#,
            r#"{"model":"no-such-model","usage":{"prompt_tokens":2,"total_tokens":2}}"#,
        );
        let (lines, counted) = answers(&input);
        assert_eq!(counted, Counted { all: 4, bad: 2 });
        assert_eq!(lines[0]["cost"], "0.000015");
        assert!(lines[1]["error"].is_string());
        assert!(
            lines[2]["error"]
                .as_str()
                .unwrap()
                .contains("more than 1 MiB")
        );
        assert_eq!(lines[3]["status"], "unpriced");
    }
}
