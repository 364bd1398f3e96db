//! Section 6: units besides tokens.

use super::{check, check_totals, map};

#[test]
fn r6_1_characters_replace_the_text_of_their_side() {
    let map = map(
        r#""m": {"input_cost_per_token": 1, "output_cost_per_token": 1,
            "input_cost_per_audio_token": 5, "input_cost_per_character": 2,
            "input_cost_per_character_above_128k_tokens": 3},
           "silent": {"input_cost_per_token": 1}"#,
    );
    let usage = r#""usage": {"prompt_tokens": 10, "completion_tokens": 1,
        "prompt_tokens_details": {"audio_tokens": 4}}"#;
    check(
        &map,
        &[
            (
                &format!(r#""model": "m", "prompt_characters": 7, {usage}"#),
                "35 = input_characters 7 × 2 (input_cost_per_character)
                 + input_audio 4 × 5 (input_cost_per_audio_token)
                 + output 1 × 1 (output_cost_per_token)",
            ),
            (
                &format!(r#""model": "m", "completion_characters": 7, {usage}"#),
                "27 = input 6 × 1 (input_cost_per_token)
                 + input_audio 4 × 5 (input_cost_per_audio_token)
                 + output 1 × 1 (output_cost_per_token)",
            ),
            (
                r#""model": "m", "prompt_characters": 32000"#,
                "64000 = input_characters 32000 × 2 (input_cost_per_character)",
            ),
            (
                r#""model": "m", "prompt_characters": 32001"#,
                "96003 = input_characters 32001 × 3
                 (input_cost_per_character_above_128k_tokens)",
            ),
            (
                r#""model": "silent", "prompt_characters": 7"#,
                "unpriced: `silent` has no `input_cost_per_character`; \
                 set it among the deployment's own prices",
            ),
            (
                r#""model": "silent", "prompt_characters": 7, "usage": {"prompt_tokens": 2}"#,
                "2 = input 2 × 1 (input_cost_per_token)",
            ),
        ],
    );
}

#[test]
fn r6_2_media_in_a_prompt_replace_their_tokens() {
    let map = map(
        r#""m": {"input_cost_per_token": 1, "input_cost_per_image": 100,
            "input_cost_per_image_above_128k_tokens": 200, "input_cost_per_audio_per_second": 10,
            "input_cost_per_video_per_second": 20,
            "input_cost_per_video_per_second_above_8s_interval": 30,
            "input_cost_per_video_per_second_above_15s_interval": 40}"#,
    );
    check_totals(
        &map,
        &[
            (
                // 10 − 3 of the image, and one image.
                r#""model": "m", "images_in": 1, "usage": {"prompt_tokens": 10,
                   "prompt_tokens_details": {"image_tokens": 3}}"#,
                "107",
            ),
            (
                r#""model": "m", "images_in": 1, "usage": {"prompt_tokens": 128001}"#,
                "128201",
            ),
            (r#""model": "m", "audio_in_seconds": 1.5"#, "15"),
            (r#""model": "m", "video_in_seconds": 8"#, "160"),
            (r#""model": "m", "video_in_seconds": 9"#, "270"),
            (r#""model": "m", "video_in_seconds": 15"#, "450"),
            (r#""model": "m", "video_in_seconds": 16"#, "640"),
        ],
    );
}

const IMAGES: &str = r#""tokens": {"mode": "image_generation", "input_cost_per_token": 1,
            "output_cost_per_image_token": 2, "output_cost_per_image": 50},
           "image": {"mode": "image_generation", "output_cost_per_image": 5,
            "output_cost_per_image_2K": 9},
           "pixel": {"mode": "image_generation", "input_cost_per_pixel": 0.001,
            "output_cost_per_pixel": 0},
           "hd/1024-x-1024/image": {"mode": "image_generation", "input_cost_per_image": 7},
           "512-x-512/max-steps/image": {"mode": "image_generation", "output_cost_per_image": 3},
           "none": {"mode": "image_generation", "input_cost_per_token": 0}"#;

#[test]
fn r6_3_images_by_token_by_image_by_pixel() {
    let map = map(IMAGES);
    check(
        &map,
        &[
            (
                r#""model": "tokens", "images": 1, "usage": {"prompt_tokens": 3,
                   "completion_tokens": 4, "completion_tokens_details": {"image_tokens": 4}}"#,
                "11 = input 3 × 1 (input_cost_per_token)
                 + output_image 4 × 2 (output_cost_per_image_token)",
            ),
            (
                r#""model": "tokens", "images": 2"#,
                "100 = images 2 × 50 (output_cost_per_image)",
            ),
            (
                r#""model": "image", "images": 2, "resolution": "2k""#,
                "18 = images 2 × 9 (output_cost_per_image_2K)",
            ),
            (
                r#""model": "image", "call_type": "aimage_generation", "resolution": "8K""#,
                "5 = images 1 × 5 (output_cost_per_image)",
            ),
            (
                r#""model": "image", "images": 1, "size": "1024x1024", "quality": "hd""#,
                "7 = images 1 × 7 (input_cost_per_image)",
            ),
            (
                r#""model": "image", "images": 1, "size": "512x512", "steps": 51"#,
                "3 = images 1 × 3 (output_cost_per_image)",
            ),
            (
                r#""model": "pixel", "images": 2, "size": "10x20""#,
                "0.4 = pixels 400 × 0.001 (input_cost_per_pixel)",
            ),
            (
                r#""model": "pixel", "images": 2"#,
                "unpriced: `pixel` has no `output_cost_per_image`; \
                 set it among the deployment's own prices",
            ),
            (
                r#""model": "image", "images": 0, "call_type": "image_generation""#,
                "nothing",
            ),
            (r#""model": "image""#, "nothing"),
            (
                r#""model": "none", "images": 1"#,
                "unpriced: `none` has no `output_cost_per_image`; \
                 set it among the deployment's own prices",
            ),
        ],
    );
}

#[test]
fn r6_4_speech_and_transcription() {
    let map = map(
        r#""voice": {"mode": "audio_speech", "input_cost_per_character": 2,
            "input_cost_per_token": 1, "output_cost_per_token": 1},
           "seconds": {"mode": "audio_speech", "output_cost_per_second": 3},
           "music": {"mode": "audio_speech", "input_cost_per_token": 0, "output_cost_per_image": 4},
           "lyria": {"mode": "chat", "input_cost_per_token": 0, "output_cost_per_token": 0,
            "output_cost_per_image": 4},
           "whisper": {"mode": "audio_transcription", "input_cost_per_second": 5,
            "output_cost_per_second": 0},
           "hear": {"mode": "audio_transcription", "input_cost_per_second": 5,
            "input_cost_per_token": 1, "output_cost_per_token": 1}"#,
    );
    let usage = r#""usage": {"prompt_tokens": 1, "completion_tokens": 2}"#;
    check(
        &map,
        &[
            (
                &format!(r#""model": "voice", "prompt_characters": 7, {usage}"#),
                "14 = input_characters 7 × 2 (input_cost_per_character)",
            ),
            (
                &format!(r#""model": "voice", {usage}"#),
                "3 = input 1 × 1 (input_cost_per_token) + output 2 × 1 (output_cost_per_token)",
            ),
            (
                r#""model": "seconds", "duration_seconds": "0.5", "prompt_characters": 9"#,
                "1.5 = audio_seconds 0.5 × 3 (output_cost_per_second)",
            ),
            (
                &format!(r#""model": "music", {usage}"#),
                "4 = images 1 × 4 (output_cost_per_image)",
            ),
            (
                &format!(r#""model": "lyria", "images": 2, {usage}"#),
                "8 = images 2 × 4 (output_cost_per_image)",
            ),
            (
                r#""model": "whisper", "duration_seconds": 3"#,
                "15 = audio_seconds 3 × 5 (input_cost_per_second)",
            ),
            (
                r#""model": "whisper", "call_type": "atranscription",
                   "usage": {"type": "duration", "seconds": 2}"#,
                "10 = audio_seconds 2 × 5 (input_cost_per_second)",
            ),
            (
                &format!(r#""model": "hear", "duration_seconds": 3, {usage}"#),
                "3 = input 1 × 1 (input_cost_per_token) + output 2 × 1 (output_cost_per_token)",
            ),
            (
                r#""model": "hear", "duration_seconds": 3"#,
                "15 = audio_seconds 3 × 5 (input_cost_per_second)",
            ),
            (
                &format!(r#""model": "whisper", {usage}"#),
                "unpriced: `whisper` is priced by the second, and no duration is known",
            ),
        ],
    );
}

#[test]
fn r6_5_video_by_the_second_and_resolution() {
    let map = map(
        r#""v": {"mode": "video_generation", "output_cost_per_second": 1,
            "output_cost_per_second_720p": 2, "input_cost_per_image": 10},
           "sora": {"mode": "video_generation", "output_cost_per_video_per_second": 3},
           "only": {"mode": "video_generation", "output_cost_per_second_720p": 2},
           "tokens": {"mode": "video_generation", "output_cost_per_token": 1}"#,
    );
    check_totals(
        &map,
        &[
            (r#""model": "v", "duration_seconds": 8, "videos": 2"#, "16"),
            (
                r#""model": "v", "duration_seconds": 8, "resolution": "720P""#,
                "16",
            ),
            (
                r#""model": "v", "duration_seconds": 8, "images_in": 1"#,
                "18",
            ),
            (
                r#""model": "sora", "duration_seconds": 4, "resolution": "720p""#,
                "12",
            ),
            (
                r#""model": "only", "duration_seconds": 4, "resolution": "720p""#,
                "8",
            ),
            (
                r#""model": "tokens", "usage": {"completion_tokens": 4}"#,
                "4",
            ),
            (
                r#""model": "v", "call_type": "create_video""#,
                "unpriced: `v` is priced by the second, and no duration is known",
            ),
            (
                r#""model": "only", "call_type": "create_video""#,
                "unpriced: `only` is priced by the second, and no duration is known",
            ),
        ],
    );
}

#[test]
fn r6_6_pages_and_credits() {
    let map = map(
        r#""p": {"mode": "ocr", "ocr_cost_per_page": 2, "annotation_cost_per_page": 3},
           "q": {"mode": "ocr", "ocr_cost_per_page": 2},
           "c": {"mode": "ocr", "ocr_cost_per_credit": 5}"#,
    );
    check_totals(
        &map,
        &[
            (r#""model": "p", "pages": 2, "annotated_pages": 1"#, "7"),
            (r#""model": "q", "pages": 2, "annotated_pages": 1"#, "6"),
            (r#""model": "c", "credits": 3, "pages": 9"#, "15"),
            (
                r#""model": "c", "pages": 9"#,
                "unpriced: `c` has no `ocr_cost_per_page`; \
                 set it among the deployment's own prices",
            ),
        ],
    );
}

#[test]
fn r6_7_queries() {
    let map = map(
        r#""rank": {"mode": "rerank", "input_cost_per_query": 2, "input_cost_per_token": 0},
           "jina": {"mode": "rerank", "input_cost_per_token": 3, "output_cost_per_token": 3},
           "find": {"mode": "search", "tiered_pricing": [
            {"max_results_range": [0, 10], "input_cost_per_query": 1},
            {"max_results_range": [10, 50], "input_cost_per_query": 4}]},
           "store": {"mode": "vector_store", "input_cost_per_query": 6},
           "embed": {"mode": "embedding", "input_cost_per_token": 1, "input_cost_per_query": 9},
           "openai/vs": {"litellm_provider": "openai", "mode": "vector_store"}"#,
    );
    check_totals(
        &map,
        &[
            (r#""model": "rank", "call_type": "arerank""#, "2"),
            (
                r#""model": "rank", "search_units": 3, "usage": {"prompt_tokens": 5}"#,
                "6",
            ),
            (r#""model": "rank", "usage": {"prompt_tokens": 5}"#, "0"),
            (
                r#""model": "jina", "call_type": "rerank", "usage": {"prompt_tokens": 5}"#,
                "15",
            ),
            (r#""model": "find", "call_type": "search""#, "1"),
            (r#""model": "find", "queries": 2, "max_results": 10"#, "2"),
            (r#""model": "find", "queries": 2, "max_results": 11"#, "8"),
            (r#""model": "find", "queries": 2, "max_results": 51"#, "8"),
            (
                r#""model": "store", "call_type": "avector_store_search""#,
                "6",
            ),
            (
                r#""model": "embed", "queries": 2, "usage": {"prompt_tokens": 5}"#,
                "23",
            ),
            (
                r#""model": "x", "custom_llm_provider": "openai",
                "call_type": "vector_store_search""#,
                "0",
            ),
        ],
    );
}

#[test]
fn r6_8_moderation_of_openai_is_free() {
    let map = map(
        r#""m": {"litellm_provider": "mistral", "mode": "moderation", "input_cost_per_token": 2}"#,
    );
    let usage = r#""call_type": "amoderation", "usage": {"prompt_tokens": 3}"#;
    check(
        &map,
        &[
            (
                &format!(r#""model": "new", "custom_llm_provider": "openai", {usage}"#),
                "0 = requests 1 × 0 (default.openai.moderation)",
            ),
            (
                &format!(r#""model": "omni-moderation-latest", {usage}"#),
                "0 = requests 1 × 0 (default.openai.moderation)",
            ),
            (
                &format!(r#""model": "m", {usage}"#),
                "6 = input 3 × 2 (input_cost_per_token)",
            ),
        ],
    );
}

#[test]
fn r6_9_and_r6_10_fees_messages_and_guardrails() {
    let map = map(
        r#""m": {"input_cost_per_token": 1, "input_cost_per_request": 5},
           "g": {"mode": "guardrail", "guardrail_cost_per_unit": {"topic": 2, "word": 0}}"#,
    );
    check(
        &map,
        &[
            (
                r#""model": "m", "usage": {"prompt_tokens": 2}"#,
                "7 = input 2 × 1 (input_cost_per_token) + requests 1 × 5 (input_cost_per_request)",
            ),
            (r#""model": "m""#, "nothing"),
            (
                r#""model": "g", "guardrail_units": {"topic": 3, "word": 1, "new": 0}"#,
                "6 = guardrail_units 3 × 2 (guardrail_cost_per_unit.topic)
                 + guardrail_units 1 × 0 (guardrail_cost_per_unit.word)",
            ),
            (
                r#""model": "g", "guardrail_units": {"topic": 3, "new": 1}"#,
                "unpriced: `g` has no `guardrail_cost_per_unit.new`; \
                 set it among the deployment's own prices",
            ),
        ],
    );
}

#[test]
fn r1_4_a_count_of_no_videos_is_none_and_a_size_may_have_a_star() {
    let map = map(
        r#""v": {"mode": "video_generation", "output_cost_per_second": 0.5},
           "p": {"mode": "image_generation", "output_cost_per_pixel": 0.001}"#,
    );
    check_totals(
        &map,
        &[
            (r#""model": "v", "videos": 0, "duration_seconds": 8"#, "4"),
            (r#""model": "p", "images": 1, "size": "10*10""#, "0.1"),
        ],
    );
}
