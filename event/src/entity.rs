//! Whom spend is counted for, and the one text that names each.

use std::{
    borrow::{Borrow, Cow},
    fmt,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The longest id, in bytes.
const ID_MAX: usize = 256;
/// What stands between an entity and the model it is narrowed to.
const MODEL: &str = "?model=";

/// The id of a key, team, user, budget, …: 1 to 256 bytes without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct EntityId(String);

/// Whom spend is counted for.
///
/// Written as `kind:id` (`key:<hash>`, `team_member:<team>/<user>`, `global`), narrowed to one
/// model as `key:<hash>?model=<model>`. What has a meaning in the text is written as `%` and two
/// hexadecimal digits in an id, and nothing else is, so that an entity has exactly one text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entity {
    who: Who,
    model: Option<EntityId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Who {
    Global,
    One(EntityKind, EntityId),
    Member { team: EntityId, user: EntityId },
}

/// What an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EntityKind {
    /// Everything together.
    Global,
    /// An organization, by its id.
    Organization,
    /// A team, by its id.
    Team,
    /// A user within a team.
    TeamMember,
    /// A user, by its id.
    User,
    /// A virtual key, by its SHA-256 in hexadecimal digits.
    Key,
    /// The application's own user (LiteLLM's customer), by its id.
    EndUser,
    /// A tag of requests.
    Tag,
    /// A provider, by LiteLLM's name of it.
    Provider,
    /// A model, as clients ask for it.
    Model,
    /// A session of an agent, by its id.
    Session,
}

impl EntityId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EntityId {
    type Err = EntityError;

    fn from_str(text: &str) -> Result<Self, EntityError> {
        if text.is_empty() || text.len() > ID_MAX || text.chars().any(char::is_control) {
            return Err(EntityError::of(text, Problem::Id));
        }
        Ok(Self(text.to_owned()))
    }
}

/// So that maps by id can be asked with a text.
impl Borrow<str> for EntityId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for EntityId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl EntityKind {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Global,
        Self::Organization,
        Self::Team,
        Self::TeamMember,
        Self::User,
        Self::Key,
        Self::EndUser,
        Self::Tag,
        Self::Provider,
        Self::Model,
        Self::Session,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Organization => "organization",
            Self::Team => "team",
            Self::TeamMember => "team_member",
            Self::User => "user",
            Self::Key => "key",
            Self::EndUser => "end_user",
            Self::Tag => "tag",
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Session => "session",
        }
    }

    /// Whether it can be narrowed to a model (LiteLLM's `model_max_budget`).
    const fn has_models(self) -> bool {
        matches!(self, Self::Key | Self::Team | Self::User | Self::EndUser)
    }
}

impl Entity {
    /// Everything together.
    #[must_use]
    pub const fn global() -> Self {
        Self::whole(Who::Global)
    }

    /// A user within a team.
    #[must_use]
    pub const fn team_member(team: EntityId, user: EntityId) -> Self {
        Self::whole(Who::Member { team, user })
    }

    /// An entity of a kind that one id names.
    ///
    /// # Errors
    ///
    /// If the kind is global or team member, which one id does not name.
    pub fn of(kind: EntityKind, id: EntityId) -> Result<Self, EntityError> {
        match kind {
            EntityKind::Global | EntityKind::TeamMember => {
                Err(EntityError::of(kind.as_str(), Problem::Parts))
            }
            kind => Ok(Self::whole(Who::One(kind, id))),
        }
    }

    /// The same entity, of its spend only what goes to one model.
    ///
    /// # Errors
    ///
    /// If it is no key, team, user or end user, or is narrowed to a model already.
    pub fn within_model(self, model: EntityId) -> Result<Self, EntityError> {
        if self.model.is_some() || !self.kind().has_models() {
            return Err(EntityError::of(&self.to_string(), Problem::Model));
        }
        Ok(Self {
            model: Some(model),
            ..self
        })
    }

