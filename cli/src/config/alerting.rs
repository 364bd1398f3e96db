//! LiteLLM's settings of alerts, which are the collector's here.

use collector::config::AlertingConfig;
use serde_json::{Map, Value};

use super::{Misconfigured, read, yaml::Document};

/// What LiteLLM has under `general_settings`.
const THEIRS: [&str; 4] = [
    "alert_types",
    "alerting_threshold",
    "alerting_args",
    "spend_report_frequency",
];

/// Whether the collector takes it.
pub(super) fn takes(path: &str) -> bool {
    let name = path.strip_prefix("general_settings.").unwrap_or_default();
    THEIRS.contains(&name)
}

/// Reads what `general_settings` says of alerts, where the collector's own section says nothing.
/// Adds what has no effect to `warnings`.
pub(super) fn fill(
    alerting: &mut AlertingConfig,
    tree: &Map<String, Value>,
    document: &Document,
    warnings: &mut Vec<String>,
) -> Result<(), Misconfigured> {
    let settings = tree.get("general_settings").and_then(Value::as_object);
    let theirs = settings.into_iter().flatten();
    let theirs: Map<String, Value> = theirs
        .filter(|(name, value)| THEIRS.contains(&name.as_str()) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let section = document.tree.pointer("/collector/alerting");
    let mut path = "collector.alerting";
    if section.is_some_and(|section| !section.is_null()) {
        for name in theirs.keys() {
            warnings.push(format!(
                "`general_settings.{name}` has no effect: `collector.alerting` is set"
            ));
        }
    } else if !theirs.is_empty() {
        path = "general_settings";
        *alerting = read(Value::Object(theirs), path, document)?;
    }
    let without = alerting.without_effect();
    warnings.extend(
        without
            .iter()
            .map(|name| format!("`{path}.{name}` is not supported here and has no effect")),
    );
    Ok(())
}
