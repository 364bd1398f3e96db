//! Reads a conversation in OpenAI's dialect, for dialects that say it in another way.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

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

/// Who says a message.
#[must_use]
pub fn role(message: &Object) -> &str {
    let role = message.get("role").and_then(Value::as_str);
    role.unwrap_or("user")
}

/// All text of a message.
#[must_use]
pub fn text(message: &Object) -> Cow<'_, str> {
    match message.get("content") {
        Some(Value::String(text)) => text.into(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .collect(),
        _ => "".into(),
    }
}

/// The addresses of a message's images, `data:` mostly.
pub fn images(message: &Object) -> impl Iterator<Item = &str> {
    let parts = message.get("content").and_then(Value::as_array);
    parts.into_iter().flatten().filter_map(|part| {
        let image = part.get("image_url")?;
        image.get("url").unwrap_or(image).as_str()
    })
}

/// The base64 of a `data:` address.
#[must_use]
pub fn base64_of(address: &str) -> Option<&str> {
    let (kind, data) = address.strip_prefix("data:")?.split_once(',')?;
    kind.ends_with(";base64").then_some(data)
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
        return text(only).into_owned();
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
        says.push_str(&format!("\n{call}"));
    }
    says
}
