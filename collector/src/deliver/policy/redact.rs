//! Finds secrets and personal data in texts, and puts a mark in their place.
//!
//! A detector is a pattern, for some with a check of digits. All of them together are looked for in
//! one pass first; only the patterns that are there are then replaced. Patterns run in time linear
//! in the text. What is found becomes `[redacted:<what>]`.

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex, RegexSet};

use crate::config::Redact;

/// One kind of thing to take out.
struct Detector {
    /// What the mark says.
    name: &'static str,
    class: Redact,
    /// What is in the group `keep` stays.
    pattern: &'static str,
    check: fn(&str) -> bool,
}

const fn secret(name: &'static str, pattern: &'static str) -> Detector {
    Detector {
        name,
        class: Redact::Secrets,
        pattern,
        check: |_| true,
    }
}

const fn personal(name: &'static str, pattern: &'static str, check: fn(&str) -> bool) -> Detector {
    Detector {
        name,
        class: Redact::Pii,
        pattern,
        check,
    }
}

/// In this order: what is part of a larger thing comes after it.
const DETECTORS: [Detector; 24] = [
    secret(
        "private_key",
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
    ),
    secret(
        "url_password",
        r"(?P<keep>\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/:@]*:[^\s/@]+@",
    ),
    secret(
        "jwt",
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    ),
    secret(
        "authorization",
        r#"(?i)(?P<keep>\b(?:bearer|basic)\s+)(?:[A-Za-z0-9._~+/-]{16,}=*)"#,
    ),
    secret(
        "aws_key_id",
        r"\b(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}\b",
    ),
    secret(
        "aws_secret",
        r#"(?i)(?P<keep>aws_?(?:secret_?)?(?:access_?)?(?:secret_?)?key["'\s:=]{1,8})[A-Za-z0-9/+]{40}"#,
    ),
    secret("api_key", r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}"),
    secret(
        "stripe_key",
        r"\b(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{16,}",
    ),
    secret(
        "github_token",
        r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,})",
    ),
    secret("gitlab_token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    secret(
        "slack_token",
        r"\bxox[a-z]-[A-Za-z0-9-]{10,}|\bxapp-[A-Za-z0-9-]{10,}",
    ),
    secret(
        "webhook_url",
        r"https://(?:hooks\.slack\.com/(?:services|workflows)|discord(?:app)?\.com/api/webhooks)/[A-Za-z0-9_/-]{8,}",
    ),
    secret("webhook_secret", r"\bwhsec_[A-Za-z0-9+/=]{16,}"),
    secret(
        "google_key",
        r"\bAIza[A-Za-z0-9_-]{35}|\bya29\.[A-Za-z0-9_-]{20,}",
    ),
    secret("huggingface_token", r"\bhf_[A-Za-z0-9]{30,}"),
    secret(
        "package_token",
        r"\bnpm_[A-Za-z0-9]{36}|\bpypi-[A-Za-z0-9_-]{50,}",
    ),
    secret(
        "sendgrid_key",
        r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    ),
    secret("twilio_key", r"\b(?:SK|AC)[0-9a-f]{32}\b"),
    secret(
        "password",
        r#"(?i)(?P<keep>\b(?:password|passwd|pwd|passphrase|secret|client[_-]?secret|api[_-]?key|access[_-]?token|auth[_-]?token|refresh[_-]?token)\\?["']?\s{0,4}[:=]\s{0,4}\\?["']?)[^\s"'\\,;&<>\[]{6,}"#,
    ),
    personal(
        "email",
        r"\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?\.[A-Za-z]{2,24}\b",
        |_| true,
    ),
    personal(
        "iban",
        r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
        is_iban,
    ),
    personal("card", r"\b[0-9](?:[ -]?[0-9]){12,18}\b", is_card),
    personal("ssn", r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b", |_| true),
    personal(
        "phone",
        r"(?:\+|\b00)[1-9][0-9]{0,2}[ ./()-]{0,3}(?:[0-9][ ./()-]{0,2}){5,12}[0-9]\b|\(?\b[2-9][0-9]{2}\)?[ .-]{1,2}[0-9]{3}[ .-][0-9]{4}\b",
        is_phone,
    ),
];

