//! What of a request goes upstream: as it came, or as values to be said in another dialect.

use bytes::{BufMut as _, Bytes, BytesMut};
use event::Json;
use serde_json::{Map, Value};

use super::{ClientRequest, Field, scan::put};

/// Whether a provider knows `stream_options.include_usage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageOption {
    /// It does.
    Known,
    /// It is not asked: it refuses the question, or sends the usage of its own accord.
    Unknown,
}

impl ClientRequest {
    /// The body as `model`'s provider is to get it: the fields as they came, in their order,
    /// without those that are for the gateway and those that are `dropped`, and with `defaults`
    /// where the client set nothing. A stream is asked for its usage where the provider knows the
    /// question.
    #[must_use]
    pub fn rewritten(
        &self,
        model: &str,
        defaults: &[(String, Json)],
        dropped: &[String],
        asks: UsageOption,
    ) -> Bytes {
        let is_known = asks == UsageOption::Known;
        let asks = self.stream && is_known && self.operation.is_chat();
        let sent = |name: &str| !dropped.iter().any(|out| out == name);
        let mut out = BytesMut::with_capacity(self.body.len() + 128);
        out.put_u8(b'{');
        if !self.has("model") {
            put(&mut out, "model", Json::of(&model).text().as_bytes());
        }
        for field in &self.fields {
            match &*field.name {
                "model" => put(&mut out, "model", Json::of(&model).text().as_bytes()),
                "stream_options" if asks || (!is_known && self.operation.is_chat()) => {}
                name if self.is_ours(name) || !sent(name) => {}
                name => put(&mut out, name, &self.body[field.value.clone()]),
            }
        }
        if asks {
            put(
                &mut out,
                "stream_options",
                self.stream_options().text().as_bytes(),
            );
        }
        for (name, value) in self.unset(defaults).filter(|(name, _)| sent(name)) {
            put(&mut out, name, value.text().as_bytes());
        }
        out.put_u8(b'}');
        out.freeze()
    }

    /// The names of the fields that go upstream and are not `null`, in their order.
    pub(crate) fn set_names(&self) -> impl Iterator<Item = &str> {
        let is_set = |field: &&Field| self.body.get(field.value.clone()) != Some(b"null");
        let names = self.fields.iter().filter(is_set).map(|field| &*field.name);
        names.filter(|name| !self.is_ours(name))
    }

    /// Whether it says in so many words that it wants one choice, which all give.
    pub(crate) fn asks_for_one(&self) -> bool {
        let mut fields = self.fields.iter();
        let field = fields.find(|field| &*field.name == "n");
        field.is_some_and(|field| self.body.get(field.value.clone()) == Some(b"1"))
    }

    /// The fields that go upstream as values, for providers that speak another dialect: those of
    /// `rewritten` without the model.
    #[must_use]
    pub fn object(&self, defaults: &[(String, Json)], dropped: &[String]) -> Map<String, Value> {
        let mut object = Map::new();
        let sent = |name: &str| name != "model" && !dropped.iter().any(|out| out == name);
        for field in self.fields.iter().filter(|field| sent(&field.name)) {
            let value = serde_json::from_slice(&self.body[field.value.clone()]);
            if let (false, Ok(value)) = (self.is_ours(&field.name), value) {
                object.insert(field.name.to_string(), value);
            }
        }
        for (name, value) in self.unset(defaults).filter(|(name, _)| sent(name)) {
            object.insert(name.clone(), value.read().unwrap_or_default());
        }
        object
    }

    /// The stream's options as they go upstream.
    pub(crate) fn asked_options(&self, asks: UsageOption) -> Option<Json> {
        (self.stream && asks == UsageOption::Known).then(|| self.stream_options())
    }

    /// What it says for `name`, as it came.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.value(name)?).ok()
    }

    /// Whether it says anything for `name`.
    pub(crate) fn sets(&self, name: &str) -> bool {
        self.has(name)
    }

    /// The defaults of which the client has set nothing.
    fn unset<'a>(
        &self,
        defaults: &'a [(String, Json)],
    ) -> impl Iterator<Item = &'a (String, Json)> {
        let bound = ["max_tokens", "max_completion_tokens"];
        defaults.iter().filter(move |(name, _)| {
            // The two are one bound, and providers refuse them together.
            let bounded = bound.contains(&name.as_str()) && bound.iter().any(|own| self.has(own));
            !bounded && !self.has(name) && name != "stream_options"
        })
    }

    /// Whether the client has set a field.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| &*field.name == name)
    }

    /// What the client asked for, and usage always: accounting needs it.
    fn stream_options(&self) -> Json {
        let mut options: serde_json::Map<String, serde_json::Value> = self
            .stream_options
            .as_ref()
            .and_then(Json::read)
            .unwrap_or_default();
        options.insert("include_usage".to_owned(), true.into());
        Json::of(&options)
    }
}
