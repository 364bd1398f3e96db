//! Requests to those who are nearly compatible, and their answers.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::{
    config::Config,
    error::ErrorClass,
    operation::Operation,
    provider::{Answer, Ask, Observed, Prepared, ProviderError, Reader, Step, of_model},
    request::ClientRequest,
};

const HOST: &str = "http://host/v1";

/// What a deployment with these `litellm_params` sends for a request.
fn asked(
    params: &Value,
    operation: Operation,
    request: &Value,
) -> Result<(Prepared, Bytes), ProviderError> {
    let mut params = params.clone();
    if params.get("api_key").is_none() {
        params["api_key"] = "k".into();
    }
    let tree = json!({ "model_list": [{ "model_name": "m", "litellm_params": params }] });
    let (mut config, _warnings) = Config::from_tree(tree.as_object().unwrap()).unwrap();
    config
        .fill(&|name| (name == "CLOUDFLARE_ACCOUNT_ID").then(|| "acc".to_owned()))
        .unwrap();
    let mut request = request.clone();
    request["model"] = "m".into();
    let body = Bytes::from(request.to_string());
    let request = ClientRequest::parse(operation, body, 1 << 20).unwrap();
    let deployment = &config.deployments[0];
    let ask = Ask::new(deployment, &request, event::Timestamp::default(), false)?;
    let prepared = deployment.provider.prepare(&ask)?;
    let body = prepared.outgoing.body.clone();
    Ok((prepared, body))
}

fn chat(model: &str, more: &Value) -> Result<(Prepared, Bytes), ProviderError> {
    let mut request = json!({ "messages": [{ "role": "user", "content": "hi" }] });
    let fields = request.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    let params = json!({ "model": model, "api_base": HOST });
    asked(&params, Operation::Chat, &request)
}

fn sent(model: &str, more: &Value) -> Value {
    serde_json::from_slice(&chat(model, more).unwrap().1).unwrap()
}

/// Model, what a request says, and what becomes of it; what is `null` is not sent.
const CHANGED: &[(&str, &str, &str)] = &[
    (
        "groq/llama-3.3",
        r#"{"max_completion_tokens":5}"#,
        r#"{"max_tokens":5}"#,
    ),
    (
        "openai/gpt-4o",
        r#"{"max_tokens":5}"#,
        r#"{"max_tokens":5}"#,
    ),
    (
        "openai/o3",
        r#"{"max_tokens":5}"#,
        r#"{"max_completion_tokens":5,"max_tokens":null}"#,
    ),
    (
        "github/o3-mini",
        r#"{"max_completion_tokens":5}"#,
        r#"{"max_completion_tokens":5}"#,
    ),
    (
        "snowflake/llama",
        r#"{"max_tokens":5}"#,
        r#"{"max_completion_tokens":5,"max_tokens":null}"#,
    ),
    ("cerebras/x", DEVELOPER, SYSTEM),
    ("openai/gpt-4o", DEVELOPER, DEVELOPER),
    (
        "deepseek/x",
        PARTS,
        r#"{"messages":[{"role":"user","content":"ab"}]}"#,
    ),
    ("together_ai/x", PARTS, PARTS),
    ("together_ai/x", MARKED, SYSTEM),
    ("openrouter/openai/gpt", MARKED, SYSTEM),
    ("openrouter/anthropic/claude", MARKED, MARKED_PART),
    ("databricks/databricks-claude", MARKED, MARKED_PART),
    (
        "groq/x",
        r#"{"messages":[{"role":"user","content":[{"image_url":"http://i"}]}]}"#,
        r#"{"messages":[{"role":"user","content":[{"image_url":{"url":"http://i"}}]}]}"#,
    ),
    (
        "mistral/x",
        r#"{"seed":3}"#,
        r#"{"random_seed":3,"seed":null}"#,
    ),
    (
        "mistral/x",
        r#"{"tool_choice":"required"}"#,
        r#"{"tool_choice":"any"}"#,
    ),
    (
        "mistral/magistral-medium",
        r#"{"reasoning_effort":"low"}"#,
        r#"{"prompt_mode":"reasoning","reasoning_effort":null}"#,
    ),
    (
        "deepseek/x",
        r#"{"reasoning_effort":"low"}"#,
        r#"{"thinking":{"type":"enabled"}}"#,
    ),
    (
        "deepseek/x",
        r#"{"reasoning_effort":"none"}"#,
        r#"{"thinking":{"type":"disabled"}}"#,
    ),
    (
        "hosted_vllm/x",
        r#"{"thinking":{"type":"enabled","budget_tokens":2048}}"#,
        r#"{"reasoning_effort":"medium","thinking":null}"#,
    ),
    (
        "hosted_vllm/x",
        r#"{"thinking":{"type":"disabled"}}"#,
        r#"{"thinking":null}"#,
    ),
    (
        "databricks/databricks-claude",
        r#"{"reasoning_effort":"medium"}"#,
        r#"{"thinking":{"type":"enabled","budget_tokens":2048},"max_tokens":6144}"#,
    ),
    (
        "fireworks_ai/llama",
        "{}",
        r#"{"model":"accounts/fireworks/models/llama"}"#,
    ),
    (
        "groq/llama-3.3",
        r#"{"response_format":{"type":"json_schema","json_schema":{"schema":{"a":1}}}}"#,
        r#"{"response_format":null,
            "tools":[{"type":"function","function":{"name":"json_tool_call","parameters":{"a":1}}}],
            "tool_choice":{"type":"function","function":{"name":"json_tool_call"}}}"#,
    ),
    (
        "sambanova/x",
        r#"{"user":"u","n":1}"#,
        r#"{"user":null,"n":null}"#,
    ),
    ("openrouter/x", r#"{"user":"u"}"#, r#"{"user":"u"}"#),
    ("lm_studio/x", r#"{"foo":"bar"}"#, r#"{"foo":"bar"}"#),
];

const DEVELOPER: &str = r#"{"messages":[{"role":"developer","content":"s"}]}"#;
const SYSTEM: &str = r#"{"messages":[{"role":"system","content":"s"}]}"#;
const PARTS: &str = r#"{"messages":[{"role":"user","content":
    [{"type":"text","text":"a"},{"type":"text","text":"b"}]}]}"#;
