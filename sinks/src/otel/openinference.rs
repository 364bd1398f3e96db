//! OpenInference, which Phoenix and Arize read.

use serde_json::Value;

use super::{
    call::{Call, provider_name},
    genai::{self, ContentBytes},
    messages::{Message, Messages, Part, raw, without_content},
    own,
    wire::{Attributes, TEXT_BYTES_MAX},
};

/// Messages that are flattened into attributes of their own.
const FLAT_MESSAGES_MAX: usize = 128;

/// The attributes of a call.
pub(crate) fn attributes(call: &Call<'_>, content: ContentBytes) -> Attributes {
    let mut attributes = Attributes::default();
    let payload = call.payload();
    let embedding = call.operation() == "embeddings";
    let kind = match call.operation() {
        "embeddings" => "EMBEDDING",
        "rerank" => "RERANKER",
        "retrieval" => "RETRIEVER",
        _ => "LLM",
    };
    attributes.text("openinference.span.kind", kind);
    let model = if embedding {
        "embedding.model_name"
    } else {
        "llm.model_name"
    };
    attributes.text(model, call.response_model().unwrap_or_else(|| call.model()));
    let slug = payload.custom_llm_provider.as_deref().unwrap_or_default();
    let (provider, system) = provider_and_system(slug);
    attributes.text("llm.provider", provider);
    attributes.maybe("llm.system", system);
    tokens(&mut attributes, call);
    cost(&mut attributes, call);
    attributes.maybe("user.id", call.user());
    attributes.text("session.id", &payload.session_id);
    let tags = payload.request_tags.iter().map(String::as_str);
    attributes.texts("tag.tags", tags);
    let parameters = without_content(&call.parameters);
    if !parameters.is_empty() {
        let text = Value::Object(parameters).to_string();
        // Half of an object is none.
        if text.len() <= TEXT_BYTES_MAX {
            attributes.long("llm.invocation_parameters", text);
        }
    }
    if let Some(bytes) = content {
        said(&mut attributes, call, bytes);
    }
    attributes.maybe("error.type", call.error_type());
    attributes
}

/// What a cost turned out to be: a step of the trace with the difference alone, so that the sum of
/// a trace is right.
pub(crate) fn correction(attributes: &mut Attributes, call: &Call<'_>) {
    attributes.text("openinference.span.kind", "CHAIN");
    if let Some(previous) = &call.event.settlement().previous {
        attributes.number("llm.cost.total", previous.difference);
    }
}

fn tokens(attributes: &mut Attributes, call: &Call<'_>) {
    let tokens = call.tokens;
    if call.failed() && tokens.input == 0 && tokens.output == 0 {
        return;
    }
    attributes.count("llm.token_count.prompt", tokens.input);
    attributes.count("llm.token_count.completion", tokens.output);
    attributes.count("llm.token_count.total", call.payload().total_tokens);
    for (key, part) in [
        ("prompt_details.cache_read", tokens.cache_read),
        ("prompt_details.cache_write", tokens.cache_write),
        ("prompt_details.audio", tokens.audio_in),
        ("completion_details.reasoning", tokens.reasoning),
        ("completion_details.audio", tokens.audio_out),
    ] {
        if let Some(part) = part {
            attributes.count(&format!("llm.token_count.{key}"), part);
        }
    }
}

fn cost(attributes: &mut Attributes, call: &Call<'_>) {
    let Some(total) = call.event.cost().total else {
        return;
    };
    attributes.number("llm.cost.total", total);
    let parts = call.payload().cost_breakdown.as_ref();
    if let Some((input, output)) = own::two_parts(total, parts) {
        attributes.number("llm.cost.prompt", input);
        attributes.number("llm.cost.completion", output);
    }
}

/// Who serves the model, and whose product it is.
fn provider_and_system(slug: &str) -> (&str, Option<&str>) {
    match provider_name(slug) {
        "azure.ai.openai" => ("azure", Some("openai")),
        "azure.ai.inference" => ("azure", None),
        "aws.bedrock" => ("aws", None),
        "gcp.gemini" => ("google", Some("gemini")),
        "gcp.vertex_ai" => ("google", Some("vertexai")),
        "mistral_ai" => ("mistralai", Some("mistralai")),
        "x_ai" => ("xai", Some("xai")),
        name @ ("openai" | "anthropic" | "cohere" | "deepseek") => (name, Some(name)),
        "_OTHER" => ("", None),
        name => (name, None),
    }
}

fn said(attributes: &mut Attributes, call: &Call<'_>, bytes: usize) {
    let payload = call.payload();
    let asked = Messages::asked(payload, bytes);
    let answered = Messages::answered(payload, bytes);
    for (side, json) in [("input", &payload.messages), ("output", &payload.response)] {
        // Vectors say nothing to a reader.
        if side == "output" && call.operation() == "embeddings" {
            continue;
        }
        if let Some((text, cut)) = raw(json, bytes) {
            attributes.long(&format!("{side}.value"), text);
            attributes.text(&format!("{side}.mime_type"), "application/json");
            if cut {
                attributes.truth(&format!("tollkeeper.{side}.cut"), true);
            }
        }
    }
    for (side, messages) in [("input", &asked), ("output", &answered)] {
        let messages = messages.list.iter().take(FLAT_MESSAGES_MAX);
        for (index, message) in messages.enumerate() {
            let base = format!("llm.{side}_messages.{index}.message");
            flatten(attributes, &base, message);
        }
    }
    genai::mark(attributes, &asked, &answered);
}

fn flatten(attributes: &mut Attributes, base: &str, message: &Message) {
    attributes.text(&format!("{base}.role"), &message.role);
    let plain = message
        .parts
        .iter()
        .all(|part| !matches!(part, Part::Uri { .. } | Part::Blob { .. }));
    if plain {
        attributes.long(&format!("{base}.content"), message.text());
    }
    let (mut calls, mut contents) = (0, 0);
    for part in &message.parts {
        match part {
            Part::Call {
                id,
                name,
                arguments,
            } => {
                let call = format!("{base}.tool_calls.{calls}.tool_call");
                attributes.maybe(&format!("{call}.id"), id.as_deref());
                attributes.text(&format!("{call}.function.name"), name);
                let arguments = arguments.to_string();
                attributes.long(&format!("{call}.function.arguments"), arguments);
                calls += 1;
            }
            Part::Response { id, response } => {
                attributes.maybe(&format!("{base}.tool_call_id"), id.as_deref());
                let text = response
                    .as_str()
                    .map_or_else(|| response.to_string(), str::to_owned);
                attributes.long(&format!("{base}.content"), text);
            }
            Part::Text(text) if !plain => {
                let content = format!("{base}.contents.{contents}.message_content");
                attributes.text(&format!("{content}.type"), "text");
                attributes.long(&format!("{content}.text"), text.clone());
                contents += 1;
            }
            Part::Uri {
                modality: "image",
                uri,
            } => {
                let content = format!("{base}.contents.{contents}.message_content");
                attributes.text(&format!("{content}.type"), "image");
                attributes.long(&format!("{content}.image.image.url"), uri.clone());
                contents += 1;
            }
            Part::Text(_)
            | Part::Reasoning(_)
            | Part::Uri { .. }
            | Part::Blob { .. }
            | Part::File { .. } => {}
        }
    }
}
