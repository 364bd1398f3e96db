//! The conversation: system instruction and turns made of parts.

use serde_json::{Value, json};

use super::{
    super::{
        Fetched, ProviderError,
        content::{Kind, Source, arguments, list, parts, plain, text},
    },
    Platform,
    model::Model,
};

/// Between a call's id and the signature of the thought that led to it: clients give back the id
/// and nothing else.
pub(super) const SIGNATURE: &str = "__thought__";
/// What Google takes for the signature of a call that it did not make itself, in base64:
/// `skip_thought_signature_validator`.
pub(super) const UNSIGNED: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";
/// Files that are at Google already.
const FILES: &str = "https://generativelanguage.googleapis.com/v1beta/files/";

/// Turns messages into contents.
pub(super) struct Conversation<'a> {
    pub(super) platform: Platform,
    pub(super) model: Model,
    pub(super) fetched: &'a Fetched,
}

/// System instruction and contents.
#[derive(Default)]
pub(super) struct Said {
    pub(super) system: Vec<Value>,
    contents: Vec<(Turn, Vec<Value>)>,
    /// How closely the images are looked at, at most.
    pub(super) resolution: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    User,
    Model,
    Results,
}

impl Said {
    fn add(&mut self, turn: Turn, parts: Vec<Value>) {
        match self.contents.last_mut() {
            Some((last, known)) if *last == turn => known.extend(parts),
            _ => self.contents.push((turn, parts)),
        }
    }

    /// The contents, as they are sent.
    pub(super) fn contents(self) -> Vec<Value> {
        let mut contents = Vec::new();
        for (turn, mut parts) in self.contents {
            let has_text = parts.iter().any(|part| part.get("text").is_some());
            if turn == Turn::User && !has_text {
                // Media alone are refused.
                parts.push(json!({ "text": " " }));
            }
            let role = if turn == Turn::Model { "model" } else { "user" };
            contents.push(json!({ "role": role, "parts": parts }));
        }
        if contents.is_empty() {
            contents.push(json!({ "role": "user", "parts": [{ "text": "." }] }));
        }
        contents
    }
}