/// The patterns, made once.
struct Patterns {
    any: RegexSet,
    each: Vec<Regex>,
}

static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    let patterns = DETECTORS.iter().map(|detector| detector.pattern);
    let each: Result<_, _> = patterns.clone().map(Regex::new).collect();
    Some(Patterns {
        any: RegexSet::new(patterns).ok()?,
        each: each.ok()?,
    })
});

/// What one sink has taken out of its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Redactor {
    secrets: bool,
    personal: bool,
}

impl Redactor {
    /// Takes out everything there is a pattern for: for what is logged and shown.
    pub(crate) const ALL: Self = Self {
        secrets: true,
        personal: true,
    };

    pub(crate) fn new(wanted: &[Redact]) -> Self {
        Self {
            secrets: wanted.contains(&Redact::Secrets),
            personal: wanted.contains(&Redact::Pii),
        }
    }

    /// Whether it takes out nothing.
    pub(crate) const fn is_idle(self) -> bool {
        !self.secrets && !self.personal
    }

    /// Whether only secrets are taken out.
    pub(crate) const fn is_for_secrets_alone(self) -> bool {
        self.secrets && !self.personal
    }

    /// The text without what is to be taken out; `None` if there is nothing of it.
    pub(crate) fn redact(self, text: &str) -> Option<String> {
        if self.is_idle() {
            return None;
        }
        let Some(patterns) = &*PATTERNS else {
            // Unreachable while the tests pass; if it were not, showing nothing is the safe end.
            return Some("[redacted]".to_owned());
        };
        let found = patterns.any.matches(text);
        let mut left = Cow::Borrowed(text);
        for (index, (detector, regex)) in DETECTORS.iter().zip(&patterns.each).enumerate() {
            if found.matched(index) && self.wants(detector.class) {
                left = Cow::Owned(replace(detector, regex, &left));
            }
        }
        match left {
            Cow::Owned(left) if left != text => Some(left),
            _ => None,
        }
    }

    const fn wants(self, class: Redact) -> bool {
        match class {
            Redact::Secrets => self.secrets,
            Redact::Pii => self.personal,
        }
    }
}

fn replace(detector: &Detector, regex: &Regex, text: &str) -> String {
    let mark = |found: &Captures<'_>| {
        let whole = found.get(0).map_or("", |found| found.as_str());
        if !(detector.check)(whole) {
            return whole.to_owned();
        }
        let kept = found.name("keep").map_or("", |kept| kept.as_str());
        format!("{kept}[redacted:{}]", detector.name)
    };
    regex.replace_all(text, mark).into_owned()
}

fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|char| char.to_digit(10)).collect()
}

/// Luhn's sum, over 13 to 19 digits that are not all the same.
fn is_card(text: &str) -> bool {
    let digits = digits(text);
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    let differ = digits.iter().any(|digit| Some(digit) != digits.first());
    (13..=19).contains(&digits.len()) && differ && sum.is_multiple_of(10)
}

/// ISO 7064, modulo 97.
fn is_iban(text: &str) -> bool {
    let text: Vec<char> = text.chars().filter(|char| *char != ' ').collect();
    let (Some(head), Some(tail)) = (text.get(..4), text.get(4..)) else {
        return false;
    };
    let mut rest: u32 = 0;
    for char in tail.iter().chain(head) {
        let Some(value) = char.to_digit(36) else {
            return false;
        };
        rest = (rest * if value > 9 { 100 } else { 10 } + value) % 97;
    }
    (15..=34).contains(&text.len()) && rest == 1
}

