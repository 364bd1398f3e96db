//! Names that resemble a name, for error messages.

/// Which letters a name has, one bit for each; two names that are few edits apart differ in few.
pub(crate) type Letters = u64;

/// The letters of a name's last segment.
pub(crate) fn letters(name: &str) -> Letters {
    let bit = |byte: u8| 1 << (byte.to_ascii_lowercase() & 63);
    split(name)
        .1
        .bytes()
        .fold(0, |letters, byte| letters | bit(byte))
}

/// The names whose last segment is few edits from that of `name`; of equals, those with the same
/// provider first, then those with none.
pub(crate) fn nearest<'a>(
    names: impl Iterator<Item = (&'a str, Letters)>,
    name: &str,
    count: usize,
) -> Vec<&'a str> {
    let (head, tail) = split(name);
    let edits_max = (tail.len() / 4).clamp(2, 4);
    let wanted = letters(name);
    let mut found = Vec::new();
    for (known, letters) in names {
        // One edit changes the set of letters by at most one that goes and one that comes.
        let differing = usize::try_from((letters ^ wanted).count_ones()).unwrap_or(usize::MAX);
        if differing > 2 * edits_max {
            continue;
        }
        let (known_head, known_tail) = split(known);
        if known_tail.len().abs_diff(tail.len()) > edits_max {
            continue;
        }
        if let Some(edits) = distance(known_tail, tail, edits_max) {
            let foreign = u8::from(known_head != head) + u8::from(!known_head.is_empty());
            found.push((edits, foreign, known));
        }
    }
    found.sort_unstable();
    found
        .into_iter()
        .take(count)
        .map(|(.., known)| known)
        .collect()
}

/// The longest key that another is suggested for, and how many letters may differ.
const KEY_BYTES_MAX: usize = 100;
const KEY_EDITS_MAX: usize = 4;

/// The key that is fewest edits from `key`, if it is few enough.
pub(crate) fn key<'a>(keys: impl Iterator<Item = &'a str>, key: &str) -> Option<&'a str> {
    let is_near = |known: &&str| known.len().abs_diff(key.len()) <= KEY_EDITS_MAX;
    let edits = |known: &'a str| Some((distance(known, key, KEY_EDITS_MAX)?, known));
    let near = keys.filter(|_| key.len() <= KEY_BYTES_MAX).filter(is_near);
    Some(near.filter_map(edits).min()?.1)
}

/// How many letters have to be changed, added or taken away, capitals aside; nothing if more than
/// `max`.
pub(crate) fn distance(a: &str, b: &str, max: usize) -> Option<usize> {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut least = left;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let changed = diagonal + usize::from(!x.eq_ignore_ascii_case(&y));
            diagonal = *cell;
            left = changed.min(left + 1).min(*cell + 1);
            *cell = left;
            least = least.min(left);
        }
        if least > max {
            return None;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().filter(|edits| *edits <= max)
}

fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("abc", "ABC", 0),
            ("abc", "", 3),
            ("gpt-4o", "gtp-4o", 2),
            ("ab", "acb", 1),
        ] {
            assert_eq!(distance(a, b, edits), Some(edits), "{a} {b}");
            assert_eq!(distance(b, a, 9), Some(edits), "{b} {a}");
            let fewer = edits.checked_sub(1);
            assert_eq!(
                fewer.and_then(|fewer| distance(a, b, fewer)),
                None,
                "{a} {b}"
            );
        }
    }

    #[test]
    fn a_misspelt_name_finds_its_neighbours_of_the_same_provider_first() {
        let known = [
            "azure/gpt-4o-mini",
            "claude-2",
            "gpt-4o",
            "gpt-4o-mini",
            "xai/grok-4",
        ];
        let near = |name| nearest(known.iter().map(|known| (*known, letters(known))), name, 2);
        assert_eq!(near("gpt-4o-mni"), ["gpt-4o-mini", "azure/gpt-4o-mini"]);
        assert_eq!(
            near("azure/gpt4o-mini"),
            ["azure/gpt-4o-mini", "gpt-4o-mini"]
        );
        assert_eq!(near("something-else-entirely"), Vec::<&str>::new());
    }
}
