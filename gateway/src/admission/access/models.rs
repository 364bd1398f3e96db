//! Which models whoever calls may use: lists of names, patterns, access groups, and names that stand
//! for several.

use event::{Entity, EntityId, control::Key};

use crate::{auth::Identity, routing::Groups};

/// Names in a list that stand for others.
const ALL_PROXY_MODELS: &str = "all-proxy-models";
const ALL_TEAM_MODELS: &str = "all-team-models";
const ALL_ORG_MODELS: &str = "all-org-models";
const NO_DEFAULT_MODELS: &str = "no-default-models";

/// Everybody who has a say in which models a call may use, with their lists. An empty list has every
/// model.
pub(crate) struct Lists<'a> {
    lists: Vec<(&'static str, &'a [EntityId])>,
    of_team: &'a [EntityId],
    of_organization: &'a [EntityId],
}

/// Whose list does not have a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Denied<'a> {
    pub(crate) whose: &'static str,
    pub(crate) list: &'a [EntityId],
}

impl<'a> Lists<'a> {
    /// Those of a key, its team, its place there, its user and its organization, and of the end user
    /// it calls for. A key without a team is its user's, and of nobody else.
    pub(crate) fn of(identity: &'a Identity, key: Option<&'a Key>, end_user: Option<&str>) -> Self {
        let snapshot = identity.known.snapshot();
        let none: &[EntityId] = &[];
        let end_user = end_user.and_then(|id| snapshot.end_users.get(id));
        let end_user = ("customer", end_user.map_or(none, |found| &found.models));
        let Some(key) = key else {
            return Self {
                lists: vec![end_user],
                of_team: none,
                of_organization: none,
            };
        };
        let team = key.team.as_ref().and_then(|id| snapshot.teams.get(id));
        let of_team = team.map_or(none, |team| &team.models);
        let member = key.team.clone().zip(key.user.clone());
        let member = member.map(|(team, user)| Entity::team_member(team, user));
        let member = member.and_then(|member| snapshot.members.get(&member));
        let user = key.user.as_ref().filter(|_| key.team.is_none());
        let user = user.and_then(|id| snapshot.users.get(id));
        let organization = identity.org_id.as_deref();
        let organization = organization.and_then(|id| snapshot.organizations.get(id));
        let of_organization = organization.map_or(none, |found| &found.models);
        Self {
            lists: vec![
                ("key", &key.models),
                ("team", of_team),
                ("team", member.map_or(none, |member| &member.models)),
                ("user", user.map_or(none, |user| &user.models)),
                ("org", of_organization),
                end_user,
            ],
            of_team,
            of_organization,
        }
    }

    /// Whose list does not have the model, if there is one.
    pub(crate) fn denied(&self, groups: &Groups, model: &str) -> Option<Denied<'a>> {
        let denied = |(_, list): &&(&str, &[EntityId])| !self.has(groups, list, model);
        let (whose, list) = self.lists.iter().find(denied)?;
        Some(Denied { whose, list })
    }

    /// The models that clients see, those of a pattern where a list names them.
    pub(crate) fn shown(&self, groups: &'a Groups) -> Vec<&'a str> {
        let is_one = |name: &&str| !name.contains('*') && groups.find(name).is_some();
        let public = groups.names().iter().map(String::as_str);
        let mut shown: Vec<&str> = public.collect();
        let named = self.lists.iter().flat_map(|(_, list)| list.iter());
        for name in named.map(EntityId::as_str).filter(is_one) {
            if !shown.contains(&name) {
                shown.push(name);
            }
        }
        shown.retain(|name| self.denied(groups, name).is_none());
        shown
    }

    fn has(&self, groups: &Groups, list: &[EntityId], model: &str) -> bool {
        list.is_empty() || {
            let mut names = list.iter().map(EntityId::as_str);
            names.any(|allowed| self.stands_for(groups, allowed, model))
        }
    }

    fn stands_for(&self, groups: &Groups, allowed: &str, model: &str) -> bool {
        // A list that names itself has nothing by that.
        let all_of = |list: &[EntityId]| {
            let mut names = list.iter().map(EntityId::as_str);
            let named = |name: &str| match name {
                ALL_PROXY_MODELS => true,
                ALL_TEAM_MODELS | ALL_ORG_MODELS => false,
                name => is_of(groups, name, model),
            };
            list.is_empty() || names.any(named)
        };
        match allowed {
            ALL_PROXY_MODELS => true,
            NO_DEFAULT_MODELS => false,
            ALL_TEAM_MODELS => all_of(self.of_team),
            ALL_ORG_MODELS => all_of(self.of_organization),
            name => is_of(groups, name, model),
        }
    }
}

/// Whether a name in a list is the model's own, its group's, a pattern, or an access group that one
/// of its deployments is in.
fn is_of(groups: &Groups, allowed: &str, model: &str) -> bool {
    fits(allowed, model)
        || groups.find(model).is_some_and(|found| {
            let members = found.group.members().iter();
            let mut access = members.flat_map(|member| &member.deployment.access_groups);
            found.group.name() == allowed || access.any(|group| group == allowed)
        })
}

