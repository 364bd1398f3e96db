//! What the messages of a request are made of, read once for all dialects.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};

use super::{Ask, Fetched, Need, ProviderError};

/// Addresses that one request may name.
const ADDRESSES_MAX: usize = 64;

/// One part of a message's content.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// As the client sent it.
    pub raw: &'a Value,
    /// What it is.
    pub kind: Kind<'a>,
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// Text.
    Text(&'a str),
    /// An image, or what else stands at an address.
    Image(Source<'a>),
    /// A file.
    File(Source<'a>),
    /// Audio in base64, and its format.
    Audio(&'a str, &'a str),
    /// Something that only some provider knows.
    Other(&'a str),
}

/// Where media are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Source<'a> {
    /// A data URL, an address, or a file's id at the provider.
    pub address: &'a str,
    /// The media type, where the client says it.
    pub format: Option<&'a str>,
    /// How closely an image is looked at: `low`, `high`, `auto`.
    pub detail: Option<&'a str>,
    /// A file's name.
    pub name: Option<&'a str>,
}

/// Media as JSON carries them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// `image/png`.
    pub media_type: String,
    /// Base64.
    pub data: String,
}

/// The text under `name`, if it is text.
#[must_use]
pub fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

/// The arguments of a tool call, an object in text; without text they are empty.
///
/// # Errors
///
/// If they are something else.
pub fn arguments(function: &Value) -> Result<Map<String, Value>, ProviderError> {
    let arguments = text(function, "arguments").unwrap_or_default();
    if arguments.trim().is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(arguments).map_err(|_error| {
        let name = text(function, "name").unwrap_or_default();
        ProviderError::Request(format!(
            "the arguments of the tool call `{name}` in `messages` are not a JSON object"
        ))
    })
}

/// The list under `name`, or nothing.
#[must_use]
pub fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    let list = value.get(name).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

/// The parts of a content, which is text or a list of parts.
#[must_use]
pub fn parts(content: Option<&Value>) -> Vec<Part<'_>> {
    match content {
        Some(raw @ Value::String(text)) => vec![Part {
            raw,
            kind: Kind::Text(text),
        }],
        Some(Value::Array(list)) => list.iter().map(part).collect(),
        _ => Vec::new(),
    }
}

fn part(raw: &Value) -> Part<'_> {
    if let Value::String(text) = raw {
        let kind = Kind::Text(text);
        return Part { raw, kind };
    }
    let kind = match text(raw, "type").unwrap_or_default() {
        "text" | "input_text" => Kind::Text(text(raw, "text").unwrap_or_default()),
        "image_url" => Kind::Image(image(raw.get("image_url").unwrap_or(&Value::Null))),
        "file" => Kind::File(file(raw.get("file").unwrap_or(&Value::Null))),
        "input_audio" => {
            let audio = raw.get("input_audio").unwrap_or(&Value::Null);
            Kind::Audio(
                text(audio, "data").unwrap_or_default(),
                text(audio, "format").unwrap_or("wav"),
            )
        }
        other => Kind::Other(other),
    };
    Part { raw, kind }
}

fn image(image: &Value) -> Source<'_> {
    match image {
        Value::String(address) => Source {
            address,
            ..Source::default()
        },
        image => Source {
            address: text(image, "url").unwrap_or_default(),
            format: text(image, "format"),
            detail: text(image, "detail"),
            name: None,
        },
    }
}

fn file(file: &Value) -> Source<'_> {
    let address = text(file, "file_data").or_else(|| text(file, "file_id"));
    Source {
        address: address.unwrap_or_default(),
        format: text(file, "format"),
        detail: text(file, "detail"),
        name: text(file, "filename"),
    }
}

/// All text of a content, in order.
#[must_use]
pub fn plain(content: Option<&Value>) -> String {
    let texts = parts(content)
        .into_iter()
        .filter_map(|part| match part.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        });
    texts.collect()
}

impl<'a> Source<'a> {
    /// Whether it stands at an address on the web.
    #[must_use]
    pub fn is_address(&self) -> bool {
        self.address.starts_with("http://") || self.address.starts_with("https://")
    }

    /// Media type and base64 of a data URL.
    #[must_use]
    pub fn data(&self) -> Option<(&'a str, &'a str)> {
        let (kind, data) = self.address.strip_prefix("data:")?.split_once(',')?;
        let kind = kind.strip_suffix(";base64")?;
        Some((kind.split(';').next().unwrap_or_default(), data))
    }

