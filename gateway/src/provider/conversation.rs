//! Reads a conversation in OpenAI's dialect, for dialects that say it in another way.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{
    Ask,
    content::{self, Kind, Source},
};

/// A JSON object.
pub type Object = Map<String, Value>;

/// Takes the messages out of a request. Developers are the system where only OpenAI knows them.
#[must_use]
pub fn take(request: &mut Object) -> Vec<Object> {
    let Some(Value::Array(messages)) = request.remove("messages") else {
        return Vec::new();
    };
    let objects = messages.into_iter().filter_map(|message| match message {
        Value::Object(message) => Some(message),
        _ => None,
    });
    let renamed = objects.map(|mut message| {
        if role(&message) == "developer" {
            message.insert("role".to_owned(), "system".into());
        }
        message
    });
    renamed.collect()
}

/// Makes `body` a request of OpenAI's dialect again: its model, its messages without developers,
/// and whether it streams.
pub fn put_back(body: &mut Object, ask: &Ask<'_>) {
    let messages = take(body);
    body.insert("messages".to_owned(), json!(messages));
    body.insert("model".to_owned(), ask.model().into());
    body.remove("stream_options");
    body.remove("stream");
    if ask.stream() {
        body.insert("stream".to_owned(), true.into());
    }
}

/// Whether developers speak in it.
#[must_use]
pub fn has_developers(body: &Object) -> bool {
    let messages = body.get("messages").and_then(Value::as_array);
    let mut roles = messages.into_iter().flatten().map(|one| one.get("role"));
    roles.any(|role| role.is_some_and(|role| role == "developer"))
}

/// Who says a message.
#[must_use]
pub fn role(message: &Object) -> &str {
    let role = message.get("role").and_then(Value::as_str);
    role.unwrap_or("user")
}

/// All text of a message.
#[must_use]
pub fn text(message: &Object) -> String {
    content::plain(message.get("content"))
}

/// The images of a message.
pub fn images(message: &Object) -> impl Iterator<Item = Source<'_>> {
    let parts = content::parts(message.get("content")).into_iter();
    parts.filter_map(|part| match part.kind {
        Kind::Image(source) => Some(source),
        _ => None,
    })
}

/// A call of a tool that a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The call's id.
    pub id: &'a str,
    /// The tool.
    pub name: &'a str,
    /// JSON, as the model wrote it.
    pub arguments: &'a str,
}

impl Call<'_> {
    /// The arguments as an object; empty if they are none.
    #[must_use]
    pub fn object(&self) -> Value {
        let object: Option<Object> = serde_json::from_str(self.arguments).ok();
        Value::Object(object.unwrap_or_default())
    }
}

/// The tool calls of a message.
pub fn calls(message: &Object) -> impl Iterator<Item = Call<'_>> {
    let calls = message.get("tool_calls").and_then(Value::as_array);
    calls.into_iter().flatten().filter_map(|call| {
        let function = call.get("function")?;
        Some(Call {
            id: call.get("id").and_then(Value::as_str).unwrap_or_default(),
            name: function.get("name").and_then(Value::as_str)?,
            arguments: function
                .get("arguments")
                .and_then(Value::as_str)
                .unwrap_or("{}"),
        })
    })
}

/// The whole conversation as one text, for models that continue a text. One question is itself;
/// otherwise each message begins with who says it, and the text ends where the model is to go on.
#[must_use]
pub fn transcript(messages: &[Object]) -> String {
    if let [only] = messages
        && role(only) == "user"
    {
        return text(only);
    }
    let mut turns: Vec<String> = messages.iter().map(turn).collect();
    if messages
        .last()
        .is_some_and(|last| role(last) != "assistant")
    {
        turns.push("Assistant:".to_owned());
    }
    turns.join("\n\n")
}

fn turn(message: &Object) -> String {
    let who = match role(message) {
        "system" => "System",
        "assistant" => "Assistant",
        "tool" | "function" => "Tool",
        _ => "User",
    };
    let mut says = format!("{who}: {}", text(message));
    for call in calls(message) {
        let call = json!({ "name": call.name, "arguments": call.object() });
        let _infallible = write!(says, "\n{call}");
    }
    says
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(list: Value) -> Vec<Object> {
        let mut request = Object::new();
        request.insert("messages".to_owned(), list);
        take(&mut request)
    }

    #[test]
    fn a_transcript_says_who_speaks_and_ends_where_the_model_goes_on() {
        let call = json!({"id": "1", "function": {"name": "f", "arguments": "{\"a\":1}"}});
        for (list, wanted) in [
            (json!([{"role": "user", "content": "Hi"}]), "Hi"),
            (
                json!([{"role": "developer", "content": "Be terse."},
                    {"role": "user", "content": [{"type": "text", "text": "Hi"}]}]),
                "System: Be terse.\n\nUser: Hi\n\nAssistant:",
            ),
            (
                json!([{"role": "user", "content": "1"}, {"role": "assistant", "content": "2,"}]),
                "User: 1\n\nAssistant: 2,",
            ),
            (
                json!([{"role": "assistant", "tool_calls": [call]},
                    {"role": "tool", "content": "x"}]),
                "Assistant: \n{\"name\":\"f\",\"arguments\":{\"a\":1}}\n\nTool: x\n\nAssistant:",
            ),
            (json!("none"), ""),
        ] {
            assert_eq!(transcript(&messages(list)), wanted);
        }
    }

    #[test]
    fn calls_without_sense_are_calls_without_arguments() {
        let list = json!([{"tool_calls": [
            {"function": {"name": "a", "arguments": "no JSON"}},
            {"function": {}},
            {"id": "2", "function": {"name": "b"}},
        ]}]);
        let messages = messages(list);
        let found: Vec<(&str, Value)> = calls(&messages[0])
            .map(|call| (call.name, call.object()))
            .collect();
        assert_eq!(found, [("a", json!({})), ("b", json!({}))]);
    }
}
