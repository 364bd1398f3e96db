//! `generateContent`, both ways.
#![expect(
    clippy::needless_pass_by_value,
    reason = "`json!` is written where it is needed"
)]

use serde_json::{Value, json};

use super::super::trial::{answer, prepared, sent, streamed, whole};
use crate::{
    error::ErrorClass,
    operation::Operation::{Chat, Embedding},
};

fn params(model: &str) -> Value {
    json!({ "model": format!("gemini/{model}"), "api_key": "k", "api_base": "http://x" })
}

const PRO: &str = "gemini-2.5-pro";
const THREE: &str = "gemini-3-pro-preview";

fn contents(model: &str, messages: Value) -> Value {
    let (_, body) = sent(&params(model), Chat, &json!({ "messages": messages }));
    body["contents"].clone()
}

fn plain() -> Value {
    json!({ "messages": [{ "role": "user", "content": "q" }] })
}

#[test]
fn a_request_has_googles_parts() {
    let request = json!({
        "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "q"}],
        "max_tokens": 5, "top_k": 3, "user": "u", "novel": 1,
        "safety_settings": [{"category": "C"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
                  {"googleSearch": {}}],
        "tool_choice": "required",
    });
    let (address, body) = sent(&params(PRO), Chat, &request);
    assert_eq!(address, "http://x/models/gemini-2.5-pro:generateContent");
    let wanted = json!({
        "contents": [{"role": "user", "parts": [{"text": "q"}]}],
        "systemInstruction": {"parts": [{"text": "S"}]},
        "generationConfig": {"maxOutputTokens": 5, "topK": 3},
        "safetySettings": [{"category": "C"}],
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "object"}}]},
                  {"googleSearch": {}}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
    });
    assert_eq!(body, wanted);
    let mut request = plain();
    request["stream"] = true.into();
    let (address, _) = sent(&params(PRO), Chat, &request);
    assert!(address.ends_with(":streamGenerateContent?alt=sse"));
    request["tools"] = json!([{"type": "novel"}]);
    assert!(prepared(&params(PRO), Chat, &request).is_err());
}

