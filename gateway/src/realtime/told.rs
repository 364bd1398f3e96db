//! What the provider's events of a session tell.

use std::borrow::Cow;

use event::{Json, Usage};
use memchr::memmem;
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use crate::{operation::Operation, provider::Observed};

/// What was told so far.
#[derive(Debug)]
pub(super) struct Told {
    provider: String,
    id: Option<String>,
    model: Option<String>,
    usage: Option<Usage>,
    /// Answers that have begun, and those that have ended.
    begun: u64,
    ended: u64,
}

/// An event, as far as it matters here.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    session: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Session {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    model: Option<String>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

impl Told {
    /// Nothing yet, by `provider`.
    pub(super) fn new(provider: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            id: None,
            model: None,
            usage: None,
            begun: 0,
            ended: 0,
        }
    }

    /// Takes a message of the provider's.
    pub(super) fn hear(&mut self, text: &str) {
        // Sound comes in thousands of messages that say nothing of this.
        let signs = ["response.done", "response.created", "session."];
        let tells = |sign: &str| memmem::find(text.as_bytes(), sign.as_bytes()).is_some();
        if !signs.into_iter().any(tells) {
            return;
        }
        let Ok(event) = serde_json::from_str::<Event<'_>>(text) else {
            return;
        };
        match &*event.kind {
            "session.created" | "session.updated" => self.session(event.session),
            "response.created" => self.begun += 1,
            "response.done" => {
                self.ended += 1;
                self.response(event.response);
            }
            _ => {}
        }
    }

    fn session(&mut self, session: Option<&RawValue>) {
        let session: Option<Session> = session.and_then(|raw| serde_json::from_str(raw.get()).ok());
        if let Some(Session { id, model }) = session {
            self.id = id.or(self.id.take());
            self.model = model.or(self.model.take());
        }
    }

    fn response(&mut self, response: Option<&RawValue>) {
        let response =
            response.and_then(|raw| serde_json::from_str::<Response<'_>>(raw.get()).ok());
        let Some(usage) = response.and_then(|response| response.usage) else {
            return;
        };
        let call_type = Some(Operation::Realtime.call_type());
        let usage = cost_map::reported::usage(Some(&self.provider), call_type, usage);
        if let Ok(usage) = usage {
            self.usage.get_or_insert_default().add(usage);
        }
    }

    /// Whether an answer has begun and not ended.
    pub(super) const fn is_answering(&self) -> bool {
        self.begun > self.ended
    }

    /// What the event of the session says.
    pub(super) fn observed(&mut self) -> Observed {
        let response =
            json!({"object": "realtime.session", "id": self.id, "responses": self.ended});
        Observed {
            id: self.id.take(),
            model: self.model.take(),
            // A session without an answer has consumed nothing, and that is known.
            usage: Some(self.usage.take().unwrap_or_default()),
            response: Some(Json::of(&response)),
            ..Observed::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_added_up_whatever_else_is_said() {
        let mut told = Told::new("openai");
        for text in [
            r#"{"type":"session.created","session":{"id":"s1","model":"gpt-realtime-2025"}}"#,
            r#"{"type":"response.created","response":{"id":"r1","usage":null}}"#,
            r#"{"type":"response.output_text.delta","delta":"response.done"}"#,
            r#"{"type":"response.done","response":{"usage":{"total_tokens":12,"input_tokens":9,
                "output_tokens":3,"input_token_details":{"text_tokens":4,"audio_tokens":5,
                "cached_tokens":2,"cached_tokens_details":{"text_tokens":2,"audio_tokens":0}},
                "output_token_details":{"text_tokens":1,"audio_tokens":2}}}}"#,
            r#"{"type":"response.created","response":{}}"#,
            "no JSON, session. at all",
        ] {
            told.hear(text);
        }
        assert!(told.is_answering());
        told.hear(
            r#"{"type":"response.done","response":{"usage":{"input_tokens":1,"output_tokens":1}}}"#,
        );
        assert!(!told.is_answering());
        let observed = told.observed();
        assert_eq!(observed.model.as_deref(), Some("gpt-realtime-2025"));
        let usage = observed.usage.unwrap();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (10, 4));
        let prompt = usage.prompt_tokens_details.unwrap();
        assert_eq!(
            (prompt.audio_tokens, prompt.cached_tokens),
            (Some(5), Some(2))
        );
        assert_eq!(
            usage.completion_tokens_details.unwrap().audio_tokens,
            Some(2)
        );
    }
}
