//! What the gateways are told: the newest state, and the steps that led to it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use event::{
    Entity, EntityId, EntityKind,
    control::{Changed, Changes, Known, Snapshot},
};
use tokio::sync::watch;

/// Steps that are kept: a gateway that is further behind takes the whole state.
const STEPS: usize = 256;

/// Holds what admission needs to know, as it is now. Whoever keeps the entities puts it here,
/// whole, each time it changes.
#[derive(Clone, Debug)]
pub struct Directory {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    known: watch::Sender<Arc<Known>>,
    steps: Mutex<VecDeque<Arc<Changes>>>,
}

/// What followed a version.
#[derive(Debug)]
pub(crate) enum After {
    /// Nothing yet.
    Nothing,
    /// This.
    Changes(Arc<Changes>),
    /// Nobody remembers: the whole state has to be taken.
    Forgotten,
}

impl Default for Directory {
    fn default() -> Self {
        let (known, _) = watch::channel(Arc::default());
        let steps = Mutex::default();
        Self {
            state: Arc::new(State { known, steps }),
        }
    }
}

impl Directory {
    /// What is known now.
    #[must_use]
    pub fn known(&self) -> Arc<Known> {
        Arc::clone(&self.state.known.borrow())
    }

    /// Takes a newer state; one that is not newer changes nothing.
    pub fn put(&self, snapshot: Snapshot) {
        let mut steps = self.lock();
        let before = self.known();
        if snapshot.version <= before.snapshot().version {
            return;
        }
        let changes = difference(before.snapshot(), &snapshot);
        steps.push_back(Arc::new(changes));
        if steps.len() > STEPS {
            steps.pop_front();
        }
        self.state
            .known
            .send_replace(Arc::new(Known::new(snapshot)));
    }

    /// What followed `version`.
    pub(crate) fn after(&self, version: u64) -> After {
        let steps = self.lock();
        if self.known().snapshot().version == version {
            return After::Nothing;
        }
        match steps.iter().find(|step| step.since == version) {
            Some(step) => After::Changes(Arc::clone(step)),
            None => After::Forgotten,
        }
    }

    /// Resolves with the next state.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Known>> {
        self.state.known.subscribe()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<Changes>>> {
        self.state
            .steps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What leads from one state to another.
fn difference(before: &Snapshot, after: &Snapshot) -> Changes {
    let mut gone = Vec::new();
    let mut take = |kind, ids: Vec<EntityId>| {
        let entities = ids.into_iter().filter_map(|id| Entity::of(kind, id).ok());
        gone.extend(entities);
    };
    take(EntityKind::Key, missing(&before.keys, &after.keys));
    take(EntityKind::User, missing(&before.users, &after.users));
    take(EntityKind::Team, missing(&before.teams, &after.teams));
    let organizations = missing(&before.organizations, &after.organizations);
    take(EntityKind::Organization, organizations);
    take(
        EntityKind::EndUser,
        missing(&before.end_users, &after.end_users),
    );
    gone.extend(missing(&before.members, &after.members));
    Changes {
        since: before.version,
        version: after.version,
        keys: news(&before.keys, &after.keys),
        users: news(&before.users, &after.users),
        teams: news(&before.teams, &after.teams),
        members: news(&before.members, &after.members),
        organizations: news(&before.organizations, &after.organizations),
        end_users: news(&before.end_users, &after.end_users),
        budgets: news(&before.budgets, &after.budgets),
        gone,
        gone_budgets: missing(&before.budgets, &after.budgets),
        end_user_terms: (before.end_user_terms != after.end_user_terms).then(|| Changed {
            now: after.end_user_terms.clone(),
        }),
        prices: (before.prices != after.prices).then(|| after.prices.clone()),
    }
}

fn missing<K: Ord + Clone, V>(before: &BTreeMap<K, V>, after: &BTreeMap<K, V>) -> Vec<K> {
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    gone.cloned().collect()
}

fn news<K: Ord + Clone, V: PartialEq + Clone>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
) -> BTreeMap<K, V> {
    let new = after
        .iter()
        .filter(|(key, now)| before.get(*key) != Some(*now));
    new.map(|(key, now)| (key.clone(), now.clone())).collect()
}

#[cfg(test)]
mod tests {
    use event::control::Key;

    use super::*;

    fn state(version: u64, keys: &[(&str, bool)]) -> Snapshot {
        let key = |(hash, blocked): &(&str, bool)| {
            let key = Key {
                blocked: *blocked,
                ..Key::default()
            };
            (hash.parse().unwrap(), key)
        };
        Snapshot {
            version,
            keys: keys.iter().map(key).collect(),
            ..Snapshot::default()
        }
    }

    #[test]
    fn whoever_follows_the_steps_knows_the_newest_state() {
        let directory = Directory::default();
        let mut follower = Snapshot::default();
        for next in [
            state(3, &[("a", false), ("b", false)]),
            state(4, &[("a", true), ("b", false)]),
            state(9, &[("a", true), ("c", false)]),
        ] {
            directory.put(next);
        }
        directory.put(state(9, &[]));
        while let After::Changes(step) = directory.after(follower.version) {
            follower.apply((*step).clone()).unwrap();
        }
        assert_eq!(&follower, directory.known().snapshot());
        assert!(matches!(directory.after(9), After::Nothing));
        assert!(matches!(directory.after(5), After::Forgotten));
    }
}
