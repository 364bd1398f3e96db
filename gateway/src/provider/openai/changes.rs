//! What a request in OpenAI's dialect needs before a provider that is nearly compatible takes it.
//!
//! A [`Change`] is made only where it has something to do, so that other requests go on as they
//! came.

use memchr::memmem;
use serde_json::{Map, Value, json};

use super::models::Generation;
use crate::{operation::Operation, provider::Ask};

/// The object that is changed.
pub(in crate::provider) type Object = Map<String, Value>;

/// A change of the request.
#[derive(Clone, Copy, Debug)]
pub(in crate::provider) struct Change {
    /// The field that it is about.
    pub(in crate::provider) field: &'static str,
    /// What occurs in the field if there is something to do; nothing: the field alone says so.
    pub(in crate::provider) signs: &'static [&'static str],
    /// Makes it; it may find that there is nothing to do.
    pub(in crate::provider) apply: fn(&mut Object, &str),
}

impl Change {
    /// Whether there may be something to do.
    pub(in crate::provider) fn concerns(&self, ask: &Ask<'_>) -> bool {
        let Some(text) = ask.text(self.field) else {
            return false;
        };
        let occurs = |sign: &&str| memmem::find(text.as_bytes(), sign.as_bytes()).is_some();
        self.signs.is_empty() || self.signs.iter().any(occurs)
    }
}

/// The request of a chat with the changes that have something to do; `None` if none has.
pub(in crate::provider) fn made(ask: &Ask<'_>, changes: [&[Change]; 2]) -> Option<Object> {
    let is_chat = ask.operation() == Operation::Chat;
    let changes = changes.into_iter().flatten();
    let mut changes = changes.filter(|change| is_chat && change.concerns(ask));
    let first = changes.next()?;
    let mut object = ask.object();
    for change in std::iter::once(first).chain(changes) {
        (change.apply)(&mut object, ask.model());
    }
    Some(object)
}

/// What OpenAI alone knows, or takes more loosely than others.
pub(in crate::provider) const COMMON: &[Change] = &[
    DEVELOPER,
    IMAGE_TEXT,
    Change {
        field: "messages",
        signs: &["cache_control"],
        apply: |object, _model| without_cache_control(object.get_mut("messages")),
    },
    Change {
        field: "tools",
        signs: &["cache_control"],
        apply: |object, _model| without_cache_control(object.get_mut("tools")),
    },
];

/// The same for those that keep marks of what is to be cached.
pub(in crate::provider) const COMMON_CACHED: &[Change] = &[DEVELOPER, IMAGE_TEXT];

/// For OpenAI itself, and Azure.
pub(in crate::provider) const NATIVE: &[Change] = &[
    IMAGE_TEXT,
    Change {
        field: "max_tokens",
        signs: &[],
        apply: |object, model| {
            if Generation::of(model).reasons() {
                rename(object, "max_tokens", "max_completion_tokens");
            }
        },
    },
];

/// The role of instructions that came with the models that reason.
const DEVELOPER: Change = Change {
    field: "messages",
    signs: &["\"developer\""],
    apply: |object, _model| {
        for message in messages(object) {
            if message.get("role").is_some_and(|role| role == "developer") {
                message.insert("role".to_owned(), "system".into());
            }
        }
    },
};

/// An image whose address stands where an object has to be.
const IMAGE_TEXT: Change = Change {
    field: "messages",
    signs: &["\"image_url\":\"", "\"image_url\": \""],
    apply: |object, _model| {
        for part in messages(object).flat_map(parts) {
            if let Some(url @ Value::String(_)) = part.get_mut("image_url") {
                *url = json!({ "url": url.take() });
            }
        }
    },
};

/// For those that know only the older bound.
pub(in crate::provider) const MAX_TOKENS: Change = Change {
    field: "max_completion_tokens",
    signs: &[],
    apply: |object, model| {
        if !Generation::of(model).reasons() {
            rename(object, "max_completion_tokens", "max_tokens");
        }
    },
};

/// For those that know only the newer bound.
pub(in crate::provider) const MAX_COMPLETION_TOKENS: Change = Change {
    field: "max_tokens",
    signs: &[],
    apply: |object, _model| rename(object, "max_tokens", "max_completion_tokens"),
};

/// For those that call a must to use some tool `any`.
pub(in crate::provider) const ANY_TOOL: Change = Change {
    field: "tool_choice",
    signs: &["required"],
    apply: |object, _model| {
        if object
            .get("tool_choice")
            .is_some_and(|choice| choice == "required")
        {
            object.insert("tool_choice".to_owned(), "any".into());
        }
    },
};

/// For those that take content as text only: parts that are all text become one.
pub(in crate::provider) const JOINED_TEXT: Change = Change {
    field: "messages",
    signs: &["\"text\""],
    apply: |object, _model| {
        for message in messages(object) {
            if let Some(text) = message.get("content").and_then(joined) {
                message.insert("content".to_owned(), text.into());
            }
        }
    },
};

/// For those that refuse names of messages other than a tool's.
pub(in crate::provider) const UNNAMED: Change = Change {
    field: "messages",
    signs: &["\"name\""],
    apply: |object, _model| {
        for message in messages(object) {
            if message.get("role").is_none_or(|role| role != "tool") {
                message.remove("name");
            }
        }
    },
};

/// For those that refuse what a message does not have.
pub(in crate::provider) const WITHOUT_NULLS: Change = Change {
    field: "messages",
    signs: &["null"],
    apply: |object, _model| {
        for message in messages(object) {
            message.retain(|name, value| name == "content" || !value.is_null());
        }
    },
};

