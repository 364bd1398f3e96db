//! What the README and the documents show, works.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;
use tests::process::tollkeeper;

#[test]
fn every_configuration_that_is_shown_is_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut shown = fs::read_to_string(root.join("README.md")).unwrap();
    for folder in ["docs", "docs/sinks"] {
        let files = fs::read_dir(root.join(folder)).unwrap();
        let files = files.map(|file| file.unwrap().path());
        for document in files.filter(|path| path.is_file()) {
            shown += &fs::read_to_string(document).unwrap();
        }
    }
    let folder = TempDir::new().unwrap();
    let examples: Vec<&str> = shown
        .split("```yaml\n")
        .skip(1)
        .map(|after| after.split("```").next().unwrap())
        .collect();
    assert!(!examples.is_empty());
    // The file that an example names.
    fs::write(folder.path().join("prices.json"), r#"{"acme/one": {}}"#).unwrap();
    for example in examples {
        let file = folder.path().join("config.yaml");
        fs::write(&file, example).unwrap();
        let checked = Command::new(tollkeeper())
            .args(["check", "--config"])
            .arg(&file)
            .current_dir(folder.path())
            .envs(taken(example))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{example}\n{said}");
    }
}

/// What an example takes from the environment.
fn taken(example: &str) -> Vec<(&str, &'static str)> {
    let names = example.split("os.environ/").skip(1).map(|after| {
        let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        after
            .split(|letter| !is_of_name(letter))
            .next()
            .unwrap_or_default()
    });
    let value = |name: &str| match name {
        "WEBHOOK_SECRET" => "whsec_dG9sbGtlZXBlciB3ZWJob29rIHRlc3Qga2V5IQ==",
        "PAGERDUTY_ROUTING_KEY" => "0123456789abcdef0123456789abcdef",
        "GENERIC_LOGGER_HEADERS" => "authorization=secret",
        name if name.ends_with("_URL") || name.ends_with("_ENDPOINT") => {
            "https://hooks.example.com/x"
        }
        _ => "sk-test",
    };
    names.map(|name| (name, value(name))).collect()
}
