//! Chat in version 2, which is close to OpenAI's: <https://docs.cohere.com/reference/chat>.

use event::Timestamp;
use serde_json::{Map, Value, json};

use super::{address, broken, common, finish_reason};
use crate::provider::{
    Answer, Ask, Fault, Prepared, ProviderError, Reader, Step, StreamedAnswer,
    chunks::Chunks,
    completion::{self, Choice, Completion},
    conversation::{self, Object},
    frames::{Frame, LineFrames},
    request,
    translated::{Dialect, Translated},
};

pub(super) fn prepare(ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
    let mut body = ask.object();
    let messages = conversation::take(&mut body);
    body.insert("messages".to_owned(), json!(messages));
    choose_tool(&mut body);
    common(ask, &mut body);
    let outgoing = request::post(ask, address(ask, "v2", "chat"), "Bearer", &body)?;
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

/// Cohere can be told to call some tool, or none. To call one tool is to have no other.
fn choose_tool(body: &mut Object) {
    let choice = body.remove("tool_choice").unwrap_or_default();
    let word = match choice.as_str() {
        Some("required") => "REQUIRED",
        Some("none") => "NONE",
        Some(_) => return,
        None => {
            let Some(name) = choice.pointer("/function/name").cloned() else {
                return;
            };
            if let Some(Value::Array(tools)) = body.get_mut("tools") {
                tools.retain(|tool| tool.pointer("/function/name") == Some(&name));
            }
            "REQUIRED"
        }
    };
    body.insert("tool_choice".to_owned(), word.into());
}

/// Reads answers of version 2.
struct Chat {
    model: String,
    now: Timestamp,
}

impl Reader for Chat {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let said = completion::object(&answer)?;
        let Some(message) = said.get("message").and_then(Value::as_object) else {
            return Err(completion::no_answer());
        };
        broken(said.get("finish_reason"), None)?;
        let mut completion = Completion::new(&self.model, self.now);
        if let Some(id) = said.get("id").and_then(Value::as_str) {
            id.clone_into(&mut completion.id);
        }
        completion.usage = usage(&said);
        completion.choices.push(choice(&said, message));
        completion.done()
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        let frames = LineFrames::default();
        Box::new(Translated::new(
            frames,
            Events::default(),
            &self.model,
            self.now,
            strip_usage,
        ))
    }
}

fn choice(said: &Object, message: &Object) -> Choice {
    let mut choice = Choice::default();
    let parts = |kind: &str| -> String {
        let parts = message.get("content").and_then(Value::as_array);
        let texts = parts
            .into_iter()
            .flatten()
            .filter_map(|part| part.get(kind));
        texts.filter_map(Value::as_str).collect()
    };
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let calls = calls.filter(|calls| !calls.is_empty());
    let text = parts("text");
    if calls.is_none() || !text.is_empty() {
        choice.message.insert("content".to_owned(), text.into());
    }
    let thinking = parts("thinking");
    if !thinking.is_empty() {
        let name = "reasoning_content".to_owned();
        choice.message.insert(name, thinking.into());
    }
    if let Some(calls) = calls {
        choice.message.insert("tool_calls".to_owned(), json!(calls));
    }
    let citations = message.get("citations").and_then(Value::as_array);
    let notes: Vec<Value> = citations.into_iter().flatten().flat_map(notes).collect();
    if !notes.is_empty() {
        choice
            .message
            .insert("annotations".to_owned(), json!(notes));
    }
    choice.finish_reason = finish_reason(said.get("finish_reason"), calls.is_some()).to_owned();
    choice
}

/// A citation as OpenAI's annotations: one for each document that it names.
fn notes(citation: &Value) -> Vec<Value> {
    let sources = citation.get("sources").and_then(Value::as_array);
    let of_source = |source: &Value| {
        let document = source.get("document")?;
        let id = source
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or("unknown");
        let url = match source.get("url").and_then(Value::as_str) {
            Some(url) => url.to_owned(),
            None => format!("source:{id}"),
        };
        let place = json!({
            "start_index": citation.get("start"),
            "end_index": citation.get("end"),
            "title": document.get("title").and_then(Value::as_str).unwrap_or_default(),
            "url": url,
        });
        Some(json!({ "type": "url_citation", "url_citation": place }))
    };
    sources
        .into_iter()
        .flatten()
        .filter_map(of_source)
        .collect()
}

fn usage(said: &Object) -> Option<event::Usage> {
    completion::usage("cohere_chat", said.get("usage")?)
}

/// The events of a stream: each is one line of JSON, as a server-sent event or alone.
#[derive(Default)]
struct Events {
    /// Tool calls that have begun.
    tools: usize,
}

impl Dialect for Events {
    fn frame(&mut self, frame: &Frame, chunks: &mut Chunks) -> Result<(), Fault> {
        let line = frame.data.strip_prefix(b"data:").unwrap_or(&frame.data);
        if !line.trim_ascii_start().starts_with(b"{") {
            // The event's name again, a comment, `[DONE]`.
            return Ok(());
        }
        let event: Map<String, Value> =
            serde_json::from_slice(line).map_err(|_error| completion::no_answer())?;
        let kind = event.get("type").and_then(Value::as_str);
        let delta = event.get("delta").and_then(Value::as_object);
        let message = delta.and_then(|delta| delta.get("message"));
        let part = |path: &str| message.and_then(|message| message.pointer(path));
        let text = |path: &str| part(path).and_then(Value::as_str).unwrap_or_default();
        match kind.unwrap_or_default() {
            "message-start" => {
                if let Some(id) = event.get("id").and_then(Value::as_str) {
                    chunks.set_id(id);
                }
            }
            "content-start" | "content-delta" => {
                chunks.reasoning(text("/content/thinking"));
                chunks.text(text("/content/text"));
            }
            "tool-call-start" => {
                let (id, name) = (text("/tool_calls/id"), text("/tool_calls/function/name"));
                let arguments = text("/tool_calls/function/arguments");
                chunks.tool(self.tools, id, name, arguments);
                self.tools += 1;
            }
            "tool-call-delta" => {
                let arguments = text("/tool_calls/function/arguments");
                chunks.arguments(self.tools.saturating_sub(1), arguments);
            }
            "citation-start" => {
                let notes = part("/citations").map(notes).unwrap_or_default();
                if !notes.is_empty() {
                    chunks.delta(0, json!({ "annotations": notes }));
                }
            }
            "message-end" => {
                if let Some(usage) = delta.and_then(usage) {
                    chunks.set_usage(usage);
                }
                let reason = delta.and_then(|delta| delta.get("finish_reason"));
                broken(reason, delta.and_then(|delta| delta.get("error")))?;
                chunks.finish(0, finish_reason(reason, self.tools > 0));
                chunks.close();
            }
            "" => broken(None, event.get("message").or(event.get("error")))?,
            _ => {}
        }
        Ok(())
    }
}
