//! What the calculator needs to know about a call.

use event::{Timestamp, Usage};
use rust_decimal::Decimal;

use crate::{adjustments::Adjustments, overrides::Overrides};

/// Everything the calculator needs to know about one call.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The provider, by LiteLLM's name.
    pub provider: Option<&'a str>,
    /// The model as the provider was asked for it, with or without the provider in front.
    pub model: &'a str,
    /// The model to price by, where the deployment names one.
    pub base_model: Option<&'a str>,
    /// The model that the provider says answered.
    pub response_model: Option<&'a str>,
    /// What was called, by LiteLLM's name; if it is not known the entry's mode says it.
    pub call_type: Option<&'a str>,
    /// The deployment's own prices.
    pub overrides: Option<&'a Overrides>,
    /// Discounts and margins.
    pub adjustments: Option<&'a Adjustments>,
    /// What was consumed, in tokens.
    pub usage: &'a Usage,
    /// What was consumed besides.
    pub units: Option<&'a Units>,
    /// The service tier that was served; if the provider does not say, the one asked for.
    pub service_tier: Option<&'a str>,
    /// Where the model ran.
    pub place: Place<'a>,
    /// How long the answer took in seconds, for deployments that are priced by time.
    pub response_seconds: Option<Decimal>,
    /// Tokens in the prompt that prices depend on, where `usage` is the sum of several requests;
    /// else all of its prompt.
    pub prompt_length: Option<u64>,
    /// The call's own time.
    pub at: Timestamp,
}

impl<'a> Call<'a> {
    /// A call of which nothing is known but its model, its tokens and its time.
    #[must_use]
    pub fn new(model: &'a str, usage: &'a Usage, at: Timestamp) -> Self {
        Self {
            provider: None,
            model,
            base_model: None,
            response_model: None,
            call_type: None,
            overrides: None,
            adjustments: None,
            usage,
            units: None,
            service_tier: None,
            place: Place::default(),
            response_seconds: None,
            prompt_length: None,
            at,
        }
    }
}

/// Where a model ran, as far as it decides on the price.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// Where OpenAI kept the data: `eu`, `us`.
    pub data_residency: Option<&'a str>,
    /// Vertex AI's location.
    pub vertex_location: Option<&'a str>,
    /// The region that stands in an entry's name: `us-east-1`, `eu`.
    pub region: Option<&'a str>,
}

/// What a call consumed besides tokens. Counts are not negative.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// Characters of the input.
    pub prompt_characters: Option<Decimal>,
    /// Characters of the output.
    pub completion_characters: Option<Decimal>,
    /// Seconds of the audio that was transcribed or spoken, or of one video.
    pub duration_seconds: Option<Decimal>,
    /// Images that were made.
    pub images: Option<Decimal>,
    /// Their size: `1024x1024`.
    pub size: Option<String>,
    /// Their quality: `hd`, `high`.
    pub quality: Option<String>,
    /// The resolution of images or videos: `1K`, `720p`.
    pub resolution: Option<String>,
    /// Steps of the model that made them.
    pub steps: Option<Decimal>,
    /// Images in the prompt.
    pub images_in: Option<Decimal>,
    /// Seconds of audio in the prompt.
    pub audio_in_seconds: Option<Decimal>,
    /// Seconds of video in the prompt.
    pub video_in_seconds: Option<Decimal>,
    /// Videos that were made.
    pub videos: Option<Decimal>,
    /// Pages that were read.
    pub pages: Option<Decimal>,
    /// Pages that were read and annotated.
    pub annotated_pages: Option<Decimal>,
    /// Credits of a vendor of OCR.
    pub credits: Option<Decimal>,
    /// Units that a reranking is billed by.
    pub search_units: Option<Decimal>,
    /// Queries of a search, or that were embedded.
    pub queries: Option<Decimal>,
    /// Results that a search was asked for.
    pub max_results: Option<Decimal>,
    /// Text messages.
    pub text_messages: Option<Decimal>,
    /// Units of text that each policy of a guardrail looked at.
    pub guardrail_units: Vec<(String, Decimal)>,
    /// Web searches.
    pub web_search_requests: Option<Decimal>,
    /// How much of the results was read: `low`, `medium`, `high`.
    pub search_context_size: Option<String>,
    /// Queries to Google Maps.
    pub google_maps_queries: Option<Decimal>,
    /// File searches.
    pub file_search_calls: Option<Decimal>,
    /// Sessions of a code interpreter.
    pub code_interpreter_sessions: Option<Decimal>,
    /// Input of computer use, in tokens.
    pub computer_use_input_tokens: Option<Decimal>,
    /// Output of computer use, in tokens.
    pub computer_use_output_tokens: Option<Decimal>,
    /// Text of cited pages, in tokens.
    pub citation_tokens: Option<Decimal>,
}

