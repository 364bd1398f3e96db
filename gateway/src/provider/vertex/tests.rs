//! Vertex AI, both ways.
#![expect(
    clippy::needless_pass_by_value,
    reason = "`json!` is written where it is needed"
)]

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use event::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{
        TokenSource as _,
        trial::{prepared, sent, whole},
    },
    credentials::Credentials,
};
use crate::operation::Operation::{Chat, Embedding};

fn params(model: &str, more: Value) -> Value {
    let mut params = json!({ "model": format!("vertex_ai/{model}"), "vertex_project": "p" });
    let user = json!({"type": "authorized_user", "client_id": "i", "client_secret": "s",
        "refresh_token": "r"});
    params["vertex_credentials"] = user.to_string().into();
    params
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    params
}

fn plain() -> Value {
    json!({ "messages": [{ "role": "user", "content": "q" }] })
}

#[test]
fn a_model_has_an_address_in_its_project() {
    let gemini = "publishers/google/models/gemini-2.5-pro:generateContent";
    let central =
        "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1";
    for (model, more, wanted) in [
        ("gemini-2.5-pro", json!({}), format!("{central}/{gemini}")),
        (
            "gemini-2.5-pro",
            json!({"vertex_location": "global"}),
            format!("https://aiplatform.googleapis.com/v1/projects/p/locations/global/{gemini}"),
        ),
        (
            "gemini-2.5-pro",
            json!({"api_base": "https://h"}),
            format!("https://h/v1/projects/p/locations/us-central1/{gemini}"),
        ),
        (
            "gemini-2.5-pro",
            json!({"api_base": "https://h/own"}),
            "https://h/own:generateContent".to_owned(),
        ),
        (
            "123",
            json!({}),
            format!("{central}/endpoints/123:generateContent"),
        ),
        (
            "claude-sonnet-4-5@20250929",
            json!({}),
            format!("{central}/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict"),
        ),
        (
            "meta/llama-4",
            json!({}),
            format!("{central}/endpoints/openapi/chat/completions"),
        ),
    ] {
        let (address, _) = sent(&params(model, more), Chat, &plain());
        assert_eq!(address, wanted);
    }
    for more in [
        json!({"vertex_project": "p/../q"}),
        json!({"vertex_location": "x.evil.example/"}),
    ] {
        assert!(prepared(&params("gemini-2.5-pro", more), Chat, &plain()).is_err());
    }
}

#[test]
fn claude_is_asked_without_its_name() {
    let params = params("claude-sonnet-4-5@20250929", json!({}));
    let (_, body) = sent(&params, Chat, &plain());
    let content = json!([{"type": "text", "text": "q"}]);
    let wanted = json!({"anthropic_version": "vertex-2023-10-16", "max_tokens": 4096,
        "messages": [{"role": "user", "content": content}]});
    assert_eq!(body, wanted);
}

#[test]
fn embeddings_are_predictions() {
    let params = params("text-embedding-005", json!({}));
    let request = json!({"input": "a", "dimensions": 2, "input_type": "RETRIEVAL_QUERY"});
    let (_, body) = sent(&params, Embedding, &request);
    assert_eq!(
        body["instances"],
        json!([{"content": "a", "task_type": "RETRIEVAL_QUERY"}])
    );
    assert_eq!(body["parameters"]["outputDimensionality"], 2);
    let one = json!({"embeddings": {"values": [0.5], "statistics": {"token_count": 3}}});
    let answer = json!({"predictions": [one, one], "metadata": {"billableCharacterCount": 9}});
    let (said, observed) = whole(prepared(&params, Embedding, &request).unwrap(), &answer).unwrap();
    assert_eq!(said["data"][1]["index"], 1);
    let usage = observed.usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.total_tokens), (6, 6));
    assert_eq!(
        usage.prompt_tokens_details.unwrap().character_count,
        Some(9)
    );
}

/// A key made for this test.
const KEY: &str = include_str!("tests/key.pem");

#[test]
fn an_account_signs_what_it_claims() {
    let account = json!({"type": "service_account", "client_email": "a@p", "private_key": KEY,
        "private_key_id": "k", "project_id": "p", "token_uri": "https://t/token"});
    for setting in [account.clone(), account.to_string().into()] {
        let credentials = Credentials::read(&setting).unwrap();
        assert_eq!(credentials.project(), Some("p"));
        assert!(!format!("{credentials:?}").contains("PRIVATE"));
        let source = credentials.token(Timestamp::default());
        let request = source.request().unwrap();
        assert_eq!(request.outgoing.uri, "https://t/token");
        assert!(request.name == source.name() && !request.name.contains("a@p"));
        let form = String::from_utf8(request.outgoing.body.to_vec()).unwrap();
        let (_, claim) = form.split_once("&assertion=").unwrap();
        let parts: Vec<Vec<u8>> = claim
            .split('.')
            .map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap())
            .collect();
        let claims: Value = serde_json::from_slice(&parts[1]).unwrap();
        assert_eq!(
            (&claims["iss"], &claims["aud"]),
            (&json!("a@p"), &json!("https://t/token"))
        );
        assert_eq!(
            claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
            3600
        );
        assert_eq!(parts[2].len(), 256);
        let token = (request.read)(br#"{"access_token":"x","expires_in":99}"#).unwrap();
        assert_eq!((token.secret.expose(), token.lives.as_secs()), ("x", 99));
    }
}

#[test]
fn broken_credentials_are_named_and_not_shown() {
    let account = json!({"type": "service_account", "client_email": "a", "private_key": "hidden"});
    let broken = Credentials::read(&account)
        .unwrap()
        .token(Timestamp::default());
    let unreadable = Credentials::read(&json!("{\"type\": \"hidden\"}"));
    for error in [broken.request().unwrap_err(), unreadable.unwrap_err()] {
        let error = error.to_string();
        assert!(
            error.contains("vertex_credentials") && !error.contains("hidden"),
            "{error}"
        );
    }
}
