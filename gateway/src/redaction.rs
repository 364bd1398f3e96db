//! Whether what was said in a call is written down. Decided before anything reaches the journal.

use http::{HeaderMap, HeaderName};

use crate::{config::Config, draft::Draft, request::ClientRequest};

/// Headers that have content left out; the first is LiteLLM's old name.
const ENABLE: [HeaderName; 2] = [
    HeaderName::from_static("litellm-enable-message-redaction"),
    HeaderName::from_static("x-litellm-enable-message-redaction"),
];

/// The header that has it written down all the same.
const DISABLE: HeaderName = HeaderName::from_static("litellm-disable-message-redaction");

/// What the headers of a request say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Redaction {
    is_wanted: bool,
    is_unwanted: bool,
}

impl Redaction {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self {
            is_wanted: ENABLE.into_iter().any(|name| is_set(headers, name)),
            is_unwanted: is_set(headers, DISABLE),
        }
    }
}

/// Whether a header is there and does not say no.
fn is_set(headers: &HeaderMap, name: HeaderName) -> bool {
    let value = headers.get(name).map(|value| value.as_bytes().trim_ascii());
    let says_no = |value: &[u8]| {
        ["", "0", "false", "no", "off"]
            .iter()
            .any(|no| value.eq_ignore_ascii_case(no.as_bytes()))
    };
    value.is_some_and(|value| !says_no(value))
}

/// Whether the call is for the books alone.
pub(crate) const fn is_unlogged(config: &Config, request: &ClientRequest) -> bool {
    request.wishes.no_log && !config.ignores_no_log
}

/// Whether content stays out of the event. Whoever asks may have it left out; that it is written
/// down against the configuration has to be allowed there.
pub(crate) fn applies(config: &Config, draft: &Draft) -> bool {
    let request = draft.request.as_ref();
    let says = request.and_then(|request| request.wishes.redacts);
    let is_wanted = draft.redaction.is_wanted
        || says == Some(true)
        || request.is_some_and(|request| is_unlogged(config, request));
    let is_unwanted = draft.redaction.is_unwanted || says == Some(false);
    let opts_out = is_unwanted && config.settings.allow_redaction_opt_out;
    is_wanted || (config.redact_messages && !opts_out)
}

#[cfg(test)]
mod tests;
