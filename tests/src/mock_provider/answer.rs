//! Writes answers the way OpenAI writes them, byte by byte.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    message,
    request::Accepted,
    script::{Script, Usage},
    surface::Surface,
};

/// What the answers consist of. Not only ASCII, and not only one way to write it, so that
/// whoever parses and rebuilds an answer instead of passing it on is found out.
const WORDS: [&str; 8] = [
    "Hello",
    " world",
    ",",
    " caf\\u00e9",
    " ☕",
    " \\\"quoted\\\"",
    "\\n",
    " data: [DONE] not yet",
];
/// When every answer was made. A constant: nothing depends on it.
const CREATED: u64 = 1_763_700_000;

/// A refusal in OpenAI's shape.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Refusal {
    fn new(status: u16, kind: &str, param: Option<&str>, code: Option<&str>, text: &str) -> Self {
        let error = json!({"message": text, "type": kind, "param": param, "code": code});
        let body = format!("{:#}\n", json!({"error": error}));
        Self {
            status,
            body: Bytes::from(body),
        }
    }

    pub(super) fn unauthorized(text: &str) -> Self {
        Self::new(
            401,
            "invalid_request_error",
            None,
            Some("invalid_api_key"),
            text,
        )
    }

    pub(super) fn invalid(param: &str, text: &str) -> Self {
        Self::new(400, "invalid_request_error", Some(param), None, text)
    }

    pub(super) fn unknown_route(route: &str) -> Self {
        let text = format!("Invalid URL ({route})");
        Self::new(404, "invalid_request_error", None, None, &text)
    }

    /// The error that a script asks for.
    pub(super) fn scripted(script: &Script) -> Self {
        if script.html_error {
            let page = format!(
                "<html>\r\n<head><title>{0}</title></head>\r\n<body>{0}</body>\r\n</html>\r\n",
                script.status
            );
            return Self {
                status: script.status,
                body: Bytes::from(page),
            };
        }
        let (kind, code, text) = match script.status {
            400 => ("invalid_request_error", "invalid_value", "Invalid value."),
            401 => (
                "invalid_request_error",
                "invalid_api_key",
                "Incorrect API key provided.",
            ),
            404 => (
                "invalid_request_error",
                "model_not_found",
                "The model does not exist.",
            ),
            429 => (
                "requests",
                "rate_limit_exceeded",
                "Rate limit reached for requests.",
            ),
            503 => (
                "service_unavailable",
                "overloaded",
                "The engine is currently overloaded.",
            ),
            _ => ("server_error", "server_error", "The server had an error."),
        };
        let code = script.code.as_deref().unwrap_or(code);
        let text = match code {
            "context_length_exceeded" => {
                "This model's maximum context length is 128000 tokens. However, your messages \
                 resulted in 128010 tokens. Please reduce the length of the messages."
            }
            _ => text,
        };
        let param = (code == "context_length_exceeded").then_some("messages");
        Self::new(script.status, kind, param, Some(code), text)
    }
}

impl Refusal {
    /// As the surface that was asked for says it.
    pub(super) fn said_by(self, surface: Option<Surface>) -> Self {
        match surface {
            Some(Surface::Messages | Surface::CountTokens) => message::refusal(self),
            _ => self,
        }
    }
}

/// One answer in the making.
pub(super) struct Answer<'a> {
    pub(super) id: &'a str,
    pub(super) request: &'a Accepted,
    pub(super) script: &'a Script,
}

