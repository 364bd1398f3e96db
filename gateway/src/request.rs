//! A request: scanned once for what the gateway must know, and otherwise left as it came.

mod apart;
mod arrived;
mod bounded;
mod cache;
mod error;
mod form;
mod marks;
mod metadata;
mod names;
mod parameters;
mod parse;
mod passed;
mod said;
mod scan;
mod socket;
mod text;
mod upstream;
mod wishes;

use std::{ops::Range, time::Duration};

use bytes::Bytes;
use event::Json;
use http::HeaderMap;

pub(crate) use self::{
    apart::Apart,
    arrived::{Arrived, Place},
    form::Form,
    passed::Passed,
    socket::{Socket, accept, show_key},
};
pub use self::{
    cache::CacheControl, error::RequestError, metadata::ClientMetadata, text::Prompt,
    upstream::UsageOption, wishes::Wishes,
};
use self::{names::OURS, parameters::Parameters};
use crate::{config::Lists, operation::Operation, provider::kept::Mark};

/// Attempts after the first that a request may ask for.
const RETRIES_MAX: u32 = 10;

/// Models that a request may name to be asked instead.
const FALLBACKS_MAX: usize = 16;

/// Bytes of a name that a request gives: its user, its trace, a tag.
const NAME_BYTES_MAX: usize = 1024;

/// Tags of a request.
const TAGS_MAX: usize = 64;

/// Bytes of what the client says about the call, and of a mock that it asks for.
const EXTRA_BYTES_MAX: usize = 64 << 10;

/// Fields that a request may carry.
const FIELDS_MAX: usize = 256;

/// A request. What its body says is one JSON object: the body itself, the fields of a form, or
/// nothing for what is passed on as it is.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    /// What is asked for.
    pub operation: Operation,
    body: Bytes,
    fields: Vec<Field>,
    /// The model as the client asked for it.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Whether the client asked for the stream's usage chunk.
    pub include_usage: bool,
    /// Bound of the output in tokens, if the client set one.
    pub output_tokens_max: Option<u64>,
    /// The application's own user.
    pub user: Option<String>,
    /// The tier that was asked for.
    pub service_tier: Option<String>,
    /// What it wants of the gateway alone.
    pub wishes: Wishes,
    /// Attempts after the first (`num_retries`), at most ten.
    pub retries_max: Option<u32>,
    /// How long an attempt may take (`timeout`, in seconds).
    pub timeout: Option<Duration>,
    /// What the client says about the call.
    pub metadata: ClientMetadata,
    /// Which kept answer will do, and whether this one is to be kept.
    pub cache: CacheControl,
    /// Groups to ask when the model's own could not answer.
    pub fallbacks: Vec<String>,
    /// The same when the context window was too small.
    pub context_window_fallbacks: Lists,
    /// The same when the content was refused.
    pub content_policy_fallbacks: Lists,
    /// Whether nobody else may be asked.
    pub disable_fallbacks: bool,
    /// Parameters that the provider does not know are left out (`drop_params`), or refused.
    pub drop_params: Option<bool>,
    /// Parameters that are left out whoever knows them (`additional_drop_params`).
    pub dropped: Vec<String>,
    /// Parameters that are sent whoever knows them (`allowed_openai_params`).
    pub allowed: Vec<String>,
    /// The content as it came; `None` if it is larger than is kept.
    content: Option<Json>,
    /// The client's `stream_options`.
    stream_options: Option<Json>,
    /// The body, if it is a form; `body` then says its fields in JSON.
    form: Option<Form>,
    /// Where it goes, if it is passed on as it is.
    pub(crate) passed: Option<Passed>,
    /// Whose the things are that it names.
    pub(crate) mark: Option<Mark>,
    /// The client's end of the WebSocket, if it is one.
    pub(crate) socket: Option<Socket>,
    /// The client's headers that go on to the provider.
    pub(crate) headers: HeaderMap,
    /// Whose deployments can be asked, if it is for a provider and not for a model.
    pub(crate) providers: &'static [&'static str],
    /// The provider's own name of the model, where the client used that.
    pub(crate) own_model: Option<String>,
    /// Whether the client speaks to the provider, so that no field but the model is for the
    /// gateway.
    own_dialect: bool,
}

/// A field and where its value stands in the body.
#[derive(Clone, Debug)]
struct Field {
    name: Box<str>,
    value: Range<usize>,
}

