//! What the README and the documents show, works.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;
use tests::process::tollkeeper;

#[test]
fn every_configuration_that_is_shown_is_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut shown = fs::read_to_string(root.join("README.md")).unwrap();
    for document in fs::read_dir(root.join("docs")).unwrap() {
        shown += &fs::read_to_string(document.unwrap().path()).unwrap();
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
            // What the examples take from the environment.
            .envs([
                ("OPENAI_API_KEY", "sk-test"),
                ("AZURE_API_KEY", "test"),
                ("TOLLKEEPER_MASTER_KEY", "sk-test"),
                (
                    "WEBHOOK_SECRET",
                    "whsec_dG9sbGtlZXBlciB3ZWJob29rIHRlc3Qga2V5IQ==",
                ),
            ])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{example}\n{said}");
    }
}
