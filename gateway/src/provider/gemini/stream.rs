//! The pieces of a streamed answer: each is an answer that holds what is new.

use event::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{
        Fault,
        chunks::Chunks,
        content::{list, text},
        frames::Frame,
        translated::Dialect,
    },
    answer::{Parts, annotations, block_reason, error_in, finish_reason, logprobs, usage},
};
use crate::error::ErrorClass;

/// Choices that are told apart.
const CHOICES_MAX: usize = 128;

/// Says the pieces in OpenAI's chunks.
#[derive(Debug)]
pub(super) struct Pieces {
    now: Timestamp,
    /// Calls so far, for each choice.
    calls: Vec<usize>,
}

impl Pieces {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self {
            now,
            calls: Vec::new(),
        }
    }

    fn candidate(&mut self, candidate: &Value, place: usize, chunks: &mut Chunks) {
        let index = candidate.get("index").and_then(Value::as_u64);
        let index = index
            .and_then(|index| usize::try_from(index).ok())
            .unwrap_or(place);
        if index >= CHOICES_MAX {
            return;
        }
        if self.calls.len() <= index {
            self.calls.resize(index + 1, 0);
        }
        let parts = Parts::of(candidate, self.now);
        if !parts.reasoning.is_empty() {
            chunks.delta(index, json!({ "reasoning_content": parts.reasoning }));
        }
        let logprobs = logprobs(candidate).unwrap_or_default();
        if !parts.content.is_empty() || !logprobs.is_null() {
            let delta = json!({ "content": parts.content });
            chunks.delta_with_logprobs(index, delta, logprobs);
        }
        if !parts.images.is_empty() {
            chunks.delta(index, json!({ "images": parts.images }));
        }
        if let Some(audio) = parts.audio {
            chunks.delta(index, json!({ "audio": audio }));
        }
        if !parts.signatures.is_empty() {
            let own = json!({ "thought_signatures": parts.signatures });
            chunks.delta(index, json!({ "provider_specific_fields": own }));
        }
        for mut call in parts.calls {
            if let Some(fields) = call.as_object_mut() {
                fields.insert("index".to_owned(), self.calls[index].into());
            }
            self.calls[index] += 1;
            chunks.delta(index, json!({ "tool_calls": [call] }));
        }
        let annotations = annotations(candidate);
        if !annotations.is_empty() {
            chunks.delta(index, json!({ "annotations": annotations }));
        }
        if let Some(reason) = text(candidate, "finishReason") {
            chunks.finish(index, finish_reason(reason, self.calls[index] > 0));
        }
    }
}

impl Dialect for Pieces {
    fn frame(&mut self, frame: &Frame, chunks: &mut Chunks) -> Result<(), Fault> {
        let piece: Value = serde_json::from_slice(&frame.data).map_err(|_error| Fault {
            class: ErrorClass::ApiConnection,
            message: "a piece of the provider's stream is not JSON".to_owned(),
        })?;
        if let Some(fault) = error_in(&piece) {
            return Err(fault);
        }
        if let Some(id) = text(&piece, "responseId") {
            chunks.set_id(id);
        }
        if let Some(model) = text(&piece, "modelVersion") {
            chunks.set_model(model);
        }
        let candidates = list(&piece, "candidates");
        for (place, candidate) in candidates.iter().enumerate() {
            self.candidate(candidate, place, chunks);
        }
        if candidates.is_empty() && block_reason(&piece).is_some() {
            chunks.finish(0, "content_filter");
        }
        // Each report is of all so far; searches are told in one of the pieces.
        if let Some(mut usage) = usage(&piece, candidates) {
            let known = chunks
                .usage()
                .and_then(|known| known.prompt_tokens_details.as_ref());
            let searches = known.and_then(|known| known.web_search_requests);
            if let (Some(searches), details) = (
                searches,
                usage.prompt_tokens_details.get_or_insert_default(),
            ) {
                details.web_search_requests = details.web_search_requests.max(Some(searches));
            }
            chunks.set_usage(usage);
        }
        Ok(())
    }
}