impl Units {
    /// None of anything.
    pub(crate) const NONE: &'static Self = &Self {
        prompt_characters: None,
        completion_characters: None,
        duration_seconds: None,
        images: None,
        size: None,
        quality: None,
        resolution: None,
        steps: None,
        images_in: None,
        audio_in_seconds: None,
        video_in_seconds: None,
        videos: None,
        pages: None,
        annotated_pages: None,
        credits: None,
        search_units: None,
        queries: None,
        max_results: None,
        text_messages: None,
        guardrail_units: Vec::new(),
        web_search_requests: None,
        search_context_size: None,
        google_maps_queries: None,
        file_search_calls: None,
        code_interpreter_sessions: None,
        computer_use_input_tokens: None,
        computer_use_output_tokens: None,
        citation_tokens: None,
    };

    /// The count that goes by a name.
    pub(crate) fn count(&mut self, name: &str) -> Option<&mut Option<Decimal>> {
        Some(match name {
            "prompt_characters" => &mut self.prompt_characters,
            "completion_characters" => &mut self.completion_characters,
            "duration_seconds" => &mut self.duration_seconds,
            "images" => &mut self.images,
            "steps" => &mut self.steps,
            "images_in" => &mut self.images_in,
            "audio_in_seconds" => &mut self.audio_in_seconds,
            "video_in_seconds" => &mut self.video_in_seconds,
            "videos" => &mut self.videos,
            "pages" => &mut self.pages,
            "annotated_pages" => &mut self.annotated_pages,
            "credits" => &mut self.credits,
            "search_units" => &mut self.search_units,
            "queries" => &mut self.queries,
            "max_results" => &mut self.max_results,
            "text_messages" => &mut self.text_messages,
            "web_search_requests" => &mut self.web_search_requests,
            "google_maps_queries" => &mut self.google_maps_queries,
            "file_search_calls" => &mut self.file_search_calls,
            "code_interpreter_sessions" => &mut self.code_interpreter_sessions,
            "computer_use_input_tokens" => &mut self.computer_use_input_tokens,
            "computer_use_output_tokens" => &mut self.computer_use_output_tokens,
            "citation_tokens" => &mut self.citation_tokens,
            _ => return None,
        })
    }

    /// The word that goes by a name.
    pub(crate) fn word(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "size" => &mut self.size,
            "quality" => &mut self.quality,
            "resolution" => &mut self.resolution,
            "search_context_size" => &mut self.search_context_size,
            _ => return None,
        })
    }

    /// Whether some of anything was consumed.
    pub(crate) fn any(&self) -> bool {
        let counts = [
            self.prompt_characters,
            self.completion_characters,
            self.duration_seconds,
            self.images,
            self.images_in,
            self.audio_in_seconds,
            self.video_in_seconds,
            self.videos,
            self.pages,
            self.annotated_pages,
            self.credits,
            self.search_units,
            self.queries,
            self.text_messages,
            self.web_search_requests,
            self.google_maps_queries,
            self.file_search_calls,
            self.code_interpreter_sessions,
            self.computer_use_input_tokens,
            self.computer_use_output_tokens,
            self.citation_tokens,
        ];
        let named = self.guardrail_units.iter().map(|(_, count)| *count);
        let mut all = counts.into_iter().flatten().chain(named);
        all.any(|count| !count.is_zero())
    }
}

/// What kind of call it is: what is billed before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tokens,
    Embedding,
    Rerank,
    Moderation,
    Images,
    Speech,
    Transcription,
    Video,
    Ocr,
    Search,
    VectorStore,
}

impl Kind {
    /// By LiteLLM's name of the call, with or without the `a` in front.
    pub(crate) fn of_call_type(name: &str) -> Self {
        let one = |name: &str| {
            Some(match name {
                "embedding" => Self::Embedding,
                "rerank" => Self::Rerank,
                "moderation" => Self::Moderation,
                "image_generation" | "image_edit" | "image_variation" => Self::Images,
                "speech" => Self::Speech,
                "transcription" => Self::Transcription,
                "create_video" | "video_generation" | "video_edit" | "video_remix"
                | "video_extension" => Self::Video,
                "ocr" => Self::Ocr,
                "search" => Self::Search,
                "vector_store_search" => Self::VectorStore,
                _ => return None,
            })
        };
        one(name)
            .or_else(|| one(name.strip_prefix('a')?))
            .unwrap_or(Self::Tokens)
    }

    /// By the mode of an entry.
    pub(crate) fn of_mode(mode: Option<&str>) -> Self {
        match mode {
            Some("embedding") => Self::Embedding,
            Some("rerank") => Self::Rerank,
            Some("moderation") => Self::Moderation,
            Some("image_generation" | "image_edit") => Self::Images,
            Some("audio_speech") => Self::Speech,
            Some("audio_transcription") => Self::Transcription,
            Some("video_generation") => Self::Video,
            Some("ocr") => Self::Ocr,
            Some("search") => Self::Search,
            Some("vector_store") => Self::VectorStore,
            _ => Self::Tokens,
        }
    }

    /// Whether a call of this kind that says nothing consumes one unit all the same.
    pub(crate) fn consumes_by_default(self, units: &Units, usage: &Usage) -> bool {
        match self {
            Self::Rerank => units.search_units.is_none() && usage.search_units.is_none(),
            Self::Images => units.images.is_none(),
            Self::Video => units.videos.is_none(),
            Self::Search | Self::VectorStore => units.queries.is_none(),
            _ => false,
        }
    }
}

/// Whether a call is one of a batch.
pub(crate) fn is_batch(call: &Call<'_>) -> bool {
    let is_named = |name: &str| matches!(name, "retrieve_batch" | "aretrieve_batch");
    call.call_type.is_some_and(is_named)
        || call
            .service_tier
            .is_some_and(|tier| tier.eq_ignore_ascii_case("batch"))
}
