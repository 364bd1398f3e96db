//! What strangers wrote, made safe to print.

/// Text without what a terminal takes for an order: control characters, and those that turn the
/// direction of writing.
pub(crate) fn plain(text: &str) -> String {
    let is_safe = |letter: &char| {
        !letter.is_control()
            && !matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let safe = |letter| if is_safe(&letter) { letter } else { '\u{fffd}' };
    text.chars().map(safe).collect()
}
