//! How much of an event's content is left for a sink.
//!
//! Content is whatever a client, a provider or an error may have written freely. The fields that
//! hold such texts are named here, once: what is not among them are ids, numbers, times and names
//! that the configuration gives.

use std::sync::LazyLock;

use event::{Json, PricedKind, StandardLoggingPayload};
use regex::bytes::Regex;
use sha2::{Digest as _, Sha256};
use sink::Item;

use super::{
    redact::Redactor,
    text::{self, Place},
};
use crate::config::{Content, PrivacyConfig};

/// Beginnings that most secrets have: a record without any of them need not be read to know that
/// there is nothing to take out.
static HINTS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let hints = concat!(
        r"-----BEGIN|eyJ|AKIA|ASIA|AROA|AIDA|ABIA|ACCA|[spr]k[-_]|gh[pousr]_|github_pat|glpat-",
        r"|xox|xapp-|hooks\.slack|discord|whsec_|AIza|ya29|hf_|npm_|pypi-|SG\.|(?:SK|AC)[0-9a-f]{32}",
        r#"|://[^\s/:@"]*:[^\s/@"]+@|(?i:bearer|basic)(?:\s|\\)|(?i:aws)"#,
        // The names of fields such as `user_api_key_hash` are none.
        r#"|(?i:password|passwd|pwd|passphrase|secret|api[_-]?key|token)\\*["']?(?:\s|\\[tn]){0,4}[:=]"#,
    );
    Regex::new(hints).ok()
});

/// What one sink gets of contents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Privacy {
    content: Content,
    chars_max: usize,
    redactor: Redactor,
}

impl Privacy {
    pub(super) fn new(config: &PrivacyConfig) -> Self {
        Self {
            content: config.content,
            chars_max: config.chars_max.get(),
            redactor: Redactor::new(&config.redact),
        }
    }

    /// Whether nothing is taken away.
    pub(super) const fn shows_all(&self) -> bool {
        matches!(self.content, Content::Full) && self.redactor.is_idle()
    }

    /// The item with what is left of its content; `None` if it cannot be read, and so not be
    /// taken apart.
    pub(super) fn apply(&self, item: Item) -> Option<Item> {
        if self.leaves(&item) {
            return Some(item);
        }
        match item.kind() {
            PricedKind::Event => {
                let mut payload: StandardLoggingPayload =
                    serde_json::from_slice(item.json()).ok()?;
                self.reduce(&mut payload);
                let json = serde_json::to_vec(&payload).ok()?;
                Some(item.with_json(json.into()))
            }
            PricedKind::Alert => {
                let text = str::from_utf8(item.json()).ok()?;
                let mut json = Json::parse(text.to_owned())?;
                text::change_json(&mut json, &mut |text, _| self.redactor.redact(text));
                Some(item.with_json(json.text().as_bytes().into()))
            }
        }
    }

    /// Whether there is nothing to be changed, as far as can be seen without reading the item.
    fn leaves(&self, item: &Item) -> bool {
        let whole = self.content == Content::Full || item.kind() == PricedKind::Alert;
        if !whole {
            return false;
        }
        let clean = || {
            let hints = HINTS.as_ref();
            hints.is_some_and(|hints| !hints.is_match(item.json()))
        };
        self.redactor.is_idle() || (self.redactor.is_for_secrets_alone() && clean())
    }

    fn reduce(&self, payload: &mut StandardLoggingPayload) {
        match self.content {
            Content::None => {
                drop_contents(payload);
                drop_what_clients_named(payload);
            }
            Content::Metadata => drop_contents(payload),
            Content::Full | Content::Truncated | Content::Hashed => {}
        }
        let mut change = |text: &str, place: Place| {
            let clean = self.redactor.redact(text);
            let left = clean.as_deref().unwrap_or(text);
            let shown = match place {
                Place::Name => None,
                Place::Value => self.shown(left),
            };
            shown.or(clean)
        };
        each_text(payload, &mut change);
    }

