//! Oracle and calculator agree on a fixed set of generated calls.

use oracle::{
    calculator,
    compare::{self, Run},
};

#[test]
fn the_calculator_keeps_the_rules() {
    let map = calculator::map().unwrap();
    let run = Run {
        cases: 20_000,
        seed: 20_261_121,
        shapes: true,
    };
    let outcome = compare::run(&map, &calculator::answer, run);
    assert_eq!(
        outcome.rows.values().map(|row| row.cases).sum::<u64>(),
        run.cases
    );
    let shown = outcome
        .disagreements
        .iter()
        .take(5)
        .map(|(kind, disagreement)| {
            let said = compare::explain(&map, &calculator::answer, disagreement);
            format!("{} cases: {kind}\n{said}\n", disagreement.cases)
        });
    let shown: String = shown.collect();
    assert!(outcome.disagreements.is_empty(), "{shown}");
}
