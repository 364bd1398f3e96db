//! A conversation as one text in the form that LiteLLM gives it, with the tools described in it.

use event::Json;
use serde_json::Value;

use crate::provider::conversation::{Object, calls, role, text};

/// How a model that knows no tools is told to call one.
const HOW: &str = "You can call the functions below. To call one, answer with nothing but a JSON \
                   object of the form {\"name\": \"the function\", \"arguments\": {\"the \
                   argument\": \"its value\"}}. If what is known already answers the request, \
                   answer in words instead. The functions:";

/// The prompt.
pub(super) fn written(messages: &[Object], tools: &[Value]) -> String {
    let mut prompt: String = messages.iter().map(turn).collect();
    if !tools.is_empty() {
        let tools: Vec<String> = tools.iter().map(Value::to_string).collect();
        prompt.push_str(&said("System", &format!("{HOW}\n{}", tools.join("\n"))));
    }
    prompt
}

fn said(who: &str, what: &str) -> String {
    format!("### {who}:\n{what}\n\n")
}

fn turn(message: &Object) -> String {
    let who = match role(message) {
        "system" => "System",
        "assistant" => "Assistant",
        _ => "User",
    };
    let asked = calls(message).map(|call| {
        let (name, arguments) = (Json::of(&call.name), call.arguments);
        format!("{{\"name\": {}, \"arguments\": {arguments}}}", name.text())
    });
    let words = Some(text(message)).filter(|text| !text.is_empty());
    let lines: Vec<String> = words.into_iter().chain(asked).collect();
    said(who, &lines.join("\n"))
}

/// The call of a tool that an answer is, if it is one: name and arguments.
pub(super) fn call(answer: &str) -> Option<(String, String)> {
    let answer = answer.trim();
    let fenced = answer.strip_prefix("```").map(|rest| {
        let rest = rest.strip_prefix("json").unwrap_or(rest);
        rest.strip_suffix("```").unwrap_or(rest)
    });
    let call: Object = serde_json::from_str(fenced.unwrap_or(answer)).ok()?;
    let arguments = call.get("arguments")?.to_string();
    Some((call.get("name")?.as_str()?.to_owned(), arguments))
}

/// Whether `text` may be the beginning of a call.
pub(super) fn may_be_call(text: &str) -> bool {
    let text = text.trim_start();
    text.is_empty() || text.starts_with('{') || text.starts_with("```") || "```".starts_with(text)
}
