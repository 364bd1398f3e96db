//! Reads lines of provider (or nothing), tab and name; prints the name of the entry that each
//! finds in the bundled map, tab, and how it was found. `tests/prices/names.py` compares them.
#![expect(clippy::print_stdout, reason = "it prints")]

use std::io;

use cost_map::PriceMap;

fn main() -> io::Result<()> {
    let map = PriceMap::bundled();
    for line in io::stdin().lines() {
        let line = line?;
        let (provider, name) = line.split_once('\t').unwrap_or(("", &line));
        let provider = Some(provider).filter(|provider| !provider.is_empty());
        match map.resolve(provider, name) {
            Some(found) => println!("{}\t{}", found.name, found.how),
            None => println!("\t"),
        }
    }
    Ok(())
}
