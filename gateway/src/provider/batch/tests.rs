//! Batches and their results in the shapes of OpenAI's documentation.

use serde_json::{Value, json};

use super::*;

/// A batch that has ended, as `GET /v1/batches/{id}` has it.
fn batch() -> Value {
    json!({"id": "batch_abc123", "object": "batch", "endpoint": "/v1/chat/completions",
        "model": "gpt-4o-mini-2024-07-18", "errors": null, "input_file_id": "file-abc123",
        "completion_window": "24h", "status": "completed", "output_file_id": "file-cvaTdG",
        "error_file_id": "file-HOWS94", "created_at": 1_711_471_533, "expires_at": 1_711_557_933,
        "request_counts": {"total": 100, "completed": 95, "failed": 5},
        "usage": {"input_tokens": 1500, "input_tokens_details": {"cached_tokens": 1024},
            "output_tokens": 500, "output_tokens_details": {"reasoning_tokens": 300},
            "total_tokens": 2000},
        "metadata": {"customer_id": "user_123456789"}})
}

fn told(object: &Value) -> Option<Batch> {
    read(object.to_string().as_bytes(), &About::Standing, "openai")
}

/// A result, as a line of the output file has it.
fn result(number: u32, model: &str, prompt: u64) -> String {
    let line = json!({"id": format!("batch_req_{number}"), "custom_id": format!("request-{number}"),
        "response": {"status_code": 200, "request_id": "req_123", "body": {
            "id": "chatcmpl-123", "object": "chat.completion", "created": 1_711_652_795,
            "model": model, "choices": [{"index": 0, "logprobs": null, "finish_reason": "stop",
                "message": {"role": "assistant", "content": "Hello\n."}}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": 2, "total_tokens": prompt + 2},
            "system_fingerprint": "fp_123"}},
        "error": null});
    format!("{line}\n")
}

fn failed() -> String {
    let line = json!({"id": "batch_req_9", "custom_id": "request-9", "response": null,
        "error": {"code": "batch_expired", "message": "This request could not be executed."}});
    format!("{line}\n")
}

/// What a file tells that comes in pieces of so many bytes.
fn heard(file: &str, piece: usize) -> Option<Batch> {
    let mut results = Results::new("file-cvaTdG".to_owned(), "openai".to_owned());
    for chunk in file.as_bytes().chunks(piece) {
        let chunk = bytes::Bytes::copy_from_slice(chunk);
        assert_eq!(results.chunk(chunk.clone()), chunk, "passed on as it is");
    }
    results.rest();
    results.observed().batch.map(|batch| *batch)
}

#[test]
fn a_batch_that_has_ended_says_what_it_consumed() {
    let told = told(&batch()).unwrap();
    assert_eq!(told.stage, BatchStage::Ended);
    assert_eq!(told.names, ["batch_abc123", "file-cvaTdG"]);
    assert_eq!(told.unknown, None);
    let [part] = &*told.parts else {
        panic!("{told:?}")
    };
    assert_eq!(part.model, "gpt-4o-mini-2024-07-18");
    assert_eq!(
        (part.requests, part.prompt_min, part.prompt_max),
        (95, 0, 1500)
    );
    let usage = &part.usage;
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (1500, 500));
    let details = usage.prompt_tokens_details.as_ref().unwrap();
    assert_eq!(details.cached_tokens, Some(1024));
}

#[test]
fn a_batch_that_goes_on_or_consumed_nothing_is_not_billed() {
    for status in [
        "validating",
        "failed",
        "in_progress",
        "finalizing",
        "cancelling",
    ] {
        let mut object = batch();
        object["status"] = status.into();
        assert_eq!(told(&object), None, "{status}");
    }
    let mut object = batch();
    object["request_counts"]["completed"] = 0.into();
    object["usage"] = json!({"input_tokens": 0, "output_tokens": 0, "total_tokens": 0});
    assert_eq!(told(&object), None);
    for status in ["expired", "cancelled"] {
        let mut object = batch();
        object["status"] = status.into();
        assert!(told(&object).is_some(), "{status}: what was done is billed");
    }
}

#[test]
fn what_a_batch_does_not_say_is_not_nothing() {
    let zero = json!({"input_tokens": 0, "output_tokens": 0, "total_tokens": 0});
    for (field, value, reason) in [
        ("usage", Value::Null, "what it consumed"),
        ("usage", zero, "what it consumed"),
        ("model", Value::Null, "which model"),
    ] {
        let mut object = batch();
        object[field] = value;
        let told = told(&object).unwrap();
        assert!(told.parts.is_empty());
        let unknown = told.unknown.unwrap();
        assert!(unknown.contains(reason), "{unknown}");
        assert!(unknown.contains("download"), "{unknown}");
    }
}

