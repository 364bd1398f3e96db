//! What a Claude model can do, read from its name.

/// A model by the version in its name. Names differ with the platform: `claude-sonnet-4-5`,
/// `claude-3-5-sonnet@20240620`, `anthropic.claude-opus-4-1-20250805-v1:0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider) struct Model {
    version: (u8, u8),
    /// Opus of the fourth generation writes less than its siblings.
    is_opus: bool,
    /// Whether the name is Vertex's, with a date behind an `@`.
    is_dated_at_vertex: bool,
}

/// What a model without a number is taken for.
const NEWEST: (u8, u8) = (5, 5);
const FAMILIES: &[&str] = &["opus", "sonnet", "haiku", "fable", "mythos"];

impl Model {
    /// The model called `name`.
    pub(in crate::provider) fn of(name: &str) -> Self {
        let own = name.split_once("claude-").map_or("", |(_, own)| own);
        let mut parts = own.split(['-', '@', ':', '.']);
        let number = |part: &str| -> Option<u8> {
            let digits = part.strip_prefix('v').unwrap_or(part);
            (digits.len() <= 2).then(|| digits.parse().ok()).flatten()
        };
        let major = parts.by_ref().find_map(number);
        let minor = parts.next().and_then(number).unwrap_or(0);
        let is_family = FAMILIES.iter().any(|family| own.contains(family));
        let version = match major {
            Some(major) => (major, minor),
            None if is_family => NEWEST,
            None => (0, 0),
        };
        Self {
            version,
            is_opus: own.contains("opus"),
            is_dated_at_vertex: own.contains('@'),
        }
    }

    /// The bound of the output where the client sets none: the API demands one.
    pub(super) fn output_tokens(self) -> u64 {
        match self.version {
            _ if self.is_dated_at_vertex => 4096,
            (..=3, _) => 4096,
            (4, ..=1) if self.is_opus => 32_000,
            (4, ..=5) => 64_000,
            _ => 128_000,
        }
    }

    /// Whether it can think before it answers.
    pub(in crate::provider) fn thinks(self) -> bool {
        self.version >= (3, 7)
    }

    /// Whether it decides by itself how long it thinks, and is told only how hard to try.
    pub(super) fn is_adaptive(self) -> bool {
        self.version >= (4, 6)
    }

    /// Whether it refuses to be given a budget for thinking.
    pub(in crate::provider) fn refuses_budgets(self) -> bool {
        self.version >= (4, 7)
    }

    /// Whether its output can be held to a schema.
    pub(in crate::provider) fn keeps_to_schemas(self) -> bool {
        self.version >= (4, 5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_platforms_tell_the_version() {
        for (name, version, output) in [
            ("claude-sonnet-4-5", (4, 5), 64_000),
            ("claude-sonnet-4-5-20250929", (4, 5), 64_000),
            ("claude-opus-4-20250514", (4, 0), 32_000),
            ("claude-opus-4-1", (4, 1), 32_000),
            ("claude-sonnet-4-20250514", (4, 0), 64_000),
            ("claude-opus-4-7", (4, 7), 128_000),
            ("claude-fable-5", (5, 0), 128_000),
            ("claude-mythos-preview", NEWEST, 128_000),
            ("claude-3-5-sonnet-20241022", (3, 5), 4096),
            ("claude-3-7-sonnet@20250219", (3, 7), 4096),
            ("claude-sonnet-4-5@20250929", (4, 5), 4096),
            ("anthropic.claude-3-5-sonnet-20240620-v1:0", (3, 5), 4096),
            ("us.anthropic.claude-opus-4-6-v1", (4, 6), 128_000),
            ("anthropic.claude-v2:1", (2, 1), 4096),
            ("something-else", (0, 0), 4096),
        ] {
            let model = Model::of(name);
            assert_eq!(model.version, version, "{name}");
            assert_eq!(model.output_tokens(), output, "{name}");
        }
    }
}