    /// Its content.
    ///
    /// # Errors
    ///
    /// If it is neither a data URL nor fetched.
    pub fn encoded(&self, fetched: &Fetched) -> Result<Encoded, ProviderError> {
        let format = |own: &str| self.format.unwrap_or(own).to_owned();
        if let Some((kind, data)) = self.data() {
            return Ok(Encoded {
                media_type: format(kind),
                data: data.to_owned(),
            });
        }
        if let Some(media) = fetched.media.get(self.address) {
            return Ok(Encoded {
                media_type: format(&media.content_type),
                data: BASE64_STANDARD.encode(&media.bytes),
            });
        }
        let start: String = self.address.chars().take(60).collect();
        Err(ProviderError::Request(format!(
            "`{start}` is neither an address nor a data URL like `data:image/png;base64,…`"
        )))
    }
}

/// The media at addresses in the messages of `ask` that `fetches` picks.
///
/// # Errors
///
/// If there are more than anybody sends.
pub fn needs(
    ask: &Ask<'_>,
    fetches: impl Fn(&Source<'_>) -> bool,
) -> Result<Vec<Need>, ProviderError> {
    let object = ask.object();
    let messages = object.get("messages").and_then(Value::as_array);
    let mut needs: Vec<String> = Vec::new();
    for message in messages.into_iter().flatten() {
        for part in parts(message.get("content")) {
            let (Kind::Image(source) | Kind::File(source)) = part.kind else {
                continue;
            };
            let is_new = !needs.iter().any(|known| known == source.address);
            if source.is_address() && is_new && fetches(&source) {
                needs.push(source.address.to_owned());
            }
        }
    }
    if needs.len() > ADDRESSES_MAX {
        let message = format!("a request may name at most {ADDRESSES_MAX} addresses of media");
        return Err(ProviderError::Request(message));
    }
    Ok(needs.into_iter().map(Need::Media).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn contents_are_text_or_parts() {
        let content = json!(["a", {"type": "text", "text": "b"},
            {"type": "image_url", "image_url": "https://x/y.png"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
            {"type": "file", "file": {"file_id": "f", "filename": "n"}},
            {"type": "input_audio", "input_audio": {"data": "BB==", "format": "mp3"}},
            {"type": "novel"}]);
        let kinds: Vec<Kind<'_>> = parts(Some(&content)).iter().map(|part| part.kind).collect();
        let [
            Kind::Text("a"),
            Kind::Text("b"),
            Kind::Image(far),
            Kind::Image(here),
            file,
            audio,
            other,
        ] = kinds[..]
        else {
            panic!("{kinds:?}");
        };
        assert!(far.is_address() && !here.is_address());
        assert_eq!(here.data(), Some(("image/png", "AA==")));
        assert_eq!(here.detail, Some("low"));
        assert!(matches!(
            file,
            Kind::File(Source {
                address: "f",
                name: Some("n"),
                ..
            })
        ));
        assert_eq!(audio, Kind::Audio("BB==", "mp3"));
        assert_eq!(other, Kind::Other("novel"));
        assert_eq!(plain(Some(&content)), "ab");
        assert_eq!(plain(Some(&json!("x"))), "x");
        assert!(parts(None).is_empty());
    }

    #[test]
    fn media_are_encoded_where_they_are_or_were_fetched() {
        let mut fetched = Fetched::default();
        let media = super::super::Media {
            content_type: "image/gif".to_owned(),
            bytes: vec![0].into(),
        };
        fetched.media.insert("https://x".to_owned(), media);
        for (address, format, wanted) in [
            (
                "data:image/png;base64,AA==",
                None,
                Some(("image/png", "AA==")),
            ),
            (
                "data:image/png;charset=x;base64,AA==",
                None,
                Some(("image/png", "AA==")),
            ),
            (
                "data:image/png;base64,AA==",
                Some("image/jpeg"),
                Some(("image/jpeg", "AA==")),
            ),
            ("https://x", None, Some(("image/gif", "AA=="))),
            ("https://other", None, None),
            ("data:image/png,raw", None, None),
        ] {
            let source = Source {
                address,
                format,
                ..Source::default()
            };
            let encoded = source.encoded(&fetched).ok();
            let found = encoded.as_ref().map(|one| (&*one.media_type, &*one.data));
            assert_eq!(found, wanted, "{address}");
        }
    }
}
