//! What a request can come to at a deployment, before anybody has answered: nothing that it brings
//! about is left out, and what has no bound of its own gets one here.

use cost_map::{Bounds, Entry};
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{config::Deployment, operation::Operation, request::ClientRequest};

/// Output tokens of a call that sets no bound, to a model that names none: such a call is sent with
/// this bound.
pub(super) const OUTPUT_MAX: u64 = 16_384;
/// Tokens that a model takes whose context nobody knows.
const CONTEXT_MAX: u64 = 200_000;
/// Tokens of one image.
const IMAGE_MAX: u64 = 65_536;
/// Uses of the provider's own tools by a request that does not bound them.
const TOOLS_MAX: u64 = 10;
/// The same by a model that does research.
const RESEARCH_MAX: u64 = 100;
/// Bytes of a second of audio, at the least.
const AUDIO_BYTES: u64 = 500;

/// The names of the bound of the output.
const BOUNDS: [&str; 3] = ["max_completion_tokens", "max_output_tokens", "max_tokens"];
/// What a part of a prompt is marked by that is an image.
const IMAGES: [&str; 3] = ["\"image_url\"", "\"input_image\"", "\"image\""];
/// The same for what may be of any length.
const FILES: [&str; 12] = [
    "\"input_audio\"",
    "\"input_file\"",
    "\"file\"",
    "\"file_id\"",
    "\"file_data\"",
    "\"file_url\"",
    "\"document\"",
    "\"video_url\"",
    "\"fileData\"",
    "\"file_uri\"",
    "\"inlineData\"",
    "\"inline_data\"",
];
/// A letter that is written so that it is not found.
const HIDDEN: &str = "\\u00";
/// Fields that stand for input which the provider keeps.
const KEPT: [&str; 5] = [
    "previous_response_id",
    "conversation",
    "prompt_id",
    "container",
    "cached_content",
];

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) bounds: Bounds,
    /// How long a recording is that is to be transcribed.
    pub(super) audio_seconds: Option<u64>,
    answers: u64,
}

impl Reach {
    /// Of a request at a deployment whose model has this entry.
    ///
    /// No token is shorter than a byte, so the body's length bounds the input that is text.
    pub(super) fn of(
        request: &ClientRequest,
        deployment: &Deployment,
        entry: Option<&Entry>,
    ) -> Self {
        let body = request.body();
        let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let context = entry.and_then(Entry::max_input_tokens);
        let context = context.unwrap_or(CONTEXT_MAX).max(bytes);
        let tools = tools(request, deployment);
        let (media, beside) = media(request, &body, context);
        let input = bytes.saturating_add(beside);
        // The provider reads the whole again for each use of a tool, with what that gave.
        let rounds = if tools > 0 {
            tools.saturating_add(1)
        } else {
            0
        };
        let answers = answers(request, deployment);
        let output = output(request, entry).saturating_mul(answers);
        Self {
            bounds: Bounds {
                input: input.max(context.saturating_mul(rounds)),
                output: output.saturating_mul(rounds.max(1)),
                media,
                tools,
                fast: request.has("speed"),
            },
            audio_seconds: (request.operation == Operation::Transcription)
                .then(|| sound(request) / AUDIO_BYTES + 1),
            answers: answers.saturating_mul(rounds.max(1)),
        }
    }

    /// With at most `cap` tokens in each answer.
    pub(super) fn capped(mut self, cap: Option<u64>) -> Self {
        if let Some(cap) = cap {
            let most = cap.saturating_mul(self.answers);
            self.bounds.output = self.bounds.output.min(most);
        }
        self
    }
}

/// The bound of the output that the request sets and the provider will get: the largest, if it sets
/// several.
pub(super) fn own_bound(request: &ClientRequest) -> Option<u64> {
    let is_sent = |name: &&&str| !request.dropped.iter().any(|dropped| dropped == **name);
    let sent = BOUNDS.iter().filter(is_sent);
    sent.filter_map(|name| request.text(name)?.parse().ok())
        .max()
}

