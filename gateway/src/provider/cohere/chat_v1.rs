//! Chat in version 1: the last message, and the history before it.
//! <https://docs.cohere.com/v1/reference/chat>.

use event::{Timestamp, Usage};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{address, broken, common, finish_reason};
use crate::provider::{
    Answer, Ask, Fault, Prepared, ProviderError, Reader, Step, StreamedAnswer,
    chunks::Chunks,
    completion::{self, Choice, Completion},
    conversation::{self, Object, calls, role, text},
    frames::{Frame, LineFrames},
    request,
    translated::{Dialect, Translated},
};

pub(super) fn prepare(ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
    let mut body = ask.object();
    let messages = conversation::take(&mut body);
    say(&mut body, &messages);
    body.remove("tool_choice");
    if let Some(Value::Array(tools)) = body.remove("tools") {
        let tools: Vec<Value> = tools.iter().filter_map(tool).collect();
        body.insert("tools".to_owned(), json!(tools));
    }
    common(ask, &mut body);
    let outgoing = request::post(ask, address(ask, "v1", "chat"), "Bearer", &body)?;
    let reader = Chat {
        model: ask.model().to_owned(),
        now: ask.now,
    };
    Ok(Prepared {
        outgoing,
        reader: Box::new(reader),
        streams: ask.stream(),
    })
}

/// Splits the conversation into the instructions, the history, and what is said last: a message,
/// or the results of tools.
fn say(body: &mut Object, messages: &[Object]) {
    let instructions = messages
        .iter()
        .take_while(|message| role(message) == "system");
    let start = instructions.clone().count();
    let preamble: Vec<_> = instructions.map(text).collect();
    if !preamble.is_empty() {
        body.insert("preamble".to_owned(), preamble.join("\n").into());
    }
    let rest = &messages[start..];
    let is_result = |message: &&Object| role(message) == "tool";
    let results = rest.iter().rev().take_while(is_result).count();
    let last = if results == 0 { 1 } else { results };
    let (history, last) = rest.split_at(rest.len().saturating_sub(last));
    if results > 0 {
        let found: Vec<Value> = last.iter().map(|result| outcome(result, history)).collect();
        body.insert("tool_results".to_owned(), json!(found));
    } else if let Some(message) = last.first() {
        body.insert("message".to_owned(), text(message).into());
    }
    if results > 0 && !body.contains_key("tools") {
        // Without tools there is no other step that could follow.
        body.insert("force_single_step".to_owned(), true.into());
    }
    let turns: Vec<Value> = history.iter().map(|turn| past(turn, history)).collect();
    if !turns.is_empty() {
        body.insert("chat_history".to_owned(), json!(turns));
    }
}

/// One message of the history.
fn past(message: &Object, history: &[Object]) -> Value {
    let who = match role(message) {
        "system" => "SYSTEM",
        "assistant" => "CHATBOT",
        "tool" => {
            let results = [outcome(message, history)];
            return json!({ "role": "TOOL", "tool_results": results });
        }
        _ => "USER",
    };
    let asked: Vec<Value> = calls(message)
        .map(|call| json!({ "name": call.name, "parameters": call.object() }))
        .collect();
    let mut turn = json!({ "role": who, "message": text(message) });
    if let (Some(turn), false) = (turn.as_object_mut(), asked.is_empty()) {
        turn.insert("tool_calls".to_owned(), json!(asked));
    }
    turn
}

/// What a tool gave, with the call that it belongs to.
fn outcome(result: &Object, history: &[Object]) -> Value {
    let id = result.get("tool_call_id").and_then(Value::as_str);
    let call = history
        .iter()
        .rev()
        .flat_map(calls)
        .find(|call| Some(call.id) == id);
    let name = result.get("name").and_then(Value::as_str);
    let name = call.map(|call| call.name).or(name).unwrap_or_default();
    let parameters = call.map_or_else(|| json!({}), |call| call.object());
    let said = text(result);
    let output = match serde_json::from_str(&said) {
        Ok(Value::Object(output)) => Value::Object(output),
        _ => json!({ "result": said }),
    };
    json!({ "call": { "name": name, "parameters": parameters }, "outputs": [output] })
}

