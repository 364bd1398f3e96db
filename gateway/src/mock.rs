//! Answers that need no provider: those of a deployment's `mock_…`, and of a request's where the
//! configuration lets requests have them.
//!
//! A mock is an attempt like any other, so that retries, fallbacks and cooldowns can be tried out
//! with its errors. What it says it used is counted from its text and is priced, as with LiteLLM:
//! budgets and dashboards are what mocks are for.

use std::collections::VecDeque;

use bytes::Bytes;
use event::{Json, Timestamp, Usage};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::{
    call::Call,
    config::{Deployment, Mocking},
    draft::Draft,
    error::{ApiError, ErrorClass},
    exchange::Answered,
    gateway::Shared,
    operation::Operation,
    provider::chunks,
    request::ClientRequest,
    tokens,
    upstream::Failure,
};

/// Characters in each chunk of a streamed mock.
const CHUNK_CHARS: usize = 12;

/// The most choices of a mock.
const CHOICES_MAX: usize = 128;

/// LiteLLM's text where a mock says none.
const TEXT: &str = "This is a mock request";

/// Texts of `mock_response` that are errors, as LiteLLM names them.
const ERRORS: [(&str, ErrorClass); 3] = [
    ("litellm.RateLimitError", ErrorClass::RateLimit),
    (
        "litellm.ContextWindowExceededError",
        ErrorClass::ContextWindowExceeded,
    ),
    ("litellm.InternalServerError", ErrorClass::InternalServer),
];

/// How a text begins that is refused content.
const REFUSED: &str = "Exception: content_filter_policy";

/// How a text begins that breaks a stream off.
const BROKEN: &str = "Exception: mock_streaming_error";

/// The status of a stream that breaks off.
const OVERLOADED: u16 = 529;

/// An answer that no provider gave.
pub(crate) struct Mock {
    whole: Bytes,
    /// If it is nothing but one text.
    text: Option<String>,
    /// Whether it ends with an error.
    breaks: bool,
}

/// Why a request may not have the mock that it wants.
///
/// # Errors
///
/// If it wants one, and neither the deployment nor `general_settings` lets requests say that.
pub(crate) fn check(
    shared: &Shared,
    request: Option<&ClientRequest>,
    deployment: &Deployment,
) -> Result<(), ApiError> {
    let wanted = request.is_some_and(|request| request.wishes.mock.is_said());
    if !wanted || shared.config.allows_mocks || deployment.allows_mocks {
        return Ok(());
    }
    let message = "requests may not set `mock_response` and its like here: set it in the \
                   deployment's `litellm_params`, or let requests set it with \
                   `model_info.allow_client_mock_response` or \
                   `general_settings.dangerously_allow_mock_testing_request_params`";
    Err(ApiError::new(ErrorClass::BadRequest, message))
}

/// What is answered instead of asking `deployment`, if anything is: what the request says, else
/// what the deployment says.
pub(crate) fn of(call: &mut Call, deployment: &Deployment) -> Option<Mocking> {
    let own = call.request().map(|request| &request.wishes.mock);
    let own = own.filter(|mock| mock.answers());
    let mock = own.unwrap_or(&deployment.mock);
    mock.answers().then(|| mock.clone())
}

/// Answers as if a provider had.
///
/// # Errors
///
/// If the mock is an error, or takes longer than `deadline`.
pub(crate) async fn play(
    call: &mut Call,
    mocking: &Mocking,
    deployment: &Deployment,
    deadline: Instant,
) -> Result<Answered, Box<Failure>> {
    check(&call.shared.clone(), call.request(), deployment).map_err(Failure::without_answer)?;
    let late = || {
        let message = "the mock did not answer in time".to_owned();
        Failure::here(deployment, ErrorClass::Timeout, message)
    };
    if mocking.timeout {
        sleep_until(deadline).await;
        return Err(late());
    }
    if let Some(delay) = mocking.delay {
        let waited = timeout_at(deadline, sleep(delay)).await;
        waited.map_err(|_elapsed| late())?;
    }
    let said: Option<String> = mocking.response.as_ref().and_then(Json::read);
    let said = said.unwrap_or_default();
    let streams = call.request().is_some_and(|request| request.stream);
    if let Some(class) = error(&said, streams) {
        let message = format!("{}: {said}", class.name());
        return Err(Failure::here(deployment, class, message));
    }
    let open = call.open().ok_or_else(Failure::ended_already)?;
    Ok(Answered::Mock(Box::new(Mock::new(mocking, &open.draft))))
}

/// The error that a text stands for.
fn error(text: &str, streams: bool) -> Option<ErrorClass> {
    if text.starts_with(REFUSED) {
        return Some(ErrorClass::ContentPolicyViolation);
    }
    if text.starts_with(BROKEN) && !streams {
        return Some(ErrorClass::Api(OVERLOADED));
    }
    let found = ERRORS.iter().find(|(name, _)| *name == text);
    found.map(|(_, class)| *class)
}

