//! AI21's Jamba models, close to OpenAI's dialect:
//! <https://docs.ai21.com/reference/jamba-1-6-api-ref>.

use super::{
    Ask, Parameters, Prepared, Provider, ProviderError, alike::Alike, conversation, request,
};
use crate::operation::Operation;

/// The rows of this file: LiteLLM has two names for it.
pub const AI21: &[&dyn Provider] = &[&Ai21("ai21"), &Ai21("ai21_chat")];

const PARAMETERS: &[&str] = &[
    "temperature",
    "n",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "response_format",
    "seed",
    "tools",
    "tool_choice",
];

/// See the [module](self).
#[derive(Debug)]
struct Ai21(&'static str);

impl Provider for Ai21 {
    fn name(&self) -> &'static str {
        self.0
    }

    fn default_base(&self) -> Option<&'static str> {
        Some("https://api.ai21.com/studio/v1")
    }

    fn base_variables(&self) -> &'static [&'static str] {
        &["AI21_API_BASE"]
    }

    fn key_variables(&self) -> &'static [&'static str] {
        &["AI21_API_KEY"]
    }

    fn parameters(&self, _operation: Operation, _model: &str) -> Parameters {
        Parameters::only(PARAMETERS)
    }

    fn prepare(&self, ask: &Ask<'_>) -> Result<Prepared, ProviderError> {
        let mut body = ask.object();
        // It tells the usage of a stream of its own accord.
        conversation::put_back(&mut body, ask);
        request::rename(&mut body, &[("max_completion_tokens", "max_tokens")]);
        let uri = request::address(&ask.deployment.api_base, "/chat/completions");
        let outgoing = request::post(ask, uri, "Bearer", &body)?;
        Ok(Prepared {
            outgoing,
            reader: Box::new(Alike::new(self.0, ask)),
            streams: ask.stream(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provider::trial::{prepared, sent};

    #[test]
    fn requests_are_openai_s_but_for_little() {
        let params = json!({ "model": "ai21_chat/jamba" });
        let request = json!({
            "messages": [{"role": "developer", "content": "x"}], "max_completion_tokens": 5,
            "stream": true, "stream_options": {"include_usage": true},
        });
        let (uri, body) = sent(&params, Operation::Chat, &request);
        assert_eq!(uri, "https://api.ai21.com/studio/v1/chat/completions");
        let wanted = json!({"messages": [{"role": "system", "content": "x"}], "max_tokens": 5,
            "model": "jamba", "stream": true});
        assert_eq!(body, wanted);
        let unknown = json!({"messages": [], "logprobs": true});
        assert!(prepared(&params, Operation::Chat, &unknown).is_err());
    }
}