const MARKED: &str =
    r#"{"messages":[{"role":"system","content":"s","cache_control":{"type":"e"}}]}"#;
const MARKED_PART: &str = r#"{"messages":[{"role":"system","content":
    [{"type":"text","text":"s","cache_control":{"type":"e"}}]}]}"#;

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_request_says_what_its_provider_understands() {
    for (model, request, wanted) in CHANGED {
        let body = sent(model, &value(request));
        for (name, wanted) in value(wanted).as_object().unwrap() {
            let got = body.get(name).unwrap_or(&Value::Null);
            assert_eq!(got, wanted, "{model} {request}: {name}");
        }
    }
}

#[test]
fn what_needs_no_change_goes_on_as_it_came() {
    let model = "together_ai/x";
    let request = r#"{"messages":[ {"role":"user","content":"a"} ],"temperature":0.10,"model":"m","y":1e400}"#;
    let parsed = ClientRequest::parse(Operation::Chat, Bytes::from(request), 1 << 20).unwrap();
    let tree = json!({ "model_list": [{ "model_name": "m",
        "litellm_params": { "model": model } }] });
    let (config, _warnings) = Config::from_tree(tree.as_object().unwrap()).unwrap();
    let deployment = &config.deployments[0];
    let ask = Ask::new(deployment, &parsed, event::Timestamp::default(), false).unwrap();
    let prepared = deployment.provider.prepare(&ask).unwrap();
    assert_eq!(prepared.outgoing.body, request.replace("\"m\"", "\"x\""));
}

