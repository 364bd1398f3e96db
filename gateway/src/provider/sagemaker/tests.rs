//! Endpoints of SageMaker, both ways.

use serde_json::{Value, json};

use crate::{
    error::ErrorClass,
    operation::Operation,
    provider::{
        Prepared, ProviderError, Reader,
        aws::trial::{exception, message, params, streamed},
        trial,
    },
};

fn prepared(model: &str, request: &Value) -> Result<Prepared, ProviderError> {
    let mut request = request.clone();
    if request.get("messages").is_none() {
        request["messages"] = json!([{"role": "user", "content": "hi"}]);
    }
    trial::prepared(&params(model), Operation::Chat, &request)
}

fn body(prepared: &Prepared) -> Value {
    serde_json::from_slice(&prepared.outgoing.body).unwrap()
}

fn part(text: &str) -> Vec<u8> {
    message(&[(":event-type", "PayloadPart")], text.as_bytes())
}

#[test]
fn addresses_name_the_endpoint_or_are_named() {
    for (model, stream, wanted) in [
        (
            "sagemaker/my ep",
            false,
            "https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/my%20ep/invocations",
        ),
        (
            "sagemaker_chat/ep",
            true,
            "https://runtime.sagemaker.eu-west-1.amazonaws.com/endpoints/ep/invocations-response-stream",
        ),
    ] {
        let prepared = prepared(model, &json!({"stream": stream})).unwrap();
        assert_eq!(prepared.outgoing.uri.to_string(), wanted);
        assert_eq!(prepared.streams, stream);
    }
    let mut own = params("sagemaker_chat/ep");
    own["sagemaker_base_url"] = "http://here/x".into();
    own["model_id"] = "component".into();
    own["hf_model_name"] = "served".into();
    let asked = json!({"messages": [{"role": "developer", "content": "d"}], "stream": true});
    let prepared = trial::prepared(&own, Operation::Chat, &asked).unwrap();
    assert_eq!(prepared.outgoing.uri.to_string(), "http://here/x");
    let component = &prepared.outgoing.headers["x-amzn-sagemaker-inference-component"];
    assert_eq!(component, "component");
    let wanted = json!({"model": "served", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "system", "content": "d"}]});
    assert_eq!(body(&prepared), wanted);
}

#[test]
fn prompts_have_parameters_in_the_servers_words() {
    for (asked, wanted) in [
        (
            json!({"temperature": 0, "max_tokens": 0, "stop": "E"}),
            json!({"temperature": 0.01, "max_new_tokens": 1, "stop": ["E"]}),
        ),
        (
            json!({"temperature": 0.5, "n": 2, "own": 1}),
            json!({"temperature": 0.5, "best_of": 2, "do_sample": true, "own": 1}),
        ),
        (
            json!({"max_completion_tokens": 3, "top_p": null}),
            json!({"max_new_tokens": 3}),
        ),
    ] {
        let prepared = prepared("sagemaker/ep", &asked).unwrap();
        assert_eq!(
            body(&prepared),
            json!({"inputs": "hi", "parameters": wanted})
        );
    }
    let image = json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "data:"}]}]});
    assert_eq!(
        prepared("sagemaker/ep", &image).err().unwrap().class(),
        ErrorClass::BadRequest
    );
    for (model, asked) in [
        ("sagemaker/ep", json!({"logit_bias": {}})),
        ("sagemaker_chat/ep", json!({"reasoning_effort": "low"})),
    ] {
        let error = prepared(model, &asked).err().unwrap();
        assert_eq!(error.class(), ErrorClass::UnsupportedParams);
    }
}

#[test]
fn texts_are_completions_that_only_the_client_sees_counted() {
    for (whole, reason) in [
        (json!([{"generated_text": "ab"}]), "stop"),
        (
            json!({"generated_text": "ab", "details": {"finish_reason": "length"}}),
            "length",
        ),
        (json!({"generation": "ab"}), "stop"),
    ] {
        let prepared = prepared("sagemaker/ep", &json!({})).unwrap();
        let (said, observed) = trial::whole(prepared, &whole).unwrap();
        assert_eq!(said["choices"][0]["message"]["content"], "ab");
        assert_eq!(said["choices"][0]["finish_reason"], reason);
        assert!(said["usage"]["total_tokens"].as_u64() > Some(0));
        assert_eq!(observed.usage, None);
    }
    let odd = prepared("sagemaker/ep", &json!({})).unwrap();
    assert!(trial::whole(odd, &json!({"x": 1})).is_err());
}

