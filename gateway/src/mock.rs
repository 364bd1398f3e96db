//! Answers that need no provider: `mock_response` of a deployment or of a request.

use std::collections::VecDeque;

use bytes::Bytes;
use event::{CallId, Json, Timestamp, Usage};
use serde::Serialize;

use crate::{request::ClientRequest, tokens};

/// Characters in each chunk of a streamed mock.
const CHUNK_CHARS: usize = 12;

/// An answer from the configuration, in OpenAI's shape.
pub(crate) struct Mock {
    id: String,
    created: i64,
    model: String,
    text: String,
    usage: Usage,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<&'a Usage>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Part<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<Part<'a>>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize, Default)]
struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

impl Mock {
    pub(crate) fn new(text: &str, call: &CallId, request: &ClientRequest, now: Timestamp) -> Self {
        let answer_bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        Self {
            id: format!("chatcmpl-{call}"),
            created: now.to_utc().timestamp(),
            model: request.model.clone(),
            text: text.to_owned(),
            usage: tokens::estimated(request.prompt_bytes(), answer_bytes),
        }
    }

    /// As it comes whole.
    pub(crate) fn whole(&self) -> Bytes {
        let message = Part {
            role: Some("assistant"),
            content: Some(&self.text),
        };
        let choice = Choice {
            index: 0,
            message: Some(message),
            delta: None,
            finish_reason: Some("stop"),
        };
        self.json("chat.completion", vec![choice], Some(&self.usage))
            .into()
    }

    /// As it is streamed.
    pub(crate) fn chunks(&self) -> VecDeque<Bytes> {
        let mut chunks = VecDeque::new();
        let mut push = |json: String| chunks.push_back(Bytes::from(format!("data: {json}\n\n")));
        push(self.delta(
            Part {
                role: Some("assistant"),
                content: Some(""),
            },
            None,
        ));
        let letters: Vec<char> = self.text.chars().collect();
        for piece in letters.chunks(CHUNK_CHARS) {
            let piece: String = piece.iter().collect();
            push(self.delta(
                Part {
                    role: None,
                    content: Some(&piece),
                },
                None,
            ));
        }
        push(self.delta(Part::default(), Some("stop")));
        push(self.json("chat.completion.chunk", Vec::new(), Some(&self.usage)));
        chunks.push_back(Bytes::from_static(b"data: [DONE]\n\n"));
        chunks
    }

    fn delta(&self, delta: Part<'_>, finish_reason: Option<&'static str>) -> String {
        let choice = Choice {
            index: 0,
            message: None,
            delta: Some(delta),
            finish_reason,
        };
        self.json("chat.completion.chunk", vec![choice], None)
    }

    fn json(
        &self,
        object: &'static str,
        choices: Vec<Choice<'_>>,
        usage: Option<&Usage>,
    ) -> String {
        let (id, created, model) = (&*self.id, self.created, &*self.model);
        Json::of(&Answer {
            id,
            object,
            created,
            model,
            choices,
            usage,
        })
        .text()
        .to_owned()
    }
}
