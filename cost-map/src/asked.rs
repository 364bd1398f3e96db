//! What a request asked for, where neither the answer nor its usage says what was made.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde_json::value::RawValue;

use crate::{
    call::{Kind, Units},
    parse::{Pairs, figure},
};

impl Units {
    /// Reads the parameters of a request, a JSON object as LiteLLM logs it: how many images, of
    /// which size and quality; how long a video; how many results of a search; how much of a web
    /// search. `None` if the parameters say nothing that a call of this type is billed by.
    #[must_use]
    pub fn asked(call_type: &str, parameters: &str) -> Option<Self> {
        let kind = Kind::of_call_type(call_type);
        let is_of_tokens = matches!(kind, Kind::Tokens | Kind::Embedding | Kind::Moderation);
        // Most calls are chats without searches, and not worth a second look.
        if is_of_tokens && !parameters.contains("web_search_options") {
            return None;
        }
        let Pairs(fields) = serde_json::from_str(parameters).ok()?;
        let mut units = Self::default();
        for (key, value) in &fields {
            match (kind, &**key) {
                (Kind::Images, "n") => units.images = count(value),
                (Kind::Video, "n") => units.videos = count(value),
                (Kind::Images, "size") => units.size = word(value),
                (Kind::Images, "quality") => units.quality = word(value),
                (Kind::Images | Kind::Video, "resolution") => units.resolution = word(value),
                (Kind::Video, "seconds" | "duration") => units.duration_seconds = count(value),
                (Kind::Search, "max_results") => units.max_results = count(value),
                (_, "web_search_options") => units.search_context_size = context_size(value),
                _ => {}
            }
        }
        (units != Self::default()).then_some(units)
    }
}

/// A count; 0 says nothing.
fn count(value: &RawValue) -> Option<Decimal> {
    figure(value.get()).ok().filter(|count| !count.is_zero())
}

fn word(value: &RawValue) -> Option<String> {
    let text: Cow<'_, str> = serde_json::from_str(value.get()).ok()?;
    Some(text.into_owned())
}

fn context_size(value: &RawValue) -> Option<String> {
    let Pairs(options) = serde_json::from_str(value.get()).ok()?;
    let mut sizes = options
        .iter()
        .filter(|(key, _)| key == "search_context_size");
    word(sizes.next()?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_is_what_is_billed() {
        let images = Units::asked(
            "aimage_generation",
            r#"{"n": 3, "size": "1024x1024", "x": 1}"#,
        );
        let expected = Units {
            images: Some(Decimal::from(3)),
            size: Some("1024x1024".to_owned()),
            ..Units::default()
        };
        assert_eq!(images, Some(expected));
        let video = Units::asked("create_video", r#"{"seconds": "8", "size": "720x1280"}"#);
        assert_eq!(video.unwrap().duration_seconds, Some(Decimal::from(8)));
        let search = r#"{"n": 2, "web_search_options": {"search_context_size": "low"}}"#;
        let chat = Units::asked("acompletion", search).unwrap();
        assert_eq!(chat.search_context_size.as_deref(), Some("low"));
        assert_eq!(chat.images, None);
        for (call_type, parameters) in [
            ("acompletion", r#"{"n": 2, "size": "large"}"#),
            ("image_generation", "{}"),
            ("image_generation", "not JSON"),
            ("image_generation", r#"{"n": -1}"#),
            ("image_generation", r#"{"n": 0}"#),
        ] {
            assert_eq!(Units::asked(call_type, parameters), None, "{parameters}");
        }
    }
}