#[test]
fn results_are_added_up_however_they_are_cut() {
    let mut file: String = (0..40).map(|n| result(n, "gpt-4o-mini", 100)).collect();
    file.push_str(&failed());
    file.push_str(&result(50, "gpt-4o", 300_000));
    let whole = heard(&file, file.len()).unwrap();
    assert_eq!(whole.names, ["file-cvaTdG", "batch_req_0"]);
    assert_eq!(whole.unknown, None);
    let sums: Vec<_> = whole
        .parts
        .iter()
        .map(|part| {
            let usage = &part.usage;
            (
                &*part.model,
                part.requests,
                usage.prompt_tokens,
                usage.completion_tokens,
            )
        })
        .collect();
    assert_eq!(
        sums,
        [("gpt-4o", 1, 300_000, 2), ("gpt-4o-mini", 40, 4000, 80)]
    );
    assert_eq!(
        (whole.parts[1].prompt_min, whole.parts[1].prompt_max),
        (100, 100)
    );
    for piece in [1, 7, 1000] {
        assert_eq!(heard(&file, piece).as_ref(), Some(&whole), "{piece}");
    }
    // The last line may end without an end.
    assert_eq!(heard(file.trim_end(), 100), Some(whole));
}

#[test]
fn long_and_short_requests_are_told_apart() {
    let file = [
        result(0, "m", 10),
        result(1, "m", 300_000),
        result(2, "m", 20),
    ]
    .concat();
    let told = heard(&file, 64).unwrap();
    let lengths: Vec<_> = told
        .parts
        .iter()
        .map(|part| (part.requests, part.prompt_min, part.prompt_max))
        .collect();
    assert_eq!(lengths, [(2, 10, 20), (1, 300_000, 300_000)]);
}

#[test]
fn results_that_say_too_little_leave_the_batch_unknown() {
    let mut untold = result(1, "m", 5);
    untold = untold.replace("\"usage\"", "\"used\"");
    for second in [untold, "{broken\n".to_owned(), "x".repeat(17 << 20) + "\n"] {
        let told = heard(&(result(0, "m", 5) + &second), 1 << 20).unwrap();
        assert!(told.parts.is_empty());
        let unknown = told.unknown.unwrap();
        assert!(unknown.starts_with("1 of "), "{unknown}");
    }
    let many: String = (0..65).map(|n| result(n, &format!("m{n}"), 5)).collect();
    assert!(heard(&many, 4096).unwrap().unknown.is_some());
}

#[test]
fn what_is_no_file_with_results_tells_nothing() {
    let request = json!({"custom_id": "request-1", "method": "POST", "url": "/v1/chat/completions",
        "body": {"model": "gpt-4o", "messages": []}});
    for file in [
        format!("{request}\n"),
        failed(),
        "plain text\n".to_owned(),
        String::new(),
    ] {
        assert_eq!(heard(&file, 16), None, "{file}");
    }
    let mut results = Results::new("f".to_owned(), "openai".to_owned());
    results.chunk(result(0, "m", 5).into());
    assert_eq!(
        results.observed().batch,
        None,
        "its end may tell more, and was not seen"
    );
}

#[test]
fn it_is_known_which_paths_are_about_batches() {
    let (get, post) = (Method::GET, Method::POST);
    let of = About::of;
    assert_eq!(of(&post, "batches"), Some(About::Created));
    assert_eq!(of(&get, "batches"), None, "a list bills nothing");
    assert_eq!(of(&get, "v1/batches/b"), Some(About::Standing));
    assert_eq!(of(&post, "batches/b/cancel"), Some(About::Standing));
    let file = About::File("f".to_owned());
    assert_eq!(of(&get, "openai/v1/files/f/content"), Some(file));
    assert_eq!(of(&get, "files/f"), None);
}

#[test]
fn a_dated_version_is_of_its_model() {
    assert!(is_of("gpt-4o-2024-08-06", "gpt-4o"));
    assert!(is_of("gpt-4o", "gpt-4o"));
    assert!(!is_of("gpt-4o-mini", "gpt-4o"));
    assert!(!is_of("gpt-4o-mini-2024-07-18", "gpt-4o"));
    assert!(!is_of("gpt-4", "gpt-4o"));
}
