//! What must hold, against the plain list of all calls; changes of the limit; what journals tell.

use super::*;

impl World {
    /// What must hold after every operation.
    pub(in super::super) fn check(&mut self, after: &str) {
        for (window, grants) in &self.grants {
            let calls = self.calls.values().filter(|call| call.window == *window);
            let (mut settled, mut worth) = (Usd::ZERO, Usd::ZERO);
            for call in calls {
                worth += call.worth;
                settled += if call.settled { call.worth } else { Usd::ZERO };
            }
            let told = || format!("after {after}: window {window} {grants:?}");
            assert_eq!(
                grants.settled(),
                settled,
                "enforced is not recorded {}",
                told()
            );
            let committed = grants.committed();
            assert!(
                worth <= committed,
                "{worth} is more than {committed} {}",
                told()
            );
            let ceiling = self.ceiling.get_mut(window).unwrap();
            assert!(
                committed <= *ceiling,
                "{committed} is over {ceiling} {}",
                told()
            );
            // Once it fits again, it must go on fitting.
            *ceiling = (*ceiling).min(committed.max(committed + grants.room()));
        }
        for gateway in 0..GATEWAYS {
            self.check_lent(gateway);
        }
        if after == "time passed" {
            for process in self
                .gateways
                .iter()
                .filter_map(|gateway| gateway.process.as_ref())
            {
                for holds in process.holds.values() {
                    let late = holds.overdue(at(self.now));
                    assert!(late.is_empty(), "{late:?} survived their deadline");
                }
            }
        }
    }

    /// What the running and unsettled calls of a generation are worth, and what it could still admit,
    /// is at most what the collector thinks is out.
    fn check_lent(&self, gateway: usize) {
        let Some(generation) = self.generation(gateway) else {
            return;
        };
        for (window, holds) in &self.gateways[gateway].process.as_ref().unwrap().holds {
            let usable = match holds.verdict(usd(1), at(self.now)) {
                Verdict::Admitted => holds.free(),
                Verdict::Wait | Verdict::Refused { .. } => Usd::ZERO,
            };
            let own = self
                .calls
                .range((gateway, generation.start)..=(gateway, u64::MAX));
            let own = own.filter(|(_, call)| call.window == *window && !call.settled);
            let may = usable + own.map(|(_, call)| call.worth).sum();
            let mut without = self.grants[window].clone();
            let committed = without.committed();
            without.close(&generation);
            let out = committed - without.committed();
            assert!(
                may <= out,
                "{may} may be used of {out}: {generation:?} {holds:?}"
            );
        }
    }

    /// Everything ends and is settled, and then all that is left of the budget can be spent.
    pub(in super::super) fn settle_down(&mut self, random: &mut Random) {
        self.restart_collector();
        for gateway in 0..GATEWAYS {
            self.check_rebuilt(gateway);
            self.gateways[gateway].cut_off = false;
            self.restart(gateway, random);
            while self.finish(gateway, random) != "idle" {}
        }
        for _ in 0..6 {
            self.quiet_round(|_gateway| Usd::ZERO);
        }
        let (window, spender) = (self.window, random.below(GATEWAYS));
        let grants = &self.grants[&window];
        let rest = self.limit - grants.settled();
        for gateway in &self.gateways {
            let process = gateway.process.as_ref().unwrap();
            assert!(
                process
                    .holds
                    .values()
                    .all(|holds| holds.calls().count() == 0),
                "a hold leaked"
            );
        }
        if rest <= Usd::ZERO {
            assert_ne!(self.admit_amount(spender, usd(1)), "admitted");
            return;
        }
        // One gateway wants the rest, or each of them does.
        let all = random.below(2) == 0;
        let spends = |gateway| all || gateway == spender;
        for _ in 0..6 {
            self.quiet_round(|gateway| if spends(gateway) { rest } else { Usd::ZERO });
        }
        assert_eq!(self.admit_amount(spender, rest + usd(1)), "refused");
        let mut spenders = (0..GATEWAYS).filter(|gateway| spends(*gateway));
        let paid = spenders.find(|gateway| self.admit_amount(*gateway, rest) == "admitted");
        let paid = paid.unwrap_or_else(|| panic!("{rest} of {:?}", self.grants[&window]));
        self.check("settle down");
        self.finish(paid, random);
    }

