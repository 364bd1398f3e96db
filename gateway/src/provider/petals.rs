//! Petals' HTTP API, a form and one JSON object: <https://github.com/petals-infra/chat.petals.dev>.

use event::Timestamp;
use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::{
    Answer, Ask, Fault, Parameters, Prepared, Provider, ProviderError, Step,
    completion::{self, Choice, Completion},
    conversation::{self, Object},
    once::Once,
    request,
};
use crate::{error::ErrorClass, operation::Operation};

/// The row of this file.
pub const PETALS: &[&dyn Provider] = &[&Petals];

/// Petals needs a bound of the output; LiteLLM's where nobody sets one.
const NEW_TOKENS: u32 = 4096;

/// See the [module](self).
#[derive(Debug)]
struct Petals;

impl Provider for Petals {
    fn name(&self) -> &'static str {
        "petals"
    }

    fn default_base(&self) -> Option<&'static str> {
        None
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &[]
    }

    fn parameters(&self, _operation: Operation, _model: &str) -> Parameters {
        Parameters::only(&["max_tokens", "temperature", "top_p"])
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let mut fields = ask.object();
        let messages = conversation::take(&mut fields);
        fields.remove("stream");
        fields.remove("stream_options");
        request::rename(&mut fields, &[("max_tokens", "max_new_tokens")]);
        let bounded = ["max_new_tokens", "max_length"];
        if !bounded.iter().any(|name| fields.contains_key(*name)) {
            fields.insert("max_new_tokens".to_owned(), NEW_TOKENS.into());
        }
        let prompt = conversation::transcript(&messages);
        let prompt_bytes = prompt.len();
        fields.insert("inputs".to_owned(), prompt.into());
        fields.insert("model".to_owned(), ask.model().into());
        let uri = ask.deployment.api_base.clone();
        let mut outgoing = request::post_with(ask, uri, HeaderMap::new(), &Object::new())?;
        outgoing.body = form(&fields).into();
        let kind = HeaderValue::from_static(request::FORM);
        outgoing.headers.insert(header::CONTENT_TYPE, kind);
        let (model, now) = (ask.model().to_owned(), ask.now);
        let read = move |answer: Answer| generated(&model, now, prompt_bytes, &answer);
        Ok(Prepared {
            outgoing,
            reader: Box::new(Once(read)),
            streams: false,
        })
    }
}

fn form(fields: &Object) -> String {
    let texts: Vec<(&str, String)> = fields
        .iter()
        .map(|(name, value)| match value {
            Value::String(text) => (name.as_str(), text.clone()),
            other => (name.as_str(), other.to_string()),
        })
        .collect();
    let fields: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (*name, &**text)).collect();
    request::form(&fields)
}

fn generated(
    model: &str,
    now: Timestamp,
    prompt_bytes: usize,
    answer: &Answer,
) -> Result<Step, Fault> {
    let said = completion::object(answer)?;
    if said.get("ok") == Some(&Value::Bool(false)) {
        let trace = said.get("traceback").and_then(Value::as_str);
        // The last line says what happened; the others where in the server.
        let last = trace.and_then(|trace| trace.trim().lines().last());
        return Err(Fault {
            class: ErrorClass::InternalServer,
            message: last.unwrap_or("it failed without a reason").to_owned(),
        });
    }
    let Some(text) = said.get("outputs").and_then(Value::as_str) else {
        return Err(completion::no_answer());
    };
    let mut completion = Completion::new(model, now);
    completion.choices.push(Choice::text(text, "stop"));
    completion.count(prompt_bytes);
    completion.done()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;

    fn read(body: &'static str) -> Result<Step, Fault> {
        let answer = Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: body.into(),
        };
        generated("m", Timestamp::default(), 8, &answer)
    }

    #[test]
    fn a_form_is_escaped() {
        let Value::Object(fields) = json!({"inputs": "a b&c=\u{e9}", "n": 0.5}) else {
            panic!("not an object");
        };
        assert_eq!(form(&fields), "inputs=a%20b%26c%3D%C3%A9&n=0.5");
    }

    #[test]
    fn an_answer_is_counted_here_and_the_event_knows_it() {
        let Ok(Step::Done(whole)) = read(r#"{"ok":true,"outputs":"four"}"#) else {
            panic!("no answer");
        };
        let body: Value = serde_json::from_slice(&whole.body).unwrap();
        assert_eq!(body["choices"][0]["message"]["content"], "four");
        assert_eq!(body["usage"]["total_tokens"], 3);
        assert_eq!(whole.observed.usage, None);
    }

    #[test]
    fn a_failure_is_one_whatever_its_status() {
        let Err(fault) = read(r#"{"ok":false,"traceback":"Traceback:\n  x\nMissingBlocks\n"}"#)
        else {
            panic!("an answer");
        };
        assert_eq!(fault.message, "MissingBlocks");
        assert!(read(r#"{"ok":true}"#).is_err());
    }
}
