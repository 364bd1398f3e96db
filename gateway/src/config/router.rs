//! `router_settings`: how often, how long and whom to ask.

use std::{collections::HashMap, time::Duration};

use event::Json;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};

use super::ConfigError;

use crate::error::ErrorClass;
pub use crate::routing::Strategy;

/// How often, how long and whom to ask.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RouterSettings {
    /// Whom of several deployments is asked.
    pub routing_strategy: Strategy,
    /// Names that stand for groups.
    pub model_group_alias: HashMap<String, Alias>,
    /// The least time between two attempts at one deployment.
    #[serde(deserialize_with = "super::settings::duration")]
    pub retry_after: Duration,
    /// Retries by class of error, `RateLimitErrorRetries`; before every other number.
    pub retry_policy: HashMap<String, u32>,
    /// The same, group by group.
    pub model_group_retry_policy: HashMap<String, HashMap<String, u32>>,
    /// Failures in a minute after which a deployment is left alone.
    pub allowed_fails: Option<u64>,
    /// The same by class of error, `RateLimitErrorAllowedFails`.
    pub allowed_fails_policy: HashMap<String, u64>,
    /// How long a deployment is left alone.
    #[serde(deserialize_with = "super::settings::duration")]
    pub cooldown_time: Duration,
    /// Whether failures have no consequences.
    pub disable_cooldowns: bool,
    /// Groups to ask when a group could not answer.
    pub fallbacks: Lists,
    /// The same for every group that has no list.
    pub default_fallbacks: Vec<String>,
    /// The same when the context window was too small.
    pub context_window_fallbacks: Lists,
    /// The same when the content was refused.
    pub content_policy_fallbacks: Lists,
    /// Groups that one call may be passed on to.
    pub max_fallbacks: usize,
    /// Whether prompts are held against context windows before anybody is asked.
    pub enable_pre_call_checks: bool,
    /// Whether a request's tags choose among deployments.
    pub enable_tag_filtering: bool,
    /// Whether one of the tags is enough.
    pub tag_filtering_match_any: bool,
    /// Calls that a deployment may have in flight, if it does not say so itself.
    pub default_max_parallel_requests: Option<u64>,
    /// The keys that were set.
    #[serde(skip)]
    set: Map<String, Value>,
}

impl Default for RouterSettings {
    fn default() -> Self {
        Self {
            routing_strategy: Strategy::default(),
            model_group_alias: HashMap::new(),
            retry_after: Duration::ZERO,
            retry_policy: HashMap::new(),
            model_group_retry_policy: HashMap::new(),
            allowed_fails: None,
            allowed_fails_policy: HashMap::new(),
            cooldown_time: Duration::from_secs(5),
            disable_cooldowns: false,
            fallbacks: Lists::default(),
            default_fallbacks: Vec::new(),
            context_window_fallbacks: Lists::default(),
            content_policy_fallbacks: Lists::default(),
            max_fallbacks: 5,
            enable_pre_call_checks: false,
            enable_tag_filtering: false,
            tag_filtering_match_any: true,
            default_max_parallel_requests: None,
            set: Map::new(),
        }
    }
}

/// What an alias stands for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Alias {
    /// A group.
    Group(String),
    /// A group, and whether the alias is listed among the models.
    Hidden {
        /// The group.
        model: String,
        /// Not listed.
        #[serde(default)]
        hidden: bool,
    },
}

/// Lists of groups by the group that they stand in for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists(HashMap<String, Vec<String>>);

impl Lists {
    /// The list for `group`, if there is one.
    #[must_use]
    pub fn of(&self, group: &str) -> Option<&[String]> {
        self.0.get(group).map(Vec::as_slice)
    }

    /// Every model that is to be asked instead of one.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.values().flatten().map(String::as_str)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Lists {
    /// `[{"a": ["b", "c"]}, …]`, as LiteLLM has it, or one such object.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        type Object = HashMap<String, Vec<String>>;
        let value = Value::deserialize(deserializer)?;
        let read = |value: &Value| {
            let json = Json::of(value);
            json.read::<Object>().ok_or_else(|| {
                D::Error::custom("must be a list of objects: a model and the models to ask instead")
            })
        };
        match &value {
            Value::Null => Ok(Self::default()),
            Value::Array(list) => {
                let mut lists = Object::new();
                for value in list {
                    lists.extend(read(value)?);
                }
                Ok(Self(lists))
            }
            value => read(value).map(Self),
        }
    }
}

impl RouterSettings {
    /// Sets one key.
    pub(super) fn set(&mut self, key: &str, value: &Value, path: &str) -> Result<(), ConfigError> {
        // What is set already is written down and read again with the new value.
        let mut all = std::mem::take(&mut self.set);
        all.insert(key.to_owned(), value.clone());
        *self = super::read(&Value::Object(all.clone()), path)?;
        self.set = all;
        Ok(())
    }

    /// Names and the groups that they stand for.
    #[must_use]
    pub fn aliases(&self) -> HashMap<String, String> {
        let group = |alias: &Alias| match alias {
            Alias::Group(group) | Alias::Hidden { model: group, .. } => group.clone(),
        };
        let aliases = self.model_group_alias.iter();
        aliases
            .map(|(name, alias)| (name.clone(), group(alias)))
            .collect()
    }

    /// The aliases that are listed among the models.
    pub fn shown_aliases(&self) -> impl Iterator<Item = &str> {
        let is_shown = |alias: &Alias| !matches!(alias, Alias::Hidden { hidden: true, .. });
        let aliases = self.model_group_alias.iter();
        aliases
            .filter(move |(_, alias)| is_shown(alias))
            .map(|(name, _)| name.as_str())
    }

    /// The failures that are allowed, if anybody says so.
    #[must_use]
    pub fn fails_allowed(&self, class: ErrorClass) -> Option<u64> {
        let own = format!("{}AllowedFails", class.name());
        self.allowed_fails_policy
            .get(&own)
            .copied()
            .or(self.allowed_fails)
    }

    /// The retries after an error of `class` in `group`, if a policy says so.
    #[must_use]
    pub fn retries(&self, group: &str, class: ErrorClass) -> Option<u32> {
        let policy = self
            .model_group_retry_policy
            .get(group)
            .unwrap_or(&self.retry_policy);
        let name = match class {
            ErrorClass::ContextWindowExceeded | ErrorClass::UnsupportedParams => "BadRequestError",
            class => class.name(),
        };
        let own = format!("{name}Retries");
        policy
            .get(&own)
            .or_else(|| policy.get("DefaultRetries"))
            .copied()
    }
}
