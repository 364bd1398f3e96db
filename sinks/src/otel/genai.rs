//! The GenAI semantic conventions: the names of 1.41, and those before 1.37.

use serde_json::Value;

use super::{
    call::{Call, provider_name, seconds},
    messages::Messages,
    wire::Attributes,
};

/// Bytes of content in one list of messages; `None` for no content at all.
pub(crate) type ContentBytes = Option<usize>;

/// Messages of a call that are flattened into attributes of their own.
const FLAT_MESSAGES_MAX: usize = 128;
/// What is put where something was too long.
pub(crate) const CONTENT_CUT: &str = "tollkeeper.content.cut";

/// The attributes of a call, in the names of 1.41.
pub(crate) fn current(call: &Call<'_>, content: ContentBytes) -> Attributes {
    let mut attributes = Attributes::default();
    common(&mut attributes, call, "gen_ai.provider.name");
    attributes.text("gen_ai.conversation.id", &call.payload().session_id);
    if call.payload().stream == Some(true) {
        attributes.truth("gen_ai.request.stream", true);
    }
    attributes.maybe("gen_ai.output.type", output_type(call));
    if let Some(micros) = call.first_token_micros() {
        let key = "gen_ai.response.time_to_first_chunk";
        attributes.number(key, seconds(micros));
    }
    let tokens = call.tokens;
    for (key, part) in [
        ("gen_ai.usage.cache_read.input_tokens", tokens.cache_read),
        (
            "gen_ai.usage.cache_creation.input_tokens",
            tokens.cache_write,
        ),
        ("gen_ai.usage.reasoning.output_tokens", tokens.reasoning),
    ] {
        if let Some(part) = part {
            attributes.count(key, part);
        }
    }
    if let Some(bytes) = content {
        let (asked, answered) = both(call, bytes);
        for (key, messages) in [
            ("gen_ai.input.messages", &asked),
            ("gen_ai.output.messages", &answered),
        ] {
            if !messages.list.is_empty() {
                attributes.long(key, messages.to_json().to_string());
            }
        }
        mark(&mut attributes, &asked, &answered);
    }
    attributes
}

/// The same for a log record, whose messages are lists and maps.
pub(crate) fn details(call: &Call<'_>, content: ContentBytes) -> Attributes {
    let mut attributes = current(call, None);
    if let Some(bytes) = content {
        let (asked, answered) = both(call, bytes);
        for (key, messages) in [
            ("gen_ai.input.messages", &asked),
            ("gen_ai.output.messages", &answered),
        ] {
            if !messages.list.is_empty() {
                attributes.structure(key, messages.to_json());
            }
        }
        mark(&mut attributes, &asked, &answered);
    }
    attributes
}

/// The attributes of a call, in the names before 1.37, which receivers that are not up to date read.
pub(crate) fn previous(call: &Call<'_>, content: ContentBytes) -> Attributes {
    let mut attributes = Attributes::default();
    common(&mut attributes, call, "gen_ai.system");
    if let Some(bytes) = content {
        let (asked, answered) = both(call, bytes);
        for (side, messages) in [("gen_ai.prompt", &asked), ("gen_ai.completion", &answered)] {
            let messages = messages.list.iter().take(FLAT_MESSAGES_MAX);
            for (index, message) in messages.enumerate() {
                let key = |name: &str| format!("{side}.{index}.{name}");
                attributes.text(&key("role"), &message.role);
                attributes.long(&key("content"), message.text());
                attributes.maybe(&key("finish_reason"), message.finish_reason.as_deref());
            }
        }
        mark(&mut attributes, &asked, &answered);
    }
    attributes
}

/// What both have, but for the name of the provider's attribute.
fn common(attributes: &mut Attributes, call: &Call<'_>, provider: &str) {
    let payload = call.payload();
    attributes.text("gen_ai.operation.name", call.operation());
    let slug = payload.custom_llm_provider.as_deref().unwrap_or_default();
    attributes.text(provider, provider_of(provider, slug));
    attributes.text("gen_ai.request.model", call.model());
    parameters(attributes, call);
    // Without an answer the id is the call's own.
    if payload.id != payload.litellm_call_id.as_str() {
        attributes.text("gen_ai.response.id", &payload.id);
    }
    attributes.maybe("gen_ai.response.model", call.response_model());
    let answered = Messages::answered(payload, 0);
    attributes.texts("gen_ai.response.finish_reasons", answered.finish_reasons());
    let tokens = call.tokens;
    if !call.failed() || tokens.input > 0 || tokens.output > 0 {
        attributes.count("gen_ai.usage.input_tokens", tokens.input);
        attributes.count("gen_ai.usage.output_tokens", tokens.output);
    }
    if let Some(total) = call.event.cost().total {
        attributes.number("gen_ai.usage.cost", total);
    }
    attributes.maybe("user.id", call.user());
    attributes.maybe("error.type", call.error_type());
}

fn provider_of<'a>(attribute: &str, slug: &'a str) -> &'a str {
    match provider_name(slug) {
        "x_ai" if attribute == "gen_ai.system" => "xai",
        name => name,
    }
}

fn parameters(attributes: &mut Attributes, call: &Call<'_>) {
    for (key, names) in [
        ("gen_ai.request.temperature", &["temperature"][..]),
        ("gen_ai.request.top_p", &["top_p"]),
        ("gen_ai.request.top_k", &["top_k"]),
        ("gen_ai.request.frequency_penalty", &["frequency_penalty"]),
        ("gen_ai.request.presence_penalty", &["presence_penalty"]),
    ] {
        if let Some(number) = call.parameter_number(names) {
            attributes.number(key, number);
        }
    }
    let most = &["max_completion_tokens", "max_tokens", "max_output_tokens"];
    for (key, names) in [
        ("gen_ai.request.max_tokens", &most[..]),
        ("gen_ai.request.seed", &["seed"]),
        ("gen_ai.request.choice.count", &["n"]),
        ("gen_ai.embeddings.dimension.count", &["dimensions"]),
    ] {
        let whole = call.parameter_number(names).and_then(|n| n.as_u64());
        if let Some(whole) = whole.filter(|whole| *whole != 1 || names != ["n"]) {
            attributes.count(key, whole);
        }
    }
    let stops = call.parameter_texts("stop");
    attributes.texts("gen_ai.request.stop_sequences", stops);
}

fn output_type(call: &Call<'_>) -> Option<&'static str> {
    match call.operation() {
        "image_generation" | "image_edit" => Some("image"),
        "speech" => Some("speech"),
        _ => {
            let format = call.parameters.get("response_format")?;
            match format.get("type").and_then(Value::as_str)? {
                "json_object" | "json_schema" => Some("json"),
                "text" => Some("text"),
                _ => None,
            }
        }
    }
}

fn both(call: &Call<'_>, bytes: usize) -> (Messages, Messages) {
    let payload = call.payload();
    (
        Messages::asked(payload, bytes),
        Messages::answered(payload, bytes),
    )
}

pub(super) fn mark(attributes: &mut Attributes, asked: &Messages, answered: &Messages) {
    if asked.cut || answered.cut {
        attributes.truth(CONTENT_CUT, true);
    }
}
