//! Values as requests give them: left out, `null`, or there. Pure.

use crate::api::answer::Refusal;

/// What a request says of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given<T> {
    /// It leaves it out: an update lets it be.
    Absent,
    /// It says `null`: an update clears it.
    Null,
    /// It says this.
    Value(T),
}

impl<T> Given<T> {
    /// Puts it where it belongs; what is left out stays as it was.
    pub(super) fn put(self, target: &mut Option<T>) {
        match self {
            Self::Absent => {}
            Self::Null => *target = None,
            Self::Value(value) => *target = Some(value),
        }
    }

    /// The same for what has no `null`: that is its default.
    pub(super) fn replace(self, target: &mut T)
    where
        T: Default,
    {
        match self {
            Self::Absent => {}
            Self::Null => *target = T::default(),
            Self::Value(value) => *target = value,
        }
    }

    /// What it is, if it is there.
    pub(super) fn value(self) -> Option<T> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }

    /// What it is; the request is refused if it is not there.
    pub(super) fn required(self, field: &'static str) -> Result<T, Refusal> {
        let missing = || Refusal::unprocessable(field, &format!("`{field}` is missing"));
        self.value().ok_or_else(missing)
    }

    /// Reads on, if it is there.
    pub(super) fn and_then<U>(
        self,
        read: impl FnOnce(T) -> Result<U, Refusal>,
    ) -> Result<Given<U>, Refusal> {
        Ok(match self {
            Self::Absent => Given::Absent,
            Self::Null => Given::Null,
            Self::Value(value) => Given::Value(read(value)?),
        })
    }
}