/// Model, what a request says, and the parameters that are refused.
const REFUSED: &[(&str, &str, &[&str])] = &[
    (
        "openai/o3",
        r#"{"temperature":0.2,"top_p":1}"#,
        &["temperature", "top_p"],
    ),
    ("openai/o3", r#"{"temperature":1}"#, &[]),
    (
        "openai/gpt-5",
        r#"{"temperature":1.0,"verbosity":"low"}"#,
        &[],
    ),
    (
        "openai/gpt-5",
        r#"{"reasoning_effort":"none"}"#,
        &["reasoning_effort"],
    ),
    ("openai/gpt-5.1", r#"{"temperature":0.5,"top_p":0.5}"#, &[]),
    ("openai/gpt-4o", r#"{"thinking":{}}"#, &["thinking"]),
    ("azure/o3-mini", r#"{"parallel_tool_calls":false}"#, &[]),
    (
        "openai/o3-mini",
        r#"{"parallel_tool_calls":false}"#,
        &["parallel_tool_calls"],
    ),
    (
        "groq/llama-3.3",
        r#"{"reasoning_effort":"low"}"#,
        &["reasoning_effort"],
    ),
    (
        "groq/openai/gpt-oss-120b",
        r#"{"reasoning_effort":"low"}"#,
        &[],
    ),
    (
        "deepinfra/x",
        r#"{"tool_choice":"required"}"#,
        &["tool_choice"],
    ),
    ("deepinfra/x", r#"{"tool_choice":"auto"}"#, &[]),
    (
        "sambanova/x",
        r#"{"n":2,"logprobs":true}"#,
        &["n", "logprobs"],
    ),
    ("anyscale/x", r#"{"n":2}"#, &["n"]),
    ("xai/grok-4", r#"{"stop":"E"}"#, &["stop"]),
    ("perplexity/sonar", r#"{"tools":[]}"#, &["tools"]),
    ("custom_openai/x", r#"{"thinking":{},"logit_bias":{}}"#, &[]),
];

#[test]
fn a_parameter_that_a_model_does_not_take_is_refused_by_name() {
    for (model, request, wanted) in REFUSED {
        let refused = match chat(model, &value(request)) {
            Err(ProviderError::Parameters { names, .. }) => names,
            other => {
                assert!(other.is_ok(), "{model} {request}");
                Vec::new()
            }
        };
        assert_eq!(&refused, wanted, "{model} {request}");
    }
}

#[test]
fn a_stream_is_asked_for_its_usage_by_those_who_do_not_send_it() {
    let asked = json!({ "stream": true, "stream_options": { "include_usage": true } });
    assert_eq!(
        sent("groq/x", &json!({ "stream": true }))["stream_options"]["include_usage"],
        true
    );
    assert_eq!(sent("cerebras/x", &asked).get("stream_options"), None);
    let params = json!({ "model": "nvidia_nim/x", "api_base": HOST,
        "allowed_openai_params": ["stream_options"] });
    let request = json!({ "messages": [], "stream": true });
    let (_prepared, body) = self::asked(&params, Operation::Chat, &request).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["stream_options"]["include_usage"], true);
}

#[test]
fn addresses_are_made_of_what_the_deployment_says() {
    for (params, wanted) in [
        (
            json!({ "model": "gpt-4o" }),
            "https://api.openai.com/v1/chat/completions",
        ),
        (
            json!({ "model": "cloudflare/@cf/x" }),
            "https://api.cloudflare.com/client/v4/accounts/acc/ai/v1/chat/completions",
        ),
        (
            json!({ "model": "azure/d", "api_base": "https://r.openai.azure.com/" }),
            "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
        (
            json!({ "model": "azure_ai/m", "api_base": "https://r.services.ai.azure.com" }),
            "https://r.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
        ),
        (
            json!({ "model": "snowflake/m", "snowflake_account_id": "org-a" }),
            "https://org-a.snowflakecomputing.com/api/v2/cortex/v1/chat/completions",
        ),
        (
            json!({ "model": "snowflake/claude-x", "api_base": "http://h/api/v2" }),
            "http://h/api/v2/cortex/v1/messages",
        ),
        (
            json!({ "model": "databricks/m", "api_base": "http://h/serving-endpoints" }),
            "http://h/serving-endpoints/chat/completions",
        ),
    ] {
        let request = json!({ "messages": [{ "role": "user", "content": "hi" }] });
        let (prepared, _body) = asked(&params, Operation::Chat, &request).unwrap();
        assert_eq!(prepared.outgoing.uri, wanted);
    }
}

#[test]
fn a_key_is_sent_as_its_provider_wants_it() {
    let header = |params: Value, name: &str| {
        let request = json!({ "messages": [{ "role": "user", "content": "hi" }] });
        let (prepared, _body) = asked(&params, Operation::Chat, &request).unwrap();
        let value = prepared.outgoing.headers.get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let kind = "x-snowflake-authorization-token-type";
    let own = |model: &str, key: Value| json!({ "model": model, "api_base": HOST, "api_key": key });
    for (params, name, wanted) in [
        (
            own("hosted_vllm/x", Value::Null),
            "authorization",
            "Bearer fake-api-key",
        ),
        (own("azure/x", "a".into()), "api-key", "a"),
        (own("azure_ai/x", "a".into()), "authorization", "Bearer a"),
        (own("snowflake/x", "jwt".into()), kind, "KEYPAIR_JWT"),
        (
            own("snowflake/x", "pat/t".into()),
            kind,
            "PROGRAMMATIC_ACCESS_TOKEN",
        ),
        (
            own("snowflake/x", "pat/t".into()),
            "authorization",
            "Bearer t",
        ),
    ] {
        assert_eq!(header(params, name).as_deref(), Some(wanted));
    }
}

fn whole(model: &str, more: &Value, answer: &Value) -> (Value, Observed) {
    let (prepared, _body) = chat(model, more).unwrap();
    let answer = Answer {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body: answer.to_string().into(),
    };
    match prepared.reader.whole(answer).unwrap() {
        Step::Done(whole) => (serde_json::from_slice(&whole.body).unwrap(), whole.observed),
        Step::Again(..) => panic!("there is nothing to wait for"),
    }
}

#[test]
fn an_answer_says_reasoning_in_one_way() {
    let thought = json!({ "role": "assistant", "content": "a", "reasoning_content": "r" });
    let block = json!({ "type": "thinking", "thinking": "r", "signature": "s" });
    for (model, message, wanted) in [
        (
            "cerebras/x",
            json!({ "role": "assistant", "content": "a", "reasoning": "r" }),
            thought.clone(),
        ),
        (
            "mistral/x",
            json!({ "role": "assistant", "content": [
                { "type": "thinking", "thinking": [{ "type": "text", "text": "r" }] },
                { "type": "text", "text": "a" }] }),
            thought.clone(),
        ),
        (
            "databricks/x",
            json!({ "role": "assistant", "content": [
                { "type": "reasoning", "summary":
                    [{ "type": "summary_text", "text": "r", "signature": "s" }] },
                { "type": "text", "text": "a" }] }),
            json!({ "role": "assistant", "content": "a", "reasoning_content": "r",
                "thinking_blocks": [block] }),
        ),
        // A model may speak of reasoning.
        (
            "cerebras/x",
            json!({ "role": "assistant", "content": "\"reasoning\"" }),
            json!({ "role": "assistant", "content": "\"reasoning\"" }),
        ),
    ] {
        let (body, _observed) = whole(
            model,
            &json!({}),
            &json!({ "choices": [{ "message": message }] }),
        );
        assert_eq!(body["choices"][0]["message"], wanted, "{model}");
    }
}

#[test]
fn a_tool_that_took_the_answer_is_not_told() {
    let format = json!({ "response_format": { "type": "json_schema",
        "json_schema": { "schema": { "type": "object" } } } });
    let call = json!({ "id": "c", "function": { "name": "json_tool_call", "arguments": "{}" } });
    let answer = json!({ "choices": [{ "finish_reason": "tool_calls",
        "message": { "role": "assistant", "content": null, "tool_calls": [call] } }] });
    let (body, _observed) = whole("groq/llama-3.3", &format, &answer);
    let wanted = json!({ "finish_reason": "stop",
        "message": { "role": "assistant", "content": "{}" } });
    assert_eq!(body["choices"][0], wanted);
    // The same call, if the client's own tool has that name.
    let (body, _observed) = whole("groq/llama-3.3", &json!({}), &answer);
    assert_eq!(body, answer);
}

#[test]
fn what_the_client_is_told_of_usage_is_what_is_billed() {
    let usage = json!({ "prompt_tokens": 14, "completion_tokens": 30, "total_tokens": 62,
        "completion_tokens_details": { "reasoning_tokens": 18 } });
    let (body, observed) = whole(
        "xai/grok-4",
        &json!({}),
        &json!({ "choices": [], "usage": usage }),
    );
    assert_eq!(body["usage"]["completion_tokens"], 48);
    assert_eq!(observed.usage.unwrap().completion_tokens, 48);
}

#[test]
fn what_came_from_a_cache_stands_among_the_details() {
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11,
        "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6 });
    let answer = json!({ "choices": [], "usage": usage });
    let (body, observed) = whole("deepseek/x", &json!({}), &answer);
    assert_eq!(body["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
    let details = observed.usage.unwrap().prompt_tokens_details.unwrap();
    assert_eq!(details.cached_tokens, Some(4));
}

/// What the client gets of `stream`, and what was learned, cut at `at`.
fn cut(reader: Box<dyn Reader>, strip: bool, stream: &str, at: usize) -> (String, Observed) {
    let (head, tail) = stream.as_bytes().split_at(at);
    let mut answer = reader.stream(strip);
    let mut out = answer.chunk(head.to_vec().into()).to_vec();
    out.extend(answer.chunk(tail.to_vec().into()));
    out.extend(answer.rest());
    assert!(answer.is_finished());
    (String::from_utf8(out).unwrap(), answer.observed())
}

#[test]
fn a_stream_is_corrected_wherever_it_is_cut() {
    let usage = json!({ "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 8,
        "completion_tokens_details": { "reasoning_tokens": 5 } });
    let last = json!({ "object": "chat.completion.done", "usage": usage,
        "choices": [{ "index": 0, "delta": {}, "finish_reason": "eos" }] });
    let first = json!({ "choices": [{ "index": 0, "delta": { "reasoning": "é" } }] });
    let stream = format!("data: {first}\r\n\r\n: ping\n\ndata:{last}\n\ndata: [DONE]\n\n");
    for (model, strip, has, has_not) in [
        (
            "together_ai/x",
            true,
            vec!["reasoning_content", "\"stop\""],
            vec!["usage", "\"eos\""],
        ),
        (
            "together_ai/x",
            false,
            vec!["\"completion_tokens\":2"],
            vec![],
        ),
        ("xai/x", false, vec!["\"completion_tokens\":7"], vec![]),
        (
            "perplexity/x",
            true,
            vec!["chat.completion.chunk"],
            vec!["done", "usage"],
        ),
        ("openai/x", true, vec!["reasoning\"", "eos"], vec!["usage"]),
    ] {
        let request = json!({ "stream": true });
        let reader = || chat(model, &request).unwrap().0.reader;
        let (wanted, observed) = cut(reader(), strip, &stream, 0);
        assert!(wanted.ends_with("data: [DONE]\n\n"), "{model}: {wanted}");
        assert!(wanted.contains(": ping\n"), "{model}: {wanted}");
        assert!(
            has.iter().all(|text| wanted.contains(text)),
            "{model}: {wanted}"
        );
        assert!(
            !has_not.iter().any(|text| wanted.contains(text)),
            "{model}: {wanted}"
        );
        // The event counts what the total says, whoever left it out.
        assert_eq!(
            observed.usage.as_ref().unwrap().completion_tokens,
            7,
            "{model}"
        );
        for at in 1..stream.len() {
            assert_eq!(
                cut(reader(), strip, &stream, at),
                (wanted.clone(), observed.clone())
            );
        }
    }
}

#[test]
fn an_error_is_read_whatever_its_shape() {
    use ErrorClass::{
        Api, Authentication, BadRequest, ContentPolicyViolation, ContextWindowExceeded, RateLimit,
        Unprocessable,
    };
    let (prepared, _body) = chat("groq/x", &json!({})).unwrap();
    for (status, body, class, message) in [
        (401, r#"{"error":{"message":"no"}}"#, Authentication, "no"),
        (400, r#"{"error":"no"}"#, BadRequest, "no"),
        (422, r#"{"message":"no"}"#, Unprocessable, "no"),
        (429, r#"{"detail":{"error":"no"}}"#, RateLimit, "no"),
        (413, r#"{"errors":[{"message":"no"}]}"#, Api(413), "no"),
        (400, r#"{"detail":"no"}"#, BadRequest, "no"),
        (
            422,
            r#"{"message":{"detail":[1]}}"#,
            Unprocessable,
            r#"{"message":{"detail":[1]}}"#,
        ),
        (400, "<html>", BadRequest, "<html>"),
        (400, "", BadRequest, ""),
        (
            400,
            r#"{"error":{"message":"no","code":"context_length_exceeded"}}"#,
            ContextWindowExceeded,
            "no",
        ),
        (
            400,
            r#"{"error":{"message":"no","code":"content_policy_violation"}}"#,
            ContentPolicyViolation,
            "no",
        ),
    ] {
        let fault = prepared.reader.fault(&Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        });
        assert_eq!((fault.class, &*fault.message), (class, message), "{body}");
    }
}

#[test]
fn embeddings_have_parameters_of_their_own() {
    for (model, request, is_taken) in [
        ("mistral/e", json!({ "input": "a", "dimensions": 3 }), false),
        (
            "mistral/e",
            json!({ "input": "a", "encoding_format": "float" }),
            true,
        ),
        (
            "fireworks_ai/nomic",
            json!({ "input": "a", "dimensions": 3 }),
            true,
        ),
        (
            "openai/text-embedding-ada-002",
            json!({ "input": "a", "dimensions": 3 }),
            false,
        ),
        ("sambanova/e", json!({ "input": "a", "user": "u" }), false),
        ("together_ai/e", json!({ "input": "a", "user": "u" }), true),
    ] {
        let params = json!({ "model": model, "api_base": HOST });
        let asked = asked(&params, Operation::Embedding, &request);
        assert_eq!(asked.is_ok(), is_taken, "{model} {request}");
    }
}

#[test]
fn one_that_is_no_more_names_its_successor() {
    let error = of_model("palm/chat-bison", None).unwrap_err().to_string();
    assert!(error.contains("gemini"), "{error}");
    let error = of_model("grok/x", None).unwrap_err().to_string();
    assert!(error.contains("groq, ") && error.contains("xai"), "{error}");
}
