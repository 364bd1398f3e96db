//! Prices calls from stdin to stdout, one JSON object a line, as they come.

use std::io::{self, BufRead, BufReader, Read as _, Write};

use anyhow::{Context as _, bail};
use chrono::Utc;
use cost_map::{Adjustments, Question};

use super::maps::Maps;
use crate::{args::PricesCalculate, config::Config, environment};

/// The longest line that is kept, with its end: longer than any question, so that the answer says so.
const LINE_BYTES_MAX: u64 = (1 << 20) + 2;
/// Bytes that are read or written at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Answers every line.
pub(super) async fn calculate(options: &PricesCalculate) -> anyhow::Result<()> {
    let adjustments = match &options.config {
        Some(path) => Config::load(Some(path), &environment)?
            .collector
            .prices
            .adjustments(),
        None => Adjustments::default(),
    };
    let mut maps = Maps::chosen(&options.choice).await?;
    let input = BufReader::with_capacity(BUFFER_BYTES, io::stdin().lock());
    let counted = answer_all(&mut maps, &adjustments, input, io::stdout().lock()).await;
    let counted = match counted {
        // As when `head` has seen enough.
        Err(error) if is_broken_pipe(&error) => return Ok(()),
        counted => counted.context("stopped before the last line")?,
    };
    if counted.bad > 0 {
        bail!("{} of {} lines could not be read", counted.bad, counted.all);
    }
    Ok(())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// How many lines there were.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    all: u64,
    bad: u64,
}

async fn answer_all<R: io::Read>(
    maps: &mut Maps<'_>,
    adjustments: &Adjustments,
    mut input: BufReader<R>,
    mut output: impl Write,
) -> anyhow::Result<Counted> {
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
            let asked = Question::parse(&line);
            let map = maps.at(asked.as_ref().ok().and_then(Question::at)).await?;
            let now = Utc::now().into();
            let cost = asked.and_then(|asked| asked.price(&map, Some(adjustments), now));
            counted.all += 1;
            counted.bad += u64::from(!cost_map::write_answer(&cost, &mut answers));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cost_map::PriceMap;
    use serde_json::Value;

    use super::*;

    async fn answers(input: &str) -> (Vec<Value>, Counted) {
        let mut output = Vec::new();
        let reader = BufReader::with_capacity(16, input.as_bytes());
        let mut maps = Maps::one(Arc::clone(PriceMap::bundled()));
        let margins = Adjustments::parse("null", r#"{"openai": 1}"#).unwrap();
        let counted = answer_all(&mut maps, &margins, reader, &mut output);
        let counted = counted.await.unwrap();
        let lines = output
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let lines = lines.map(|line| serde_json::from_slice(line).unwrap());
        (lines.collect(), counted)
    }

    #[tokio::test]
    async fn a_bad_line_is_answered_by_an_error_and_the_rest_go_on() {
        let long = format!(r#"{{"model":"{}"}}"#, "x".repeat(3 << 20));
        let input = format!(
            "{}\n\nnonsense\n{long}\n{}",
            r#"{"model":"gpt-4o","usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3}}"#,
            r#"{"model":"no-such-model","usage":{"prompt_tokens":2,"total_tokens":2}}"#,
        );
        let (lines, counted) = answers(&input).await;
        assert_eq!(counted, Counted { all: 4, bad: 2 });
        assert_eq!(lines[0]["cost"], "0.00003", "twice the price of the map");
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
