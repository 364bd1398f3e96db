//! What only the edge of a program may ask: the environment, the wall clock, the standard output.

use std::{
    env, fmt,
    io::{self, Write},
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

/// The value of an environment variable, if it is set and not empty.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment, and only here"
)]
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The value of an environment variable as a number or the like.
///
/// # Panics
///
/// If it is set to something else.
#[must_use]
pub fn setting<T: FromStr<Err: fmt::Debug>>(name: &str, default: T) -> T {
    variable(name).map_or(default, |value| match value.parse() {
        Ok(value) => value,
        Err(error) => complain(name, &value, &error),
    })
}

#[expect(clippy::panic, reason = "a test that was told nonsense must not pass")]
fn complain(name: &str, value: &str, error: &dyn fmt::Debug) -> ! {
    panic!("`{name}={value}` cannot be read: {error:?}")
}

/// Whether this run decides what lands.
#[must_use]
pub fn is_ci() -> bool {
    variable("CI").is_some()
}

/// Seconds since 1970.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "a receiver checks real timestamps"
)]
pub fn epoch_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The command line of a helper program: `--name value` and `--flag`.
#[derive(Clone, Debug)]
pub struct Arguments(Vec<String>);

impl Arguments {
    /// The arguments of this process, without its name.
    #[must_use]
    pub fn read() -> Self {
        Self(env::args().skip(1).collect())
    }

    /// Whether `--name` was given.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.0.iter().any(|word| word == name)
    }

    /// The word after `--name`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|word| word == name)?;
        self.0.get(at + 1).map(String::as_str)
    }

    /// The word after `--name`, as a number or the like.
    ///
    /// # Errors
    ///
    /// If it is something else.
    pub fn parsed<T: FromStr>(&self, name: &str, default: T) -> io::Result<T> {
        match self.value(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_error| {
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("`{name} {text}` is not a number"),
                )
            }),
        }
    }

    /// The words that belong to no `--name`.
    #[must_use]
    pub fn words(&self) -> Vec<&str> {
        let named = |at: usize| at > 0 && self.0[at - 1].starts_with("--");
        let words = self.0.iter().enumerate();
        words
            .filter(|(at, word)| !word.starts_with("--") && !named(*at))
            .map(|(_, word)| word.as_str())
            .collect()
    }
}

/// Prints one line at once, also when nobody reads.
pub fn say(line: impl fmt::Display) {
    let mut out = io::stdout().lock();
    // Whoever started us may have gone; that is no reason to stop.
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

/// `numerator / denominator` with two digits after the point.
#[must_use]
pub fn ratio(numerator: u128, denominator: u128) -> String {
    if denominator == 0 {
        return "-".to_owned();
    }
    let hundredths = (numerator * 100 + denominator / 2) / denominator;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// The middle one.
#[must_use]
pub fn median(mut values: Vec<u128>) -> u128 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}
