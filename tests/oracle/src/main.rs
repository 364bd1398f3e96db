//! Compares oracle and calculator on as many generated calls as asked for:
//! `cargo run --release -p oracle -- --cases 1000000 --seed 1`. Fails if they disagree anywhere.
#![expect(clippy::print_stdout, reason = "it prints a table")]
#![expect(clippy::disallowed_types, reason = "it measures real time")]

use std::{process::ExitCode, time::Instant};

use oracle::{
    calculator,
    compare::{self, Outcome, Run},
};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut run = Run {
        cases: 100_000,
        seed: 1,
        shapes: true,
    };
    let mut show = 20;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments
            .next()
            .ok_or_else(|| format!("{name} needs a number"))?;
        let value: u64 = value
            .parse()
            .map_err(|_| format!("{name}: `{value}` is not a number"))?;
        match name.as_str() {
            "--cases" => run.cases = value,
            "--seed" => run.seed = value,
            "--show" => show = value,
            "--shapes" => run.shapes = value != 0,
            _ => {
                return Err(
                    format!("`{name}` is not known: --cases, --seed, --show, --shapes").into(),
                );
            }
        }
    }
    let map = calculator::map()?;
    let start = Instant::now();
    let outcome = compare::run(&map, &calculator::answer, run);
    let seconds = start.elapsed().as_millis();
    print(&outcome);
    println!("{} cases, seed {}, {seconds} ms", run.cases, run.seed);

    let mut kinds: Vec<_> = outcome.disagreements.iter().collect();
    kinds.sort_by_key(|(_, disagreement)| std::cmp::Reverse(disagreement.cases));
    for (kind, disagreement) in kinds.iter().take(usize::try_from(show)?) {
        let said = compare::explain(&map, &calculator::answer, disagreement);
        println!("\n{} cases: {kind}\n{said}", disagreement.cases);
    }
    if kinds.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("\n{} kinds of disagreement", kinds.len());
    Ok(ExitCode::FAILURE)
}

fn print(outcome: &Outcome) {
    println!(
        "{:22}{:>10}{:>10}{:>10}{:>10}",
        "mode", "cases", "equal", "priced", "not equal"
    );
    let (mut cases, mut equal, mut priced) = (0, 0, 0);
    for (mode, row) in &outcome.rows {
        let wrong = row.cases - row.equal;
        println!(
            "{mode:22}{:>10}{:>10}{:>10}{wrong:>10}",
            row.cases, row.equal, row.priced
        );
        cases += row.cases;
        equal += row.equal;
        priced += row.priced;
    }
    println!(
        "{:22}{cases:>10}{equal:>10}{priced:>10}{:>10}",
        "all",
        cases - equal
    );
}
