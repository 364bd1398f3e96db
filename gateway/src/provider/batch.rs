//! Batches and the files with their results on the way to the client, read along for what their
//! requests consumed. The collector bills it, once; see [`event::Batch`].

mod results;

use std::borrow::Cow;

use event::{Batch, BatchPart, BatchStage, Usage};
use http::{HeaderMap, Method, header};
use serde::Deserialize;
use serde_json::value::RawValue;

use self::results::Results;
use super::{Answer, Fault, Reader, Step, StreamedAnswer, along::Along};
use crate::{
    config::Deployment,
    request::Passed,
    routes::KEEPERS,
    routing::{Groups, account},
};

/// The longest id and the longest name of a model that are noted.
const NAME_BYTES_MAX: usize = 512;
/// Batches are billed by this name of LiteLLM's, and their usage is read so.
const CALL_TYPE: &str = "aretrieve_batch";
/// What to do where a batch does not tell enough.
const ADVICE: &str = "download the file with its results through the gateway";

/// What an answer is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum About {
    /// A batch that is created.
    Created,
    /// A batch as it stands.
    Standing,
    /// What is in the file of this id.
    File(String),
}

impl About {
    fn of(method: &Method, path: &str) -> Option<Self> {
        let path = path.strip_prefix("openai/").unwrap_or(path);
        let path = path.strip_prefix("v1/").unwrap_or(path);
        let mut parts = path.trim_end_matches('/').split('/');
        let parts = [parts.next(), parts.next(), parts.next(), parts.next()];
        match (method, parts) {
            (&Method::POST, [Some("batches"), None, None, None]) => Some(Self::Created),
            (&Method::GET, [Some("batches"), Some(_), None, None])
            | (&Method::POST, [Some("batches"), Some(_), Some("cancel"), None]) => {
                Some(Self::Standing)
            }
            (&Method::GET, [Some("files"), Some(id), Some("content"), None]) => {
                Some(Self::File(id.to_owned()))
            }
            _ => None,
        }
    }
}

/// Reads along what may be about a batch.
pub(crate) fn watched(along: Along, passed: &Passed, provider: &str) -> Box<dyn Reader> {
    let is_keeper = KEEPERS.contains(&provider);
    let about = About::of(&passed.method, &passed.path).filter(|_| is_keeper);
    match about {
        None => Box::new(along),
        Some(about) => Box::new(Watching {
            inner: along,
            about,
            provider: provider.to_owned(),
            is_cut: false,
        }),
    }
}

/// Gives the parts of `batch` the prices of the deployments that their models have in the account
/// of `deployment`.
pub(crate) fn own_prices(
    groups: &Groups,
    deployment: &Deployment,
    batch: Option<Box<Batch>>,
) -> Option<Box<Batch>> {
    let mut batch = batch?;
    for part in &mut batch.parts {
        let mut own = groups.members().map(|member| &*member.deployment);
        let is_its = |own: &&Deployment| {
            account(own) == account(deployment) && is_of(&part.model, &own.model)
        };
        if let Some(own) = own.find(is_its) {
            part.base_model.clone_from(&own.base_model);
            part.price_overrides.clone_from(&own.price_overrides);
        }
    }
    Some(batch)
}

/// Whether `model` is the one of this name, or a dated version of it.
fn is_of(model: &str, name: &str) -> bool {
    model.strip_prefix(name).is_some_and(|rest| {
        let date = rest.strip_prefix('-').unwrap_or_default();
        let is_date = |letter: char| letter.is_ascii_digit() || letter == '-';
        rest.is_empty() || (date.len() >= 6 && date.chars().all(is_date))
    })
}

struct Watching {
    inner: Along,
    about: About,
    provider: String,
    /// Whether only a part of the file was asked for.
    is_cut: bool,
}

impl Reader for Watching {
    fn whole(self: Box<Self>, answer: Answer) -> Result<Step, Fault> {
        let Self {
            inner,
            about,
            provider,
            ..
        } = *self;
        let mut step = Box::new(inner).whole(answer)?;
        if let Step::Done(whole) = &mut step {
            whole.observed.batch = read(&whole.body, &about, &provider).map(Box::new);
        }
        Ok(step)
    }

    fn stream(self: Box<Self>, strip_usage: bool) -> Box<dyn StreamedAnswer> {
        match self.about {
            About::File(id) if !self.is_cut => Box::new(Results::new(id, self.provider)),
            _ => Box::new(self.inner).stream(strip_usage),
        }
    }

    fn head(&mut self, headers: &HeaderMap) {
        self.is_cut = headers.contains_key(header::CONTENT_RANGE);
        self.inner.head(headers);
    }

    fn is_stream(&self, headers: &HeaderMap) -> bool {
        // However long it is, it is not held.
        matches!(self.about, About::File(_)) || self.inner.is_stream(headers)
    }

    fn fault(&self, answer: &Answer) -> Fault {
        self.inner.fault(answer)
    }
}

/// A batch as its provider tells it.
#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    output_file_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    request_counts: Option<RequestCounts>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RequestCounts {
    completed: Option<u64>,
}

/// What a batch tells; `None` while it goes on, or if it consumed nothing.
fn read(body: &[u8], about: &About, provider: &str) -> Option<Batch> {
    let object: Object<'_> = serde_json::from_slice(body).ok()?;
    let names = [Some(object.id), object.output_file_id];
    let names: Vec<String> = names.into_iter().flatten().map(Cow::into_owned).collect();
    if names.iter().any(|name| !is_name(name)) {
        return None;
    }
    if *about == About::Created {
        return Some(Batch {
            names,
            ..Batch::default()
        });
    }
    let has_ended = ["completed", "expired", "cancelled"].map(Some);
    if !has_ended.contains(&object.status.as_deref()) {
        return None;
    }
    let completed = object.request_counts.and_then(|counts| counts.completed);
    let usage = object.usage.and_then(|usage| reported(provider, usage));
    if usage.is_none() && completed == Some(0) {
        return None;
    }
    let mut batch = Batch {
        stage: BatchStage::Ended,
        names,
        ..Batch::default()
    };
    match (usage, object.model.filter(|model| is_name(model))) {
        (Some(usage), Some(model)) => {
            let requests = completed.unwrap_or_default();
            batch.parts.push(BatchPart {
                model: model.into_owned(),
                requests,
                // Who says only the sum does not say how long each was.
                prompt_min: if requests == 1 {
                    usage.prompt_tokens
                } else {
                    0
                },
                prompt_max: usage.prompt_tokens,
                usage,
                ..BatchPart::default()
            });
        }
        (None, _) => {
            batch.unknown = Some(format!("the batch does not say what it consumed: {ADVICE}"));
        }
        (Some(_), None) => {
            batch.unknown = Some(format!(
                "the batch does not say which model answered: {ADVICE}"
            ));
        }
    }
    Some(batch)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES_MAX
}

/// What a report says was consumed, if it says anything.
fn reported(provider: &str, json: &RawValue) -> Option<Usage> {
    let usage = cost_map::reported::usage(Some(provider), Some(CALL_TYPE), json);
    usage.ok().filter(|usage| !usage.is_empty())
}

#[cfg(test)]
mod tests;
