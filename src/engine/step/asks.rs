//! How a customer's outreach stands with what is shared with others: it asks, waits, goes, and gives
//! back what it does not use.

use super::super::catalog::{Action, Sending};
use super::super::customer::ContactKind;
use super::super::decision::{Effect, Errand, Note, Reason, Ruling, Verdict, VerdictKind};
use super::super::govern;
use super::super::id::{CustomerId, DecisionId};
use super::super::input::Delivery;
use super::super::planted::{Fault, is_planted};
use super::super::pool::{
    Ask, Claim, GRACE, KEEP, Need, PoolAnswer, PoolNote, PoolRequest, PoolSaid, PoolWord, REMIND,
    Standing,
};
use super::super::queue::ASK_AGAIN;
use super::super::time::Timestamp;
use super::super::timer::TimerKind;
use super::fire::{Firing, properties_of};
use super::{Step, content, timers};

/// When something that waits is decided again. A pool that knows of it grants it by itself at the
/// instant at which there is room; it only asks again where nothing was heard of that.
pub(super) fn wakes_at(
    release_at: Timestamp,
    expires_at: Timestamp,
    claim: &Claim,
    now: Timestamp,
) -> Timestamp {
    match claim.needs.is_empty() || claim.asks.is_some() {
        true => release_at,
        false => {
            let free = std::cmp::min(release_at + GRACE, expires_at.max(release_at));
            std::cmp::min(free, now + REMIND)
        }
    }
}

