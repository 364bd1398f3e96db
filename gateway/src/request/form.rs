//! A body that is a form, `multipart/form-data`: how files come.
//! <https://www.rfc-editor.org/rfc/rfc7578>
//!
//! Its fields are said in JSON, so that everything else knows one kind of request; a file is
//! said by its name, type and size. What goes upstream is the form again, with the model's own name
//! and without what is for the gateway; the file's bytes are copied and not looked into.

use std::{borrow::Cow, ops::Range};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use memchr::memmem;
use serde_json::{Map, Value, json};

use super::{FIELDS_MAX, RequestError, arrived::content_type, names::OURS};

/// Bytes of a part's head.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// Bytes of a field that is no file.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Fields whose text is a JSON value.
const VALUES: &[&str] = &[
    "additional_drop_params",
    "drop_params",
    "fallbacks",
    "litellm_metadata",
    "metadata",
    "n",
    "num_retries",
    "output_compression",
    "partial_images",
    "request_timeout",
    "stream",
    "tags",
    "temperature",
    "timeout",
];

/// A form.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    boundary: String,
    body: Bytes,
    parts: Vec<Part>,
}

/// One part of a form, and where it stands.
#[derive(Clone, Debug)]
struct Part {
    name: String,
    /// `None` for a field that is no file.
    file: Option<File>,
    head: Range<usize>,
    value: Range<usize>,
}

/// What a part says of a file.
#[derive(Clone, Debug)]
struct File {
    name: String,
    content_type: String,
}

impl Form {
    /// Takes a form apart; `None` if the body is none by its content type.
    ///
    /// # Errors
    ///
    /// If it is not what its content type says.
    pub(super) fn parse(headers: &HeaderMap, body: &Bytes) -> Result<Option<Self>, RequestError> {
        if !content_type(headers).eq_ignore_ascii_case("multipart/form-data") {
            return Ok(None);
        }
        let value = headers.get(header::CONTENT_TYPE);
        let value = value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let boundary = parameter(value, "boundary").filter(|text| (1..=70).contains(&text.len()));
        let Some(boundary) = boundary else {
            return Err(RequestError::Form("no `boundary`"));
        };
        let boundary = boundary.into_owned();
        let parts = parts(body, &boundary)?;
        let body = body.clone();
        Ok(Some(Self {
            boundary,
            body,
            parts,
        }))
    }

    /// The fields as one JSON object. A name that comes twice, or ends in `[]`, is a list.
    pub(super) fn fields(&self) -> Bytes {
        let mut object = Map::new();
        for part in &self.parts {
            let value = self.said(part);
            let name = part.name.trim_end_matches("[]");
            let is_list = name.len() < part.name.len();
            match object.get_mut(name) {
                Some(Value::Array(list)) => list.push(value),
                Some(one) => *one = json!([one.take(), value]),
                None if is_list => {
                    object.insert(name.to_owned(), json!([value]));
                }
                None => {
                    object.insert(name.to_owned(), value);
                }
            }
        }
        event::Json::of(&object).text().to_owned().into()
    }

    fn said(&self, part: &Part) -> Value {
        let bytes = &self.body[part.value.clone()];
        if let Some(file) = &part.file {
            return json!({
                "filename": file.name,
                "content_type": file.content_type,
                "bytes": bytes.len(),
            });
        }
        let text = String::from_utf8_lossy(bytes);
        let value = VALUES.contains(&&*part.name);
        let value = value.then(|| serde_json::from_str(&text).ok()).flatten();
        value.unwrap_or_else(|| text.into_owned().into())
    }

    /// The bytes of the first file under `name`.
    pub(crate) fn file(&self, name: &str) -> Option<&[u8]> {
        let is_it = |part: &&Part| part.file.is_some() && part.name == name;
        let part = self.parts.iter().find(is_it)?;
        self.body.get(part.value.clone())
    }

    /// The form as `model`'s provider is to get it: the parts as they came, in their order, without
    /// those that are for the gateway and those that are `dropped`.
    pub(crate) fn rewritten(&self, model: &str, dropped: &[String]) -> Bytes {
        let mut out = BytesMut::with_capacity(self.body.len() + 512);
        let mut put = |head: &[u8], value: &[u8]| {
            for piece in [
                b"--",
                self.boundary.as_bytes(),
                b"\r\n",
                head,
                b"\r\n\r\n",
                value,
            ] {
                out.put_slice(piece);
            }
            out.put_slice(b"\r\n");
        };
        put(
            b"content-disposition: form-data; name=\"model\"",
            model.as_bytes(),
        );
        for part in &self.parts {
            let name = part.name.trim_end_matches("[]");
            let stays = name == "model" || OURS.contains(&name);
            if !stays && !dropped.iter().any(|out| out == name) {
                put(
                    &self.body[part.head.clone()],
                    &self.body[part.value.clone()],
                );
            }
        }
        for piece in [b"--", self.boundary.as_bytes(), b"--\r\n"] {
            out.put_slice(piece);
        }
        out.freeze()
    }

    /// Its content type.
    pub(crate) fn content_type(&self) -> HeaderValue {
        let text = format!("multipart/form-data; boundary=\"{}\"", self.boundary);
        HeaderValue::try_from(text)
            .unwrap_or_else(|_error| HeaderValue::from_static("multipart/form-data"))
    }
}

