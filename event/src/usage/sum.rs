//! Adds up what the parts of a call consumed: the answers of a session, the lines of a batch.

use super::{CachedDetails, CompletionDetails, PromptDetails, Usage};

impl Usage {
    /// Adds `more`, part by part. What is no count is that of the last that says it.
    pub fn add(&mut self, more: Self) {
        add(self, more);
    }
}

fn add(sum: &mut Usage, more: Usage) {
    whole(&mut sum.prompt_tokens, more.prompt_tokens);
    whole(&mut sum.completion_tokens, more.completion_tokens);
    whole(&mut sum.total_tokens, more.total_tokens);
    for (sum, more) in [
        (
            &mut sum.prompt_cache_hit_tokens,
            more.prompt_cache_hit_tokens,
        ),
        (
            &mut sum.cache_read_input_tokens,
            more.cache_read_input_tokens,
        ),
        (
            &mut sum.cache_creation_input_tokens,
            more.cache_creation_input_tokens,
        ),
        (&mut sum.num_search_queries, more.num_search_queries),
        (&mut sum.citation_tokens, more.citation_tokens),
        (&mut sum.search_units, more.search_units),
    ] {
        part(sum, more);
    }
    if let Some(more) = more.prompt_tokens_details {
        prompt(sum.prompt_tokens_details.get_or_insert_default(), more);
    }
    if let Some(more) = more.completion_tokens_details {
        completion(sum.completion_tokens_details.get_or_insert_default(), &more);
    }
    if let Some(more) = more.server_tool_use {
        let sum = sum.server_tool_use.get_or_insert_default();
        part(&mut sum.web_search_requests, more.web_search_requests);
    }
    sum.service_tier = more.service_tier.or(sum.service_tier.take());
}

fn prompt(sum: &mut PromptDetails, more: PromptDetails) {
    for (sum, more) in [
        (&mut sum.cached_tokens, more.cached_tokens),
        (&mut sum.cache_write_tokens, more.cache_write_tokens),
        (&mut sum.cache_creation_tokens, more.cache_creation_tokens),
        (&mut sum.text_tokens, more.text_tokens),
        (&mut sum.audio_tokens, more.audio_tokens),
        (&mut sum.image_tokens, more.image_tokens),
        (&mut sum.video_tokens, more.video_tokens),
        (&mut sum.web_search_requests, more.web_search_requests),
    ] {
        part(sum, more);
    }
    if let Some(more) = more.cached_tokens_details {
        cached(sum.cached_tokens_details.get_or_insert_default(), &more);
    }
}

fn cached(sum: &mut CachedDetails, more: &CachedDetails) {
    part(&mut sum.text_tokens, more.text_tokens);
    part(&mut sum.audio_tokens, more.audio_tokens);
    part(&mut sum.image_tokens, more.image_tokens);
}

fn completion(sum: &mut CompletionDetails, more: &CompletionDetails) {
    for (sum, more) in [
        (&mut sum.reasoning_tokens, more.reasoning_tokens),
        (&mut sum.text_tokens, more.text_tokens),
        (&mut sum.audio_tokens, more.audio_tokens),
        (&mut sum.image_tokens, more.image_tokens),
        (&mut sum.video_tokens, more.video_tokens),
        (
            &mut sum.accepted_prediction_tokens,
            more.accepted_prediction_tokens,
        ),
        (
            &mut sum.rejected_prediction_tokens,
            more.rejected_prediction_tokens,
        ),
    ] {
        part(sum, more);
    }
}

fn whole(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

fn part(sum: &mut Option<u64>, more: Option<u64>) {
    if let Some(more) = more {
        whole(sum.get_or_insert_default(), more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_added_to_its_like() {
        let one = r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,
            "prompt_tokens_details":{"cached_tokens":4,"text_tokens":6,"audio_tokens":4,
                "cached_tokens_details":{"audio_tokens":1,"text_tokens":3}},
            "completion_tokens_details":{"audio_tokens":2,"text_tokens":3}}"#;
        let one: Usage = serde_json::from_str(one).unwrap();
        let mut sum = Usage::default();
        sum.add(one.clone());
        assert_eq!(sum, one);
        let plain = Usage {
            prompt_tokens: 1,
            total_tokens: 1,
            ..Usage::default()
        };
        sum.add(plain);
        sum.add(one);
        let twice = r#"{"prompt_tokens":21,"completion_tokens":10,"total_tokens":31,
            "prompt_tokens_details":{"cached_tokens":8,"text_tokens":12,"audio_tokens":8,
                "cached_tokens_details":{"audio_tokens":2,"text_tokens":6}},
            "completion_tokens_details":{"audio_tokens":4,"text_tokens":6}}"#;
        assert_eq!(sum, serde_json::from_str(twice).unwrap());
    }
}