/// Whether `name` is what a pattern says, in which `*` stands for anything. It takes at most as many
/// steps as both are long together, multiplied.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut read) = (0, 0);
    // Behind the last star, and where what it stands for ends so far.
    let mut last: Option<(usize, usize)> = None;
    while read < name.len() {
        match (pattern.get(at), last) {
            (Some(b'*'), _) => {
                at += 1;
                last = Some((at, read));
            }
            (Some(own), _) if Some(own) == name.get(read) => {
                at += 1;
                read += 1;
            }
            (_, Some((behind, end))) => {
                (at, read) = (behind, end + 1);
                last = Some((behind, end + 1));
            }
            (_, None) => return false,
        }
    }
    pattern.iter().skip(at).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use event::control::Known;
    use serde_json::json;

    use super::{super::key_of, *};
    use crate::config::Config;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, is) in [
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("openai/*", "openai/gpt-4o", true),
            ("openai/*", "azure/gpt-4o", false),
            ("*", "anything", true),
            ("**", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*a", "aaab", false),
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern, name), is, "{pattern} {name}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        // Trying every way to share the name out among the stars would not end.
        assert!(!fits(&"*a".repeat(100), &format!("{}b", "a".repeat(1000))));
    }

    fn groups() -> Groups {
        let one = |name: &str, access: &[&str]| {
            json!({"model_name": name, "model_info": {"access_groups": access},
                "litellm_params": {"model": format!("openai/{name}"), "api_key": "k"}})
        };
        let list = [
            one("a", &["beta"]),
            one("b", &["beta", "gamma"]),
            one("c", &[]),
            one("openai/*", &["wild"]),
        ];
        let router = json!({"model_group_alias": {"nick": "a"}});
        let tree = json!({ "model_list": list, "router_settings": router });
        let (config, warnings) = Config::from_tree(tree.as_object().unwrap()).unwrap();
        assert_eq!(warnings, []);
        Groups::new(&config)
    }

    /// Which of the models a key may use, whose snapshot is like this.
    fn may(state: &serde_json::Value, end_user: Option<&str>) -> String {
        let groups = groups();
        let identity = Identity {
            opened_by: Some("h".to_owned()),
            org_id: Some("o".to_owned()),
            known: Arc::new(Known::new(serde_json::from_value(state.clone()).unwrap())),
            ..Identity::default()
        };
        let lists = Lists::of(&identity, key_of(&identity), end_user);
        let models = ["a", "b", "c", "nick", "openai/x"].into_iter();
        let may = models.filter(|model| lists.denied(&groups, model).is_none());
        may.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_list_may_say_no_and_names_may_stand_for_several() {
        const ALL: &str = "a b c nick openai/x";
        let key = |models: &[&str]| json!({"keys": {"h": {"models": models}}});
        for (models, wanted) in [
            (&[][..], ALL),
            (&["all-proxy-models"], ALL),
            // Without a team there is nothing that the team forbids.
            (&["all-team-models"], ALL),
            (&["no-default-models"], ""),
            (&["beta"], "a b nick"),
            (&["gamma", "c"], "b c"),
            (&["wild"], "openai/x"),
            (&["openai/x"], "openai/x"),
            (&["nick"], "nick"),
            (&["a"], "a nick"),
            (&["delta"], ""),
        ] {
            assert_eq!(may(&key(models), None), wanted, "{models:?}");
        }
    }

    #[test]
    fn team_member_user_organization_and_end_user_narrow_what_a_key_may() {
        let in_team = |team: &[&str], member: &[&str]| {
            json!({"keys": {"h": {"team": "t", "user": "u", "models": ["all-team-models"]}},
                "teams": {"t": {"models": team}}, "users": {"u": {"models": ["c"]}},
                "members": {"team_member:t/u": {"models": member}}})
        };
        assert_eq!(may(&in_team(&["a", "b"], &[]), None), "a b nick");
        assert_eq!(may(&in_team(&["beta"], &["b"]), None), "b");
        assert_eq!(may(&in_team(&["all-team-models"], &[]), None), "");
        let alone = json!({"keys": {"h": {"user": "u"}}, "users": {"u": {"models": ["c"]}},
            "organizations": {"o": {"models": ["c", "b"]}}});
        assert_eq!(may(&alone, None), "c");
        let of_organization = json!({"keys": {"h": {"models": ["all-org-models"]}},
            "organizations": {"o": {"models": ["c", "b"]}}});
        assert_eq!(may(&of_organization, None), "b c");
        let customer = json!({"keys": {"h": {}}, "end_users": {"e": {"models": ["a"]}}});
        assert_eq!(may(&customer, Some("e")), "a nick");
        assert_eq!(may(&customer, Some("other")), "a b c nick openai/x");
    }

    #[test]
    fn a_list_of_models_shows_what_the_key_may_use() {
        let groups = groups();
        let known = json!({"keys": {"h": {"models": ["gamma", "openai/x", "nobody"]}}});
        let identity = Identity {
            opened_by: Some("h".to_owned()),
            known: Arc::new(Known::new(serde_json::from_value(known).unwrap())),
            ..Identity::default()
        };
        assert_eq!(
            Lists::of(&identity, key_of(&identity), None).shown(&groups),
            ["b", "openai/x"]
        );
        let master = Identity::default();
        let shown = Lists::of(&master, None, None).shown(&groups);
        assert_eq!(shown, ["a", "b", "c", "openai/*", "nick"]);
    }
}
