//! Why a price map is refused.

/// Why a price map, or a deployment's own prices, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// Larger than any price map is.
    #[error("price map has {0} bytes, more than 64 MiB")]
    TooLarge(usize),
    /// No model in it.
    #[error("price map has no models")]
    Empty,
    /// Not a JSON object.
    #[error("price map is not a JSON object of models")]
    NotJson(#[source] serde_json::Error),
    /// More than any price map has.
    #[error(
        "price map has more than 10,000 different keys, or 100,000 blocks of `effective` and \
         brackets, up to `{entry}`"
    )]
    TooMany {
        /// The entry at which they became too many.
        entry: String,
    },
    /// A name that is longer than any model's.
    #[error("`{start}…` in the price map is a name of {bytes} bytes, more than 512")]
    LongName {
        /// How the name begins.
        start: String,
        /// How long it is.
        bytes: usize,
    },
    /// An entry that is larger than any model's.
    #[error("`{entry}` in the price map has {bytes} bytes, more than 65,536")]
    LargeEntry {
        /// The model.
        entry: String,
        /// How large it is.
        bytes: usize,
    },
    /// One name with two entries: nobody can say which is meant.
    #[error("`{entry}` is in the price map twice, with different values")]
    Twice {
        /// The model.
        entry: String,
    },
    /// A model's value is not an object.
    #[error("`{entry}` in the price map is not an object")]
    NotAnObject {
        /// The model.
        entry: String,
    },
    /// A price is not one.
    #[error("`{key}` of `{entry}` {problem}")]
    Figure {
        /// The model, or what else the prices are of.
        entry: String,
        /// The key.
        key: String,
        /// What is wrong with its value.
        problem: Problem,
    },
    /// A key that can only be meant as a price, and is none.
    #[error("`{key}` is not a key of the price map{}", suggestion(nearest.as_deref()))]
    UnknownKey {
        /// The key.
        key: String,
        /// The key that it resembles most, if one does.
        nearest: Option<String>,
    },
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not a number.
    #[error("is not a number of at most 28 digits: `{0}`")]
    NotANumber(String),
    /// Below zero.
    #[error("is negative: `{0}`")]
    Negative(String),
    /// There with another value, too.
    #[error("is there twice, with different values")]
    Twice,
    /// `tiered_pricing` is not a list of objects with a range.
    #[error("is not a list of objects with a `range` of two numbers")]
    NotBrackets,
    /// `off_peak_pricing` does not say when it holds.
    #[error("has hours, weekdays or a time zone that cannot be read, or none (`HH:MM-HH:MM`)")]
    NotOffPeak,
    /// `effective` is not a list of objects with a date.
    #[error("is not a list of objects with a `from` in RFC 3339")]
    NotEffective,
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| {
        format!("; did you mean `{nearest}`?")
    })
}