fn turn(id: &str) -> Value {
    let function = json!({"name": "f", "arguments": "{\"a\":1}"});
    json!([
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": null,
         "tool_calls": [{"id": id, "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": id, "content": "{\"t\":1}"},
        {"role": "user", "content": "and?"},
    ])
}

#[test]
fn calls_and_results_are_matched_as_the_model_wants_it() {
    let said = contents(PRO, turn("c__thought__sig"));
    let call = json!({"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "sig"});
    let result = json!({"functionResponse": {"name": "f", "response": {"t": 1}}});
    assert_eq!(said[1], json!({"role": "model", "parts": [call]}));
    assert_eq!(said[2], json!({"role": "user", "parts": [result]}));
    assert_eq!(said[3]["role"], "user");
    let said = contents(THREE, turn("c"));
    let call = &said[1]["parts"][0];
    assert_eq!(call["functionCall"]["id"], "c");
    assert_eq!(call["thoughtSignature"], super::contents::UNSIGNED);
    assert_eq!(said[2]["parts"][0]["functionResponse"]["id"], "c");
    let lost = json!({"messages": [{"role": "tool", "tool_call_id": "x", "content": "r"}]});
    assert!(prepared(&params(PRO), Chat, &lost).is_err());
}

#[test]
fn media_are_sent_along_or_by_their_address() {
    let part = |url: &str| json!({"type": "image_url", "image_url": {"url": url, "detail": "low"}});
    let uri = "gs://b/v.mp4";
    for (part, wanted) in [
        (
            part("data:image/png;base64,AA=="),
            json!({"inlineData": {"mimeType": "image/png", "data": "AA=="}}),
        ),
        (
            part(uri),
            json!({"fileData": {"fileUri": uri, "mimeType": "video/mp4"}}),
        ),
        (
            json!({"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}}),
            json!({"inlineData": {"mimeType": "audio/mp3", "data": "AA=="}}),
        ),
    ] {
        let said = contents(PRO, json!([{"role": "user", "content": [part]}]));
        assert_eq!(said[0]["parts"], json!([wanted, {"text": " "}]), "{part}");
    }
    let request = |url| json!({"messages": [{"role": "user", "content": [part(url)]}]});
    let (_, body) = sent(&params(PRO), Chat, &request("gs://b/i.png"));
    assert_eq!(
        body["generationConfig"]["mediaResolution"],
        "MEDIA_RESOLUTION_LOW"
    );
    assert!(prepared(&params(PRO), Chat, &request("gs://b/nothing")).is_err());
}

fn candidate(parts: Value, reason: &str) -> Value {
    json!({"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0})
}

#[test]
fn an_answer_tells_all_it_holds() {
    let parts = json!([
        {"text": "hm", "thought": true},
        {"text": "see"},
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
        {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "sig"},
    ]);
    let mut one = candidate(parts, "STOP");
    one["groundingMetadata"] = json!({
        "webSearchQueries": ["x", "y", "x"],
        "groundingChunks": [{"web": {"uri": "https://u", "title": "T"}}],
        "groundingSupports": [{"segment": {"endIndex": 3}, "groundingChunkIndices": [0]}],
    });
    let body = json!({
        "responseId": "r", "modelVersion": "m", "candidates": [one],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 4,
                          "totalTokenCount": 11},
    });
    let (said, observed) = whole(prepared(&params(PRO), Chat, &plain()).unwrap(), &body).unwrap();
    let choice = &said["choices"][0];
    let message = &choice["message"];
    assert_eq!(
        (&message["content"], &message["reasoning_content"]),
        (&json!("see"), &json!("hm"))
    );
    assert_eq!(choice["finish_reason"], "tool_calls");
    let id = message["tool_calls"][0]["id"].as_str().unwrap();
    assert!(id.starts_with("call_") && id.ends_with("__thought__sig"));
    assert_eq!(
        message["images"][0]["image_url"]["url"],
        "data:image/png;base64,AA=="
    );
    assert_eq!(
        message["annotations"][0]["url_citation"]["url"],
        "https://u"
    );
    let usage = observed.usage.unwrap();
    assert_eq!(
        (
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.total_tokens
        ),
        (5, 6, 11)
    );
    assert_eq!(
        usage.prompt_tokens_details.unwrap().web_search_requests,
        Some(2)
    );
    assert_eq!(observed.id.as_deref(), Some("r"));
}

#[test]
fn answers_end_for_reasons() {
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}});
    for (body, reason) in [
        (
            json!({"candidates": [candidate(json!([{"text": "a"}]), "MAX_TOKENS")]}),
            "length",
        ),
        (
            json!({"candidates": [{"finishReason": "RECITATION"}]}),
            "content_filter",
        ),
        (
            json!({"candidates": [candidate(json!([]), "NOVEL")]}),
            "stop",
        ),
        (blocked, "content_filter"),
    ] {
        let (said, _) = whole(prepared(&params(PRO), Chat, &plain()).unwrap(), &body).unwrap();
        assert_eq!(said["choices"][0]["finish_reason"], reason, "{body}");
    }
}

#[test]
fn a_stream_is_the_same_wherever_it_is_cut() {
    let usage = |count: u64| {
        json!({"promptTokenCount": 5, "candidatesTokenCount": count,
        "totalTokenCount": 5 + count})
    };
    let piece = |parts: Value, count: u64| {
        let one = json!({"content": {"parts": parts}, "index": 0});
        json!({"responseId": "r", "candidates": [one], "usageMetadata": usage(count)})
    };
    let call = json!([{"functionCall": {"name": "f", "args": {}}}]);
    let end = json!({"candidates": [candidate(json!([{"text": ""}]), "STOP")],
        "usageMetadata": usage(9)});
    let stream: String = [
        piece(json!([{"text": "hm", "thought": true}]), 1),
        piece(json!([{"text": "hé"}]), 2),
        piece(call.clone(), 3),
        piece(call, 4),
        end,
    ]
    .iter()
    .map(|piece| format!("data: {piece}\r\n\r\n"))
    .collect();
    let reader = || prepared(&params(PRO), Chat, &plain()).unwrap().reader;
    let (choice, observed) = streamed(reader, &stream);
    let message = &choice["message"];
    assert_eq!(
        (&message["content"], &message["reasoning_content"]),
        (&json!("hé"), &json!("hm"))
    );
    assert_eq!(message["tool_calls"].as_array().unwrap().len(), 2);
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(observed.usage.unwrap().completion_tokens, 9);
    let error = json!({"error": {"code": 429, "message": "Enough"}});
    let (_, observed) = streamed(reader, &format!("data: {error}\n\n"));
    assert_eq!(observed.error.unwrap().class, ErrorClass::RateLimit);
}

#[test]
fn errors_are_told_apart() {
    let error = |code: u16, words: &str| json!({"error": {"code": code, "message": words}});
    for (body, class) in [
        (
            error(400, "API key not valid. Please pass one."),
            ErrorClass::Authentication,
        ),
        (error(404, "models/x is not found"), ErrorClass::NotFound),
        (
            json!([error(503, "overloaded")]),
            ErrorClass::ServiceUnavailable,
        ),
    ] {
        let mut said = answer(&body);
        let code = body.get(0).unwrap_or(&body)["error"]["code"]
            .as_u64()
            .unwrap();
        said.status = http::StatusCode::from_u16(u16::try_from(code).unwrap()).unwrap();
        let fault = prepared(&params(PRO), Chat, &plain())
            .unwrap()
            .reader
            .fault(&said);
        assert_eq!(fault.class, class, "{body}");
        assert!(!fault.message.contains('{'), "{}", fault.message);
    }
    let fault = whole(prepared(&params(PRO), Chat, &plain()).unwrap(), &json!({})).unwrap_err();
    assert_eq!(fault.class, ErrorClass::BadGateway);
}

#[test]
fn embeddings_come_in_batches() {
    let params = params("text-embedding-004");
    let request = json!({"input": ["a", "b"], "dimensions": 2, "encoding_format": "float"});
    let (address, body) = sent(&params, Embedding, &request);
    assert_eq!(
        address,
        "http://x/models/text-embedding-004:batchEmbedContents"
    );
    let one = json!({"model": "models/text-embedding-004", "outputDimensionality": 2,
        "content": {"parts": [{"text": "b"}]}});
    assert_eq!(body["requests"][1], one);
    let embeddings = json!({"embeddings": [{"values": [0.5]}, {"values": [1.0]}]});
    let (said, observed) =
        whole(prepared(&params, Embedding, &request).unwrap(), &embeddings).unwrap();
    assert_eq!(said["data"][1]["embedding"], json!([1.0]));
    // Nobody said, so the event must not say it either.
    assert!(said["usage"]["prompt_tokens"].as_u64() > Some(0) && observed.usage.is_none());
    assert!(prepared(&params, Embedding, &json!({"input": [[1, 2]]})).is_err());
}
