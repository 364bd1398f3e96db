//! A gateway's side: what it was lent for one budget and window, and what its calls hold of it.

use std::collections::HashMap;

use crate::{
    Timestamp, Usd,
    ledger::{Ask, Lease},
};

/// One budget in one window, in one generation of one gateway.
///
/// A call is named by a ticket: a number that is unique in the generation, such as the position of
/// its started record. (Its call id may come from a client, who may use it twice.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    calls: HashMap<u64, Held>,
    /// The sum of `calls`; changes where they change, in [`Holds::put`], and nowhere else.
    held: Usd,
    /// The part of `held` that has been spent: finished calls whose cost is known.
    spent: Usd,
    lease: Option<Lease>,
    returned: Usd,
    asked: u64,
    /// From when on the lease must not be used.
    until: Timestamp,
    /// What the collector wants back.
    recall: Usd,
}

/// What one call holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It runs: the most it may cost, and when it ends at the latest.
    Running {
        /// In US dollars.
        amount: Usd,
        /// When.
        deadline: Timestamp,
    },
    /// It has ended and is not settled.
    Finished {
        /// What it cost or, if that is not known, the most it may have cost.
        amount: Usd,
        /// Whether `amount` is what it cost.
        known: bool,
        /// Position of its finished record.
        position: u64,
    },
}

impl Held {
    /// What it holds.
    #[must_use]
    pub const fn amount(&self) -> Usd {
        match self {
            Self::Running { amount, .. } | Self::Finished { amount, .. } => *amount,
        }
    }

    const fn spent(&self) -> Usd {
        match self {
            Self::Finished {
                amount,
                known: true,
                ..
            } => *amount,
            Self::Running { .. } | Self::Finished { .. } => Usd::ZERO,
        }
    }
}

/// What the journal says of one call's hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// It was admitted, or admitted to a further attempt: all that it holds now.
    Held {
        /// The call.
        ticket: u64,
        /// The most it may cost, in US dollars.
        amount: Usd,
        /// When it ends at the latest.
        deadline: Timestamp,
    },
    /// It has ended.
    Finished {
        /// The call.
        ticket: u64,
        /// Position of this record.
        position: u64,
        /// What it cost; `None` if the gateway cannot tell as the collector will.
        cost: Option<Usd>,
    },
}

/// Whether a call can be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Admitted,
    /// Not now, but nothing that has been spent stands against it: only what other calls hold and
    /// what other gateways were lent. Ask, and try again.
    Wait,
    /// No: what has been spent stands against it.
    Refused {
        /// What has been spent, as far as this gateway knows.
        spent: Usd,
        /// What calls of this gateway hold beyond that.
        held: Usd,
        /// The limit.
        limit: Usd,
    },
}

impl Holds {
    /// The calls of a generation as its journal tells of them, with nothing lent: what the gateway
    /// would know if it had applied each record as it was written.
    #[must_use]
    pub fn rebuilt(records: impl IntoIterator<Item = Record>) -> Self {
        let mut holds = Self::default();
        for record in records {
            match record {
                Record::Held {
                    ticket,
                    amount,
                    deadline,
                } => holds.put(ticket, Some(Held::Running { amount, deadline })),
                Record::Finished {
                    ticket,
                    position,
                    cost,
                } => holds.finish(ticket, position, cost),
            }
        }
        holds
    }

