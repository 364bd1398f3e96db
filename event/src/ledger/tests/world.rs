//! A collector, three gateways and a bad network, with a plain list of all calls beside them.

mod check;

use std::collections::BTreeMap;

use super::{at, seconds, usd};
use crate::{
    EntityId, Timestamp, Usd,
    ledger::{
        Ask, Generation, GenerationClosed, Generations, Grants, Held, Holds, Lease, Record, Verdict,
    },
};

const GATEWAYS: usize = 3;
/// Seconds.
const LEASE: i64 = 60;
const LONGEST: i64 = 30;

/// SplitMix64.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(end).unwrap()).unwrap()
    }

    fn amount(&mut self, end: Usd) -> Usd {
        let end = usize::try_from(end.picos().clamp(1, 1 << 40)).unwrap();
        usd(i128::try_from(self.below(end)).unwrap())
    }
}

/// One call as it really is.
#[derive(Clone, Copy, Debug)]
struct Call {
    window: u32,
    /// What it may still cost, then what it cost, with corrections.
    worth: Usd,
    settled: bool,
}

/// A record of a gateway's journal, at the position that is its index.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Call {
        window: u32,
        record: Record,
    },
    /// Other records, and positions that were skipped.
    Other,
}

#[derive(Default)]
struct Gateway {
    journal: Vec<Entry>,
    /// How far the collector has read it.
    read: usize,
    /// Where its newest generation begins.
    start: usize,
    /// No message reaches it or leaves it.
    cut_off: bool,
    process: Option<Process>,
}

struct Process {
    start: u64,
    holds: BTreeMap<u32, Holds>,
}

/// What is under way.
#[derive(Clone)]
enum Message {
    Hello(Generation),
    Closed(Generation),
    Ask(Generation, u32, Ask, Timestamp),
    Lease(Generation, u32, Lease, Timestamp),
}

pub(super) struct World {
    now: i64,
    window: u32,
    limit: Usd,
    gateways: [Gateway; GATEWAYS],
    network: Vec<Message>,
    generations: Generations,
    grants: BTreeMap<u32, Grants>,
    as_of: u64,
    /// Every call of the windows in `grants`, by gateway and ticket.
    calls: BTreeMap<(usize, u64), Call>,
    /// The most that may be committed in a window: the limit, or more where it was lowered or a
    /// cost corrected.
    ceiling: BTreeMap<u32, Usd>,
    /// The windows in which nothing has ever made more room.
    steady: BTreeMap<u32, bool>,
    pub(super) met: BTreeMap<&'static str, u32>,
}

fn source(gateway: usize) -> EntityId {
    format!("gateway-{gateway}").parse().unwrap()
}

fn index(source: &EntityId) -> usize {
    source.as_str()["gateway-".len()..].parse().unwrap()
}

fn position(length: usize) -> u64 {
    u64::try_from(length).unwrap()
}

impl World {
    pub(super) fn new() -> Self {
        let mut world = Self {
            now: 0,
            window: 0,
            limit: usd(1000),
            gateways: Default::default(),
            network: Vec::new(),
            generations: Generations::new(seconds(LEASE), seconds(LONGEST)),
            grants: BTreeMap::new(),
            as_of: 0,
            calls: BTreeMap::new(),
            ceiling: BTreeMap::new(),
            steady: BTreeMap::new(),
            met: BTreeMap::new(),
        };
        world.open_window();
        world
    }