impl Step<'_> {
    /// What a verdict means for what the outreach was granted, or asks for.
    pub(super) fn claim(
        &mut self,
        firing: &Firing<'_>,
        claim: &Claim,
        (verdict, expires_at): (&Verdict, Timestamp),
        now: Timestamp,
    ) {
        if claim.needs.is_empty() && self.state.rare.asks().is_empty() {
            return;
        }
        match verdict {
            Verdict::Send { .. } => self.take(firing.id, claim, now),
            Verdict::Defer { reason: Reason::AccountCap | Reason::Budget, .. } => {
                let needed = |pool: &CustomerId| claim.needs.iter().any(|need| need.pool == *pool);
                self.give_back_where(firing.id, now, |ask| !needed(&ask.pool));
                // What was kept for a moment is not needed soon.
                let waits = |ask: &Ask| ask.standing == Standing::Waiting;
                if claim.asks.is_none() && !self.pools_of(firing.id, waits).is_empty() {
                    self.give_back_where(firing.id, now, |ask| ask.standing == Standing::Granted);
                }
                let asked = claim.asks.and_then(|index| claim.needs.get(index));
                if let Some(need) = asked {
                    self.ask(firing, need, (claim, expires_at), now);
                }
            }
            _ => self.give_back(firing.id, now),
        }
    }

    fn ask(
        &mut self,
        firing: &Firing<'_>,
        need: &Need,
        (claim, expires_at): (&Claim, Timestamp),
        now: Timestamp,
    ) {
        let policy = &self.catalog.policy;
        let (Action::Send(send), Some(channel)) = (&firing.trigger.action, claim.channel) else {
            return;
        };
        let purpose = policy.purposes.get(send.purpose.index());
        let by_name = policy.channels.get(channel.index());
        let (Some(purpose), Some(by_name)) = (purpose, by_name) else { return };
        let properties = properties_of(&firing.cause);
        let request = PoolRequest {
            trigger: firing.trigger.id.as_str().into(),
            purpose: (*purpose.name).into(),
            channel: (*by_name.name).into(),
            micros: need.micros,
            priority: firing.trigger.priority,
            worth: content::worth(send.worth.as_ref(), &self.scope(&properties, now)),
            since: firing.decided_at,
            expires_at,
            asked_at: now,
        };
        let forgotten = self.state.rare.keep_ask(Ask {
            decision: firing.id,
            pool: need.pool.clone(),
            channel,
            standing: Standing::Asking,
            at: now,
            free_at: None,
            why: None,
        });
        if let Some(ask) = forgotten.filter(|ask| ask.standing != Standing::Taken) {
            let word = ask.standing.last_word().unwrap_or(PoolSaid::Over);
            self.tell_pool(&ask.pool, ask.decision, word);
        }
        self.tell_pool(&need.pool, firing.id, PoolSaid::Asks(request));
    }

    /// It goes: what was granted is used now.
    fn take(&mut self, id: DecisionId, claim: &Claim, now: Timestamp) {
        let used = |ask: &Ask| claim.needs.iter().any(|need| need.pool == ask.pool);
        self.give_back_where(id, now, |ask| !used(ask));
        for need in &claim.needs {
            if let Some(ask) = self.state.rare.ask_mut(id, &need.pool) {
                (ask.standing, ask.at) = (Standing::Taken, now);
                self.tell_pool(&need.pool, id, PoolSaid::Took(now));
            }
        }
        // In a rehearsal nothing is ever heard of a send.
        if self.catalog.sending == Sending::DryRun {
            self.forget_grants(id);
        }
    }

    /// What became of a send: what was certainly not sent gives back what it took.
    pub(super) fn settle_grants(&mut self, id: DecisionId, result: &Delivery, now: Timestamp) {
        match result {
            Delivery::Delivered | Delivery::Unknown { .. } => {
                // Said once more: until a pool hears of it, it takes it as used at any moment.
                if let Some(at) = self.went_at(id) {
                    for pool in self.pools_of(id, |ask| ask.standing == Standing::Taken) {
                        self.tell_pool(&pool, id, PoolSaid::Took(at));
                    }
                }
                self.forget_grants(id);
            }
            Delivery::Rejected { .. } | Delivery::Expired | Delivery::Refused { .. } => {
                self.give_back(id, now);
            }
        }
    }

    fn forget_grants(&mut self, id: DecisionId) {
        let kept = |ask: &Ask| ask.decision != id || ask.standing != Standing::Taken;
        self.state.rare.retain_asks(kept);
    }

    /// Gives back what an outreach was granted, and asks for no more.
    pub(super) fn give_back(&mut self, id: DecisionId, now: Timestamp) {
        self.give_back_where(id, now, |_| true);
    }

    fn give_back_where(&mut self, id: DecisionId, now: Timestamp, picks: impl Fn(&Ask) -> bool) {
        let open = |ask: &Ask| ask.standing.last_word().is_none() && picks(ask);
        for pool in self.pools_of(id, open) {
            let Some(ask) = self.state.rare.ask_mut(id, &pool) else { continue };
            ask.standing = match ask.standing {
                Standing::Taken => Standing::Undoing,
                _ => Standing::Leaving,
            };
            ask.at = now;
            if let Some(word) = ask.standing.last_word() {
                self.tell_pool(&pool, id, word);
            }
            self.wait_for_pools();
        }
    }

    fn pools_of(&self, id: DecisionId, picks: impl Fn(&Ask) -> bool) -> Vec<CustomerId> {
        let asks = self.state.rare.asks().iter();
        let asks = asks.filter(|ask| ask.decision == id && picks(ask));
        asks.map(|ask| ask.pool.clone()).collect()
    }

    /// Says again what pools did not answer.
    pub(super) fn tell_pools_again(&mut self, now: Timestamp) {
        let asks = self.state.rare.asks().iter();
        let unheard = asks
            .filter(|ask| ask.at + ASK_AGAIN <= now)
            .filter_map(|ask| Some((ask.decision, ask.pool.clone(), ask.standing.last_word()?)));
        for (id, pool, word) in unheard.collect::<Vec<_>>() {
            if let Some(ask) = self.state.rare.ask_mut(id, &pool) {
                ask.at = now;
            }
            self.tell_pool(&pool, id, word);
        }
        self.wait_for_pools();
    }

    fn wait_for_pools(&mut self) {
        timers::disarm(self.state, |kind| *kind == TimerKind::Desk);
        let asks = self.state.rare.asks().iter();
        let told = asks.filter(|ask| ask.standing.last_word().is_some()).map(|ask| ask.at).min();
        if let Some(told) = told {
            timers::arm(self.state, told + ASK_AGAIN, TimerKind::Desk);
        }
    }

    /// All that waits is over. What went stays spent.
    pub(super) fn leave_pools(&mut self) {
        let asks = self.state.rare.asks().iter();
        let open = asks.map(|ask| (ask.decision, ask.pool.clone(), ask.standing));
        for (id, pool, standing) in open.collect::<Vec<_>>() {
            let word = match (standing, self.went_at(id)) {
                (Standing::Taken, Some(at)) => PoolSaid::Took(at),
                _ => standing.last_word().unwrap_or(PoolSaid::Over),
            };
            self.tell_pool(&pool, id, word);
        }
    }

    /// A pool says something of a request.
    pub(super) fn pool_said(&mut self, word: &PoolWord, now: Timestamp) {
        let id = word.decision;
        let ask = self.state.rare.ask_mut(id, &word.pool);
        let standing = ask.as_ref().map(|ask| ask.standing);
        // An answer to an earlier request: that to the last one is on its way.
        let late = ask.is_some_and(|ask| ask.at != word.asked_at);
        match (word.what, standing) {
            (
                PoolAnswer::Granted | PoolAnswer::Waits(_),
                Some(Standing::Asking | Standing::Waiting),
            ) if late => {}
            (PoolAnswer::Freed, Some(Standing::Leaving | Standing::Undoing)) => {
                let heard = |ask: &Ask| ask.decision != id || ask.pool != word.pool;
                self.state.rare.retain_asks(heard);
                self.wait_for_pools();
            }
            (PoolAnswer::Granted, Some(Standing::Asking | Standing::Waiting)) => {
                if let Some(ask) = self.state.rare.ask_mut(id, &word.pool) {
                    (ask.standing, ask.free_at, ask.why) = (Standing::Granted, None, None);
                }
                self.decide_again(id, now);
            }
            // It has no use for it any more: what it went with, it told.
            (PoolAnswer::Granted, None) => {
                let what = self.went_at(id).map_or(PoolSaid::Over, PoolSaid::Took);
                self.tell_pool(&word.pool, id, what);
            }
            (PoolAnswer::Granted, Some(Standing::Leaving | Standing::Undoing)) => {
                if let Some(last) = standing.and_then(Standing::last_word) {
                    self.tell_pool(&word.pool, id, last);
                }
            }
            (PoolAnswer::Granted, Some(Standing::Taken)) => {
                if let Some(at) = self.went_at(id) {
                    self.tell_pool(&word.pool, id, PoolSaid::Took(at));
                }
            }
            (PoolAnswer::Waits(free_at), Some(Standing::Asking | Standing::Waiting)) => {
                self.has_to_wait_for(word, free_at, now);
            }
            (PoolAnswer::Granted, Some(Standing::Granted))
            | (PoolAnswer::Freed | PoolAnswer::Waits(_), _) => {}
        }
    }

    /// When a decision went out, if it did and stands.
    fn went_at(&self, id: DecisionId) -> Option<Timestamp> {
        let contact = self.state.ledger.iter().find(|contact| contact.decision == id.head())?;
        (contact.kind != ContactKind::Ghost).then_some(contact.at)
    }

    /// All rules have their say at once.
    fn decide_again(&mut self, id: DecisionId, now: Timestamp) {
        if self.state.rare.waiting.iter().any(|waiting| waiting.id == id) {
            timers::disarm(self.state, |kind| *kind == TimerKind::Release { decision: id });
            self.release(id, now);
        } else {
            self.give_back(id, now);
        }
    }

    /// It waits for one pool, and keeps nothing of those before it meanwhile. So whoever has those
    /// either goes or gives them back at once, and what was granted of a later one is worth keeping
    /// for a moment: two that gave back to each other whatever they had would never go.
    fn has_to_wait_for(&mut self, word: &PoolWord, free_at: Option<Timestamp>, now: Timestamp) {
        let id = word.decision;
        let Some(ask) = self.state.rare.ask_mut(id, &word.pool) else { return };
        let known = ask.standing == Standing::Waiting && ask.free_at == free_at;
        (ask.standing, ask.free_at) = (Standing::Waiting, free_at);
        ask.why = Some(word.why.clone());
        let granted = |ask: &Ask| ask.standing == Standing::Granted;
        self.give_back_where(id, now, |ask| granted(ask) && ask.pool < word.pool);
        let keeps = !self.pools_of(id, granted).is_empty();
        let found = self.state.rare.waiting.iter_mut().find(|waiting| waiting.id == id);
        let Some(waiting) = found else { return self.give_back(id, now) };
        let until = free_at.unwrap_or(waiting.expires_at).min(waiting.expires_at);
        let reason = word.pool.pool().map_or(waiting.reason, |of| of.reason());
        (waiting.release_at, waiting.reason) = (until, reason);
        let look = now + if keeps { KEEP } else { REMIND };
        let due = (until + GRACE).min(waiting.expires_at).min(look).max(now);
        let ruling = Ruling {
            id,
            trigger: waiting.trigger,
            occurrence: waiting.cause.occurrence.clone(),
            at: now,
            caused_at: waiting.cause.at,
            verdict: Verdict::Defer { until, reason },
            replaces: Some(VerdictKind::Defer),
            arm: None,
            offer: None,
            conditions: Vec::new(),
            findings: vec![govern::pools::waits(&word.why)],
        };
        timers::disarm(self.state, |kind| *kind == TimerKind::Release { decision: id });
        timers::arm(self.state, due, TimerKind::Release { decision: id });
        if !known {
            self.decision.rulings.push(ruling);
        }
    }

    fn tell_pool(&mut self, pool: &CustomerId, decision: DecisionId, what: PoolSaid) {
        if matches!(what, PoolSaid::Over | PoolSaid::Undone) && is_planted(Fault::GrantKept) {
            return;
        }
        let note = PoolNote { decision, customer: self.state.id.clone(), what };
        let errand = Errand { to: pool.clone(), what: Note::Pool(note) };
        self.decision.effects.push(Effect::Errand(errand));
    }
}
