//! What a call consumed where its provider does not say: tokens of text, characters that were
//! spoken, seconds that were heard.

use event::{Exact, Usage};
use rust_decimal::Decimal;

use crate::{
    config::Deployment, operation::Operation, provider::Observed, request::ClientRequest, tokens,
};

mod sound;

/// Counts what was sent and answered, as far as the operation is billed by something that can be
/// counted.
pub(crate) fn counted(
    deployment: &Deployment,
    request: &ClientRequest,
    observed: &Observed,
) -> Usage {
    match request.operation {
        Operation::Speech => characters(request),
        Operation::Transcription => seconds(request),
        operation if operation.is_of_text() => {
            let model = (deployment.provider_name.as_str(), deployment.model.as_str());
            let answer = observed.response.as_ref();
            tokens::counted(model, Some(request), answer, observed.text_bytes)
        }
        _ => Usage::default(),
    }
}

/// The characters that were to be spoken.
fn characters(request: &ClientRequest) -> Usage {
    let mut usage = Usage::default();
    if let Some(characters) = request.characters() {
        let details = usage.prompt_tokens_details.get_or_insert_default();
        details.character_count = Some(characters);
    }
    usage
}

/// The length of the sound, as its file says.
fn seconds(request: &ClientRequest) -> Usage {
    let file = request.form().and_then(|form| form.file("file"));
    let millis = file.and_then(sound::millis).filter(|millis| *millis > 0);
    let seconds = millis.map(|millis| Exact(Decimal::new(millis, 3)));
    Usage {
        seconds,
        ..Usage::default()
    }
}
