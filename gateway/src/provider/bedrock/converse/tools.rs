//! Tools, and which of them may be called.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{
    super::{
        super::{ProviderError, anthropic, content::text},
        model::Model,
    },
    schema,
};

/// Tools that one request may have.
const TOOLS_MAX: usize = 1024;
/// Characters of a tool's name.
const NAME_CHARS_MAX: usize = 64;

/// The names of tools as they are sent: a letter, then letters, digits, `_` and `-`.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Names {
    sent: HashMap<String, String>,
    own: HashMap<String, String>,
}

impl Names {
    /// Finds a name for every tool whose own the API refuses.
    pub(super) fn of(tools: &[Value]) -> Result<Self, ProviderError> {
        if tools.len() > TOOLS_MAX {
            let message = format!("`tools` has more than {TOOLS_MAX} entries");
            return Err(ProviderError::Request(message));
        }
        let mut names = Self::default();
        let taken: Vec<&str> = tools
            .iter()
            .filter_map(|tool| text(function(tool), "name"))
            .collect();
        for own in &taken {
            let plain = fit(own);
            if plain == *own {
                continue;
            }
            let mut sent = plain.clone();
            let mut number = 1;
            while taken.contains(&&*sent) || names.own.contains_key(&sent) {
                number += 1;
                sent = format!("{plain}_{number}");
            }
            names.sent.insert((*own).to_owned(), sent.clone());
            names.own.insert(sent, (*own).to_owned());
        }
        Ok(names)
    }

    /// The name that is sent.
    pub(super) fn sent(&self, own: &str) -> String {
        self.sent.get(own).cloned().unwrap_or_else(|| fit(own))
    }

    /// The client's own name.
    pub(super) fn own<'a>(&'a self, sent: &'a str) -> &'a str {
        self.own.get(sent).map_or(sent, |own| own)
    }
}

fn fit(name: &str) -> String {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let head = if begins { "" } else { "a" };
    let fit = name.chars().map(|c| if is_fit(c) { c } else { '_' });
    let mut fit: String = head.chars().chain(fit).collect();
    if fit.len() > NAME_CHARS_MAX {
        fit.truncate(NAME_CHARS_MAX - 4);
    }
    fit
}

/// A tool's name, description and parameters, in OpenAI's shape or in Claude's.
fn function(tool: &Value) -> &Value {
    tool.get("function").unwrap_or(tool)
}

/// What `toolConfig` says.
#[derive(Debug, Default)]
pub(super) struct Tools {
    pub(super) list: Vec<Value>,
    pub(super) choice: Option<Value>,
}

impl Tools {
    /// The tools that are offered; none if none may be called: the API has no word for that.
    pub(super) fn of(
        offered: &[Value],
        choice: Option<&Value>,
        names: &Names,
        model: &Model,
    ) -> Self {
        let word = choice.and_then(|choice| choice.as_str().or_else(|| text(choice, "type")));
        let named = choice
            .map(function)
            .and_then(|function| text(function, "name"));
        let choice = match word {
            Some("none") => return Self::default(),
            Some("auto") => Some(json!({ "auto": {} })),
            Some("required" | "any") => Some(json!({ "any": {} })),
            _ => named.map(|name| json!({ "tool": { "name": names.sent(name) } })),
        };
        let mut list = Vec::new();
        for tool in offered {
            let is_own = ["toolSpec", "systemTool", "cachePoint"]
                .iter()
                .any(|own| tool.get(own).is_some());
            if is_own {
                list.push(tool.clone());
            } else if tool.get("function").is_some() || tool.get("input_schema").is_some() {
                list.push(spec(tool, names, model));
                list.extend(cache_point(tool, model));
            }
        }
        Self { list, choice }
    }

    /// Adds the search of the web that `web_search_options` asks for; the API has no options.
    pub(super) fn search(&mut self, options: Option<&Value>) {
        if options.is_some_and(Value::is_object) {
            let tool = json!({ "systemTool": { "name": "nova_grounding" } });
            self.list.push(tool);
        }
    }

    /// Adds the tool that takes the answer.
    pub(super) fn take_answer(&mut self, schema: &Value, description: Option<&str>, must: bool) {
        let name = anthropic::TOOL;
        let spec = json!({
            "name": name,
            "description": description.unwrap_or(name),
            "inputSchema": { "json": schema },
        });
        self.list.insert(0, json!({ "toolSpec": spec }));
        if must && self.choice.is_none() {
            self.choice = Some(json!({ "tool": { "name": name } }));
        }
    }

    /// A model that thinks cannot be forced to call a tool.
    pub(super) fn let_choose(&mut self) {
        if self.choice.is_some() {
            self.choice = Some(json!({ "auto": {} }));
        }
    }

    /// What is sent, if there are tools.
    pub(super) fn config(self) -> Value {
        if self.list.is_empty() {
            return Value::Null;
        }
        let mut config = json!({ "tools": self.list });
        if let (Some(choice), Some(config)) = (self.choice, config.as_object_mut()) {
            config.insert("toolChoice".to_owned(), choice);
        }
        config
    }
}

fn spec(tool: &Value, names: &Names, model: &Model) -> Value {
    let function = function(tool);
    let name = names.sent(text(function, "name").unwrap_or_default());
    // The API refuses one that is empty.
    let description = text(function, "description").filter(|said| !said.is_empty());
    let parameters = function
        .get("parameters")
        .or_else(|| function.get("input_schema"));
    let mut spec = json!({
        "name": name,
        "description": description.unwrap_or(&name),
        "inputSchema": { "json": schema::of_tool(parameters, model.is_strict()) },
    });
    let is_strict = function.get("strict") == Some(&Value::Bool(true));
    if let (true, Some(spec)) = (is_strict && model.is_strict(), spec.as_object_mut()) {
        spec.insert("strict".to_owned(), true.into());
    }
    json!({ "toolSpec": spec })
}

/// The mark behind what is to be cached, if `from` asks for it.
pub(super) fn cache_point(from: &Value, model: &Model) -> Option<Value> {
    let control = from
        .get("cache_control")
        .filter(|control| control.is_object())?;
    let mut point = json!({ "type": "default" });
    let life =
        text(control, "ttl").filter(|life| model.caches_long() && ["5m", "1h"].contains(life));
    if let (Some(life), Some(point)) = (life, point.as_object_mut()) {
        point.insert("ttl".to_owned(), life.into());
    }
    model.caches().then(|| json!({ "cachePoint": point }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fit_to_the_api_and_back() {
        let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
        let names = Names::of(&[tool("a.b"), tool("a_b"), tool("a/b"), tool("1")]).unwrap();
        for (own, sent) in [
            ("a.b", "a_b_2"),
            ("a_b", "a_b"),
            ("a/b", "a_b_3"),
            ("1", "a1"),
        ] {
            assert_eq!(names.sent(own), sent);
            assert_eq!(names.own(sent), own);
        }
        assert_eq!(names.sent("é gone"), "a__gone");
        assert!(names.sent(&"x".repeat(99)).len() <= NAME_CHARS_MAX);
        assert!(Names::of(&vec![Value::Null; TOOLS_MAX + 1]).is_err());
    }
}
