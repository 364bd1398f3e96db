//! The rules of the house that no compiler checks.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

const LINES_MAX: usize = 400;
const TEST_LINES_MAX: usize = 600;

#[test]
fn crates_depend_only_as_drawn() {
    let document = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let drawn = document
        .split("```arrows\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let drawn: BTreeMap<&str, BTreeSet<&str>> = drawn
        .lines()
        .map(|line| line.split_once("->").unwrap())
        .map(|(from, to)| (from.trim(), to.split_whitespace().collect()))
        .collect();

    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let allowed = drawn
            .get(name)
            .unwrap_or_else(|| panic!("`{name}` is not drawn"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            let shipped = dependency["kind"] != "dev";
            assert!(
                !shipped || !ours.contains(to) || allowed.contains(to),
                "`{name}` may not depend on `{to}`",
            );
            assert_ne!(to, "tests", "`{name}` may not depend on the tests");
        }
    }
    for name in drawn.keys() {
        assert!(ours.contains(name), "`{name}` is drawn but does not exist");
    }
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = Vec::new();
    for file in sources() {
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let max = if is_test(&file) {
            TEST_LINES_MAX
        } else {
            LINES_MAX
        };
        if text.lines().count() > max {
            wrong.push(format!("{file}: over {max} lines"));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{file}: first line is not a `//!`"));
        }
        if file.ends_with("/mod.rs") {
            wrong.push(format!("{file}: name the file after the module"));
        }
    }
    assert_none(&wrong);
}

#[test]
fn nothing_is_put_off_in_a_comment() {
    // Written in two parts, so that this file does not name itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    assert_none(&lines_with(&marks, |file| file.ends_with(".rs")));
}

#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    let places = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
    ];
    // The price list is data of others, and so is the list of licences.
    let ours = |file: &str| !file.ends_with(".lock") && !file.ends_with("prices.json");
    assert_none(&lines_with(&places, ours));
}

#[test]
fn every_sink_file_has_its_row() {
    let list = fs::read_to_string(root().join("sinks/src/lib.rs")).unwrap();
    for file in sources() {
        let Some(name) = file.strip_prefix("sinks/src/") else {
            continue;
        };
        let name = name.trim_end_matches(".rs");
        let listed = name == "lib" || name.contains('/') || list.contains(&format!("{name}::"));
        assert!(listed, "`{file}` has no row in `sinks/src/lib.rs`");
    }
}

#[test]
fn dashboards_show_only_metrics_that_exist() {
    let code: String = sources()
        .iter()
        .filter(|file| !is_test(file))
        .map(|file| fs::read_to_string(root().join(file)).unwrap())
        .collect();
    let mut wrong = Vec::new();
    for file in files()
        .iter()
        .filter(|file| file.starts_with("dashboards/"))
    {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let word = |letter: char| !letter.is_ascii_alphanumeric() && letter != '_';
        for name in text
            .split(word)
            .filter(|word| word.starts_with("tollkeeper_"))
        {
            // What Prometheus appends to the names in the code.
            let endings = ["_total", "_bucket", "_count", "_sum"];
            let base = endings
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .unwrap_or(name);
            let short = base.trim_start_matches("tollkeeper_");
            if !code.contains(&format!("\"{short}\"")) && !code.contains(&format!("\"{base}\"")) {
                wrong.push(format!("{file}: `{name}` is not exported"));
            }
        }
    }
    assert_none(&wrong);
}

/// `cargo fmt` does not see modules that a macro declares.
#[test]
fn every_file_is_formatted() {
    let files: Vec<PathBuf> = sources().iter().map(|file| root().join(file)).collect();
    let checked = Command::new("rustfmt")
        .args(["--check", "--edition", "2024", "--config-path"])
        .arg(root())
        .args(files)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "run `make fmt`\n{said}");
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The lines of the wanted files that have one of the words.
fn lines_with(words: &[&str], wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in files().into_iter().filter(|file| wanted(file)) {
        // What is not text has no lines.
        let Ok(text) = fs::read_to_string(root().join(&file)) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                let start: String = line.trim().chars().take(100).collect();
                found.push(format!("{file}:{}: {start}", number + 1));
            }
        }
    }
    found
}

/// Whether a file holds tests: in a `tests` folder or crate, or the `tests.rs` of a module.
fn is_test(file: &str) -> bool {
    file.split('/')
        .any(|part| part == "tests" || part == "tests.rs")
}

/// Every Rust file, from the root of the repository.
fn sources() -> Vec<String> {
    files()
        .into_iter()
        .filter(|file| file.ends_with(".rs"))
        .collect()
}

/// Every file that is kept, or would be if it were added.
fn files() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        listed.status.success(),
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let listed = String::from_utf8(listed.stdout).unwrap();
    let kept = |file: &&str| root().join(file).is_file();
    listed.lines().filter(kept).map(str::to_owned).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}
