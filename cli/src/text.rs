//! What is printed: what strangers wrote, made safe, and columns.

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

/// Rows under their heads, after an empty line; nothing if there are none. All columns but the last
/// are aligned at their right.
pub(crate) fn columns<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> Vec<String> {
    let rows: Vec<[String; N]> = [head.map(str::to_owned)].into_iter().chain(rows).collect();
    if rows.len() == 1 {
        return Vec::new();
    }
    let letters = |text: &String| text.chars().count();
    let width = |column: usize| rows.iter().map(|row| letters(&row[column])).max();
    let widths: Vec<usize> = (0..N).filter_map(width).collect();
    let line = |row: &[String; N]| {
        let cell = |(at, text): (usize, &String)| match at + 1 < N {
            true => format!("  {text:>width$}", width = widths[at]),
            false => format!("  {text}"),
        };
        row.iter().enumerate().map(cell).collect()
    };
    let lines: Vec<String> = rows.iter().map(line).collect();
    [String::new()].into_iter().chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_letters() {
        let rows = [["ééé", "x"], ["a", "y"]].map(|row| row.map(str::to_owned));
        let lines = columns(["n", "m"], rows.into_iter());
        assert_eq!(lines, ["", "    n  m", "  ééé  x", "    a  y"]);
    }
}