impl Answer<'_> {
    /// A whole completion.
    pub(super) fn completion(&self) -> Bytes {
        let calls = self.calls().map(|call| {
            let arguments = Value::from(self.arguments());
            let (id, tool) = (call.id, call.tool);
            format!(
                r#"{{"id": "{id}", "type": "function", "function": {{"name": "{tool}", "arguments": {arguments}}}}}"#
            )
        });
        let calls: Vec<String> = calls.collect();
        let (message, finish) = if calls.is_empty() {
            (format!(r#""content": "{}""#, self.text()), "stop")
        } else {
            let calls = calls.join(", ");
            let message = format!(r#""content": null, "tool_calls": [{calls}]"#);
            (message, "tool_calls")
        };
        let usage = match self.script.no_usage {
            true => String::new(),
            false => format!(
                ",\n  \"usage\": {}",
                self.usage().json(self.script.reasoning)
            ),
        };
        Bytes::from(format!(
            "{{\n  \"id\": \"{}\",\n  \"object\": \"chat.completion\",\n  \"created\": {CREATED},\n  \
             \"model\": {},\n  \"choices\": [\n    {{\n      \"index\": 0,\n      \
             \"message\": {{\"role\": \"assistant\", {message}, \"refusal\": null, \"annotations\": []}},\n      \
             \"logprobs\": null,\n      \"finish_reason\": \"{finish}\"\n    }}\n  ]{usage},\n  \
             \"service_tier\": \"default\",\n  \"system_fingerprint\": \"fp_mock\"\n}}\n",
            self.id,
            Value::from(self.request.model.as_str()),
        ))
    }

    /// An embedding.
    pub(super) fn embedding(&self) -> Bytes {
        let tokens = self.usage().prompt;
        Bytes::from(
            json!({
                "object": "list",
                "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5, 0.125]}],
                "model": self.request.model,
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens}
            })
            .to_string(),
        )
    }

    /// The chunks of a stream; the last is `[DONE]`.
    pub(super) fn stream(&self) -> Vec<Bytes> {
        let mut chunks = Vec::with_capacity(self.script.chunks + 4);
        let mut finish = "stop";
        for (index, call) in self.calls().enumerate() {
            finish = "tool_calls";
            let first = if index == 0 {
                r#""role":"assistant","content":null,"#
            } else {
                ""
            };
            let (id, tool) = (call.id, call.tool);
            chunks.push(self.chunk(
                &format!(
                    r#"{{{first}"tool_calls":[{{"index":{index},"id":"{id}","type":"function","function":{{"name":"{tool}","arguments":""}}}}]}}"#
                ),
                None,
            ));
            for piece in pieces(self.arguments()) {
                let piece = Value::from(piece);
                let call = format!(
                    r#"{{"tool_calls":[{{"index":{index},"function":{{"arguments":{piece}}}}}]}}"#
                );
                chunks.push(self.chunk(&call, None));
            }
        }
        if finish == "stop" {
            chunks.push(self.chunk(r#"{"role":"assistant","content":"","refusal":null}"#, None));
            for word in self.words() {
                chunks.push(self.chunk(&format!(r#"{{"content":"{word}"}}"#), None));
            }
        }
        chunks.push(self.chunk("{}", Some(finish)));
        if self.request.include_usage && !self.script.no_usage {
            chunks.push(self.event(&format!(
                r#"[],"usage":{}"#,
                self.usage().json(self.script.reasoning)
            )));
        }
        if !self.script.no_done {
            chunks.push(Bytes::from_static(b"data: [DONE]\n\n"));
        }
        chunks
    }

    /// The event of a stream that breaks off.
    pub(super) fn stream_error() -> Bytes {
        Bytes::from_static(
            b"data: {\"error\":{\"message\":\"The server had an error while processing your \
              request.\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n",
        )
    }

    fn chunk(&self, delta: &str, finish: Option<&str>) -> Bytes {
        let finish = finish.map_or_else(|| "null".to_owned(), |reason| format!("\"{reason}\""));
        let null = if self.request.include_usage {
            r#","usage":null"#
        } else {
            ""
        };
        self.event(&format!(
            r#"[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]{null}"#
        ))
    }

    fn event(&self, choices: &str) -> Bytes {
        Bytes::from(format!(
            "data: {{\"id\":\"{}\",\"object\":\"chat.completion.chunk\",\"created\":{CREATED},\
             \"model\":{},\"service_tier\":\"default\",\"system_fingerprint\":\"fp_mock\",\
             \"choices\":{choices}}}\n\n",
            self.id,
            Value::from(self.request.model.as_str()),
        ))
    }

    /// The tools that are called.
    pub(super) fn calls(&self) -> impl Iterator<Item = Call<'_>> {
        let named = self.script.tool_call.as_deref();
        let first = self.request.tools.first().filter(|_| named == Some(&[]));
        let tools = named.unwrap_or_default().iter().chain(first);
        tools.enumerate().map(|(number, tool)| Call {
            tool,
            id: match number {
                0 => format!("call_{}", self.id),
                _ => format!("call_{}_{number}", self.id),
            },
        })
    }

    /// With what each of them is called.
    pub(super) fn arguments(&self) -> &str {
        self.script.says.as_deref().unwrap_or(r#"{"city":"Paris"}"#)
    }

    /// What is said, in pieces that stand in JSON as they are.
    fn words(&self) -> Vec<Cow<'static, str>> {
        match &self.script.says {
            None => WORDS
                .iter()
                .copied()
                .cycle()
                .take(self.script.chunks)
                .map(Cow::Borrowed)
                .collect(),
            Some(text) => pieces(text)
                .map(|piece| {
                    let quoted = Value::from(piece).to_string();
                    let inside = quoted
                        .strip_prefix('"')
                        .and_then(|text| text.strip_suffix('"'));
                    Cow::Owned(inside.unwrap_or_default().to_owned())
                })
                .collect(),
        }
    }

    pub(super) fn text(&self) -> String {
        self.words().concat()
    }

    /// What the script says, or what would be likely.
    pub(super) fn usage(&self) -> Usage {
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        self.script.usage.unwrap_or_else(|| Usage {
            prompt: 8 + count(self.request.prompt.len() / 4),
            completion: count(self.script.chunks),
            cached: 0,
        })
    }
}

/// One call of a tool.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) id: String,
    pub(super) tool: &'a str,
}

/// A text in pieces that are cut anywhere, as models cut them.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = String> {
    let letters: Vec<char> = text.chars().collect();
    let pieces: Vec<String> = letters.chunks(5).map(String::from_iter).collect();
    pieces.into_iter()
}