impl Mock {
    fn new(mocking: &Mocking, draft: &Draft) -> Self {
        let request = draft.request.as_ref();
        let said: Value = mocking
            .response
            .as_ref()
            .and_then(Json::read)
            .unwrap_or_else(|| TEXT.into());
        let calls: Option<Value> = mocking.tool_calls.as_ref().and_then(Json::read);
        let choices = request.and_then(|request| request.text("n"));
        let choices = choices.and_then(|n| n.parse().ok()).unwrap_or(1);
        let is_vector = said.is_array() && draft.operation == Operation::Embedding;
        let is_text = !is_vector && !said.is_object() && calls.is_none() && choices == 1;
        let text = is_text.then(|| as_text(&said));
        let breaks = text.as_deref().is_some_and(|text| text.starts_with(BROKEN));
        let mut whole = match said {
            Value::Object(whole) => whole,
            vector if is_vector => embedding(&vector),
            said => completion(&as_text(&said), calls, choices.clamp(1, CHOICES_MAX)),
        };
        let prompt_bytes = request.map_or(0, ClientRequest::prompt_bytes);
        let answer_bytes = u64::try_from(said_bytes(&whole)).unwrap_or(u64::MAX);
        let usage = tokens::estimated(prompt_bytes, answer_bytes);
        fill(&mut whole, draft, &usage);
        Self {
            whole: Json::of(&whole).text().to_owned().into(),
            text,
            breaks,
        }
    }

    /// As it comes whole.
    pub(crate) fn whole(&self) -> Bytes {
        self.whole.clone()
    }

    /// As it is streamed: a text in pieces, anything else in one.
    pub(crate) fn chunks(&self, now: Timestamp) -> VecDeque<Bytes> {
        let Some(text) = &self.text else {
            return [chunks::of_whole(&self.whole, now, true)].into();
        };
        let whole: Map<String, Value> = serde_json::from_slice(&self.whole).unwrap_or_default();
        let mut out = VecDeque::new();
        out.push_back(chunk(
            &whole,
            &json!({"role": "assistant", "content": ""}),
            None,
        ));
        if self.breaks {
            let told = ApiError::new(ErrorClass::Api(OVERLOADED), "the mock broke off");
            out.push_back([b"data: ", &told.body()[..], b"\n\n"].concat().into());
            return out;
        }
        let letters: Vec<char> = text.chars().collect();
        for piece in letters.chunks(CHUNK_CHARS) {
            let piece: String = piece.iter().collect();
            out.push_back(chunk(&whole, &json!({ "content": piece }), None));
        }
        out.push_back(chunk(&whole, &json!({}), Some("stop")));
        let mut usage = head(&whole);
        usage.insert("choices".to_owned(), json!([]));
        usage.insert(
            "usage".to_owned(),
            whole.get("usage").cloned().unwrap_or_default(),
        );
        out.push_back(line(&usage));
        out.push_back(Bytes::from_static(b"data: [DONE]\n\n"));
        out
    }
}

fn as_text(said: &Value) -> String {
    said.as_str()
        .map_or_else(|| said.to_string(), str::to_owned)
}

/// An answer of so many choices that all say the same.
fn completion(text: &str, calls: Option<Value>, choices: usize) -> Map<String, Value> {
    let reason = if calls.is_some() {
        "tool_calls"
    } else {
        "stop"
    };
    let mut message = Map::new();
    message.insert("role".to_owned(), "assistant".into());
    message.insert("content".to_owned(), text.into());
    if let Some(calls) = calls {
        message.insert("tool_calls".to_owned(), calls);
    }
    let choice = |index| json!({"index": index, "message": message, "finish_reason": reason});
    let choices: Vec<Value> = (0..choices).map(choice).collect();
    Map::from_iter([("choices".to_owned(), choices.into())])
}

fn embedding(vector: &Value) -> Map<String, Value> {
    let entry = json!({"object": "embedding", "index": 0, "embedding": vector});
    Map::from_iter([
        ("object".to_owned(), "list".into()),
        ("data".to_owned(), json!([entry])),
    ])
}

/// Bytes of what an answer says.
fn said_bytes(whole: &Map<String, Value>) -> usize {
    let choices = whole.get("choices").and_then(Value::as_array);
    let message = |choice: &Value| {
        let message = choice.get("message")?;
        let text = message
            .get("content")
            .and_then(Value::as_str)
            .map_or(0, str::len);
        let calls = message
            .get("tool_calls")
            .map_or(0, |calls| calls.to_string().len());
        Some(text + calls)
    };
    choices.into_iter().flatten().filter_map(message).sum()
}

/// Adds what every answer has and this one does not say.
fn fill(whole: &mut Map<String, Value>, draft: &Draft, usage: &Usage) {
    let model = draft.request.as_ref().map(|request| request.model.clone());
    for (name, value) in [
        ("id", Value::from(format!("chatcmpl-{}", draft.call_id))),
        ("object", "chat.completion".into()),
        ("created", draft.start.to_utc().timestamp().into()),
        ("model", model.into()),
        ("usage", serde_json::to_value(usage).unwrap_or_default()),
    ] {
        whole.entry(name).or_insert(value);
    }
}

/// What every chunk says.
fn head(whole: &Map<String, Value>) -> Map<String, Value> {
    let of = |name: &str| {
        (
            name.to_owned(),
            whole.get(name).cloned().unwrap_or_default(),
        )
    };
    let mut head = Map::from_iter(["id", "created", "model"].map(of));
    head.insert("object".to_owned(), "chat.completion.chunk".into());
    head
}

fn chunk(whole: &Map<String, Value>, delta: &Value, reason: Option<&str>) -> Bytes {
    let mut chunk = head(whole);
    let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
    chunk.insert("choices".to_owned(), json!([choice]));
    line(&chunk)
}

fn line(chunk: &Map<String, Value>) -> Bytes {
    format!("data: {}\n\n", Json::of(chunk).text()).into()
}

#[cfg(test)]
mod tests;