fn is_phone(text: &str) -> bool {
    (8..=15).contains(&digits(text).len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> String {
        Redactor::ALL
            .redact(text)
            .unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn every_pattern_can_be_used() {
        assert!(PATTERNS.is_some());
    }

    #[test]
    fn each_kind_is_found_and_what_stands_around_it_stays() {
        for (text, name) in [
            ("sk-proj-abcdefghijklmnop1234", "api_key"),
            ("sk-ant-api03-abcdefghijklmnop", "api_key"),
            ("AKIAIOSFODNN7EXAMPLE", "aws_key_id"),
            ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "github_token"),
            ("glpat-abcdefghij0123456789", "gitlab_token"),
            ("xoxb-123456789012-abcdefghij", "slack_token"),
            ("sk_live_abcdefghijklmnop", "stripe_key"),
            ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "google_key"),
            (
                "hf_abcdefghijklmnopqrstuvwxyz0123456789",
                "huggingface_token",
            ),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "webhook_secret"),
            ("SG.abcdefghijklmnopqrstuv.abcdefghijklmnop", "sendgrid_key"),
            (
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3",
                "jwt",
            ),
            (
                "https://hooks.slack.com/services/T0/B0/abcdefgh",
                "webhook_url",
            ),
            ("ann.smith+x@mail.example.co.uk", "email"),
            ("DE89 3704 0044 0532 0130 00", "iban"),
            ("GB82WEST12345698765432", "iban"),
            ("4111 1111 1111 1111", "card"),
            ("5500-0000-0000-0004", "card"),
            ("378282246310005", "card"),
            ("+49 (0)30 123456-78", "phone"),
            ("(212) 555-0123", "phone"),
            ("0044 20 7946 0958", "phone"),
            ("078-05-1120", "ssn"),
        ] {
            assert_eq!(
                all(&format!("see {text}, ok")),
                format!("see [redacted:{name}], ok")
            );
        }
    }

    #[test]
    fn of_a_larger_thing_only_the_secret_goes() {
        let key = "MIIEpAIBAAKCAQEA7";
        let pem =
            format!("a -----BEGIN RSA PRIVATE KEY-----\n{key}\n-----END RSA PRIVATE KEY----- b");
        assert_eq!(all(&pem), "a [redacted:private_key] b");
        let cut = format!("a -----BEGIN PRIVATE KEY-----\n{key}");
        assert_eq!(all(&cut), "a [redacted:private_key]");
        for (text, left) in [
            (
                "Authorization: Bearer abcdefghijklmnop.1234",
                "Authorization: Bearer [redacted:authorization]",
            ),
            (
                "postgres://ann:hunter22@db/x",
                "postgres://[redacted:url_password]db/x",
            ),
            (
                "password = \"hunter2222\"",
                "password = \"[redacted:password]\"",
            ),
            (
                r#"{\"api_key\": \"abcdef123\"}"#,
                r#"{\"api_key\": \"[redacted:password]\"}"#,
            ),
            (
                "aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                "aws_secret_access_key=[redacted:aws_secret]",
            ),
        ] {
            assert_eq!(all(text), left);
        }
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for text in [
            "4111 1111 1111 1112",
            "0000000000000000",
            "GB82WEST12345698765431",
            "gpt-4o-2024-08-06 at 2026-11-21T20:31:34Z took 1795261334 ms",
            "risk-assessment and task-list, see https://example.com/a?b=1",
            "018f3b2e-9c1a-7c3d-8e4f-5a6b7c8d9e0f",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "192.168.100.200 and version 1.2.3",
            "tokens: 1234567, secret sauce",
        ] {
            assert_eq!(all(text), text);
        }
    }

    #[test]
    fn it_takes_out_what_it_is_told_to() {
        let text = "sk-proj-abcdefghijklmnop1234 ann@example.com";
        let secrets = Redactor::new(&[Redact::Secrets]).redact(text).unwrap();
        assert_eq!(secrets, "[redacted:api_key] ann@example.com");
        let personal = Redactor::new(&[Redact::Pii]).redact(text).unwrap();
        assert_eq!(personal, "sk-proj-abcdefghijklmnop1234 [redacted:email]");
        assert_eq!(Redactor::new(&[]).redact(text), None);
    }

    #[test]
    fn a_long_text_takes_time_in_proportion() {
        for piece in [
            "sk-",
            "a@",
            "+1",
            "-----BEGIN PRIVATE KEY-----",
            "eyJ",
            "password=",
        ] {
            let text = piece.repeat(200_000);
            let begun = tokio::time::Instant::now();
            drop(Redactor::ALL.redact(&text));
            assert!(
                begun.elapsed() < std::time::Duration::from_secs(30),
                "{piece}"
            );
        }
    }
}
