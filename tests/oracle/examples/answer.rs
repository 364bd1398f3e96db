//! The oracle as a calculator: reads calls as lines of JSON (RULES, section 10), writes answers.
#![expect(clippy::print_stdout, reason = "it prints the answers")]

use std::io::{self, BufRead};

use oracle::{
    bill::{Bill, sum},
    calculator, number, price,
};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let map = calculator::map()?;
    for line in io::stdin().lock().lines() {
        let answer = match price::priced(&map, &line?, false) {
            Ok((bill, entry)) => show(&bill, entry.as_deref()),
            Err(error) => json!({ "error": error }),
        };
        println!("{answer}");
    }
    Ok(())
}

fn show(bill: &Bill, entry: Option<&str>) -> Value {
    let (status, cost, lines, unpriced) = match bill {
        Bill::Priced(lines) => ("priced", Some(sum(lines)), lines.as_slice(), None),
        Bill::Unpriced(key) => ("unpriced", None, &[][..], Some(key)),
        Bill::Nothing => ("nothing_consumed", Some(number::whole(0)), &[][..], None),
    };
    let picos = number::whole(10_u64.pow(12));
    let cost =
        cost.map(|cost| number::show(&(number::Q::from_integer(number::picos(&cost)) / picos)));
    let items = lines.iter().map(|line| {
        json!({
            "key": line.key,
            "quantity": number::show(&line.quantity),
            "unit_price": number::show(&line.unit_price),
            "amount": number::show(&line.amount()),
        })
    });
    let items: Vec<Value> = items.collect();
    json!({
        "status": status, "cost": cost, "line_items": items, "map_entry": entry, "unpriced": unpriced,
    })
}
