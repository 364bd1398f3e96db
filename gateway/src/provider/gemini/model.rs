//! What a Gemini model can do, read from its name.

/// A model by the version in its name: `gemini-2.5-pro`, `gemini-3-pro-preview`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Model {
    version: (u8, u8),
    size: Size,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Lite,
    Flash,
    Pro,
}

/// What a name without a number is taken for: the newest, or the one it once stood for.
const NEWEST: (u8, u8) = (3, 0);
const OLDEST: (u8, u8) = (1, 0);

impl Model {
    /// The model called `name`.
    pub(in super::super) fn of(name: &str) -> Self {
        let own = name.rsplit('/').next().unwrap_or(name);
        let size = match () {
            () if own.contains("lite") => Size::Lite,
            () if own.contains("flash") => Size::Flash,
            () => Size::Pro,
        };
        let version = match own.strip_prefix("gemini-") {
            None => OLDEST,
            Some(rest) => {
                let number = rest.split('-').next().unwrap_or_default();
                let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
                match (major.parse(), minor.parse()) {
                    (Ok(major), Ok(minor)) => (major, minor),
                    _ if rest.ends_with("latest") => NEWEST,
                    _ => OLDEST,
                }
            }
        };
        Self { version, size }
    }

    /// Whether it can think before it answers.
    pub(super) fn thinks(self) -> bool {
        self.version >= (2, 5)
    }

    /// Whether it is told how hard to think, rather than how many tokens that may cost. Such
    /// models also name their calls, want signatures back, and know no penalties.
    pub(super) fn has_levels(self) -> bool {
        self.version >= (3, 0)
    }

    /// Whether its output can be held to a JSON schema as it is.
    pub(super) fn reads_schemas(self) -> bool {
        self.version >= (2, 0)
    }

    /// Whether how closely an image is looked at is said once for all.
    pub(super) fn has_one_resolution(self) -> bool {
        self.version.0 == 2
    }

    /// Whether it knows the level below `low`.
    pub(super) fn has_minimal_level(self) -> bool {
        self.has_levels() && self.size != Size::Pro
    }

    /// The smallest budget for thinking.
    pub(super) fn smallest_budget(self) -> u32 {
        match (self.version, self.size) {
            ((2, 5), Size::Lite) => 512,
            ((2, 5), Size::Flash) => 1,
            _ => 128,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_version() {
        for (name, version, minimal) in [
            ("gemini-2.5-pro", (2, 5), 128),
            ("gemini-2.5-flash-lite-preview-06-17", (2, 5), 512),
            ("gemini-2.0-flash-001", (2, 0), 128),
            ("gemini-3-pro-preview", (3, 0), 128),
            ("gemini-flash-latest", NEWEST, 128),
            ("gemini-2.5-flash", (2, 5), 1),
            ("gemini-pro", OLDEST, 128),
            ("gemma-3-27b", OLDEST, 128),
            ("1234567890", OLDEST, 128),
        ] {
            let model = Model::of(name);
            assert_eq!(model.version, version, "{name}");
            assert_eq!(model.smallest_budget(), minimal, "{name}");
        }
    }
}
