//! What dialects are tried with: a deployment as it is configured, a request as a client sends it,
//! and answers as providers give them.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Ask, Fault, Observed, Prepared, ProviderError, Reader, Step};
use crate::{
    config::{Config, Deployment},
    operation::Operation,
    request::ClientRequest,
};

/// A deployment with these `litellm_params`.
pub(super) fn deployment(params: &Value) -> Deployment {
    let tree = json!({ "model_list": [{ "model_name": "m", "litellm_params": params }] });
    let (config, _warnings) = Config::from_tree(tree.as_object().unwrap()).unwrap();
    config.deployments.into_iter().next().unwrap()
}

/// What `params` are asked for `request`, with a token where one is needed.
pub(super) fn prepared(
    params: &Value,
    operation: Operation,
    request: &Value,
) -> Result<Prepared, ProviderError> {
    let deployment = deployment(params);
    let mut request = request.clone();
    request["model"] = "m".into();
    let body = Bytes::from(request.to_string());
    let request = ClientRequest::parse(operation, body, 1 << 20).unwrap();
    let mut ask = Ask::new(&deployment, &request, event::Timestamp::default(), false)?;
    if !deployment.provider.needs(&ask)?.is_empty() {
        ask.fetched.token = Some(event::Secret::new("token".to_owned()));
    }
    deployment.provider.prepare(&ask)
}

/// Address and body of what is sent.
pub(super) fn sent(params: &Value, operation: Operation, request: &Value) -> (String, Value) {
    let prepared = prepared(params, operation, request).unwrap();
    let outgoing = prepared.outgoing;
    let body = serde_json::from_slice(&outgoing.body).unwrap();
    (outgoing.uri.to_string(), body)
}

/// An answer with `body`.
pub(super) fn answer(body: &Value) -> Answer {
    Answer {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body: body.to_string().into(),
    }
}

/// What the client and the event get for an answer that came whole.
pub(super) fn whole(prepared: Prepared, body: &Value) -> Result<(Value, Observed), Fault> {
    match prepared.reader.whole(answer(body))? {
        Step::Done(whole) => Ok((serde_json::from_slice(&whole.body).unwrap(), whole.observed)),
        Step::Again(..) => panic!("the answer is not ready"),
    }
}

/// What a stream is in the end, which is the same wherever it is cut; the message and the event.
pub(super) fn streamed(reader: impl Fn() -> Box<dyn Reader>, stream: &str) -> (Value, Observed) {
    let (whole, observed) = cut(reader(), stream, 0);
    for at in 1..stream.len() {
        let (other, seen) = cut(reader(), stream, at);
        assert_eq!(
            (&other, &seen.usage, &seen.error),
            (&whole, &observed.usage, &observed.error)
        );
    }
    (whole, observed)
}

/// The first choice of a stream that comes in two pieces. Ids are given anew each time.
fn cut(reader: Box<dyn Reader>, stream: &str, at: usize) -> (Value, Observed) {
    let (head, tail) = stream.as_bytes().split_at(at);
    let mut answer = reader.stream(false);
    let mut out = answer.chunk(head.to_vec().into()).to_vec();
    out.extend(answer.chunk(tail.to_vec().into()));
    out.extend(answer.rest());
    let mut observed = answer.observed();
    let ended = out.ends_with(b"data: [DONE]\n\n");
    assert_eq!(ended, observed.error.is_none() && answer.is_finished());
    let response = observed.response.take();
    let response: Value = response.and_then(|json| json.read()).unwrap_or_default();
    let mut choice = response["choices"][0].clone();
    if let Some(calls) = choice["message"]["tool_calls"].as_array_mut() {
        for call in calls {
            assert!(call["id"].as_str().is_some_and(|id| !id.is_empty()));
            call.as_object_mut().unwrap().remove("id");
        }
    }
    observed.id = None;
    (choice, observed)
}
