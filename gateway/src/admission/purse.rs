//! What calls hold of the budgets that were lent to this gateway.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use event::{
    Budget, Enforcement, EntityId, Reserved, Timestamp, Usd, Window, WindowId,
    control::{BudgetAsk, BudgetLease},
    ledger::{Holds, Verdict},
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout_at},
};

/// So many times what calls have needed lately is asked for ahead of need.
const AHEAD: u32 = 8;
/// A collector that has said nothing for so long is away, in microseconds.
const AWAY_AFTER: i64 = 3_000_000;
/// How long after its end a window is kept for what is still held of it, in microseconds.
const KEPT_AFTER: i64 = 3_600_000_000;

/// See the [module](self).
pub(crate) struct Purse {
    books: Mutex<BTreeMap<(EntityId, WindowId), Page>>,
    tickets: AtomicU64,
    wanted: Notify,
    /// Counts what the collector has told.
    told: watch::Sender<u64>,
    /// When a request was sent that it has answered, in microseconds since the epoch.
    heard: AtomicI64,
}

/// One budget in one window.
#[derive(Default)]
struct Page {
    holds: Holds,
    end: Option<Timestamp>,
    /// What each call lacks that waits.
    waiting: HashMap<u64, Usd>,
    /// What the last call needed.
    usual: Usd,
}

/// What a call wants of one budget.
#[derive(Clone, Debug)]
pub(crate) struct Want {
    pub(crate) budget: Budget,
    pub(crate) window: Window,
    pub(crate) amount: Usd,
}

/// What stands against a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Against {
    /// The place of the budget among those that were wanted.
    pub(crate) index: usize,
    pub(crate) spent: Usd,
    pub(crate) held: Usd,
    pub(crate) limit: Usd,
    /// Whether only calls in flight and other gateways stand against it.
    pub(crate) may_pass: bool,
}

/// What one look at all budgets of a call says.
enum Look {
    Held,
    Wait(Against),
    Refused(Against),
}

impl Default for Purse {
    fn default() -> Self {
        Self {
            books: Mutex::default(),
            tickets: AtomicU64::new(1),
            wanted: Notify::new(),
            told: watch::Sender::new(0),
            heard: AtomicI64::new(0),
        }
    }
}

impl Purse {
    /// A number for a call.
    pub(crate) fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// Holds what a call wants of each budget, or nothing of any. Waits, at most until `patience`,
    /// while only what other calls hold stands against it.
    ///
    /// # Errors
    ///
    /// What stands against it.
    pub(crate) async fn hold(
        &self,
        ticket: u64,
        wants: &[Want],
        (now, deadline): (fn() -> Timestamp, Timestamp),
        patience: Instant,
    ) -> Result<Vec<Reserved>, Against> {
        let mut told = self.told.subscribe();
        let _waits = Waits {
            purse: self,
            ticket,
        };
        loop {
            told.mark_unchanged();
            let against = match self.look(ticket, wants, now(), deadline) {
                Look::Held => return Ok(wants.iter().map(Want::reserved).collect()),
                Look::Refused(against) => return Err(against),
                Look::Wait(against) => against,
            };
            self.wanted.notify_one();
            match timeout_at(patience, told.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(against),
            }
        }
    }

    fn look(&self, ticket: u64, wants: &[Want], now: Timestamp, deadline: Timestamp) -> Look {
        let mut books = self.lock();
        let away = now
            .micros()
            .saturating_sub(self.heard.load(Ordering::Relaxed))
            > AWAY_AFTER;
        let mut waits = None;
        for (index, want) in wants.iter().enumerate() {
            let page = books.entry(want.at()).or_default();
            page.end = want.window.end;
            page.usual = want.amount;
            match page.holds.verdict(want.amount, now) {
                Verdict::Admitted => {}
                Verdict::Refused { spent, held, limit } => {
                    return Look::Refused(Against {
                        index,
                        spent,
                        held,
                        limit,
                        may_pass: false,
                    });
                }
                // Without a collector only a strict budget stands still.
                Verdict::Wait if away && want.budget.terms.enforcement != Enforcement::Strict => {}
                Verdict::Wait => {
                    page.waiting.insert(ticket, want.amount);
                    let limit = want.budget.terms.limit;
                    let held = page.holds.held();
                    let lease = page.holds.lease();
                    waits.get_or_insert(Against {
                        index,
                        spent: lease.map_or(Usd::ZERO, |lease| lease.settled),
                        held,
                        limit,
                        may_pass: true,
                    });
                }
            }
        }
        if let Some(against) = waits {
            return Look::Wait(against);
        }
        let mut is_low = false;
        for want in wants.iter().filter(|want| want.amount > Usd::ZERO) {
            let page = books.entry(want.at()).or_default();
            page.waiting.remove(&ticket);
            page.holds.hold(ticket, want.amount, deadline);
            is_low |= page.holds.free() < want.amount + want.amount;
        }
        if is_low {
            self.wanted.notify_one();
        }
        Look::Held
    }

