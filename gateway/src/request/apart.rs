//! One request for several models, or about several conversations, as one request for each.

use bytes::{BufMut as _, Bytes, BytesMut};
use event::Json;
use serde_json::value::RawValue;

use super::{ClientRequest, RequestError, scan::put};
use crate::operation::Operation;

/// The requests that one stands for.
#[derive(Debug)]
pub(crate) struct Apart {
    /// By conversation, then by model.
    pub(crate) requests: Vec<ClientRequest>,
    /// How many models each conversation goes to.
    pub(crate) models: usize,
    /// Whether `messages` was a list of conversations.
    pub(crate) has_conversations: bool,
}

impl ClientRequest {
    /// Whether it is for several models: LiteLLM has their names with commas between them.
    pub(crate) fn is_for_several(&self) -> bool {
        self.operation == Operation::Chat && self.model.contains(',')
    }

    /// The names of the models it is for.
    pub(crate) fn models(&self) -> impl Iterator<Item = &str> {
        self.model.split(',').map(str::trim)
    }

    /// A request for each model and conversation; at most `max`.
    ///
    /// # Errors
    ///
    /// If there are more, or one of them is wrong.
    pub(crate) fn apart(&self, max: usize, content_max: usize) -> Result<Apart, RequestError> {
        let conversations = self.conversations();
        let models = self.models().count();
        let count = models.saturating_mul(conversations.as_ref().map_or(1, Vec::len));
        if count > max {
            return Err(RequestError::TooMany { max });
        }
        let whole = [self.content_text()];
        let texts: Vec<&[u8]> = match &conversations {
            Some(list) => list.iter().map(|text| text.get().as_bytes()).collect(),
            None => whole.to_vec(),
        };
        let mut requests = Vec::with_capacity(count);
        for messages in texts {
            for model in self.models() {
                let body = self.with(model, messages);
                requests.push(Self::parse(self.operation, body, content_max)?);
            }
        }
        Ok(Apart {
            requests,
            models,
            has_conversations: conversations.is_some(),
        })
    }

    /// The conversations of `messages`, if each of them is a list.
    fn conversations(&self) -> Option<Vec<&RawValue>> {
        let list: Vec<&RawValue> = serde_json::from_slice(self.content_text()).ok()?;
        let is_list = |text: &&RawValue| text.get().starts_with('[');
        (!list.is_empty() && list.iter().all(is_list)).then_some(list)
    }

    /// The same body for one model, with these messages.
    fn with(&self, model: &str, messages: &[u8]) -> Bytes {
        let mut out = BytesMut::with_capacity(self.body.len());
        out.put_u8(b'{');
        for field in &self.fields {
            match &*field.name {
                "model" => put(&mut out, "model", Json::of(&model).text().as_bytes()),
                "messages" => put(&mut out, "messages", messages),
                "fastest_response" => {}
                name => put(&mut out, name, &self.body[field.value.clone()]),
            }
        }
        out.put_u8(b'}');
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn apart(body: &Value, max: usize) -> Result<Apart, RequestError> {
        let text = body.to_string().into();
        let request = ClientRequest::parse(Operation::Chat, text, 1000).unwrap();
        assert!(request.is_for_several());
        request.apart(max, 1000)
    }

    #[test]
    fn each_model_gets_the_request_that_it_would_get_alone() {
        let messages = json!([{"role": "user", "content": "hi, \"you\""}]);
        let body = json!({"temperature": 0.5, "model": "a , b,c/d", "messages": messages,
            "fastest_response": true, "metadata": {"tags": ["t"]}});
        let found = apart(&body, 3).unwrap();
        assert_eq!((found.models, found.has_conversations), (3, false));
        let models: Vec<&str> = found.requests.iter().map(|one| &*one.model).collect();
        assert_eq!(models, ["a", "b", "c/d"]);
        for one in &found.requests {
            assert!(!one.is_for_several() && !one.wishes.fastest);
            assert_eq!(one.metadata.tags, ["t"]);
            let sent = Value::Object(one.object(&[], &[]));
            assert_eq!(sent, json!({"temperature": 0.5, "messages": messages}));
        }
        assert!(matches!(
            apart(&body, 2),
            Err(RequestError::TooMany { max: 2 })
        ));
    }

    #[test]
    fn each_conversation_goes_to_each_model() {
        let talk = |text: &str| json!([{"role": "user", "content": text}]);
        let body = json!({"model": "a,b", "messages": [talk("one"), talk("two")]});
        let found = apart(&body, 4).unwrap();
        assert_eq!((found.models, found.has_conversations), (2, true));
        let asked: Vec<(String, Value)> = found
            .requests
            .iter()
            .map(|one| (one.model.clone(), one.content().read().unwrap()))
            .collect();
        let pair = |model: &str, text: &str| (model.to_owned(), talk(text));
        assert_eq!(
            asked,
            [
                pair("a", "one"),
                pair("b", "one"),
                pair("a", "two"),
                pair("b", "two")
            ]
        );
        assert!(apart(&body, 3).is_err());
    }
}