    /// What is shown of a text, if that is not the text itself.
    fn shown(&self, text: &str) -> Option<String> {
        match self.content {
            Content::Full | Content::Metadata | Content::None => None,
            Content::Truncated => {
                let (end, _) = text.char_indices().nth(self.chars_max)?;
                let beginning = text.get(..end)?;
                let length = text.chars().count();
                Some(format!("{beginning}… [{length} characters]"))
            }
            Content::Hashed if text.is_empty() => None,
            Content::Hashed => {
                let digest = Sha256::digest(text.as_bytes());
                let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                Some(format!("sha256:{digest}"))
            }
        }
    }
}

/// Gives every text that somebody may have written freely to `change`.
fn each_text(
    payload: &mut StandardLoggingPayload,
    change: &mut dyn FnMut(&str, Place) -> Option<String>,
) {
    let (metadata, hidden) = (&mut payload.metadata, &mut payload.hidden_params);
    for json in [
        &mut payload.messages,
        &mut payload.response,
        &mut payload.model_parameters,
        &mut payload.guardrail_information,
        &mut payload.response_cost_failure_debug_info,
        &mut payload.zero_cost_diagnostic,
        &mut payload.standard_built_in_tools_params,
        &mut metadata.spend_logs_metadata,
        &mut metadata.requester_metadata,
        &mut metadata.prompt_management_metadata,
        &mut metadata.mcp_tool_call_metadata,
        &mut metadata.vector_store_request_metadata,
        &mut metadata.routing_decision,
        &mut metadata.requester_custom_headers,
        &mut metadata.user_api_key_auth_metadata,
        &mut hidden.additional_headers,
    ] {
        text::change_json(json, change);
    }
    let error = &mut payload.error_information;
    let texts = [
        &mut error.error_message,
        &mut error.traceback,
        &mut payload.session_id,
    ];
    let perhaps = [
        &mut payload.error_str,
        &mut error.normalized_error,
        &mut payload.end_user,
        &mut payload.user_agent,
        &mut payload.api_base,
        &mut payload.requester_ip_address,
        &mut hidden.api_base,
        &mut metadata.user_api_key_user_email,
        &mut metadata.user_api_key_end_user_id,
        &mut metadata.user_agent,
        &mut metadata.requester_ip_address,
    ];
    let all = texts
        .into_iter()
        .chain(perhaps.into_iter().flatten())
        .chain(&mut payload.request_tags);
    for text in all {
        if let Some(instead) = change(text, Place::Value) {
            *text = instead;
        }
    }
}

/// Takes away what was asked and answered, and what may repeat parts of it.
fn drop_contents(payload: &mut StandardLoggingPayload) {
    let (metadata, error) = (&mut payload.metadata, &mut payload.error_information);
    for json in [
        &mut payload.messages,
        &mut payload.response,
        &mut payload.model_parameters,
        &mut payload.guardrail_information,
        &mut payload.response_cost_failure_debug_info,
        &mut payload.zero_cost_diagnostic,
        &mut payload.standard_built_in_tools_params,
        &mut metadata.requester_metadata,
        &mut metadata.prompt_management_metadata,
        &mut metadata.mcp_tool_call_metadata,
        &mut metadata.vector_store_request_metadata,
        &mut metadata.routing_decision,
        &mut metadata.requester_custom_headers,
        &mut metadata.user_api_key_auth_metadata,
        &mut payload.hidden_params.additional_headers,
    ] {
        *json = Json::default();
    }
    payload.error_str = None;
    error.error_message.clear();
    error.traceback.clear();
    error.normalized_error = None;
}

/// Takes away what else comes from the client.
fn drop_what_clients_named(payload: &mut StandardLoggingPayload) {
    let metadata = &mut payload.metadata;
    metadata.spend_logs_metadata = Json::default();
    for text in [
        &mut metadata.user_api_key_user_email,
        &mut metadata.user_api_key_end_user_id,
        &mut metadata.user_agent,
        &mut metadata.requester_ip_address,
        &mut payload.end_user,
        &mut payload.user_agent,
        &mut payload.requester_ip_address,
    ] {
        *text = None;
    }
    payload.request_tags.clear();
    payload.session_id.clear();
}