    /// What a call can have at most of every strict budget that it wants something of: what is here
    /// and free or, if not `is_here`, what nobody is known to have taken. `None` if nothing is known
    /// of one.
    pub(crate) fn room(&self, wants: &[Want], is_here: bool) -> Option<Usd> {
        let books = self.lock();
        let is_strict = |want: &&Want| want.budget.terms.enforcement == Enforcement::Strict;
        let mut least = None;
        for want in wants.iter().filter(is_strict) {
            let holds = &books.get(&want.at())?.holds;
            let lease = holds.lease()?;
            let room = if is_here {
                holds.free()
            } else {
                lease.limit - lease.settled - holds.held()
            };
            least = Some(least.map_or(room, |least: Usd| least.min(room)));
        }
        least.filter(|room| *room > Usd::ZERO)
    }

    /// A call has ended, and its event stands at a position. What it cost the collector will say;
    /// if that is known, the rest of what it held is free.
    pub(crate) fn finish(
        &self,
        ticket: u64,
        reserved: &[Reserved],
        (position, cost): (u64, Option<Usd>),
    ) {
        self.each(reserved, |holds| holds.finish(ticket, position, cost));
        if cost.is_some() {
            self.tell();
        }
    }

    /// Wakes whoever waits for something to be free.
    fn tell(&self) {
        self.told
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Forgets a call of which nothing was written.
    pub(crate) fn cancel(&self, ticket: u64, reserved: &[Reserved]) {
        self.each(reserved, |holds| holds.cancel(ticket));
        self.tell();
    }

    fn each(&self, reserved: &[Reserved], change: impl Fn(&mut Holds)) {
        let mut books = self.lock();
        for Reserved { budget, window, .. } in reserved {
            let at = (budget.clone(), window.clone());
            if let Some(page) = books.get_mut(&at) {
                change(&mut page.holds);
            }
        }
    }

    /// What is to be asked for.
    pub(crate) fn asks(&self, now: Timestamp) -> Vec<BudgetAsk> {
        let mut books = self.lock();
        let ask = |((budget, window), page): (&(EntityId, WindowId), &mut Page)| {
            let mut need: Usd = page.waiting.values().copied().sum();
            if page.is_over(now) {
                page.holds.give_back(page.holds.free());
            } else {
                need += (0..AHEAD).map(|_| page.usual).sum();
            }
            BudgetAsk {
                budget: budget.clone(),
                window: window.clone(),
                ask: page.holds.ask(need),
            }
        };
        books.iter_mut().map(ask).collect()
    }

    /// Takes what was lent, and wakes who waits for it.
    pub(crate) fn apply(&self, leases: Vec<BudgetLease>, sent_at: Timestamp, until: Timestamp) {
        let mut books = self.lock();
        for BudgetLease {
            budget,
            window,
            lease,
        } in leases
        {
            if let Some(page) = books.get_mut(&(budget, window)) {
                page.holds.apply(lease, until);
            }
        }
        books.retain(|_, page| !page.is_done(sent_at));
        drop(books);
        self.heard.store(sent_at.micros(), Ordering::Relaxed);
        self.tell();
    }

    /// The collector has closed this generation: nothing is lent any more.
    pub(crate) fn begin_anew(&self) {
        for page in self.lock().values_mut() {
            page.holds = Holds::default();
        }
    }

    /// What has been spent of a budget, as far as is known here; `None` if nothing is.
    pub(crate) fn spent(&self, budget: &EntityId, window: &WindowId) -> Option<Usd> {
        let books = self.lock();
        let page = books.get(&(budget.clone(), window.clone()))?;
        Some(page.holds.lease()?.settled)
    }

    /// Whether a call waits.
    pub(crate) fn has_waiting(&self) -> bool {
        self.lock().values().any(|page| !page.waiting.is_empty())
    }

    /// Resolves when something is needed.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// A call waits no more.
    fn forget(&self, ticket: u64) {
        for page in self.lock().values_mut() {
            page.waiting.remove(&ticket);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(EntityId, WindowId), Page>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Page {
    /// Whether its window has ended and no call can begin in it any more.
    fn is_over(&self, now: Timestamp) -> bool {
        self.end.is_some_and(|end| end < now)
    }

    /// Whether nobody needs it any more.
    fn is_done(&self, now: Timestamp) -> bool {
        let long_over = self
            .end
            .is_some_and(|end| now.since(end).micros() > KEPT_AFTER);
        long_over && self.waiting.is_empty() && self.holds.calls().next().is_none()
    }
}

impl Want {
    fn at(&self) -> (EntityId, WindowId) {
        (self.budget.id.clone(), self.window.id.clone())
    }

    fn reserved(&self) -> Reserved {
        Reserved {
            budget: self.budget.id.clone(),
            window: self.window.id.clone(),
            amount: self.amount,
        }
    }
}

/// A call that may wait: it does no more when this goes, whoever drops it.
struct Waits<'a> {
    purse: &'a Purse,
    ticket: u64,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.purse.forget(self.ticket);
    }
}
