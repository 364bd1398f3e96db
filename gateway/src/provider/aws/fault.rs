//! Errors of AWS's services, in answers and in streams.

use serde_json::Value;

use crate::{
    error::ErrorClass,
    provider::{Answer, Fault, frames::Frame, openai},
};

/// How AWS says that a request is too long for the model.
const TOO_LONG: &[&str] = &[
    "input is too long",
    "too many input tokens",
    "expected maxlength:",
    "prompt: length: 1..",
];

/// Reads an answer that is an error.
#[must_use]
pub fn of_answer(answer: &Answer) -> Fault {
    let header = answer.headers.get("x-amzn-errortype");
    // `ThrottlingException:http://internal.amazon.com/…`
    let kind = header
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(':').next().unwrap_or_default();
    let message = message(&answer.body).unwrap_or_else(|| openai::error_text(&answer.body));
    of(answer.status.as_u16(), kind, message)
}

/// Reads a message of a stream that is an error; `None` if it is none.
#[must_use]
pub fn of_frame(frame: &Frame) -> Option<Fault> {
    let kind = frame.kind.as_str();
    let is_error = ["Exception", "Error", "Failure", "Fault"]
        .iter()
        .any(|end| kind.ends_with(end));
    let status = match kind.to_ascii_lowercase().as_str() {
        "validationexception" | "validationerror" => 400,
        "accessdeniedexception" => 403,
        "resourcenotfoundexception" => 404,
        "modeltimeoutexception" => 408,
        "modelerrorexception" | "modelstreamerrorexception" | "modelstreamerror" => 424,
        "throttlingexception" => 429,
        "serviceunavailableexception" | "modelnotreadyexception" => 503,
        _ => 500,
    };
    is_error.then(|| {
        let said = message(&frame.data);
        of(status, kind, said.unwrap_or_else(|| kind.to_owned()))
    })
}

fn of(status: u16, kind: &str, message: String) -> Fault {
    let said = message.to_ascii_lowercase();
    let class = if TOO_LONG.iter().any(|phrase| said.contains(phrase)) {
        ErrorClass::ContextWindowExceeded
    } else if kind == "ThrottlingException" {
        ErrorClass::RateLimit
    } else if kind == "ServiceQuotaExceededException" && status == 400 {
        // "Too many tokens" a minute, not in the request.
        ErrorClass::BadRequest
    } else {
        ErrorClass::of_answer(status, &message)
    };
    Fault { class, message }
}

/// `message`, in whatever case the service writes it, with the words of the model behind it.
fn message(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let own = text("message").or_else(|| text("Message"))?;
    let words = text("originalMessage").or_else(|| text("OriginalMessage"));
    Some(match words {
        Some(words) if !own.contains(words) => format!("{own}: {words}"),
        _ => own.to_owned(),
    })
}

/// What stands where an answer should, if nobody can know what it says.
#[must_use]
pub fn no_answer() -> Fault {
    Fault {
        class: ErrorClass::BadGateway,
        message: "the provider answered with something that is not an answer".to_owned(),
    }
}

/// What stands in a stream, if nobody can know what it says.
#[must_use]
pub fn no_event() -> Fault {
    Fault {
        class: ErrorClass::ApiConnection,
        message: "an event of the provider's stream is not JSON".to_owned(),
    }
}