/// Output tokens of one answer.
fn output(request: &ClientRequest, entry: Option<&Entry>) -> u64 {
    match request.operation {
        Operation::Embedding | Operation::Rerank | Operation::Moderation => return 0,
        Operation::ImageGeneration
        | Operation::ImageEdit
        | Operation::Speech
        | Operation::Transcription => return OUTPUT_MAX,
        _ => {}
    }
    let of_model = || entry?.max_output_tokens().or_else(|| entry?.max_tokens());
    own_bound(request).or_else(of_model).unwrap_or(OUTPUT_MAX)
}

/// How many answers are asked for: `n`, and one for each prompt of several.
fn answers(request: &ClientRequest, deployment: &Deployment) -> u64 {
    let of_default = |name: &str| {
        let mut defaults = deployment.defaults.iter();
        let (_, value) = defaults.find(|(default, _)| default == name)?;
        value.text().parse().ok()
    };
    let asked = ["n", "best_of", "candidate_count"]
        .iter()
        .filter_map(|name| {
            let own = request.text(name).and_then(|text| text.parse::<u64>().ok());
            own.or_else(|| of_default(name))
        });
    let prompts = (request.operation == Operation::Completion)
        .then(|| request.text("prompt"))
        .flatten()
        .and_then(|prompt| serde_json::from_str::<Vec<&RawValue>>(prompt).ok())
        .filter(|list| list.iter().any(|one| one.get().starts_with(['"', '['])))
        .map_or(1, |list| u64::try_from(list.len()).unwrap_or(u64::MAX));
    let asked = asked.max().unwrap_or(1).max(1);
    asked.saturating_mul(prompts.max(1))
}

/// Parts of the prompt that are no text, and the tokens that they may be beyond their bytes.
fn media(request: &ClientRequest, body: &[u8], context: u64) -> (u64, u64) {
    let count = |marks: &[&str]| -> u64 {
        let found = marks
            .iter()
            .map(|mark| memmem::find_iter(body, mark.as_bytes()).count());
        u64::try_from(found.sum::<usize>()).unwrap_or(u64::MAX)
    };
    let images = count(&IMAGES);
    let mut files = count(&FILES) + count(&[HIDDEN]);
    files += u64::from(KEPT.iter().any(|name| request.has(name)));
    let is_kept_prompt = request.operation == Operation::Responses && request.has("prompt");
    files += u64::from(is_kept_prompt || request.has("web_search_options"));
    files += u64::from(request.form().is_some());
    let beside = if files > 0 {
        context
    } else {
        images.saturating_mul(IMAGE_MAX).min(context)
    };
    (images.saturating_add(files), beside)
}

/// One of the tools that a request names.
#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(default)]
    max_uses: Option<u64>,
    #[serde(default)]
    name: Option<serde::de::IgnoredAny>,
}

impl Tool<'_> {
    /// Whether the client runs it, and not the provider.
    fn is_clients(&self) -> bool {
        match self.kind.map(RawValue::get) {
            Some(kind) => kind == "\"function\"" || kind == "\"custom\"",
            None => self.name.is_some(),
        }
    }
}

/// How often the provider may run tools of its own.
fn tools(request: &ClientRequest, deployment: &Deployment) -> u64 {
    let mut uses = u64::from(request.has("web_search_options"));
    if deployment.provider_name == "perplexity" {
        let is_research = deployment.model.contains("deep-research");
        uses = uses.max(if is_research { RESEARCH_MAX } else { 1 });
    }
    let Some(text) = request.text("tools").filter(|text| *text != "null") else {
        return uses;
    };
    let bound = request
        .text("max_tool_calls")
        .and_then(|text| text.parse::<u64>().ok());
    let tools: Vec<Tool<'_>> = match serde_json::from_str(text) {
        Ok(tools) => tools,
        // Nobody knows what it is.
        Err(_) => return uses.max(TOOLS_MAX),
    };
    let run = tools.iter().filter(|tool| !tool.is_clients());
    let each = run.map(|tool| tool.max_uses.unwrap_or(TOOLS_MAX));
    let all = each.fold(0, u64::saturating_add);
    uses.saturating_add(bound.map_or(all, |bound| all.min(bound)))
}

/// Bytes of the recording that came with a form.
fn sound(request: &ClientRequest) -> u64 {
    let file = request.form().and_then(|form| form.file("file"));
    file.map_or(0, |file| u64::try_from(file.len()).unwrap_or(u64::MAX))
}