impl Conversation<'_> {
    /// All messages.
    ///
    /// # Errors
    ///
    /// If one cannot be said.
    pub(super) fn say(&self, messages: &[Value]) -> Result<Said, ProviderError> {
        let mut said = Said::default();
        for (index, message) in messages.iter().enumerate() {
            match text(message, "role").unwrap_or_default() {
                "system" | "developer" => {
                    let words = plain(message.get("content"));
                    said.system.push(json!({ "text": words }));
                }
                "user" => {
                    let parts = self.user(message, &mut said)?;
                    said.add(Turn::User, parts);
                }
                "assistant" => {
                    let parts = self.assistant(message)?;
                    if !parts.is_empty() {
                        said.add(Turn::Model, parts);
                    }
                }
                "tool" | "function" => {
                    let result = self.result(message, &messages[..index])?;
                    said.add(Turn::Results, vec![result]);
                }
                other => {
                    let message = format!("`messages` has the role `{other}`, which nobody knows");
                    return Err(ProviderError::Request(message));
                }
            }
        }
        Ok(said)
    }

    fn user(&self, message: &Value, said: &mut Said) -> Result<Vec<Value>, ProviderError> {
        let is_text = message.get("content").is_some_and(Value::is_string);
        let mut own = Vec::new();
        for part in parts(message.get("content")) {
            own.push(match part.kind {
                Kind::Text("") if !is_text => continue,
                Kind::Text(text) => json!({ "text": text }),
                Kind::Image(source) | Kind::File(source) => {
                    let mut media = self.media(&source)?;
                    let settings = part
                        .raw
                        .get("file")
                        .and_then(|file| file.get("video_metadata"));
                    if let (Some(settings), Some(fields)) = (settings, media.as_object_mut()) {
                        fields.insert("videoMetadata".to_owned(), settings.clone());
                    }
                    self.resolve(&source, &mut media, said);
                    media
                }
                Kind::Audio(data, format) => {
                    let format = format.strip_prefix("audio/").unwrap_or(format);
                    inline(&format!("audio/{format}"), data)
                }
                Kind::Other(kind) => {
                    let message = format!("`messages` has `{kind}`, which Gemini does not take");
                    return Err(ProviderError::Request(message));
                }
            });
        }
        Ok(own)
    }

    /// Says how closely an image is looked at.
    fn resolve(&self, source: &Source<'_>, media: &mut Value, said: &mut Said) {
        const LEVELS: [&str; 4] = [
            "MEDIA_RESOLUTION_LOW",
            "MEDIA_RESOLUTION_MEDIUM",
            "MEDIA_RESOLUTION_HIGH",
            "MEDIA_RESOLUTION_ULTRA_HIGH",
        ];
        let level = match source.detail {
            Some("low") => LEVELS[0],
            Some("medium") => LEVELS[1],
            Some("high") => LEVELS[2],
            Some("ultra_high") => LEVELS[3],
            _ => return,
        };
        if self.model.has_one_resolution() {
            let rank = |level: &str| LEVELS.iter().position(|one| *one == level);
            let known = said.resolution.and_then(rank);
            if known < rank(level) {
                said.resolution = Some(level);
            }
        } else if let (true, Some(fields)) = (self.model.has_levels(), media.as_object_mut()) {
            fields.insert("mediaResolution".to_owned(), json!({ "level": level }));
        }
    }

    fn media(&self, source: &Source<'_>) -> Result<Value, ProviderError> {
        if self.platform.fetches(source) || source.data().is_some() {
            let encoded = source.encoded(self.fetched)?;
            return Ok(inline(&encoded.media_type, &encoded.data));
        }
        let mut file = json!({ "fileUri": source.address });
        let kind = source.format.or_else(|| by_name(source.address));
        if let (Some(kind), Some(fields)) = (kind, file.as_object_mut()) {
            fields.insert("mimeType".to_owned(), kind.into());
        }
        let is_known = source.address.contains("://");
        if !is_known || (kind.is_none() && !source.address.starts_with(FILES)) {
            let start: String = source.address.chars().take(60).collect();
            return Err(ProviderError::Request(format!(
                "`{start}` is no address of media, or does not say what they are: set its `format`"
            )));
        }
        Ok(json!({ "fileData": file }))
    }

    fn assistant(&self, message: &Value) -> Result<Vec<Value>, ProviderError> {
        let mut own = Vec::new();
        if let Some(thought) = text(message, "reasoning_content") {
            own.push(json!({ "thought": true, "text": thought }));
        }
        let calls = list(message, "tool_calls");
        let fields = message
            .get("provider_specific_fields")
            .unwrap_or(&Value::Null);
        let signatures = list(fields, "thought_signatures");
        let mut signature = signatures.first().and_then(Value::as_str);
        // What a call carries must not be given twice: it would be billed twice.
        signature =
            signature.filter(|own| !calls.iter().any(|call| signature_of(call) == Some(own)));
        for part in parts(message.get("content")) {
            let Kind::Text(text) = part.kind else {
                continue;
            };
            let mut part = json!({ "text": text });
            sign(&mut part, signature.take());
            own.push(part);
        }
        for image in list(message, "images") {
            let address = image.get("image_url").and_then(|image| text(image, "url"));
            let address = address.unwrap_or_default();
            own.push(self.media(&Source {
                address,
                ..Source::default()
            })?);
        }
        for (index, call) in calls.iter().enumerate() {
            let mut part = self.call(call.get("function"), text(call, "id"))?;
            let unsigned = (index == 0 && self.model.has_levels()).then_some(UNSIGNED);
            sign(&mut part, signature_of(call).or(unsigned));
            own.push(part);
        }
        if let call @ Some(Value::Object(_)) = message.get("function_call") {
            let mut part = self.call(call, None)?;
            sign(&mut part, self.model.has_levels().then_some(UNSIGNED));
            own.push(part);
        }
        Ok(own)
    }

    fn call(&self, function: Option<&Value>, id: Option<&str>) -> Result<Value, ProviderError> {
        let function = function.unwrap_or(&Value::Null);
        let name = text(function, "name").unwrap_or_default();
        let mut call = json!({ "name": name, "args": arguments(function)? });
        self.name_call(id, &mut call);
        Ok(json!({ "functionCall": call }))
    }

    /// Newer models match results to calls by their ids; older ones refuse those.
    fn name_call(&self, id: Option<&str>, call: &mut Value) {
        let id = id.and_then(|id| id.split(SIGNATURE).next());
        if let (true, Some(id), Some(fields)) = (self.model.has_levels(), id, call.as_object_mut())
            && !id.is_empty()
        {
            fields.insert("id".to_owned(), id.into());
        }
    }

    fn result(&self, message: &Value, before: &[Value]) -> Result<Value, ProviderError> {
        let id = text(message, "tool_call_id");
        let called = before.iter().rev().find_map(|earlier| {
            let calls = list(earlier, "tool_calls");
            let call = calls
                .iter()
                .find(|call| id.is_some() && text(call, "id") == id)?;
            text(call.get("function")?, "name")
        });
        let Some(name) = called.or_else(|| text(message, "name")) else {
            let message = "`messages` has a tool's result without the call that it belongs to";
            return Err(ProviderError::Request(message.to_owned()));
        };
        let words = plain(message.get("content"));
        let answer = match serde_json::from_str(&words) {
            Ok(Value::Object(answer)) => Value::Object(answer),
            _ => json!({ "content": words }),
        };
        let mut response = json!({ "name": name, "response": answer });
        self.name_call(id, &mut response);
        let mut media = Vec::new();
        for part in parts(message.get("content")) {
            if let Kind::Image(source) | Kind::File(source) = part.kind {
                let encoded = source.encoded(self.fetched)?;
                media.push(inline(&encoded.media_type, &encoded.data));
            }
        }
        if let (false, Some(fields)) = (media.is_empty(), response.as_object_mut()) {
            fields.insert("parts".to_owned(), media.into());
        }
        Ok(json!({ "functionResponse": response }))
    }
}

