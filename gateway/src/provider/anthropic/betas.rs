//! Features of the API that have to be switched on by name, in a header.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::super::content::{self, list};

/// The features of `body` that have to be switched on.
pub(super) fn of_body(body: &Map<String, Value>) -> Vec<String> {
    const OF_TOOLS: &[(&str, &str)] = &[
        ("computer_20241022", "computer-use-2024-10-22"),
        ("computer_20250124", "computer-use-2025-01-24"),
        ("computer_20251124", "computer-use-2025-11-24"),
        ("code_execution_20250522", "code-execution-2025-05-22"),
        ("code_execution_20250825", "code-execution-2025-08-25"),
        ("web_fetch_", "web-fetch-2025-09-10"),
        ("memory_", "context-management-2025-06-27"),
        ("tool_search_tool_", "advanced-tool-use-2025-11-20"),
    ];
    let mut betas: Vec<String> = Vec::new();
    let mut add = |beta: &str| {
        if !betas.iter().any(|known| known == beta) {
            betas.push(beta.to_owned());
        }
    };
    let tools = body.get("tools").and_then(Value::as_array);
    for tool in tools.into_iter().flatten() {
        let kind = content::text(tool, "type").unwrap_or_default();
        let known = OF_TOOLS.iter().find(|(start, _)| kind.starts_with(start));
        known.into_iter().for_each(|(_, beta)| add(beta));
    }
    if body.contains_key("mcp_servers") {
        add("mcp-client-2025-04-04");
    }
    if let Some(management) = body.get("context_management") {
        for edit in list(management, "edits") {
            let is_compact = content::text(edit, "type") == Some("compact_20260112");
            add(if is_compact {
                "compact-2026-01-12"
            } else {
                "context-management-2025-06-27"
            });
        }
    }
    if body.get("speed").and_then(Value::as_str) == Some("fast") {
        add("fast-mode-2026-02-01");
    }
    let messages = body.get("messages").and_then(Value::as_array);
    let blocks = messages
        .into_iter()
        .flatten()
        .flat_map(|turn| list(turn, "content"));
    let names_file = |block: &Value| {
        let id = block
            .get("file_id")
            .or_else(|| block.get("source")?.get("file_id"));
        id.is_some()
    };
    if blocks.into_iter().any(names_file) {
        add("files-api-2025-04-14");
    }
    betas
}

/// Adds `betas` to those that the deployment switches on.
pub fn switch_on(mut betas: Vec<String>, headers: &mut HeaderMap) {
    let name = HeaderName::from_static("anthropic-beta");
    if let Some(own) = headers.get(&name).and_then(|own| own.to_str().ok()) {
        let own = own.split(',').map(|beta| beta.trim().to_owned());
        betas.splice(0..0, own.filter(|beta| !beta.is_empty()));
    }
    betas.dedup();
    if let (false, Ok(value)) = (betas.is_empty(), HeaderValue::try_from(betas.join(","))) {
        headers.insert(name, value);
    }
}
