//! What a destination says of the items it did not take.

use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceResponse, metrics::v1::ExportMetricsServiceResponse,
    trace::v1::ExportTraceServiceResponse,
};
use prost::Message;
use serde::Deserialize;
use sink::Receipt;

use super::Signal;

/// How many were not taken, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    count: i64,
    reason: String,
}

/// Reads an answer that says yes; one that cannot be read says yes to all.
pub(super) fn rejected(signal: Signal, is_json: bool, body: &[u8]) -> Option<Rejected> {
    let (count, reason) = if is_json {
        let answer: Answer = serde_json::from_slice(body).ok()?;
        answer.partial_success?.counted(signal)?
    } else {
        match signal {
            Signal::Traces => {
                let answer = ExportTraceServiceResponse::decode(body).ok()?;
                let partial = answer.partial_success?;
                (partial.rejected_spans, partial.error_message)
            }
            Signal::Metrics => {
                let answer = ExportMetricsServiceResponse::decode(body).ok()?;
                let partial = answer.partial_success?;
                (partial.rejected_data_points, partial.error_message)
            }
            Signal::Logs => {
                let answer = ExportLogsServiceResponse::decode(body).ok()?;
                let partial = answer.partial_success?;
                (partial.rejected_log_records, partial.error_message)
            }
        }
    };
    (count > 0).then_some(Rejected { count, reason })
}

impl Rejected {
    /// OTLP does not say which items were rejected, and forbids to send the others again. So all of
    /// them become dead letters that say so: nothing is lost without a word, nothing arrives twice.
    pub(super) fn refuse(
        &self,
        items: impl ExactSizeIterator<Item = usize>,
        receipt: &mut Receipt,
    ) {
        let (count, all) = (self.count, items.len());
        let reason = if usize::try_from(count).is_ok_and(|count| count >= all) {
            format!("rejected: {}", self.reason)
        } else {
            let reason = &self.reason;
            format!("{count} of {all} items were rejected, and it was not said which: {reason}")
        };
        items.for_each(|index| receipt.refuse(index, &reason));
    }
}

/// The same as JSON, where whole numbers may be texts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    partial_success: Option<Partial>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Partial {
    rejected_spans: Count,
    rejected_data_points: Count,
    rejected_log_records: Count,
    error_message: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(i64),
    Text(String),
}

impl Default for Count {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl Partial {
    fn counted(self, signal: Signal) -> Option<(i64, String)> {
        let count = match signal {
            Signal::Traces => self.rejected_spans,
            Signal::Metrics => self.rejected_data_points,
            Signal::Logs => self.rejected_log_records,
        };
        let count = match count {
            Count::Number(count) => count,
            Count::Text(text) => text.parse().ok()?,
        };
        Some((count, self.error_message))
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;

    fn answered(rejected_spans: i64) -> Vec<u8> {
        let error_message = "too old".to_owned();
        let partial = ExportTracePartialSuccess {
            rejected_spans,
            error_message,
        };
        ExportTraceServiceResponse {
            partial_success: Some(partial),
        }
        .encode_to_vec()
    }

    #[test]
    fn what_was_rejected_is_read_in_both_forms() {
        let two = Some(Rejected {
            count: 2,
            reason: "too old".to_owned(),
        });
        assert_eq!(rejected(Signal::Traces, false, &answered(2)), two);
        for json in [
            r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}"#,
            r#"{"partialSuccess":{"rejectedSpans":2,"errorMessage":"too old"}}"#,
        ] {
            assert_eq!(rejected(Signal::Traces, true, json.as_bytes()), two);
            assert_eq!(rejected(Signal::Logs, true, json.as_bytes()), None);
        }
        for (json, body) in [
            (false, &answered(0)[..]),
            (false, b""),
            (false, b"<html>"),
            (true, b"{}"),
            (true, b"ok"),
            (true, br#"{"partialSuccess":{}}"#),
        ] {
            assert_eq!(rejected(Signal::Traces, json, body), None);
        }
    }

    #[test]
    fn all_are_refused_and_told_how_many_it_were() {
        let mut receipt = Receipt::default();
        let rejected = rejected(Signal::Traces, false, &answered(1)).unwrap();
        rejected.refuse([0, 2].into_iter(), &mut receipt);
        let [first, second] = receipt.refused() else {
            panic!("two are refused");
        };
        assert_eq!((first.index, second.index), (0, 2));
        assert!(first.reason.contains("1 of 2 items"), "{}", first.reason);
        assert!(first.reason.ends_with("too old"), "{}", first.reason);
        let mut receipt = Receipt::default();
        rejected.refuse([0].into_iter(), &mut receipt);
        assert_eq!(&*receipt.refused()[0].reason, "rejected: too old");
    }
}