    /// One random operation; its name.
    pub(super) fn step(&mut self, random: &mut Random) -> &'static str {
        let gateway = random.below(GATEWAYS);
        match random.below(100) {
            0..20 => self.admit(gateway, random),
            20..36 => self.finish(gateway, random),
            36..37 => self.crash(gateway),
            37..42 => self.attempt_again(gateway, random),
            42..57 => self.ask(gateway, random),
            57..77 => self.deliver(random),
            77..87 => self.settle(gateway, random),
            87..92 => self.pass_time(random),
            92..94 => self.correct(random),
            94..95 => self.change_limit(random),
            95..96 => self.crash(gateway),
            96..97 => self.cut_off(gateway, random),
            97..98 => self.next_window(random),
            _ if random.below(2) == 0 => self.restart(gateway, random),
            _ => self.admit(gateway, random),
        }
    }

    fn meet(&mut self, name: &'static str) -> &'static str {
        *self.met.entry(name).or_insert(0) += 1;
        name
    }

    fn open_window(&mut self) {
        self.grants
            .insert(self.window, Grants::new(self.limit, Usd::ZERO));
        self.ceiling.insert(self.window, self.limit);
        self.steady.insert(self.window, true);
    }

    /// The current window, or the one before it.
    fn some_window(&self, random: &mut Random) -> u32 {
        self.window.saturating_sub(u32::from(random.below(8) == 0))
    }

    fn admit(&mut self, gateway: usize, random: &mut Random) -> &'static str {
        let most = if random.below(4) == 0 {
            self.limit
        } else {
            usd(self.limit.picos() / 10)
        };
        let amount = random.amount(most) + usd(1);
        self.admit_amount(gateway, amount)
    }

    fn admit_amount(&mut self, gateway: usize, amount: Usd) -> &'static str {
        let (now, deadline) = (at(self.now), at(self.now + LONGEST));
        let window = self.window;
        let Gateway {
            process, journal, ..
        } = &mut self.gateways[gateway];
        let Some(process) = process else {
            return "dead";
        };
        let ticket = position(journal.len());
        let holds = process.holds.entry(window).or_default();
        match holds.admit(ticket, amount, (now, deadline)) {
            Verdict::Admitted => {
                let record = Record::Held {
                    ticket,
                    amount,
                    deadline,
                };
                journal.push(Entry::Call { window, record });
                let call = Call {
                    window,
                    worth: amount,
                    settled: false,
                };
                self.calls.insert((gateway, ticket), call);
                self.meet("admitted")
            }
            Verdict::Wait => {
                let ask = holds.ask(amount);
                self.send_ask(gateway, window, ask);
                self.meet("waited")
            }
            Verdict::Refused { .. } => {
                // Held money never stands against a call that is refused.
                if self.steady[&window] {
                    let finished = self
                        .calls_of(window)
                        .filter(|call| call.2)
                        .map(|call| call.1);
                    assert!(
                        finished.sum::<Usd>() + amount > self.limit,
                        "refused {amount}"
                    );
                }
                self.meet("refused")
            }
        }
    }

    /// Gateway and ticket, worth, and whether it has ended, of each call of a window.
    fn calls_of(&self, window: u32) -> impl Iterator<Item = ((usize, u64), Usd, bool)> + '_ {
        let calls = self
            .calls
            .iter()
            .filter(move |(_, call)| call.window == window);
        calls.map(|(key, call)| {
            (
                *key,
                call.worth,
                call.settled || !self.runs(*key, call.window),
            )
        })
    }

    fn runs(&self, (gateway, ticket): (usize, u64), window: u32) -> bool {
        let process = self.gateways[gateway].process.as_ref();
        let holds = process.and_then(|process| process.holds.get(&window));
        let running = |held| matches!(held, Held::Running { .. });
        holds.is_some_and(|holds| {
            holds
                .calls()
                .any(|(one, held)| one == ticket && running(held))
        })
    }

    /// A running call of a gateway, with what it holds.
    fn running(&self, gateway: usize, random: &mut Random) -> Option<(u32, u64, Usd, Timestamp)> {
        let process = self.gateways[gateway].process.as_ref()?;
        let mut found = Vec::new();
        for (window, holds) in &process.holds {
            for (ticket, held) in holds.calls() {
                if let Held::Running { amount, deadline } = held {
                    found.push((*window, ticket, amount, deadline));
                }
            }
        }
        found.sort_unstable();
        (!found.is_empty()).then(|| found[random.below(found.len())])
    }

    fn finish(&mut self, gateway: usize, random: &mut Random) -> &'static str {
        let Some((window, ticket, amount, _)) = self.running(gateway, random) else {
            return "idle";
        };
        let cost = random.amount(amount + usd(1));
        self.end_call(gateway, window, ticket, (cost, random.below(3) > 0));
        "finished"
    }

    fn end_call(&mut self, gateway: usize, window: u32, ticket: u64, (cost, known): (Usd, bool)) {
        let Gateway {
            process, journal, ..
        } = &mut self.gateways[gateway];
        let position = position(journal.len());
        let record = Record::Finished {
            ticket,
            position,
            cost: Some(cost),
        };
        journal.push(Entry::Call { window, record });
        self.calls.get_mut(&(gateway, ticket)).unwrap().worth = cost;
        if let Some(holds) = process
            .as_mut()
            .and_then(|process| process.holds.get_mut(&window))
        {
            holds.finish(ticket, position, known.then_some(cost));
        }
    }

    fn attempt_again(&mut self, gateway: usize, random: &mut Random) -> &'static str {
        let Some((window, ticket, before, deadline)) = self.running(gateway, random) else {
            return "idle";
        };
        let (more, now) = (random.amount(before + usd(1)), at(self.now));
        let Gateway {
            process, journal, ..
        } = &mut self.gateways[gateway];
        let holds = process.as_mut().unwrap().holds.get_mut(&window).unwrap();
        if holds.admit(ticket, more, (now, deadline)) != Verdict::Admitted {
            return "no further attempt";
        }
        let amount = before + more;
        let record = Record::Held {
            ticket,
            amount,
            deadline,
        };
        journal.push(Entry::Call { window, record });
        self.calls.get_mut(&(gateway, ticket)).unwrap().worth = amount;
        "further attempt"
    }

    fn ask(&mut self, gateway: usize, random: &mut Random) -> &'static str {
        let window = self.some_window(random);
        let need = if window == self.window {
            random.amount(usd(300))
        } else {
            Usd::ZERO
        };
        let Some(process) = &mut self.gateways[gateway].process else {
            return "dead";
        };
        let holds = process.holds.entry(window).or_default();
        let free = holds.free();
        if window < self.window || random.below(10) == 0 {
            holds.give_back(free - need);
        }
        let ask = holds.ask(need);
        if holds.free() < free {
            self.meet("given back");
        }
        self.send_ask(gateway, window, ask);
        "asked"
    }

    fn send_ask(&mut self, gateway: usize, window: u32, ask: Ask) {
        if let Some(generation) = self.generation(gateway) {
            self.network
                .push(Message::Ask(generation, window, ask, at(self.now)));
        }
    }

    fn generation(&self, gateway: usize) -> Option<Generation> {
        let process = self.gateways[gateway].process.as_ref()?;
        let (source, start) = (source(gateway), process.start);
        Some(Generation { source, start })
    }

    /// Delivers any message under way, loses it, or delivers it and keeps it for once more.
    fn deliver(&mut self, random: &mut Random) -> &'static str {
        if self.network.is_empty() {
            return "silence";
        }
        let message = self.network.swap_remove(random.below(self.network.len()));
        let to = match &message {
            Message::Hello(to) | Message::Closed(to) => to,
            Message::Ask(to, ..) | Message::Lease(to, ..) => to,
        };
        if self.gateways[index(&to.source)].cut_off {
            return "lost";
        }
        match random.below(10) {
            0 => return "lost",
            1 if self.network.len() < 100 => self.network.push(message.clone()),
            _ => {}
        }
        self.arrive(message);
        "delivered"
    }

    fn arrive(&mut self, message: Message) {
        let now = at(self.now);
        match message {
            Message::Hello(generation) => match self.generations.hello(&generation, now) {
                Ok(over) => self.close(&over),
                Err(GenerationClosed) => self.network.push(Message::Closed(generation)),
            },
            Message::Closed(generation) => {
                let gateway = index(&generation.source);
                if self.generation(gateway) == Some(generation) {
                    self.begin(gateway);
                }
            }
            Message::Ask(generation, window, ask, sent) => {
                if self.generations.heard(&generation, now).is_err() {
                    // It may not know, or have lost the hello.
                    self.network.push(Message::Hello(generation));
                } else if let Some(grants) = self.grants.get_mut(&window) {
                    grants.ask(&generation, ask);
                    self.as_of += 1;
                    let read = position(self.gateways[index(&generation.source)].read);
                    let lease = grants.lease(&generation, read, self.as_of);
                    self.network
                        .push(Message::Lease(generation, window, lease, sent));
                }
            }
            Message::Lease(generation, window, lease, sent) => {
                let gateway = index(&generation.source);
                if self.generation(gateway) == Some(generation) && self.grants.contains_key(&window)
                {
                    let process = self.gateways[gateway].process.as_mut().unwrap();
                    let until = Timestamp::from_micros(sent.micros() + LEASE * 1_000_000);
                    process.holds.entry(window).or_default().apply(lease, until);
                }
            }
        }
    }

    /// The collector reads and settles the next records of a journal.
    fn settle(&mut self, gateway: usize, random: &mut Random) -> &'static str {
        for _ in 0..=random.below(12) {
            self.settle_one(gateway);
        }
        "settled"
    }

    fn settle_one(&mut self, gateway: usize) {
        let Gateway { journal, read, .. } = &mut self.gateways[gateway];
        let Some(entry) = journal.get(*read).copied() else {
            return;
        };
        *read += 1;
        let read = *read;
        self.as_of += 1;
        if let Entry::Call {
            window,
            record: Record::Finished { ticket, cost, .. },
        } = entry
        {
            let by = self.generations.of(&source(gateway), ticket);
            let grants = self.grants.get_mut(&window).unwrap();
            grants.settle(by.as_ref(), cost.unwrap());
            self.calls.get_mut(&(gateway, ticket)).unwrap().settled = true;
        }
        let over = self
            .generations
            .settled_below(&source(gateway), position(read));
        self.close(&over);
    }

    fn close(&mut self, over: &[Generation]) {
        for generation in over {
            for grants in self.grants.values_mut() {
                grants.close(generation);
            }
        }
    }

    /// Time passes: calls end by their deadline, silent generations are ended.
    fn pass_time(&mut self, random: &mut Random) -> &'static str {
        self.now += i64::try_from(random.below(25)).unwrap();
        for gateway in 0..GATEWAYS {
            let mut late = Vec::new();
            for (window, holds) in self.gateways[gateway].process.iter().flat_map(|p| &p.holds) {
                late.extend(
                    holds
                        .overdue(at(self.now))
                        .into_iter()
                        .map(|ticket| (*window, ticket)),
                );
            }
            for (window, ticket) in late {
                let cost = self.calls[&(gateway, ticket)].worth;
                self.end_call(gateway, window, ticket, (cost, true));
            }
        }
        let gateways = &self.gateways;
        let at_end = |source: &EntityId| {
            let gateway = &gateways[index(source)];
            gateway.read == gateway.journal.len()
        };
        let ended = self.generations.end_silent(at(self.now), at_end);
        for generation in ended {
            self.meet("ended");
            let open = self.open_records(index(&generation.source), generation.start);
            if !open.is_empty() {
                self.meet("ended with open calls");
            }
            for (window, grants) in &mut self.grants {
                grants.keep(&generation, open.get(window).copied().unwrap_or_default());
            }
        }
        "time passed"
    }

    fn correct(&mut self, random: &mut Random) -> &'static str {
        let settled = self.calls.iter().filter(|(_, call)| call.settled);
        let keys: Vec<_> = settled.map(|(key, _)| *key).collect();
        if keys.is_empty() {
            return "nothing to correct";
        }
        let call = self.calls.get_mut(&keys[random.below(keys.len())]).unwrap();
        let worth = random.amount(usd(2 * call.worth.picos() + 2));
        let difference = worth - call.worth;
        call.worth = worth;
        let window = call.window;
        let grants = self.grants.get_mut(&window).unwrap();
        grants.correct(difference);
        self.as_of += 1;
        let ceiling = self.ceiling.get_mut(&window).unwrap();
        *ceiling = (*ceiling).max(grants.committed());
        self.steady.insert(window, false);
        "corrected"
    }

    fn crash(&mut self, gateway: usize) -> &'static str {
        match self.gateways[gateway].process.take() {
            Some(_) => self.meet("crashed"),
            None => "dead",
        }
    }

    /// The network fails for a gateway, or works again.
    fn cut_off(&mut self, gateway: usize, random: &mut Random) -> &'static str {
        self.gateways[gateway].cut_off = random.below(2) == 0;
        "network changed"
    }

    /// Starts a dead gateway: it closes what was open, and begins after that.
    fn restart(&mut self, gateway: usize, random: &mut Random) -> &'static str {
        if self.gateways[gateway].process.is_some() {
            return "alive";
        }
        let skipped = random.below(3);
        self.gateways[gateway]
            .journal
            .extend(vec![Entry::Other; skipped]);
        for (window, ticket, amount) in self.unfinished(gateway) {
            self.end_call(gateway, window, ticket, (amount, true));
        }
        self.begin(gateway);
        "restarted"
    }

    fn begin(&mut self, gateway: usize) {
        // Whoever is told that its generation is closed has no call left that runs.
        assert_eq!(self.unfinished(gateway), []);
        let first = self.gateways[gateway].journal.len();
        self.gateways[gateway].start = first;
        let start = position(first);
        let holds = BTreeMap::new();
        self.gateways[gateway].process = Some(Process { start, holds });
        let generation = self.generation(gateway).unwrap();
        self.network.push(Message::Hello(generation));
        // So that the next generation does not begin at the same position.
        self.gateways[gateway].journal.push(Entry::Other);
    }

    fn next_window(&mut self, random: &mut Random) -> &'static str {
        if random.below(4) > 0 {
            return "same window";
        }
        self.window += 1;
        self.open_window();
        // What is long over and wholly settled needs no more checking.
        let old = self.window.saturating_sub(4);
        if !self
            .calls
            .values()
            .any(|call| call.window == old && !call.settled)
        {
            self.calls.retain(|_, call| call.window != old);
            self.grants.remove(&old);
            for process in self
                .gateways
                .iter_mut()
                .filter_map(|gateway| gateway.process.as_mut())
            {
                process.holds.remove(&old);
            }
        }
        "next window"
    }
}
