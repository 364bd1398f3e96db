//! What a provider reports of a call, read into the one shape that is priced.
//!
//! Every dialect has a file. The dialect is known by its field names; the provider decides only
//! where two mean different things by the same names. Afterwards `prompt_tokens` has all input and
//! `completion_tokens` all output, and each detail is a part of its sum, so that the classes that
//! are billed do not overlap and none is lost.

mod anthropic;
mod bedrock;
mod cohere;
mod fields;
mod gemini;
mod mistral;
mod openai;
mod perplexity;
#[cfg(test)]
mod tests;
mod xai;

use event::Usage;
use serde_json::value::RawValue;

use crate::{reported::fields::Fields, resolve::family};

/// The largest report that is read.
const BYTES_MAX: usize = 64 * 1024;
/// The largest count that is believed: sums of such counts do not overflow.
const COUNT_MAX: u64 = 1_000_000_000_000_000;
/// What a report may be wrapped in: an answer, an event of a stream, the metadata of an answer.
const WRAPPERS: [&str; 4] = ["usageMetadata", "usage", "meta", "response"];
/// How deep a report may be wrapped, as in `{"response": {"usage": …}}`.
const WRAPPERS_MAX: usize = 2;

/// Why a report cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Larger than any report is.
    #[error("usage report has {0} bytes, more than 64 KiB; give the report without the answer")]
    TooLarge(usize),
    /// Not a JSON object where one has to be.
    #[error("`{field}` in the usage report is not {wanted}: `{found}`")]
    Shape {
        /// The field, or `usage`.
        field: String,
        /// What it has to be.
        wanted: &'static str,
        /// The beginning of what it is.
        found: String,
    },
    /// A count that is none.
    #[error("`{field}` in the usage report is not a whole number from 0 to 10^15: `{found}`")]
    NotACount {
        /// The field.
        field: String,
        /// The beginning of what it is.
        found: String,
    },
    /// Nothing in it is known.
    #[error(
        "usage report has no count that is known, only `{}`; known are those of OpenAI, Anthropic, \
         Gemini, Bedrock and Cohere",
        .0.join("`, `")
    )]
    NoCounts(Vec<String>),
}

/// Reads the report of a call of `call_type`, by LiteLLM's name, to a model of `provider`. The
/// report may stand in its answer, under `usage`, `usageMetadata`, `meta` or `response`.
///
/// A field that is `null` is absent, and one that is not known is passed over.
///
/// # Errors
///
/// If the report is larger than 64 KiB, is no object, has no count that is known, or has one that
/// is negative, has a fraction, or exceeds 10^15. The error names the field.
pub fn usage(
    provider: Option<&str>,
    call_type: Option<&str>,
    json: &RawValue,
) -> Result<Usage, ReportError> {
    let bytes = json.get().len();
    if bytes > BYTES_MAX {
        return Err(ReportError::TooLarge(bytes));
    }
    let mut fields = Fields::read("usage", json)?;
    for _ in 0..WRAPPERS_MAX {
        match fields.any_object(&WRAPPERS)? {
            Some(inner) => fields = inner,
            None => break,
        }
    }
    match Dialect::of(&fields) {
        Some(Dialect::Gemini) => gemini::read(&fields),
        Some(Dialect::Bedrock) => bedrock::read(&fields),
        Some(Dialect::Cohere) => cohere::read(&fields),
        Some(Dialect::Anthropic) => anthropic::read(&fields),
        Some(Dialect::OpenAi) => compatible(provider, call_type, &fields),
        None => Err(ReportError::NoCounts(fields.names())),
    }
}

/// Which names a report uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Gemini,
    Bedrock,
    Cohere,
    Anthropic,
    OpenAi,
}

impl Dialect {
    fn of(fields: &Fields<'_>) -> Option<Self> {
        let known: [(Self, &[&str]); 5] = [
            (Self::OpenAi, &["prompt_tokens", "completion_tokens"]),
            (Self::Bedrock, &bedrock::SIGNS),
            (Self::Gemini, &gemini::SIGNS),
            (Self::Cohere, &cohere::SIGNS),
            (
                Self::OpenAi,
                &[
                    "input_tokens",
                    "output_tokens",
                    "total_tokens",
                    "seconds",
                    "search_units",
                ],
            ),
        ];
        let (dialect, _) = known.into_iter().find(|(_, signs)| fields.has_any(signs))?;
        let is_anthropic = dialect == Self::OpenAi && anthropic::is_dialect_of(fields);
        Some(if is_anthropic {
            Self::Anthropic
        } else {
            dialect
        })
    }
}

/// OpenAI's dialect, and what those who follow it mean otherwise.
fn compatible(
    provider: Option<&str>,
    call_type: Option<&str>,
    fields: &Fields<'_>,
) -> Result<Usage, ReportError> {
    let mut usage = openai::read(call_type, fields)?;
    let provider = provider.map(family);
    if perplexity::is_dialect_of(provider, fields) {
        perplexity::amend(&mut usage, fields)?;
    }
    mistral::amend(&mut usage, fields)?;
    xai::amend(&mut usage, provider, fields)?;
    gemini::amend_compatible(&mut usage, provider);
    usage.total_tokens = usage
        .total_tokens
        .max(usage.prompt_tokens + usage.completion_tokens);
    Ok(usage)
}