    const fn whole(who: Who) -> Self {
        Self { who, model: None }
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> EntityKind {
        match &self.who {
            Who::Global => EntityKind::Global,
            Who::One(kind, _) => *kind,
            Who::Member { .. } => EntityKind::TeamMember,
        }
    }

    /// Its id; a team member's is the user's, and everything together has none.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match &self.who {
            Who::Global => None,
            Who::One(_, id) | Who::Member { user: id, .. } => Some(id.as_str()),
        }
    }

    /// The team of a team member.
    #[must_use]
    pub fn team(&self) -> Option<&str> {
        match &self.who {
            Who::Member { team, .. } => Some(team.as_str()),
            Who::Global | Who::One(..) => None,
        }
    }

    /// The model that it is narrowed to.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_ref().map(EntityId::as_str)
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().as_str())?;
        match &self.who {
            Who::Global => {}
            Who::One(_, id) => write!(f, ":{}", Escaped(id, "%?"))?,
            Who::Member { team, user } => {
                write!(f, ":{}/{}", Escaped(team, "%?/"), Escaped(user, "%?"))?;
            }
        }
        match &self.model {
            Some(model) => write!(f, "{MODEL}{}", Escaped(model, "%?")),
            None => Ok(()),
        }
    }
}

/// An id in which some characters are written as `%` and two hexadecimal digits.
struct Escaped<'a>(&'a EntityId, &'static str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.as_str().chars() {
            if self.1.contains(letter) {
                write!(f, "%{:02X}", u32::from(letter))?;
            } else {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Entity {
    type Err = EntityError;

    fn from_str(text: &str) -> Result<Self, EntityError> {
        let error = |problem| EntityError::of(text, problem);
        let (entity, model) = match text.split_once(MODEL) {
            Some((entity, model)) => (entity, Some(model)),
            None => (text, None),
        };
        let (kind, id) = match entity.split_once(':') {
            Some((kind, id)) => (kind, Some(id)),
            None => (entity, None),
        };
        let kind = EntityKind::ALL.into_iter().find(|one| one.as_str() == kind);
        let read = |id: &str| unescape(id).ok_or_else(|| error(Problem::Escape));
        let entity = match (kind.ok_or_else(|| error(Problem::Kind))?, id) {
            (EntityKind::Global, None) => Self::global(),
            (EntityKind::TeamMember, Some(id)) => {
                let (team, user) = id.split_once('/').ok_or_else(|| error(Problem::Parts))?;
                Self::team_member(read(team)?.parse()?, read(user)?.parse()?)
            }
            (kind, Some(id)) => Self::of(kind, read(id)?.parse()?)?,
            (_, None) => return Err(error(Problem::Parts)),
        };
        let entity = match model {
            Some(model) => entity.within_model(read(model)?.parse()?)?,
            None => entity,
        };
        if entity.to_string() == text {
            Ok(entity)
        } else {
            Err(error(Problem::Escape))
        }
    }
}

/// Undoes [`Escaped`]; `None` if a `%` is not followed by two hexadecimal digits.
fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut whole = parts.next()?.to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let code = u8::from_str_radix(digits, 16).ok()?;
        whole.push(char::from(code));
        whole.push_str(rest);
    }
    Some(whole)
}

impl Serialize for Entity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Entity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// Reads what a text stands for.
pub(crate) fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

/// A text that names no entity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names no entity: {problem}")]
pub struct EntityError {
    text: String,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("an id has 1 to {ID_MAX} bytes and no control characters")]
    Id,
    #[error(
        "begin with global, organization, team, team_member, user, key, end_user, tag, provider, model or session, and a colon"
    )]
    Kind,
    #[error("write `global`, `team_member:<team>/<user>`, or `<kind>:<id>`")]
    Parts,
    #[error("only a key, team, user or end user can be narrowed, to one model")]
    Model,
    #[error(
        "write `%25` for `%`, `%3F` for `?`, `%2F` for `/` in the team of a team member, and nothing else that way"
    )]
    Escape,
}

impl EntityError {
    fn of(text: &str, problem: Problem) -> Self {
        Self {
            text: text.chars().take(80).collect(),
            problem,
        }
    }
}

#[cfg(test)]
mod tests;
