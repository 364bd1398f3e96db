//! The file with the results of a batch, read line by line as it passes.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::{Bytes, BytesMut};
use event::{Batch, BatchPart, BatchStage, Json};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{is_name, reported};
use crate::provider::{Observed, StreamedAnswer, along};

/// The longest result that is read.
const LINE_BYTES_MAX: usize = 16 << 20;
/// Models and lengths that are told apart.
const PARTS_MAX: usize = 64;
/// Lengths of prompts, in tokens, at which prices of models change. What lies between two of them
/// is added up; one that changes elsewhere is left without a price when that matters.
const LENGTHS: [u64; 9] = [
    32_000, 64_000, 100_000, 128_000, 200_000, 256_000, 272_000, 512_000, 1_000_000,
];

/// Passes a file on and adds up what its results consumed. Of a file without results it reads one
/// line.
pub(super) struct Results {
    file: String,
    provider: String,
    bytes: usize,
    /// The start of a line whose end has not come yet.
    line: BytesMut,
    /// Whether that line is too long to be read.
    is_overlong: bool,
    /// Whether the first line says that it is something else.
    is_other: bool,
    /// The id of the first result; it is the same wherever the file is copied to.
    first: Option<String>,
    parts: BTreeMap<(String, usize), BatchPart>,
    answered: u64,
    /// Results of which it is not known what they consumed.
    untold: u64,
    has_ended: bool,
}

/// One result.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    /// Every result has one.
    #[serde(rename = "custom_id")]
    _custom_id: IgnoredAny,
    /// Requests have none.
    #[serde(borrow)]
    response: Option<Response<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Response<'a> {
    status_code: Option<u16>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
}

impl Results {
    /// Reads the file of this id.
    pub(super) fn new(file: String, provider: String) -> Self {
        Self {
            file,
            provider,
            bytes: 0,
            line: BytesMut::new(),
            is_overlong: false,
            is_other: false,
            first: None,
            parts: BTreeMap::new(),
            answered: 0,
            untold: 0,
            has_ended: false,
        }
    }

    fn lines(&mut self, mut chunk: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            let (head, rest) = chunk.split_at(end);
            if self.line.is_empty() && !self.is_overlong {
                self.hear(head);
            } else {
                self.keep(head);
                self.end_of_line();
            }
            if self.is_other {
                return;
            }
            chunk = rest.get(1..).unwrap_or_default();
        }
        self.keep(chunk);
    }

    fn keep(&mut self, piece: &[u8]) {
        if self.is_overlong || self.line.len().saturating_add(piece.len()) > LINE_BYTES_MAX {
            self.is_overlong = true;
            self.line = BytesMut::new();
        } else {
            self.line.extend_from_slice(piece);
        }
    }

    fn end_of_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.is_overlong) {
            self.unreadable();
        } else {
            self.hear(&line);
        }
    }

    fn hear(&mut self, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            return;
        }
        let Ok(line) = serde_json::from_slice::<Line<'_>>(line) else {
            return self.unreadable();
        };
        if self.first.is_none() {
            let id = line.id.as_deref().unwrap_or_default();
            self.first = Some(if is_name(id) { id } else { "" }.to_owned());
        }
        let Some(response) = line.response else {
            return;
        };
        if response.status_code.is_some_and(|status| status >= 300) {
            return;
        }
        let body = response.body.map(RawValue::get).unwrap_or_default();
        self.answered = self.answered.saturating_add(1);
        if self.count(body).is_none() {
            self.untold = self.untold.saturating_add(1);
        }
    }

    /// A line that cannot be read; the first one says that the file is something else.
    fn unreadable(&mut self) {
        if self.first.is_none() {
            self.is_other = true;
        }
        self.untold = self.untold.saturating_add(1);
    }

    /// Adds one answer to its like; `None` if it does not tell enough.
    fn count(&mut self, body: &str) -> Option<()> {
        let body: Body<'_> = serde_json::from_str(body).ok()?;
        let model = body.model.filter(|model| is_name(model))?;
        let mut usage = reported(&self.provider, body.usage?);
        along::searched(&mut usage, body.output);
        let usage = usage?;
        let prompt = usage.prompt_tokens;
        let class = LENGTHS.iter().filter(|length| prompt > **length).count();
        let at = (model.into_owned(), class);
        if self.parts.len() >= PARTS_MAX && !self.parts.contains_key(&at) {
            return None;
        }
        let model = at.0.clone();
        let part = self.parts.entry(at).or_insert_with(|| BatchPart {
            model,
            prompt_min: prompt,
            ..BatchPart::default()
        });
        part.prompt_min = part.prompt_min.min(prompt);
        part.prompt_max = part.prompt_max.max(prompt);
        part.requests = part.requests.saturating_add(1);
        part.usage.add(usage);
        Some(())
    }

    /// What the batch consumed; `None` if it is no file with results, or nothing was answered, or
    /// its end was not seen.
    fn batch(&mut self) -> Option<Batch> {
        if self.is_other || !self.has_ended || self.answered == 0 {
            return None;
        }
        let first = self.first.take().filter(|first| !first.is_empty());
        let mut batch = Batch {
            stage: BatchStage::Ended,
            names: [Some(self.file.clone()), first]
                .into_iter()
                .flatten()
                .collect(),
            ..Batch::default()
        };
        if self.untold > 0 {
            let (untold, answered) = (self.untold, self.answered);
            batch.unknown = Some(format!(
                "{untold} of the batch's {answered} results do not say what they consumed, or are \
                 of too many models"
            ));
        } else {
            batch.parts = std::mem::take(&mut self.parts).into_values().collect();
        }
        Some(batch)
    }
}

impl StreamedAnswer for Results {
    fn chunk(&mut self, chunk: Bytes) -> Bytes {
        self.bytes = self.bytes.saturating_add(chunk.len());
        if !self.is_other {
            self.lines(&chunk);
        }
        chunk
    }

    fn is_complete(&self) -> bool {
        false
    }

    fn is_finished(&self) -> bool {
        true
    }

    fn rest(&mut self) -> Bytes {
        if !self.is_other && (self.is_overlong || !self.line.is_empty()) {
            self.end_of_line();
        }
        self.has_ended = true;
        Bytes::new()
    }

    fn observed(&mut self) -> Observed {
        #[derive(Serialize)]
        struct Size {
            bytes: usize,
        }
        Observed {
            response: Some(Json::of(&Size { bytes: self.bytes })),
            batch: self.batch().map(Box::new),
            ..Observed::default()
        }
    }
}