    /// The collector starts again from what its books have kept.
    fn restart_collector(&mut self) {
        for grants in self.grants.values_mut() {
            let lent = grants.lent().map(|(generation, lent)| {
                let kept = serde_json::to_string(lent).unwrap();
                (generation.clone(), serde_json::from_str(&kept).unwrap())
            });
            let limit = grants.committed() + grants.room();
            *grants = Grants::restored(limit, grants.settled(), lent.collect::<Vec<_>>());
        }
        let kept = serde_json::to_string(&self.generations).unwrap();
        self.generations = serde_json::from_str(&kept).unwrap();
    }

    /// Each gateway asks, and every message arrives; what is in the journals is settled.
    fn quiet_round(&mut self, need: impl Fn(usize) -> Usd) {
        for gateway in 0..GATEWAYS {
            while self.gateways[gateway].read < self.gateways[gateway].journal.len() {
                self.settle_one(gateway);
            }
            let windows: Vec<u32> = self.grants.keys().copied().collect();
            for window in windows {
                let process = self.gateways[gateway].process.as_mut().unwrap();
                let current = window == self.window;
                let need = if current { need(gateway) } else { Usd::ZERO };
                let ask = process.holds.entry(window).or_default().ask(need);
                self.send_ask(gateway, window, ask);
            }
        }
        while let Some(message) = self.network.pop() {
            self.arrive(message);
        }
        self.check("quiet round");
    }

    pub(super) fn change_limit(&mut self, random: &mut Random) -> &'static str {
        self.limit = usd(500) + random.amount(usd(1000));
        let grants = self.grants.get_mut(&self.window).unwrap();
        grants.set_limit(self.limit);
        self.as_of += 1;
        self.ceiling
            .insert(self.window, self.limit.max(grants.committed()));
        self.steady.insert(self.window, false);
        "limit changed"
    }

    /// What a gateway holds is what its journal says: nothing leaks, nothing is forgotten.
    fn check_rebuilt(&self, gateway: usize) {
        let Gateway {
            process: Some(process),
            journal,
            start: first,
            ..
        } = &self.gateways[gateway]
        else {
            return;
        };
        for (window, holds) in &process.holds {
            let records = journal[*first..].iter().filter_map(|entry| match entry {
                Entry::Call { window: of, record } if of == window => Some(*record),
                _ => None,
            });
            let running = |holds: &Holds| {
                let all = holds
                    .calls()
                    .filter(|(_, held)| matches!(held, Held::Running { .. }));
                let mut all: Vec<_> = all.map(|(ticket, held)| (ticket, held.amount())).collect();
                all.sort_unstable();
                all
            };
            assert_eq!(
                running(&Holds::rebuilt(records)),
                running(holds),
                "window {window}"
            );
        }
    }

    /// What the unfinished calls of a journal hold in each window, from `start` on.
    pub(super) fn open_records(&self, gateway: usize, start: u64) -> BTreeMap<u32, Usd> {
        let mut open = BTreeMap::new();
        for (window, ticket, amount) in self.unfinished(gateway) {
            if ticket >= start {
                *open.entry(window).or_default() += amount;
            }
        }
        open
    }

    /// Window, ticket and hold of each call without a finished record.
    pub(super) fn unfinished(&self, gateway: usize) -> Vec<(u32, u64, Usd)> {
        let mut open = BTreeMap::new();
        let Gateway { journal, start, .. } = &self.gateways[gateway];
        for entry in &journal[*start..] {
            match *entry {
                Entry::Call {
                    window,
                    record: Record::Held { ticket, amount, .. },
                } => {
                    open.insert(ticket, (window, ticket, amount));
                }
                Entry::Call {
                    record: Record::Finished { ticket, .. },
                    ..
                } => {
                    open.remove(&ticket);
                }
                Entry::Other => {}
            }
        }
        open.into_values().collect()
    }
}