fn parts(body: &[u8], boundary: &str) -> Result<Vec<Part>, RequestError> {
    let first = format!("--{boundary}");
    let delimiter = format!("\r\n{first}");
    let finder = memmem::Finder::new(delimiter.as_bytes());
    // The first delimiter may stand at the very beginning.
    let mut at = if body.starts_with(first.as_bytes()) {
        first.len()
    } else {
        let found = finder.find(body);
        found.ok_or(RequestError::Form("no part in it"))? + delimiter.len()
    };
    let mut parts = Vec::new();
    loop {
        let rest = &body[at..];
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        let line = memmem::find(rest, b"\r\n").ok_or(RequestError::Form("it breaks off"))?;
        let head = at + line + 2;
        let window = &body[head..body.len().min(head + HEAD_BYTES_MAX)];
        let length =
            memmem::find(window, b"\r\n\r\n").ok_or(RequestError::Form("a part without a head"))?;
        let value = head + length + 4;
        let end = finder.find(&body[value..]);
        let end = value + end.ok_or(RequestError::Form("it breaks off"))?;
        if parts.len() == FIELDS_MAX {
            return Err(RequestError::TooManyFields { max: FIELDS_MAX });
        }
        parts.push(part(body, head..head + length, value..end)?);
        at = end + delimiter.len();
    }
}

fn part(body: &[u8], head: Range<usize>, value: Range<usize>) -> Result<Part, RequestError> {
    let text = std::str::from_utf8(&body[head.clone()])
        .map_err(|_error| RequestError::Form("a part's head is no text"))?;
    let line = |name: &str| {
        text.lines().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let disposition = line("content-disposition").unwrap_or_default();
    let name = parameter(disposition, "name").ok_or(RequestError::Form("a part without a name"))?;
    let file = parameter(disposition, "filename").map(|name| File {
        name: name.into_owned(),
        content_type: line("content-type").unwrap_or_default().to_owned(),
    });
    if file.is_none() && value.len() > TEXT_BYTES_MAX {
        return Err(RequestError::TooLarge {
            name: "form field",
            max: TEXT_BYTES_MAX,
        });
    }
    Ok(Part {
        name: name.into_owned(),
        file,
        head,
        value,
    })
}

/// A parameter of a header's value, with or without quotes.
fn parameter<'a>(value: &'a str, wanted: &str) -> Option<Cow<'a, str>> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (text, tail) = match after.strip_prefix('"') {
            Some(quoted) => quoted_text(quoted)?,
            None => match after.split_once(';') {
                Some((text, tail)) => (Cow::Borrowed(text.trim()), tail),
                None => (Cow::Borrowed(after.trim()), ""),
            },
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = tail.trim_start_matches([';', ' ']);
    }
}

/// The text up to the closing quote, and what follows it.
fn quoted_text(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut escaped = false;
    let is_end = |(_, letter): &(usize, char)| {
        let ends = *letter == '"' && !escaped;
        escaped = *letter == '\\' && !escaped;
        ends
    };
    let (end, _) = text.char_indices().find(is_end)?;
    let inner = &text[..end];
    let inner = if inner.contains("\\\"") {
        Cow::Owned(inner.replace("\\\"", "\""))
    } else {
        Cow::Borrowed(inner)
    };
    Some((inner, &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(body: &str) -> Result<Form, RequestError> {
        let mut headers = HeaderMap::new();
        let kind = "multipart/form-data; charset=utf-8; boundary=\"b b\"";
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let body = Bytes::copy_from_slice(body.replace('\n', "\r\n").as_bytes());
        Form::parse(&headers, &body).map(Option::unwrap)
    }

    const WHOLE: &str = "--b b\nContent-Disposition: form-data; name=\"model\"\n\nm\n\
        --b b\ncontent-disposition: form-data; name=file; filename=\"a \\\"b\\\".mp3\"\n\
        Content-Type: audio/mpeg\n\n\u{0}--b b\n\n--b b  \n\
        content-disposition: form-data; name=\"x[]\"\n\nword\n\
        --b b\ncontent-disposition: form-data; name=\"n\"\n\n2\n\
        --b b\ncontent-disposition: form-data; name=\"prompt\"\n\n123\n\
        --b b\ncontent-disposition: form-data; name=\"metadata\"\n\n{\"tags\": [\"t\"]}\n--b b--\n";

    #[test]
    fn a_form_is_said_in_json_without_the_files() {
        let fields: Value = serde_json::from_slice(&form(WHOLE).unwrap().fields()).unwrap();
        let file = json!({"filename": "a \"b\".mp3", "content_type": "audio/mpeg", "bytes": 8});
        assert_eq!(
            fields,
            json!({"model": "m", "file": file, "x": ["word"], "n": 2, "prompt": "123",
                "metadata": {"tags": ["t"]}})
        );
    }

    #[test]
    fn what_goes_upstream_is_a_form_again() {
        let first = form(WHOLE).unwrap();
        let out = first.rewritten("whisper-1", &["n".to_owned()]);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, first.content_type());
        let again = Form::parse(&headers, &out).unwrap().unwrap();
        let names: Vec<&str> = again.parts.iter().map(|part| &*part.name).collect();
        assert_eq!(names, ["model", "file", "x[]", "prompt"]);
        assert_eq!(again.file("file"), first.file("file"));
        assert!(String::from_utf8_lossy(&out).contains("\r\n\r\nwhisper-1\r\n"));
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for body in [
            "",
            "--b b",
            "--b b\nx\n",
            "--b b\nx: y\n\nvalue\n--b b--",
            "--b b\n\n\n\n",
        ] {
            assert!(form(body).is_err(), "{body:?}");
        }
        for end in 0..WHOLE.len() - 4 {
            if WHOLE.is_char_boundary(end) {
                assert!(form(&WHOLE[..end]).is_err(), "cut at {end}");
            }
        }
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("multipart/form-data");
        headers.insert(header::CONTENT_TYPE, kind);
        assert!(Form::parse(&headers, &Bytes::new()).is_err());
    }
}