    /// The calls that hold something, in no order.
    pub fn calls(&self) -> impl Iterator<Item = (u64, Held)> + '_ {
        self.calls.iter().map(|(ticket, held)| (*ticket, *held))
    }

    /// What the collector told last.
    #[must_use]
    pub const fn lease(&self) -> Option<Lease> {
        self.lease
    }

    /// What all calls hold that have not been settled.
    #[must_use]
    pub const fn held(&self) -> Usd {
        self.held
    }

    /// What is lent and neither used nor held; negative after [`Holds::hold`].
    #[must_use]
    pub fn free(&self) -> Usd {
        let lent = self
            .lease
            .map_or(Usd::ZERO, |lease| lease.given - lease.used);
        lent - self.returned - self.held
    }

    /// Whether a call can be paid that may cost `amount`. One that costs nothing always can.
    #[must_use]
    pub fn verdict(&self, amount: Usd, now: Timestamp) -> Verdict {
        if amount <= Usd::ZERO {
            return Verdict::Admitted;
        }
        let Some(lease) = self.lease else {
            return Verdict::Wait;
        };
        let spent = lease.settled + self.spent;
        if amount > lease.limit - spent {
            return Verdict::Refused {
                spent,
                held: self.held - self.spent,
                limit: lease.limit,
            };
        }
        if now < self.until && amount <= self.free() {
            Verdict::Admitted
        } else {
            Verdict::Wait
        }
    }

    /// Holds `amount` for a call if it can be paid; for one that holds something, that much more.
    pub fn admit(
        &mut self,
        ticket: u64,
        amount: Usd,
        (now, deadline): (Timestamp, Timestamp),
    ) -> Verdict {
        let verdict = self.verdict(amount, now);
        if verdict == Verdict::Admitted {
            self.hold(ticket, amount, deadline);
        }
        verdict
    }

    /// Holds `amount` more for a call whether it can be paid or not: for budgets that go on when
    /// the collector is away.
    pub fn hold(&mut self, ticket: u64, amount: Usd, deadline: Timestamp) {
        let before = self.calls.get(&ticket).map_or(Usd::ZERO, Held::amount);
        let amount = before + amount;
        self.put(ticket, Some(Held::Running { amount, deadline }));
    }

    /// Lowers what a running call holds to `amount`; never raises it.
    pub fn tighten(&mut self, ticket: u64, amount: Usd) {
        if let Some(Held::Running {
            amount: before,
            deadline,
        }) = self.calls.get(&ticket).copied()
        {
            let amount = amount.min(before);
            self.put(ticket, Some(Held::Running { amount, deadline }));
        }
    }

    /// Forgets a call of which nothing was written and no provider was asked.
    pub fn cancel(&mut self, ticket: u64) {
        if let Some(Held::Running { .. }) = self.calls.get(&ticket) {
            self.put(ticket, None);
        }
    }

    /// A call has ended, and its finished record stands at `position`. `cost` is what it cost by
    /// the price map that the collector settles with; `None` keeps what is held until it is settled.
    pub fn finish(&mut self, ticket: u64, position: u64, cost: Option<Usd>) {
        let Some(held) = self.calls.get(&ticket) else {
            return;
        };
        let settled = self
            .lease
            .is_some_and(|lease| position < lease.settled_below);
        let finished = Held::Finished {
            amount: cost.unwrap_or_else(|| held.amount()),
            known: cost.is_some(),
            position,
        };
        self.put(ticket, (!settled).then_some(finished));
    }

    /// The calls that should have ended by `now`: end each at what it holds.
    #[must_use]
    pub fn overdue(&self, now: Timestamp) -> Vec<u64> {
        let late = |held: &Held| matches!(held, Held::Running { deadline, .. } if *deadline <= now);
        let calls = self.calls.iter().filter(|(_, held)| late(held));
        calls.map(|(ticket, _)| *ticket).collect()
    }

    /// Takes what the collector tells. `until` is when the ask that it answers was sent, by this
    /// gateway's clock, and the duration of a lease.
    pub fn apply(&mut self, lease: Lease, until: Timestamp) {
        self.until = self.until.max(until);
        if self.lease.is_some_and(|known| known.as_of >= lease.as_of) {
            return;
        }
        self.recall = lease.recall;
        self.lease = Some(lease);
        let settled = |held: &Held| matches!(held, Held::Finished { position, .. } if *position < lease.settled_below);
        let done = self.calls.iter().filter(|(_, held)| settled(held));
        for ticket in done.map(|(ticket, _)| *ticket).collect::<Vec<_>>() {
            self.put(ticket, None);
        }
    }

    /// What to ask the collector for, so that `need` is free. Of what is free beyond that, what the
    /// collector wants back is given back.
    pub fn ask(&mut self, need: Usd) -> Ask {
        let yields = self.lease.is_some_and(|lease| lease.yields);
        let keep = if yields { Usd::ZERO } else { need };
        let back = (self.free() - keep).clamp(Usd::ZERO, self.recall);
        self.give_back(back);
        self.asked = self.asked.saturating_add(1);
        let given = self.lease.map_or(Usd::ZERO, |lease| lease.given);
        Ask {
            number: self.asked,
            wanted: given + (need - self.free()).max(Usd::ZERO),
            returned: self.returned,
        }
    }

    /// Gives back up to `amount` of what is free, with the next ask: when the window is over, or
    /// the gateway stops.
    pub fn give_back(&mut self, amount: Usd) {
        let back = amount.min(self.free()).max(Usd::ZERO);
        self.returned += back;
        self.recall = (self.recall - back).max(Usd::ZERO);
    }

    fn put(&mut self, ticket: u64, held: Option<Held>) {
        let before = match held {
            Some(held) => self.calls.insert(ticket, held),
            None => self.calls.remove(&ticket),
        };
        for (held, sign) in [(before, false), (held, true)] {
            let (amount, spent) = held.map_or((Usd::ZERO, Usd::ZERO), |h| (h.amount(), h.spent()));
            self.held += if sign { amount } else { -amount };
            self.spent += if sign { spent } else { -spent };
        }
    }
}