/// For those that refuse Claude's thinking in earlier turns.
pub(in crate::provider) const WITHOUT_THINKING: Change = Change {
    field: "messages",
    signs: &["thinking_blocks"],
    apply: |object, _model| forget(object, &["thinking_blocks"]),
};

/// For those that refuse any reasoning in earlier turns.
pub(in crate::provider) const WITHOUT_REASONING: Change = Change {
    field: "messages",
    signs: &["thinking_blocks", "reasoning_content"],
    apply: |object, _model| forget(object, &["thinking_blocks", "reasoning_content"]),
};

/// For those that cannot hold an answer to a format while tools are offered.
pub(in crate::provider) const FORMAT_OR_TOOLS: Change = Change {
    field: "response_format",
    signs: &["json"],
    apply: |object, _model| {
        let tools = object.get("tools").and_then(Value::as_array);
        if tools.is_some_and(|tools| !tools.is_empty()) {
            object.remove("response_format");
        }
    },
};

/// For those that want the marks of what is cached on parts, not on messages.
pub(in crate::provider) const CACHED_PARTS: Change = Change {
    field: "messages",
    signs: &["cache_control"],
    apply: |object, _model| {
        for message in messages(object) {
            let Some(mark) = message.remove("cache_control") else {
                continue;
            };
            match message.get_mut("content") {
                Some(text @ Value::String(_)) => {
                    *text = json!([{ "type": "text", "text": text.take(), "cache_control": mark }]);
                }
                Some(Value::Array(parts)) => {
                    if let Some(Value::Object(last)) = parts.last_mut() {
                        last.insert("cache_control".to_owned(), mark);
                    }
                }
                _ => {}
            }
        }
    },
};

/// The same where only some models know such marks; the others get none.
pub(in crate::provider) const CACHED_OR_NOT: &[Change] = &[
    Change {
        field: "messages",
        signs: &["cache_control"],
        apply: |object, model| {
            if knows_marks(model) {
                (CACHED_PARTS.apply)(object, model);
            } else {
                without_cache_control(object.get_mut("messages"));
            }
        },
    },
    Change {
        field: "tools",
        signs: &["cache_control"],
        apply: |object, model| {
            if !knows_marks(model) {
                without_cache_control(object.get_mut("tools"));
            }
        },
    },
];

fn knows_marks(model: &str) -> bool {
    let families = ["claude", "gemini", "minimax", "glm"];
    families.iter().any(|family| model.contains(family))
}

/// How much a model is to reason, in the words of those that know only whether it does.
pub(in crate::provider) const THINKING_SWITCH: &[Change] = &[
    Change {
        field: "thinking",
        signs: &["budget_tokens"],
        apply: |object, _model| {
            if let Some(Value::Object(thinking)) = object.get_mut("thinking") {
                thinking.remove("budget_tokens");
            }
        },
    },
    Change {
        field: "reasoning_effort",
        signs: &[],
        apply: |object, _model| {
            if let Some(effort) = object.remove("reasoning_effort") {
                let kind = if effort == "none" {
                    "disabled"
                } else {
                    "enabled"
                };
                object
                    .entry("thinking")
                    .or_insert_with(|| json!({ "type": kind }));
            }
        },
    },
];

/// Claude's way to say how much a model is to reason, in OpenAI's words.
pub(in crate::provider) const EFFORT: Change = Change {
    field: "thinking",
    signs: &[],
    apply: |object, _model| {
        let Some(thinking) = object.remove("thinking") else {
            return;
        };
        let is_on = thinking.get("type").is_some_and(|kind| kind == "enabled");
        if is_on && !object.contains_key("reasoning_effort") {
            let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
            object.insert(
                "reasoning_effort".to_owned(),
                effort(budget.unwrap_or(0)).into(),
            );
        }
    },
};

/// The effort that a budget of tokens stands for.
const fn effort(budget: u64) -> &'static str {
    match budget {
        4096.. => "high",
        2048.. => "medium",
        1024.. => "low",
        _ => "minimal",
    }
}

/// Gives a field another name, unless something has that name.
pub(in crate::provider) fn rename(object: &mut Object, from: &str, to: &str) {
    if let Some(value) = object.remove(from) {
        object.entry(to).or_insert(value);
    }
}

/// The messages of a request.
pub(in crate::provider) fn messages(object: &mut Object) -> impl Iterator<Item = &mut Object> {
    let messages = object.get_mut("messages").and_then(Value::as_array_mut);
    messages
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

fn parts(message: &mut Object) -> impl Iterator<Item = &mut Object> {
    let parts = message.get_mut("content").and_then(Value::as_array_mut);
    parts.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// The text of parts that are nothing else, and unmarked.
fn joined(content: &Value) -> Option<String> {
    let parts = content.as_array().filter(|parts| !parts.is_empty())?;
    let text = |part: &Value| {
        let part = part.as_object().filter(|part| part.len() == 2)?;
        let is_text = part.get("type").is_some_and(|kind| kind == "text");
        let text = part.get("text")?.as_str()?;
        is_text.then(|| text.to_owned())
    };
    parts.iter().map(text).collect()
}

fn forget(object: &mut Object, names: &[&str]) {
    for message in messages(object) {
        message.retain(|name, _| !names.contains(&name.as_str()));
    }
}

fn without_cache_control(list: Option<&mut Value>) {
    let items = list.and_then(Value::as_array_mut).into_iter().flatten();
    for item in items.filter_map(Value::as_object_mut) {
        item.remove("cache_control");
        for part in parts(item) {
            part.remove("cache_control");
        }
        if let Some(Value::Object(function)) = item.get_mut("function") {
            function.remove("cache_control");
        }
    }
}
