//! A request whose output is bounded by the gateway, because no more can be paid.

use bytes::{BufMut as _, BytesMut};

use super::{ClientRequest, Field};
use crate::operation::Operation;

/// The names of the bound in requests.
const BOUNDS: [&str; 3] = ["max_completion_tokens", "max_output_tokens", "max_tokens"];

impl ClientRequest {
    /// Whether the provider can be told a bound that the client has not set: not in a dialect that
    /// is passed on as it is, and not where part of the bound is set apart for thinking.
    pub(crate) fn can_be_bounded(&self) -> bool {
        let is_said_here = self.passed.is_none() && self.socket.is_none() && self.form.is_none();
        let thinks = self.has("thinking") || self.has("reasoning");
        is_said_here && !thinks && self.operation.generates()
    }

    /// Sets the bound of the output in place of the client's own; a smaller one of the client's
    /// stays.
    pub(crate) fn bound_output(&mut self, tokens: u64) {
        let own: Vec<&str> = BOUNDS.into_iter().filter(|name| self.has(name)).collect();
        let usual = if self.operation == Operation::Responses {
            "max_output_tokens"
        } else {
            "max_tokens"
        };
        let names = if own.is_empty() { vec![usual] } else { own };
        let mut body = BytesMut::from(&self.body[..]);
        for name in names {
            let set = self.text(name).and_then(|text| text.parse::<u64>().ok());
            let value = body.len();
            body.put_slice(
                set.map_or(tokens, |set| set.min(tokens))
                    .to_string()
                    .as_bytes(),
            );
            let value = value..body.len();
            match self.fields.iter_mut().find(|field| &*field.name == name) {
                Some(field) => field.value = value,
                None => self.fields.push(Field {
                    name: name.into(),
                    value,
                }),
            }
        }
        self.body = body.freeze();
        self.dropped.retain(|name| !BOUNDS.contains(&&**name));
        self.output_tokens_max = Some(tokens);
    }
}
