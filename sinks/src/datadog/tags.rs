//! Tags: `name:value`, as Datadog would write them itself.

use event::{PricedEvent, StandardLoggingPayload};

use super::config::{Config, Tag};

/// Characters of a tag; Datadog cuts what is longer.
const TAG_CHARS_MAX: usize = 200;
/// Tags of one call: a request may bring any number.
const TAGS_MAX: usize = 100;

/// The tags of a call: those that are configured and have a value.
pub(super) fn of(event: &PricedEvent, config: &Config) -> Vec<String> {
    let fixed = [
        ("env", config.env.as_deref()),
        ("service", Some(config.service.as_str())),
        ("version", config.version.as_deref()),
    ];
    let fixed = fixed
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let own = config
        .tags
        .iter()
        .flat_map(|tag| values(*tag, event.payload()));
    let mut tags: Vec<String> = Vec::new();
    for (name, value) in fixed.chain(own).take(TAGS_MAX) {
        let tag = written(name, value);
        if !value.is_empty() && !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

/// Names of the tags that a cost may be broken down by: what has few values.
pub(super) fn of_costs(config: &Config) -> Vec<&'static str> {
    let bounded = config.tags.iter().filter(|tag| {
        !matches!(
            tag,
            Tag::User | Tag::EndUser | Tag::RequestTags | Tag::ErrorClass
        )
    });
    bounded.map(|tag| tag.name()).collect()
}

impl Tag {
    const fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Model => "model",
            Self::ModelGroup => "model_group",
            Self::Status => "status",
            Self::Outcome => "outcome",
            Self::ErrorClass => "error_class",
            Self::Team => "team",
            Self::KeyAlias => "key_alias",
            Self::User => "user_id",
            Self::EndUser => "end_user",
            Self::Organization => "organization",
            Self::RequestTags => "request_tag",
        }
    }
}

fn values(tag: Tag, payload: &StandardLoggingPayload) -> Vec<(&'static str, &str)> {
    let metadata = &payload.metadata;
    let value = match tag {
        Tag::Provider => payload.custom_llm_provider.as_deref(),
        Tag::Model => Some(model(payload)),
        Tag::ModelGroup => payload.model_group.as_deref(),
        Tag::Status => Some(payload.status.as_str()),
        Tag::Outcome => payload
            .tollkeeper
            .as_ref()
            .map(|ours| ours.outcome.as_str()),
        Tag::ErrorClass => Some(payload.error_information.error_class.as_str()),
        Tag::Team => {
            let alias = metadata.user_api_key_team_alias.as_deref();
            alias.or(metadata.user_api_key_team_id.as_deref())
        }
        Tag::KeyAlias => metadata.user_api_key_alias.as_deref(),
        Tag::User => metadata.user_api_key_user_id.as_deref(),
        Tag::EndUser => payload.end_user.as_deref(),
        Tag::Organization => {
            let alias = metadata.user_api_key_org_alias.as_deref();
            alias.or(metadata.user_api_key_org_id.as_deref())
        }
        Tag::RequestTags => {
            let tags = payload.request_tags.iter();
            return tags.map(|value| (tag.name(), value.as_str())).collect();
        }
    };
    value.map(|value| (tag.name(), value)).into_iter().collect()
}

/// The model by the name that its provider has for it.
pub(super) fn model(payload: &StandardLoggingPayload) -> &str {
    let provider = payload.custom_llm_provider.as_deref().unwrap_or_default();
    let bare = payload.model.strip_prefix(provider);
    bare.and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or(&payload.model)
}

fn written(name: &str, value: &str) -> String {
    let plain = |char: char| {
        if char.is_alphanumeric() || "_-./:".contains(char) {
            char
        } else {
            '_'
        }
    };
    let value = value.trim().chars().flat_map(char::to_lowercase).map(plain);
    let name = name.chars().chain([':']);
    name.chain(value).take(TAG_CHARS_MAX).collect()
}
