//! Gemini's dialect (`usageMetadata`): cached tokens are inside the prompt, what tools add stands
//! beside it, and thoughts stand beside the answer.

use event::{CachedDetails, CompletionDetails, PromptDetails, Usage};

use crate::reported::{ReportError, fields::Fields, openai::beyond};

/// Names that no other dialect has. The client libraries write them with underscores.
pub(super) const SIGNS: [&str; 10] = [
    "promptTokenCount",
    "candidatesTokenCount",
    "responseTokenCount",
    "thoughtsTokenCount",
    "totalTokenCount",
    "prompt_token_count",
    "candidates_token_count",
    "response_token_count",
    "thoughts_token_count",
    "total_token_count",
];

pub(super) fn read(fields: &Fields<'_>) -> Result<Usage, ReportError> {
    let count = |names| Ok(fields.count(names)?.unwrap_or_default());
    let prompt = count(&["promptTokenCount", "prompt_token_count"])?;
    let tools = count(&["toolUsePromptTokenCount", "tool_use_prompt_token_count"])?;
    let answer = count(&[
        "candidatesTokenCount",
        "candidates_token_count",
        "responseTokenCount",
        "response_token_count",
    ])?;
    let thoughts = fields.count(&["thoughtsTokenCount", "thoughts_token_count"])?;
    let cached = fields.count(&["cachedContentTokenCount", "cached_content_token_count"])?;
    let total = fields.count(&["totalTokenCount", "total_token_count"])?;

    let prompt_tokens = prompt + tools;
    // Some models count the thoughts in the answer, as the total shows.
    let thoughts_inside = total == Some(prompt_tokens + answer);
    let beside = thoughts.filter(|_| !thoughts_inside).unwrap_or_default();
    let completion_tokens = answer + beside;
    Ok(Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: prompt_tokens + completion_tokens,
        prompt_tokens_details: Some(input(fields, cached)?),
        completion_tokens_details: Some(output(fields, thoughts)?),
        cache_read_input_tokens: cached,
        service_tier: tier(fields),
        ..Usage::default()
    })
}

/// Google's endpoint in OpenAI's dialect counts thoughts in the total alone.
pub(super) fn amend_compatible(usage: &mut Usage, provider: Option<&str>) {
    let thoughts = beyond(usage);
    if thoughts == 0 || !matches!(provider, Some("gemini" | "vertex_ai")) {
        return;
    }
    usage.completion_tokens += thoughts;
    let details = usage.completion_tokens_details.get_or_insert_default();
    details.reasoning_tokens = Some(details.reasoning_tokens.unwrap_or_default().max(thoughts));
}

/// The prompt by modality. Cached tokens are in each; there is no class for cached video, so that
/// of video alone they are taken out here.
fn input(fields: &Fields<'_>, cached: Option<u64>) -> Result<PromptDetails, ReportError> {
    let mut all = Modalities::read(fields, &["promptTokensDetails", "prompt_tokens_details"])?;
    all.add(&Modalities::read(
        fields,
        &[
            "toolUsePromptTokensDetails",
            "tool_use_prompt_tokens_details",
        ],
    )?);
    let of_cache = Modalities::read(fields, &["cacheTokensDetails", "cache_tokens_details"])?;
    let video = all
        .video
        .map(|video| video.saturating_sub(of_cache.video.unwrap_or_default()));
    Ok(PromptDetails {
        cached_tokens: cached,
        text_tokens: all.text,
        audio_tokens: all.audio,
        image_tokens: all.image,
        video_tokens: video,
        cached_tokens_details: (of_cache != Modalities::default()).then_some(CachedDetails {
            text_tokens: of_cache.text,
            audio_tokens: of_cache.audio,
            image_tokens: of_cache.image,
        }),
        ..PromptDetails::default()
    })
}

fn output(fields: &Fields<'_>, thoughts: Option<u64>) -> Result<CompletionDetails, ReportError> {
    let names = [
        "candidatesTokensDetails",
        "candidates_tokens_details",
        "responseTokensDetails",
        "response_tokens_details",
    ];
    let answer = Modalities::read(fields, &names)?;
    Ok(CompletionDetails {
        reasoning_tokens: thoughts,
        text_tokens: answer.text,
        audio_tokens: answer.audio,
        image_tokens: answer.image,
        video_tokens: answer.video,
        ..CompletionDetails::default()
    })
}

/// The tier that was served, by LiteLLM's name.
fn tier(fields: &Fields<'_>) -> Option<String> {
    let traffic = fields.text("trafficType");
    let traffic = traffic.or_else(|| fields.text("traffic_type"))?;
    let traffic = traffic.to_ascii_lowercase();
    let tier = match traffic.strip_prefix("on_demand_").unwrap_or(&traffic) {
        "on_demand" => "default",
        other => other,
    };
    Some(tier.to_owned())
}

/// Tokens by modality.
#[derive(Default, PartialEq, Eq)]
struct Modalities {
    text: Option<u64>,
    audio: Option<u64>,
    image: Option<u64>,
    video: Option<u64>,
}

impl Modalities {
    fn read(fields: &Fields<'_>, names: &[&'static str]) -> Result<Self, ReportError> {
        let mut sums = Self::default();
        for item in fields.list(names)? {
            let tokens = item.count(&["tokenCount", "token_count"])?;
            let modality = item.text("modality").unwrap_or_default();
            let sum = match modality.to_ascii_uppercase().as_str() {
                "AUDIO" => &mut sums.audio,
                "IMAGE" => &mut sums.image,
                "VIDEO" => &mut sums.video,
                _ => &mut sums.text,
            };
            *sum = added(*sum, tokens);
        }
        Ok(sums)
    }

    fn add(&mut self, other: &Self) {
        self.text = added(self.text, other.text);
        self.audio = added(self.audio, other.audio);
        self.image = added(self.image, other.image);
        self.video = added(self.video, other.video);
    }
}

fn added(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}
