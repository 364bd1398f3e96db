//! The deployments of one public model name, and whose turn it is.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use event::Timestamp;

use super::{health::Health, strategy};
use crate::{
    config::{Deployment, RouterSettings},
    error::ErrorClass,
};

/// The deployments of one public model name.
#[derive(Debug)]
pub(crate) struct Group {
    name: String,
    members: Vec<Arc<Member>>,
    turn: AtomicU64,
}

/// A deployment, and how it fares.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) health: Health,
}

/// What a call wants of a deployment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) router: &'a RouterSettings,
    pub(crate) now: Timestamp,
    /// The tags of the request.
    pub(crate) tags: &'a [String],
    /// Tokens of the prompt, about.
    pub(crate) prompt_tokens: u64,
    /// Deployments that are not asked again.
    pub(crate) tried: &'a [Arc<Member>],
}

impl Group {
    pub(crate) fn new(name: &str, deployments: Vec<Arc<Deployment>>) -> Self {
        let member = |deployment| {
            Arc::new(Member {
                deployment,
                health: Health::default(),
            })
        };
        Self {
            name: name.to_owned(),
            members: deployments.into_iter().map(member).collect(),
            turn: AtomicU64::new(0),
        }
    }

    /// The same group with some of its members.
    pub(crate) fn only(&self, keeps: impl Fn(&Arc<Member>) -> bool) -> Self {
        let members = self.members.iter().filter(|member| keeps(member));
        Self {
            name: self.name.clone(),
            members: members.cloned().collect(),
            turn: AtomicU64::new(0),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn members(&self) -> &[Arc<Member>] {
        &self.members
    }

    /// The member to be asked next.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(crate) fn choose(&self, wanted: Wanted<'_>) -> Result<Arc<Member>, Unavailable> {
        let tagged = self.tagged(wanted)?;
        let fits = |member: &&Arc<Member>| wanted.fits(&member.deployment);
        let fitting: Vec<_> = tagged.into_iter().filter(fits).collect();
        if fitting.is_empty() {
            return Err(Unavailable::TooLong);
        }
        let is_free = |member: &&Arc<Member>| {
            let health = &member.health;
            !health.is_cooling(wanted.now)
                && health.has_room(member.deployment.max_parallel(wanted.router))
        };
        let mut healthy: Vec<_> = fitting.into_iter().filter(is_free).collect();
        healthy.retain(|member| !wanted.tried.iter().any(|tried| Arc::ptr_eq(tried, member)));
        // The lowest order is asked first, the others stand by.
        let order = healthy.iter().map(|member| member.deployment.order).min();
        healthy.retain(|member| Some(member.deployment.order) == order);
        let turn = self.next_turn();
        strategy::choose(wanted, &healthy, turn)
            .cloned()
            .ok_or(Unavailable::NoneHealthy)
    }

    /// The members for the request's tags: those that have one of them, else those for everybody.
    fn tagged(&self, wanted: Wanted<'_>) -> Result<Vec<&Arc<Member>>, Unavailable> {
        if !wanted.router.enable_tag_filtering {
            return Ok(self.members.iter().collect());
        }
        let all_must_match = !wanted.router.tag_filtering_match_any;
        let matches = |member: &&Arc<Member>| {
            let tags = &member.deployment.tags;
            let has = |tag: &String| tags.contains(tag);
            if all_must_match {
                !tags.is_empty() && wanted.tags.iter().all(has)
            } else {
                wanted.tags.iter().any(has)
            }
        };
        let is_default = |member: &&Arc<Member>| {
            let tags = &member.deployment.tags;
            tags.iter().any(|tag| tag == "default")
        };
        let chosen: Vec<_> = if wanted.tags.is_empty() {
            Vec::new()
        } else {
            self.members.iter().filter(matches).collect()
        };
        if !chosen.is_empty() {
            return Ok(chosen);
        }
        let defaults: Vec<_> = self.members.iter().filter(is_default).collect();
        let untagged = |member: &&Arc<Member>| member.deployment.tags.is_empty();
        match (defaults.is_empty(), wanted.tags.is_empty()) {
            (false, _) => Ok(defaults),
            (true, true) => Ok(self.members.iter().collect()),
            (true, false) => {
                let open: Vec<_> = self.members.iter().filter(untagged).collect();
                (!open.is_empty()).then_some(open).ok_or(Unavailable::Tags)
            }
        }
    }

    /// Steps that share no factor with the totals that occur, so that turns spread evenly.
    fn next_turn(&self) -> u64 {
        self.turn
            .fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
    }
}

impl Wanted<'_> {
    /// Whether the prompt fits the deployment's model, where that is to be checked.
    fn fits(&self, deployment: &Deployment) -> bool {
        !self.router.enable_pre_call_checks
            || deployment
                .input_tokens_max
                .is_none_or(|max| self.prompt_tokens <= max)
    }
}

/// Why no member can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// All were tried, cool down, or have as many calls as they may.
    NoneHealthy,
    /// The prompt is too long for all of them.
    TooLong,
    /// None is for the request's tags.
    Tags,
}

impl Unavailable {
    /// What the client is told.
    pub(crate) fn explain(self, group: &str) -> (ErrorClass, String) {
        match self {
            Self::NoneHealthy => (
                ErrorClass::RateLimit,
                format!(
                    "No deployments available for selected model `{group}`: all are cooling down \
                     after failures, or have as many calls in flight as they may. Try again in a \
                     few seconds"
                ),
            ),
            Self::TooLong => (
                ErrorClass::ContextWindowExceeded,
                format!("the prompt is longer than every deployment of `{group}` takes"),
            ),
            Self::Tags => (
                ErrorClass::Authentication,
                format!("Not allowed to access model `{group}` due to tags configuration"),
            ),
        }
    }
}
