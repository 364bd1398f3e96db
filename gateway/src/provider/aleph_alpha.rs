//! Aleph Alpha's completions: <https://docs.aleph-alpha.com/docs/reference/rest-api/complete>.

use event::Timestamp;
use serde_json::Value;

use super::{
    Answer, Ask, Fault, Parameters, Prepared, Provider, ProviderError, Step,
    completion::{self, Choice, Completion},
    conversation::{self, Object, role, text},
    once::Once,
    request,
};
use crate::operation::Operation;

/// The row of this file.
pub const ALEPH_ALPHA: &[&dyn Provider] = &[&AlephAlpha];

/// Aleph Alpha needs a bound of the output; LiteLLM's where nobody sets one.
const MAXIMUM_TOKENS: u32 = 4096;

const PARAMETERS: &[&str] = &[
    "max_tokens",
    "top_p",
    "temperature",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "stop",
];

/// Aleph Alpha's names of OpenAI's parameters.
const NAMES: &[(&str, &str)] = &[("max_tokens", "maximum_tokens"), ("stop", "stop_sequences")];

/// See the [module](self).
#[derive(Debug)]
struct AlephAlpha;

impl Provider for AlephAlpha {
    fn name(&self) -> &'static str {
        "aleph_alpha"
    }

    fn default_base(&self) -> Option<&'static str> {
        Some("https://api.aleph-alpha.com")
    }

    fn base_variables(&self) -> &'static [&'static str] {
        &["ALEPH_ALPHA_API_BASE"]
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["ALEPH_ALPHA_API_KEY", "ALEPHALPHA_API_KEY"]
    }

    fn parameters(&self, _operation: Operation, _model: &str) -> Parameters {
        Parameters::only(PARAMETERS)
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let mut body = ask.object();
        let messages = conversation::take(&mut body);
        body.remove("stream");
        body.remove("stream_options");
        request::rename(&mut body, NAMES);
        if let Some(Value::String(one)) = body.get("stop_sequences").cloned() {
            body.insert("stop_sequences".to_owned(), vec![one].into());
        }
        if let Some(count) = body.get("n").cloned() {
            // It answers with the best `n` of so many.
            body.entry("best_of").or_insert(count);
        }
        body.entry("maximum_tokens")
            .or_insert_with(|| MAXIMUM_TOKENS.into());
        let prompt = if ask.model().contains("control") {
            instructions(&messages)
        } else {
            conversation::transcript(&messages)
        };
        body.insert("prompt".to_owned(), prompt.into());
        body.insert("model".to_owned(), ask.model().into());
        let uri = request::address(&ask.deployment.api_base, "/complete");
        let (model, now) = (ask.model().to_owned(), ask.now);
        Ok(Prepared {
            outgoing: request::post(ask, uri, "Bearer", &body)?,
            reader: Box::new(Once(move |answer: Answer| completed(&model, now, &answer))),
            streams: false,
        })
    }
}

/// The form that models called `control` were trained with.
fn instructions(messages: &[Object]) -> String {
    let turns = messages.iter().enumerate().map(|(index, message)| {
        let kind = match role(message) {
            _ if index == 0 => "Instruction",
            "system" => "Instruction",
            "user" => "Input",
            _ => "Response",
        };
        format!("### {kind}:\n{}\n", text(message))
    });
    let turns: String = turns.collect();
    format!("{turns}### Response:")
}

fn completed(model: &str, now: Timestamp, answer: &Answer) -> Result<Step, Fault> {
    let said = completion::object(answer)?;
    let completions = said.get("completions").and_then(Value::as_array);
    let completions = completions.ok_or_else(completion::no_answer)?;
    let mut completion = Completion::new(model, now);
    completion.choices = completions.iter().map(choice).collect();
    let (read, written) = ("num_tokens_prompt_total", "num_tokens_generated");
    completion.usage = completion::usage_from(said.get(read), said.get(written));
    completion.done()
}

fn choice(completed: &Value) -> Choice {
    let text = |name: &str| completed.get(name).and_then(Value::as_str);
    let reason = match text("finish_reason") {
        Some("maximum_tokens") => "length",
        _ => "stop",
    };
    Choice::text(text("completion").unwrap_or_default(), reason)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use serde_json::json;

    use super::*;

    #[test]
    fn completions_are_choices_with_their_usage() {
        let body = json!({
            "completions": [
                {"completion": "a", "finish_reason": "end_of_text"},
                {"completion": "b", "finish_reason": "maximum_tokens"},
            ],
            "num_tokens_prompt_total": 12,
            "num_tokens_generated": 9,
        });
        let answer = Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: body.to_string().into(),
        };
        let Ok(Step::Done(whole)) = completed("m", Timestamp::default(), &answer) else {
            panic!("no answer");
        };
        let body: Value = serde_json::from_slice(&whole.body).unwrap();
        let reasons = [0, 1].map(|index| body["choices"][index]["finish_reason"].clone());
        assert_eq!(reasons, ["stop", "length"]);
        assert_eq!(whole.observed.usage.unwrap().total_tokens, 21);
    }

    #[test]
    fn control_models_are_given_instructions() {
        let mut request = Object::new();
        let messages = json!([
            {"role": "system", "content": "Be terse."},
            {"role": "user", "content": "Hi"},
        ]);
        request.insert("messages".to_owned(), messages);
        let prompt = instructions(&conversation::take(&mut request));
        let wanted = "### Instruction:\nBe terse.\n### Input:\nHi\n### Response:";
        assert_eq!(prompt, wanted);
    }
}
