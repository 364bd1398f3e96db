//! Answers of models that continue a prompt: each maker has its own names for text, end and counts.

use event::{Timestamp, Usage};
use http::HeaderMap;
use serde_json::{Value, json};

use super::super::super::{
    Answer, Fault, Step, aws,
    chunks::Chunks,
    completion::{self, Choice, Completion},
    content::text,
    frames::Frame,
    translated::Dialect,
};

/// Counts that Bedrock adds to the last element of a stream.
const METRICS: &str = "amazon-bedrock-invocationMetrics";

/// How an answer is read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) model: String,
    pub(super) now: Timestamp,
}

impl Reading {
    pub(super) fn read(&self, answer: &Answer) -> Result<Step, Fault> {
        let body: Value =
            serde_json::from_slice(&answer.body).map_err(|_error| aws::fault::no_answer())?;
        let said = said(&body).ok_or_else(aws::fault::no_answer)?;
        let mut completion = Completion::new(&self.model, self.now);
        let reason = finish_reason(said.reason.unwrap_or_default());
        completion.choices.push(Choice::text(said.text, reason));
        completion.usage = counted(&answer.headers).or_else(|| in_body(&body));
        completion.done()
    }
}

/// What an answer, or an element of a stream, says.
struct Said<'a> {
    text: &'a str,
    reason: Option<&'a str>,
}

fn said(body: &Value) -> Option<Said<'_>> {
    let first = |name: &str| body.get(name).and_then(|list| list.get(0));
    let (text, reason) = if let Some(said) = text(body, "generation") {
        (said, text(body, "stop_reason"))
    } else if let Some(output) = first("outputs") {
        (text(output, "text")?, text(output, "stop_reason"))
    } else if let Some(result) = first("results") {
        (
            text(result, "outputText")?,
            text(result, "completionReason"),
        )
    } else if let Some(said) = text(body, "outputText") {
        (said, text(body, "completionReason"))
    } else {
        return None;
    };
    Some(Said { text, reason })
}

/// The counts that stand in the headers.
fn counted(headers: &HeaderMap) -> Option<Usage> {
    let count = |name: &str| -> Option<u64> { headers.get(name)?.to_str().ok()?.parse().ok() };
    let report = json!({
        "inputTokens": count("x-amzn-bedrock-input-token-count")?,
        "outputTokens": count("x-amzn-bedrock-output-token-count")?,
    });
    completion::usage("bedrock", &report)
}

/// The counts that stand in the answer itself.
fn in_body(body: &Value) -> Option<Usage> {
    let of_titan = || {
        let result = body.get("results")?.get(0)?;
        Some((body.get("inputTextTokenCount")?, result.get("tokenCount")?))
    };
    let of_llama = || {
        let output = body.get("generation_token_count")?;
        Some((body.get("prompt_token_count")?, output))
    };
    let (input, output) = of_titan().or_else(of_llama)?;
    completion::usage(
        "bedrock",
        &json!({ "inputTokens": input, "outputTokens": output }),
    )
}

fn finish_reason(reason: &str) -> &'static str {
    match reason {
        "length" | "LENGTH" | "max_tokens" => "length",
        "CONTENT_FILTERED" | "content_filtered" => "content_filter",
        _ => "stop",
    }
}

/// Says the elements of a stream in OpenAI's chunks.
#[derive(Debug, Default)]
pub(super) struct Pieces;

impl Dialect for Pieces {
    fn frame(&mut self, frame: &Frame, chunks: &mut Chunks) -> Result<(), Fault> {
        let piece: Value =
            serde_json::from_slice(&frame.data).map_err(|_error| aws::fault::no_event())?;
        if let Some(Said { text, reason }) = said(&piece) {
            chunks.text(text);
            if let (Some(reason), false) = (reason, chunks.is_finished()) {
                chunks.finish(0, finish_reason(reason));
            }
        }
        if let Some(usage) = piece
            .get(METRICS)
            .and_then(|report| completion::usage("bedrock", report))
        {
            chunks.set_usage(usage);
            if chunks.is_finished() {
                chunks.close();
            }
        }
        Ok(())
    }
}
