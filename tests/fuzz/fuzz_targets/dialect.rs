//! Whatever a provider answers, its dialect reads or refuses it; a stream is the same however it
//! was cut. The first byte picks the dialect.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use event::{Timestamp, Usage};
use gateway::{
    ClientRequest, Config, Operation,
    config::Deployment,
    provider::{Answer, Ask, Fault, Reader},
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// A model of each dialect.
const MODELS: &[&str] = &[
    "openai/gpt-4o",
    "mistral/mistral-large-latest",
    "databricks/databricks-claude-sonnet-4-5",
    "ai21_chat/jamba",
    "anthropic/claude-sonnet-4-5",
    "azure/gpt-4o",
    "bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0",
    "bedrock/invoke/meta.llama3-1-8b-instruct-v1:0",
    "bedrock/invoke/mistral.mistral-7b-instruct-v0:2",
    "cohere/command-a-03-2025",
    "cohere/v1/command-r",
    "gemini/gemini-2.5-flash",
    "huggingface/meta-llama/Llama-3.3-70B-Instruct",
    "nlp_cloud/dolphin",
    "ollama/llama3",
    "ollama_chat/llama3",
    "petals/StableBeluga2",
    "replicate/meta/meta-llama-3-70b-instruct",
    "sagemaker/endpoint",
    "sagemaker_chat/endpoint",
    "snowflake/llama3.1-70b",
    "vertex_ai/gemini-2.5-pro",
    "vertex_ai/claude-sonnet-4-5@20250929",
    "watsonx/meta-llama/llama-3-3-70b-instruct",
    "watsonx_text/ibm/granite-13b",
];

static DEPLOYMENTS: LazyLock<Vec<Deployment>> = LazyLock::new(|| {
    let entry = |model: &&str| {
        let mut params = json!({ "model": model, "api_base": "http://provider.test" });
        let settings = match model.split('/').next() {
            Some("bedrock" | "sagemaker" | "sagemaker_chat") => json!({
                "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret",
                "aws_region_name": "eu-west-1",
            }),
            Some("vertex_ai") => json!({ "api_key": "token", "vertex_project": "p" }),
            Some("watsonx" | "watsonx_text") => json!({ "token": "token", "project_id": "p" }),
            Some("azure") => json!({ "api_key": "key", "api_version": "2024-10-21" }),
            _ => json!({ "api_key": "key" }),
        };
        for (name, value) in settings.as_object().expect("an object") {
            params[name] = value.clone();
        }
        json!({ "model_name": model, "litellm_params": params })
    };
    let tree = json!({ "model_list": MODELS.iter().map(entry).collect::<Vec<Value>>() });
    let read = Config::from_tree(tree.as_object().expect("an object"));
    read.expect("models that are known").0.deployments
});

fn reader(model: u8, stream: bool) -> Box<dyn Reader> {
    let deployment = &DEPLOYMENTS[usize::from(model) % DEPLOYMENTS.len()];
    let body =
        json!({ "model": "m", "stream": stream, "messages": [{ "role": "user", "content": "x" }] });
    let request = ClientRequest::parse(Operation::Chat, body.to_string().into(), 1 << 16);
    let request = request.expect("a sound request");
    let ask =
        Ask::new(deployment, &request, Timestamp::default(), false).expect("known parameters");
    deployment
        .provider
        .prepare(&ask)
        .expect("a request that can be said")
        .reader
}

fn stream(model: u8, strip_usage: bool, pieces: &[&[u8]]) -> (Option<Usage>, Option<Fault>, bool) {
    let mut answer = reader(model, true).stream(strip_usage);
    for piece in pieces {
        answer.chunk(Bytes::copy_from_slice(piece));
    }
    answer.rest();
    let is_finished = answer.is_finished();
    let observed = answer.observed();
    (observed.usage, observed.error, is_finished)
}

fuzz_target!(|input: (u8, u8, usize, &[u8])| {
    let (model, way, cut, body) = input;
    if way % 4 == 0 {
        let answer = Answer {
            status: http::StatusCode::OK,
            headers: http::HeaderMap::new(),
            body: Bytes::copy_from_slice(body),
        };
        let _fault = reader(model, false).fault(&answer);
        let _read = reader(model, false).whole(answer);
        return;
    }
    let (head, tail) = body.split_at(cut % (body.len() + 1));
    let strip_usage = way % 2 == 0;
    assert_eq!(
        stream(model, strip_usage, &[head, tail]),
        stream(model, strip_usage, &[body])
    );
});
