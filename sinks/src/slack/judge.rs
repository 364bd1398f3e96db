//! What Slack's answers mean.

use serde::Deserialize;
use sink::{
    SinkErrorKind,
    http::{Answer, StatusCode, meaning},
};

/// A webhook says `ok`; whoever says something else is not Slack.
pub(super) fn webhook(answer: &Answer) -> Result<(), SinkErrorKind> {
    meaning(answer.status)?;
    if answer.body.trim_ascii() == b"ok" {
        Ok(())
    } else {
        Err(SinkErrorKind::Failing)
    }
}

/// Of the message without text.
pub(super) fn probe(answer: &Answer) -> Result<(), SinkErrorKind> {
    match answer.status {
        StatusCode::BAD_REQUEST => Ok(()),
        status => meaning(status),
    }
}

/// The Web API says 200 to everything, and in the body what it thinks.
pub(super) fn bot(answer: &Answer) -> Result<(), SinkErrorKind> {
    #[derive(Deserialize)]
    struct Said {
        ok: bool,
        #[serde(default)]
        error: String,
    }
    meaning(answer.status)?;
    match serde_json::from_slice(&answer.body) {
        Ok(Said { ok: true, .. }) => Ok(()),
        Ok(Said { error, .. }) => Err(error_kind(&error)),
        Err(_) => Err(SinkErrorKind::Failing),
    }
}

/// What each error of the Web API means for a message. One that is not known is for a person to look
/// at; nothing is given up meanwhile.
fn error_kind(error: &str) -> SinkErrorKind {
    match error {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => SinkErrorKind::Throttled,
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org" => SinkErrorKind::Failing,
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "missing_scope"
        | "no_permission"
        | "not_allowed_token_type"
        | "access_denied"
        | "org_login_required"
        | "ekm_access_denied"
        | "two_factor_setup_required"
        | "team_access_not_granted" => SinkErrorKind::Unauthorized,
        "msg_too_long"
        | "msg_blocks_too_long"
        | "no_text"
        | "invalid_blocks"
        | "invalid_blocks_format"
        | "invalid_arguments"
        | "invalid_json"
        | "json_not_object"
        | "invalid_metadata_format"
        | "invalid_metadata_schema"
        | "metadata_too_large" => SinkErrorKind::Refused,
        _ => SinkErrorKind::Misconfigured,
    }
}