#[test]
fn tokens_are_chunks_wherever_they_are_cut() {
    let reader = || -> Box<dyn Reader> {
        prepared("sagemaker/ep", &json!({"stream": true}))
            .unwrap()
            .reader
    };
    let first = part(
        "data:{\"token\": {\"text\": \"ü\", \"special\": false}, \"generated_text\": null}\n\nda",
    );
    let last = part(
        "ta:{\"token\": {\"text\": \"</s>\", \"special\": true}, \"generated_text\": \"ü\", \"details\": {\"finish_reason\": \"length\"}}\n\n",
    );
    let stream = [first.clone(), last].concat();
    let (choice, observed) = streamed(reader, &stream);
    assert_eq!(
        (&choice["message"]["content"], &choice["finish_reason"]),
        (&json!("ü"), &json!("length"))
    );
    assert_eq!(observed.usage, None);
    for (last, wanted) in [
        (
            part("ta: {\"error\": {\"message\": \"worse\"}}\n\n"),
            "worse",
        ),
        (exception("modelStreamErrorException", "bad"), "bad"),
    ] {
        let (_, observed) = streamed(reader, &[first.clone(), last].concat());
        assert_eq!(observed.error.unwrap().message, wanted);
    }
    // The client that asks for usage gets a count.
    let mut told = reader().stream(false);
    let out = told.chunk(stream.into());
    let out = String::from_utf8(out.to_vec()).unwrap();
    assert!(out.contains("\"usage\":{\"prompt_tokens\":"), "{out}");
}

#[test]
fn chats_are_passed_on_with_an_id() {
    let asked = json!({"stream": true});
    let usage = json!({"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5});
    let whole =
        json!({"id": "", "choices": [{"index": 0, "message": {"content": "a"}}], "usage": usage});
    let (said, observed) =
        trial::whole(prepared("sagemaker_chat/ep", &json!({})).unwrap(), &whole).unwrap();
    assert!(said["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(observed.usage.unwrap().total_tokens, 5);
    let reader = || -> Box<dyn Reader> { prepared("sagemaker_chat/ep", &asked).unwrap().reader };
    let first = "data: {\"choices\": [{\"index\": 0, \"delta\": {\"content\": \"a\"}}]}\n\n";
    let last =
        "data: {\"choices\": [{\"index\": 0, \"delta\": {}, \"finish_reason\": \"stop\"}]}\n\n";
    let counts = format!("data: {{\"choices\": [], \"usage\": {usage}}}\n\n");
    for end in ["data: [DONE]\n\n", ""] {
        let parts = [first, last, &counts, end].map(part).concat();
        let (choice, observed) = streamed(reader, &parts);
        assert_eq!(
            (&choice["message"]["content"], &choice["finish_reason"]),
            (&json!("a"), &json!("stop"))
        );
        assert_eq!(observed.usage.unwrap().total_tokens, 5);
    }
    let slow = exception("ThrottlingException", "slow");
    let (_, observed) = streamed(reader, &[part(first), slow].concat());
    assert_eq!(observed.error.unwrap().class, ErrorClass::RateLimit);
}

#[test]
fn vectors_are_lists() {
    let asked = json!({"input": "a b"});
    for whole in [json!([[1], [2]]), json!({"embedding": [[1], [2]]})] {
        let prepared =
            trial::prepared(&params("sagemaker/ep"), Operation::Embedding, &asked).unwrap();
        assert_eq!(body(&prepared), json!({"inputs": ["a b"]}));
        let (said, observed) = trial::whole(prepared, &whole).unwrap();
        assert_eq!(said["data"][1]["embedding"], json!([2]));
        assert_eq!(observed.usage, None);
    }
}
