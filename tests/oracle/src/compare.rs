//! Oracle against calculator, case after case, and what to show where they disagree.

use std::{collections::BTreeMap, fmt::Write};

use num_bigint::BigInt;
use serde_json::Value;

use crate::{
    bill::{Answer, Line, sum},
    generate,
    json::{Fields, Json, Object},
    map::Map,
    number::{self, Q},
    price, shrink,
};

/// A calculator: a line of RULES, section 10, in, and whether discounts and margins apply; its answer out.
pub type Calculator<'a> = &'a dyn Fn(&str, bool) -> String;

/// Every third case has discounts and margins.
const ADJUSTED: u64 = 3;

/// Which cases are made.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// How many.
    pub cases: u64,
    /// Which ones.
    pub seed: u64,
    /// Whether usage comes in the shapes of other providers than OpenAI too.
    pub shapes: bool,
}

/// Cases of one mode.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row {
    /// All of them.
    pub cases: u64,
    /// Those with a price, on which both agree.
    pub priced: u64,
    /// Those on which both agree, priced or not.
    pub equal: u64,
}

/// A kind of disagreement.
#[derive(Clone, Debug)]
pub struct Disagreement {
    /// How many cases are of this kind.
    pub cases: u64,
    /// Whether the first of them is with discounts and margins.
    pub adjusted: bool,
    /// The first of them.
    pub first: Value,
}

/// The outcome of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// By mode.
    pub rows: BTreeMap<String, Row>,
    /// By what is different.
    pub disagreements: BTreeMap<String, Disagreement>,
}

/// Runs all cases.
#[must_use]
pub fn run(map: &Map, calculator: Calculator<'_>, run: Run) -> Outcome {
    let entries = generate::entries(map);
    let mut outcome = Outcome::default();
    for case in 0..run.cases {
        let (mode, call) = generate::call(&entries, run, case);
        let adjusted = case % ADJUSTED == 0;
        let (ours, theirs) = both(map, calculator, &call, adjusted);
        let row = outcome.rows.entry(mode.clone()).or_default();
        row.cases += 1;
        let Some(kind) = difference(&ours, &theirs) else {
            row.equal += 1;
            row.priced += u64::from(ours.is_ok_and(|answer| answer.status == "priced"));
            continue;
        };
        let first = || Disagreement {
            cases: 0,
            adjusted,
            first: call,
        };
        outcome
            .disagreements
            .entry(format!("{mode}: {kind}"))
            .or_insert_with(first)
            .cases += 1;
    }
    outcome
}

type Both = (Result<Answer, String>, Result<Answer, String>);

fn both(map: &Map, calculator: Calculator<'_>, call: &Value, adjusted: bool) -> Both {
    let line = call.to_string();
    (
        price::answer(map, &line, adjusted),
        read(&calculator(&line, adjusted)),
    )
}

/// The calculator's answer. Its amounts and its total must be what its own lines say.
fn read(answer: &str) -> Result<Answer, String> {
    let Ok(Json::Object(answer)) = Json::parse(answer) else {
        return Err(format!("not an answer: {answer}"));
    };
    if let Some(error) = answer.text("error") {
        return Err(format!("error: {error}"));
    }
    let mut lines = Vec::new();
    for item in answer.list("line_items").unwrap_or(&[]) {
        let Json::Object(item) = item else {
            return Err("a line item is not an object".to_owned());
        };
        lines.push(read_line(item)?);
    }
    let status = answer.text("status").unwrap_or("").to_owned();
    let total = answer.number("cost").map(picos).transpose()?;
    if status == "priced" && total != Some(number::picos(&sum(&lines))) {
        return Err("the total is not the sum of its lines".to_owned());
    }
    Ok(Answer {
        lines: if status == "priced" {
            Answer::merge(&lines)
        } else {
            BTreeMap::new()
        },
        entry: answer.text("map_entry").map(str::to_owned),
        status,
        total,
    })
}

fn picos(cost: &Q) -> Result<BigInt, String> {
    let picos = cost * number::whole(10_u64.pow(12));
    let error = || format!("more than twelve digits: {}", number::show(cost));
    picos
        .is_integer()
        .then(|| picos.to_integer())
        .ok_or_else(error)
}

fn read_line(item: &Object) -> Result<Line, String> {
    let number = |name: &str| {
        let found = item.number(name).cloned();
        found.ok_or_else(|| format!("a line item has no `{name}`"))
    };
    let key = item.text("key").ok_or("a line item has no `key`")?;
    let line = Line::new(key, number("quantity")?, number("unit_price")?);
    if line.amount() != number("amount")? {
        return Err(format!(
            "the amount of `{key}` is not quantity times unit price"
        ));
    }
    Ok(line)
}

/// What is different, as a name that is the same for cases of the same kind.
fn difference(ours: &Result<Answer, String>, theirs: &Result<Answer, String>) -> Option<String> {
    let (ours, theirs) = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(ours), Err(_)) => return Some(format!("nobody could read it: {ours}")),
        (Err(error), _) => return Some(format!("oracle: {error}")),
        (_, Err(error)) => return Some(format!("calculator: {error}")),
    };
    // Where nothing was read from an entry, it does not matter which one is named.
    let same_entry = ours.entry.is_none() || ours.entry == theirs.entry;
    let same = ours.total == theirs.total && ours.lines == theirs.lines;
    if ours.status == theirs.status && same && same_entry {
        return None;
    }
    let mut kind = String::new();
    if ours.status != theirs.status {
        let _ = write!(kind, "{} but {}; ", ours.status, theirs.status);
    }
    if !same_entry && ours.status == "priced" {
        kind.push_str("another entry; ");
    }
    if ours.status == theirs.status {
        kind.push_str(if ours.total == theirs.total {
            "same total; "
        } else {
            ""
        });
        let only = |a: &Answer, b: &Answer| -> Vec<String> {
            let lines = a
                .lines
                .iter()
                .filter(|(place, quantity)| b.lines.get(*place) != Some(quantity));
            lines.map(|((key, _), _)| key.clone()).collect()
        };
        let _ = write!(
            kind,
            "[{}] but [{}]",
            only(ours, theirs).join(" "),
            only(theirs, ours).join(" ")
        );
    }
    (!(ours.status == "unpriced" && theirs.status == "unpriced")).then_some(kind)
}

/// The shortest call that still shows this kind of disagreement, and both answers to it.
#[must_use]
pub fn explain(map: &Map, calculator: Calculator<'_>, found: &Disagreement) -> String {
    let kind_of = |call: &Value| {
        let (ours, theirs) = both(map, calculator, call, found.adjusted);
        difference(&ours, &theirs)
    };
    let kind = kind_of(&found.first);
    let shortest = shrink::shortest(found.first.clone(), &|call| kind_of(call) == kind);
    let (ours, theirs) = both(map, calculator, &shortest, found.adjusted);
    let show = |answer: Result<Answer, String>| answer.map_or_else(|error| error, |a| a.show());
    format!(
        "  {shortest}\n    oracle:     {}\n    calculator: {}",
        show(ours),
        show(theirs)
    )
}
