//! From the name that a client asks for to the deployments that can answer: aliases, wildcards,
//! groups, and where a call goes when a group cannot answer.

mod fallbacks;
mod group;
mod health;
mod strategy;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use event::Secret;

use crate::{
    config::{Config, Deployment},
    provider::kept::Mark,
    routes::KEEPERS,
};

pub use self::strategy::Strategy;
pub(crate) use self::{
    fallbacks::fallbacks,
    group::{Group, Member, Unavailable, Wanted},
    health::{Failed, InFlight},
};

/// Every group by its name.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_name: HashMap<String, Arc<Group>>,
    /// Names with a `*`, the longest first.
    patterns: Vec<Arc<Group>>,
    /// Names that stand for others.
    aliases: HashMap<String, String>,
    /// Public names, in the order of the configuration, without hidden aliases.
    names: Vec<String>,
    /// The first deployment of each provider, alone.
    by_provider: HashMap<String, Arc<Group>>,
    /// Whether several accounts keep files, responses and the like.
    keeps_apart: bool,
}

/// A group, and what the `*` of its name stands for.
pub(crate) struct Found {
    pub(crate) group: Arc<Group>,
    pub(crate) star: Option<String>,
}

impl Groups {
    pub(crate) fn new(config: &Config) -> Self {
        let mut lists: HashMap<&str, Vec<Arc<Deployment>>> = HashMap::new();
        let mut names: Vec<String> = Vec::new();
        for deployment in &config.deployments {
            let name = deployment.model_name.as_str();
            if !lists.contains_key(name) {
                names.push(name.to_owned());
            }
            lists
                .entry(name)
                .or_default()
                .push(Arc::new(deployment.clone()));
        }
        let by_name: HashMap<String, Arc<Group>> = lists
            .into_iter()
            .map(|(name, list)| (name.to_owned(), Arc::new(Group::new(name, list))))
            .collect();
        let mut patterns: Vec<Arc<Group>> = by_name
            .values()
            .filter(|group| group.name().contains('*'))
            .cloned()
            .collect();
        patterns.sort_by_key(|group| (usize::MAX - group.name().len(), group.name().to_owned()));
        let aliases = config.router.aliases();
        let shown = config.router.shown_aliases();
        names.extend(
            shown
                .filter(|name| !by_name.contains_key(*name))
                .map(str::to_owned),
        );
        let by_provider = firsts(config, &by_name);
        Self {
            keeps_apart: accounts(config) > 1,
            by_name,
            patterns,
            aliases,
            names,
            by_provider,
        }
    }

    /// Every deployment, group by group.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        let groups = self.names.iter().filter_map(|name| self.by_name.get(name));
        groups.flat_map(|group| group.members())
    }

    /// The deployment that `mark` is of, alone.
    pub(crate) fn marked(&self, mark: &Mark) -> Option<Found> {
        let is_it = |member: &Arc<Member>| Mark::of(&member.deployment) == *mark;
        let member = self.members().find(|member| is_it(member))?;
        let group = self.by_name.get(&member.deployment.model_name)?;
        let group = Arc::new(group.only(is_it));
        Some(Found { group, star: None })
    }

    /// Whether what `deployment` keeps has to be told from what others keep.
    pub(crate) fn keeps_apart(&self, deployment: &Deployment) -> bool {
        self.keeps_apart && KEEPERS.contains(&&*deployment.provider_name)
    }

    /// The first deployment of the first of `providers` that has one.
    pub(crate) fn of_provider(&self, providers: &[&str]) -> Option<Found> {
        let mut groups = providers
            .iter()
            .filter_map(|name| self.by_provider.get(*name));
        let group = Arc::clone(groups.next()?);
        Some(Found { group, star: None })
    }

    /// Public names, in the order of the configuration.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The group that answers to `name`: its own, that of its alias, or the closest pattern.
    pub(crate) fn find(&self, name: &str) -> Option<Found> {
        let name = self.aliases.get(name).map_or(name, String::as_str);
        if let Some(group) = self.by_name.get(name) {
            let group = Arc::clone(group);
            return Some(Found { group, star: None });
        }
        self.patterns.iter().find_map(|group| {
            let star = star(group.name(), name)?.to_owned();
            let group = Arc::clone(group);
            let star = Some(star);
            Some(Found { group, star })
        })
    }
}

/// Whom a provider knows a deployment as: what one keeps, the others of the account find.
type Account<'a> = (&'a str, &'a str, Option<&'a str>, Option<&'a str>);

/// The account that a deployment uses.
pub(crate) fn account(deployment: &Deployment) -> Account<'_> {
    (
        &deployment.provider_name,
        &deployment.api_base,
        deployment.api_key.as_ref().map(Secret::expose),
        deployment.organization.as_deref(),
    )
}

/// How many accounts keep things at providers.
fn accounts(config: &Config) -> usize {
    let keep = |deployment: &&Deployment| KEEPERS.contains(&&*deployment.provider_name);
    let keepers = config.deployments.iter().filter(keep);
    keepers.map(account).collect::<HashSet<_>>().len()
}

/// The first deployment of each provider, as a group of its own.
fn firsts(config: &Config, by_name: &HashMap<String, Arc<Group>>) -> HashMap<String, Arc<Group>> {
    let mut firsts = HashMap::new();
    for deployment in &config.deployments {
        let is_it = |member: &&Arc<Member>| member.deployment.id == deployment.id;
        let Some(group) = by_name.get(&deployment.model_name) else {
            continue;
        };
        if let Some(member) = group.members().iter().find(is_it) {
            firsts
                .entry(deployment.provider_name.clone())
                .or_insert_with(|| Arc::new(group.only(|other| Arc::ptr_eq(other, member))));
        }
    }
    firsts
}

/// What the `*` of `pattern` stands for in `name`.
fn star<'n>(pattern: &str, name: &'n str) -> Option<&'n str> {
    let (before, after) = pattern.split_once('*')?;
    name.strip_prefix(before)?.strip_suffix(after)
}

#[cfg(test)]
mod tests;