impl ClientRequest {
    /// What stands in every event has a bound, so that the event has one.
    fn check_sizes(&self) -> Result<(), RequestError> {
        let meta = &self.metadata;
        let tags_max = meta.tags.len().saturating_sub(TAGS_MAX) * NAME_BYTES_MAX;
        let longest_tag = meta.tags.iter().map(String::len).max().unwrap_or(0);
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let whole = meta.whole.as_ref().map_or(0, |whole| whole.text().len());
        for (name, bytes, max) in [
            ("model", self.model.len(), NAME_BYTES_MAX),
            ("user", length(&self.user), NAME_BYTES_MAX),
            ("service_tier", length(&self.service_tier), NAME_BYTES_MAX),
            ("metadata.trace_id", length(&meta.trace_id), NAME_BYTES_MAX),
            (
                "metadata.session_id",
                length(&meta.session_id),
                NAME_BYTES_MAX,
            ),
            ("metadata.tags", longest_tag + tags_max, NAME_BYTES_MAX),
            ("metadata", whole, EXTRA_BYTES_MAX),
        ] {
            if bytes > max {
                return Err(RequestError::TooLarge { name, max });
            }
        }
        Ok(())
    }

    /// The content as it came, or a note of its size.
    #[must_use]
    pub fn content(&self) -> Json {
        match (&self.content, self.content_text().len()) {
            (Some(content), _) => content.clone(),
            (None, 0) => Json::default(),
            (None, bytes) => left_out(bytes),
        }
    }

    fn content_text(&self) -> &[u8] {
        let name = self.operation.content().name;
        self.value(name).unwrap_or_default()
    }

    fn value(&self, name: &str) -> Option<&[u8]> {
        let field = self.fields.iter().find(|field| &*field.name == name)?;
        self.body.get(field.value.clone())
    }

    /// The text of the content, to count tokens by.
    #[must_use]
    pub fn prompt(&self) -> Prompt {
        let mut prompt = Prompt::read(self.operation, self.content_text());
        let beside: &[&str] = match self.operation {
            Operation::Messages | Operation::CountTokens => &["system", "tools"],
            Operation::Responses => &["instructions"],
            _ => &[],
        };
        for json in beside.iter().filter_map(|name| self.value(name)) {
            prompt.add_beside(json);
        }
        prompt
    }

    /// Bytes of text in the content, to estimate tokens by.
    #[must_use]
    pub fn prompt_bytes(&self) -> usize {
        match self.operation {
            Operation::Chat => text::text_bytes(self.content_text()),
            Operation::Messages | Operation::CountTokens => {
                let system = self.value("system").map_or(0, <[u8]>::len);
                let tools = self.value("tools").map_or(0, <[u8]>::len);
                text::text_bytes(self.content_text()) + system + tools
            }
            Operation::Responses => {
                let instructions = self.value("instructions").map_or(0, <[u8]>::len);
                self.content_text().len() + instructions
            }
            operation if operation.is_of_text() => self.content_text().len(),
            _ => 0,
        }
    }

    /// Characters of the content, where it is one text.
    #[must_use]
    pub fn characters(&self) -> Option<u64> {
        let text: String = serde_json::from_slice(self.content_text()).ok()?;
        u64::try_from(text.chars().count()).ok()
    }

    /// The form that it came as.
    pub(crate) const fn form(&self) -> Option<&Form> {
        self.form.as_ref()
    }

    /// The body as it came.
    pub(crate) fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// Whether a field is for the gateway and does not go upstream.
    fn is_ours(&self, name: &str) -> bool {
        let sent = self.own_dialect || (name == "metadata" && self.operation.sends_metadata());
        !sent && OURS.contains(&name)
    }

    /// The parameters without the content, as one object; of too many, those that decide the price.
    #[must_use]
    pub fn parameters(&self) -> Json {
        let parameters = Json::of(&Parameters(self, None));
        let bytes = parameters.text().len();
        if bytes > EXTRA_BYTES_MAX {
            Json::of(&Parameters(self, Some(bytes)))
        } else {
            parameters
        }
    }
}

/// What stands where content is too large to be kept.
pub(crate) fn left_out(bytes: usize) -> Json {
    Json::of(&format!(
        "left out: {bytes} bytes are more than `content_bytes_max`"
    ))
}

#[cfg(test)]
mod tests;