impl Platform {
    /// Whether what stands at an address is sent along, rather than its address.
    pub(super) fn fetches(self, source: &Source<'_>) -> bool {
        if !source.is_address() || source.address.starts_with(FILES) {
            return false;
        }
        let is_known = source.format.is_some() || by_name(source.address).is_some();
        match self {
            Self::Studio => true,
            Self::Vertex => source.address.starts_with("http://") || !is_known,
        }
    }
}

/// The media type that an address tells by its ending.
fn by_name(address: &str) -> Option<&'static str> {
    let path = address.split(['?', '#']).next().unwrap_or(address);
    let name = path.rsplit('/').next().unwrap_or(path);
    let (_, ending) = name.rsplit_once('.')?;
    Some(match &*ending.to_ascii_lowercase() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "mp3" => "audio/mp3",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "ogg" => "audio/ogg",
        "aac" => "audio/aac",
        "mp4" => "video/mp4",
        "mov" => "video/mov",
        "mpeg" | "mpg" => "video/mpeg",
        "webm" => "video/webm",
        "wmv" => "video/wmv",
        "flv" => "video/flv",
        "3gp" | "3gpp" => "video/3gpp",
        _ => return None,
    })
}

fn inline(kind: &str, data: &str) -> Value {
    json!({ "inlineData": { "mimeType": kind, "data": data } })
}

fn sign(part: &mut Value, signature: Option<&str>) {
    if let (Some(signature), Some(fields)) = (signature, part.as_object_mut()) {
        fields.insert("thoughtSignature".to_owned(), signature.into());
    }
}

/// The signature that a call carries, beside it or in its id.
fn signature_of(call: &Value) -> Option<&str> {
    let own = call.get("provider_specific_fields");
    let of_function = call
        .get("function")
        .and_then(|one| one.get("provider_specific_fields"));
    let signature = own.into_iter().chain(of_function);
    let mut signature = signature.filter_map(|fields| text(fields, "thought_signature"));
    let in_id = || text(call, "id")?.split_once(SIGNATURE).map(|(_, own)| own);
    signature.next().or_else(in_id)
}