/// A tool, whose parameters version 1 knows one by one.
fn tool(tool: &Value) -> Option<Value> {
    let function = tool.get("function")?;
    let parameters = function.get("parameters");
    let required: Vec<&str> = parameters
        .and_then(|parameters| parameters.get("required")?.as_array())
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = parameters.and_then(|parameters| parameters.get("properties")?.as_object());
    let definition = |(name, property): (&String, &Value)| {
        let text = |key: &str| property.get(key).cloned().unwrap_or_else(|| "".into());
        let definition = json!({
            "description": text("description"),
            "type": text("type"),
            "required": required.contains(&name.as_str()),
        });
        (name.clone(), definition)
    };
    let definitions: Object = properties.into_iter().flatten().map(definition).collect();
    Some(json!({
        "name": function.get("name")?,
        "description": function.get("description").cloned().unwrap_or_else(|| "".into()),
        "parameter_definitions": definitions,
    }))
}

/// Reads answers of version 1.
struct Chat {
    model: String,
    now: Timestamp,
}

impl Reader for Chat {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let said = completion::object(&answer)?;
        let Some(text) = said.get("text").and_then(Value::as_str) else {
            return Err(completion::no_answer());
        };
        broken(said.get("finish_reason"), None)?;
        let asked: Vec<Value> = asked(&said)
            .map(|(id, name, arguments)| completion::tool_call(&id, &name, &arguments))
            .collect();
        let reason = finish_reason(said.get("finish_reason"), !asked.is_empty());
        let mut choice = Choice::text(text, reason);
        if !asked.is_empty() {
            // The text beside the calls is the plan of them.
            choice.message.remove("content");
            choice.message.insert("tool_calls".to_owned(), json!(asked));
        }
        let mut completion = Completion::new(&self.model, self.now);
        if let Some(id) = said.get("generation_id").and_then(Value::as_str) {
            id.clone_into(&mut completion.id);
        }
        completion.usage = usage(&said);
        completion.choices.push(choice);
        if let Some(citations) = said.get("citations").filter(|list| !list.is_null()) {
            completion
                .others
                .insert("citations".to_owned(), citations.clone());
        }
        completion.done()
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        let (frames, events) = (LineFrames::default(), Events::default());
        Box::new(Translated::new(
            frames,
            events,
            &self.model,
            self.now,
            strip_usage,
        ))
    }
}

/// The tool calls of an answer or event: id, name and arguments. Version 1 gives them no ids.
fn asked(said: &Object) -> impl Iterator<Item = (String, String, String)> {
    let calls = said.get("tool_calls").and_then(Value::as_array);
    calls.into_iter().flatten().filter_map(|call| {
        let name = call.get("name").and_then(Value::as_str)?.to_owned();
        let arguments = call.get("parameters").cloned().unwrap_or_else(|| json!({}));
        Some((
            format!("call_{}", Uuid::now_v7().simple()),
            name,
            arguments.to_string(),
        ))
    })
}

fn usage(said: &Object) -> Option<Usage> {
    completion::usage("cohere_chat", said.get("meta")?)
}

/// The events of a stream, one in each line.
#[derive(Default)]
struct Events {
    tools: usize,
}

impl Dialect for Events {
    fn frame(&mut self, frame: &Frame, chunks: &mut Chunks) -> Result<(), Fault> {
        let event: Object =
            serde_json::from_slice(&frame.data).map_err(|_error| completion::no_answer())?;
        match event
            .get("event_type")
            .and_then(Value::as_str)
            .unwrap_or_default()
        {
            "stream-start" => {
                if let Some(id) = event.get("generation_id").and_then(Value::as_str) {
                    chunks.set_id(id);
                }
            }
            "text-generation" => {
                let text = event.get("text").and_then(Value::as_str);
                chunks.text(text.unwrap_or_default());
            }
            "tool-calls-generation" => {
                for (id, name, arguments) in asked(&event) {
                    chunks.tool(self.tools, &id, &name, &arguments);
                    self.tools += 1;
                }
            }
            "stream-end" => {
                let response = event.get("response").and_then(Value::as_object);
                if let Some(usage) = response.and_then(usage) {
                    chunks.set_usage(usage);
                }
                let reason = event.get("finish_reason");
                broken(reason, event.get("error"))?;
                chunks.finish(0, finish_reason(reason, self.tools > 0));
                chunks.close();
            }
            "" => broken(None, event.get("message").or(event.get("error")))?,
            _ => {}
        }
        Ok(())
    }
}
