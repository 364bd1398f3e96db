//! What of the log a sink gets, and how much of it is left: decided before anything is written down
//! for that sink, dead letters included.

mod content;
mod filter;
mod redact;
mod routes;
mod sample;
mod text;

use std::{sync::LazyLock, time::Duration};

use event::{PricedKind, Timestamp};
use memchr::memmem::Finder;
use sink::{Item, Takes};

use self::{content::Privacy, sample::Sample};
pub(crate) use self::{filter::Filter, redact::Redactor, routes::Routes};
use crate::{config::SinkConfig, metrics::Skip};

/// Stands in every record whose client wanted it in no sink.
static NO_LOG: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""no_log":true"#));

/// The rules of one sink.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    takes: Takes,
    filter: Filter,
    sample: Sample,
    privacy: Privacy,
    routes: Option<Routes>,
    retention: Option<Duration>,
}

/// What becomes of a record.
#[derive(Debug)]
pub(crate) enum Admitted {
    /// The sink gets this.
    Item(Item),
    /// It does not get it.
    Skip(Skip),
    /// It is no event that anything could be taken out of.
    Unreadable,
}

impl Policy {
    /// The rules of a sink that can be sent what `takes` says. `routes` finds what keys and teams
    /// name.
    pub(crate) fn new(config: &SinkConfig, takes: Takes, routes: Routes) -> Self {
        Self {
            takes,
            filter: Filter::new(config.filter.clone()),
            sample: Sample::new(config.sample),
            privacy: Privacy::new(&config.privacy),
            routes: config.routed.then_some(routes),
            retention: config.retention,
        }
    }

    /// The same for what is delivered once more: nothing is too old for that.
    pub(crate) fn ageless(&self) -> Self {
        Self {
            retention: None,
            ..self.clone()
        }
    }

    /// Whether the sink gets all of the content, so that a record that cannot be read may be kept
    /// as it is.
    pub(crate) const fn shows_all(&self) -> bool {
        self.privacy.shows_all()
    }

    /// Whether an event of this time is too old by now.
    pub(crate) fn is_expired(&self, at: Timestamp, now: Timestamp) -> bool {
        let Some(retention) = self.retention else {
            return false;
        };
        let age = now.micros().saturating_sub(at.micros());
        u128::try_from(age).is_ok_and(|age| age > retention.as_micros())
    }

    /// What becomes of an item of the log.
    pub(crate) fn admit(&self, item: Item, now: Timestamp) -> Admitted {
        if !self.takes.takes(item.kind()) {
            return Admitted::Skip(Skip::NotTaken);
        }
        let skip = match item.kind() {
            PricedKind::Event => self.skips_event(&item, now),
            PricedKind::Alert => self.skips_alert(&item, now),
        };
        match skip {
            Some(reason) => Admitted::Skip(reason),
            None => match self.privacy.apply(item) {
                Some(item) => Admitted::Item(item),
                None => Admitted::Unreadable,
            },
        }
    }

    fn skips_event(&self, item: &Item, now: Timestamp) -> Option<Skip> {
        let marked = NO_LOG.find(item.json()).is_some();
        let looks = marked
            || self.retention.is_some()
            || self.routes.is_some()
            || !self.sample.keeps_all()
            || !self.filter.is_empty();
        // Reading an event costs more than all else that is done for most sinks.
        let event = looks.then(|| item.event()).flatten()?;
        let payload = event.payload();
        let no_log = payload.tollkeeper.as_ref().is_some_and(|ours| ours.no_log);
        if no_log {
            Some(Skip::NoLog)
        } else if self.is_expired(payload.end_time, now) {
            Some(Skip::Expired)
        } else if let Some(routes) = &self.routes
            && !routes.lead_here(payload)
        {
            Some(Skip::NotRouted)
        } else if !self.filter.wants(event) {
            Some(Skip::Filtered)
        } else if !self.sample.keeps(payload) {
            Some(Skip::SampledOut)
        } else {
            None
        }
    }

    fn skips_alert(&self, item: &Item, now: Timestamp) -> Option<Skip> {
        let alert = item.alert()?;
        if self.is_expired(alert.at, now) {
            Some(Skip::Expired)
        } else if !self.filter.wants_alert(alert) {
            Some(Skip::Filtered)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
