//! A pool hears what customers ask of it, and tells them what is granted: the best first, and never
//! more than there is.

use super::super::catalog::Sending;
use super::super::customer::ContactKind;
use super::super::decision::{Detail, Effect, Errand, Hold, Note};
use super::super::govern::pools;
use super::super::id::{CustomerId, DecisionId};
use super::super::pool::{
    Back, Grant, Pool, PoolAnswer, PoolNote, PoolOf, PoolRequest, PoolSaid, PoolWaits, PoolWord,
    say_money,
};
use super::super::queue::ASK_AGAIN;
use super::super::time::Timestamp;
use super::super::timer::TimerKind;
use super::{Step, timers};

/// What there is to a request now.
struct Room {
    hold: Hold,
    why: String,
}

/// To whom an answer goes, and to what.
#[derive(Clone, Copy)]
struct To<'a> {
    decision: DecisionId,
    customer: &'a CustomerId,
    asked_at: Timestamp,
}

/// What is told to a customer, and about which decision.
struct Answer {
    decision: DecisionId,
    errand: Errand,
}

impl Step<'_> {
    /// A customer tells the pool something.
    pub(super) fn at_pool(&mut self, note: &PoolNote, now: Timestamp) {
        if self.state.id.pool().is_none() {
            return;
        }
        let mut pool = self.take_pool(now);
        let mut words = Vec::new();
        let to = |asked_at| To { decision: note.decision, customer: &note.customer, asked_at };
        match &note.what {
            PoolSaid::Asks(request) if self.has_granted(&pool, note.decision, request) => {
                let to = to(request.asked_at);
                words.push(self.word(to, PoolAnswer::Granted, "as it was granted"));
            }
            PoolSaid::Asks(request) => {
                // It may have been granted for another channel.
                self.take_back(&mut pool, note.decision, Back::Unused);
                let (customer, request) = (note.customer.clone(), request.clone());
                pool.wait(PoolWaits { decision: note.decision, customer, request });
            }
            PoolSaid::Took(at) => {
                pool.took(note.decision, *at);
                pools::took_grant(self.state, note.decision, *at);
            }
            PoolSaid::Over | PoolSaid::Undone => {
                let undone = note.what == PoolSaid::Undone;
                let back = if undone { Back::All } else { Back::Unused };
                pool.forget(note.decision);
                self.take_back(&mut pool, note.decision, back);
                words.push(self.word(to(now), PoolAnswer::Freed, ""));
            }
        }
        let (granted, next) = self.give_out(&mut pool, now);
        words.extend(granted);
        if let PoolSaid::Asks(request) = &note.what
            && !words.iter().any(|word| word.decision == note.decision)
        {
            words.push(self.has_to_wait(&pool, to(request.asked_at), request, now));
        }
        self.put_pool(pool, next);
        self.tell_customers(words);
    }

    /// There may be room, or another period has begun.
    pub(super) fn pool_opens(&mut self, now: Timestamp) {
        let mut pool = self.take_pool(now);
        let (words, next) = self.give_out(&mut pool, now);
        self.put_pool(pool, next);
        self.tell_customers(words);
    }

    /// What the pool knows, as of now.
    fn take_pool(&mut self, now: Timestamp) -> Box<Pool> {
        let kept = self.state.rare.pools.take();
        let mut pool = kept.and_then(|kept| kept.pool).unwrap_or_default();
        let shared = &self.catalog.policy.shared;
        if let Some(PoolOf::Budget(name)) = self.state.id.pool()
            && let Some(budget) = shared.budget(name)
        {
            pool.turn_page(budget.period(&self.catalog.policy.zone, now), now);
        }
        pool
    }

    fn put_pool(&mut self, pool: Box<Pool>, next: Option<Timestamp>) {
        self.state.rare.pools.get_or_insert_default().pool = Some(pool);
        timers::disarm(self.state, |kind| *kind == TimerKind::Desk);
        if let Some(next) = next {
            timers::arm(self.state, next, TimerKind::Desk);
        }
    }

    /// Grants what can be granted now, in order of value; and when there may be more.
    fn give_out(&mut self, pool: &mut Pool, now: Timestamp) -> (Vec<Answer>, Option<Timestamp>) {
        pool.waiting.retain(|waits| now < waits.request.expires_at);
        pool.waiting.sort_by(|one, other| one.rank().order(&other.rank()));
        let (mut words, mut next) = (Vec::new(), None::<Timestamp>);
        let mut held: Vec<PoolRequest> = Vec::new();
        let mut index = 0;
        while let Some(waits) = pool.waiting.get(index) {
            // Of those that want the same nobody can go where one before them could not.
            if held.iter().any(|other| is_alike(other, &waits.request)) {
                index += 1;
                continue;
            }
            let room = self.room(pool, &waits.request, now);
            if room.hold == Hold::Free {
                let waits = pool.waiting.remove(index);
                if let Some(word) = self.grant(pool, &waits, now) {
                    words.push(word);
                    continue;
                }
                pool.waiting.insert(index, waits);
            }
            let free = match room.hold {
                Hold::Free => Some(now + ASK_AGAIN),
                Hold::Until(free) => Some(free),
                Hold::Never => None,
            };
            next = [next, free].into_iter().flatten().min();
            held.extend(pool.waiting.get(index).map(|waits| waits.request.clone()));
            index += 1;
        }
        (words, next)
    }

    fn grant(&mut self, pool: &mut Pool, waits: &PoolWaits, now: Timestamp) -> Option<Answer> {
        let PoolWaits { decision, customer, request } = waits;
        let kind = match self.catalog.sending {
            Sending::DryRun => ContactKind::DryRun,
            Sending::On => ContactKind::Reserved,
        };
        match self.state.id.pool()? {
            PoolOf::Account(_) => {
                pools::enter_grant(self.catalog, self.state, (*decision, request), now);
            }
            PoolOf::Budget(_) => {
                let grant = Grant { decision: *decision, micros: request.micros, at: now, kind };
                if !pool.grant(grant) {
                    return None;
                }
            }
        }
        let to = To { decision: *decision, customer, asked_at: request.asked_at };
        Some(self.word(to, PoolAnswer::Granted, "there is room"))
    }

    /// Whether the very same was granted already.
    fn has_granted(&self, pool: &Pool, decision: DecisionId, request: &PoolRequest) -> bool {
        match self.state.id.pool() {
            Some(PoolOf::Account(_)) => {
                pools::has_grant(self.catalog, self.state, decision, request)
            }
            Some(PoolOf::Budget(_)) => {
                // What was granted in a rehearsal pays for nothing.
                let rehearsed = self.catalog.sending == Sending::DryRun;
                let same = |grant: &Grant| {
                    grant.decision == decision
                        && grant.micros == request.micros
                        && (grant.kind == ContactKind::DryRun) == rehearsed
                };
                pool.open.iter().any(same)
            }
            None => false,
        }
    }

    fn take_back(&mut self, pool: &mut Pool, decision: DecisionId, back: Back) {
        pool.give_back(decision, back);
        pools::release_grant(self.state, decision, back);
    }

    /// How long a request has to wait, and why.
    fn room(&self, pool: &Pool, request: &PoolRequest, now: Timestamp) -> Room {
        let policy = &self.catalog.policy;
        let unknown =
            |what: &str| Room { hold: Hold::Never, why: format!("{what} is not known here") };
        match self.state.id.pool() {
            Some(PoolOf::Account(_)) => {
                let room = pools::account_room(self.catalog, self.state, request, now);
                let Some((hold, detail)) = room else { return unknown("what it is for") };
                Room { hold, why: self.why_held(&detail) }
            }
            Some(PoolOf::Budget(name)) => {
                let Some(budget) = policy.shared.budget(name) else {
                    return unknown("a budget of that name");
                };
                let used = pool.used(self.catalog.sending);
                let hold = match used.checked_add(request.micros) {
                    Some(sum) if sum <= budget.at_most => Hold::Free,
                    _ if budget.at_most < request.micros => Hold::Never,
                    _ => Hold::Until(budget.period(&policy.zone, now).1),
                };
                let (used, most) = (say_money(used), say_money(budget.at_most));
                let per = budget.period.as_str();
                let why = format!(
                    "the budget `{name}` has spent {used} of {most} {} of this {per}",
                    budget.currency
                );
                Room { hold, why }
            }
            None => unknown("this pool"),
        }
    }

    /// Who holds the cap of the account.
    fn why_held(&self, detail: &Detail) -> String {
        let Detail::Cap { name, holders, .. } = detail else { return String::new() };
        let of = self.state.id.pool().map(|of| of.to_string()).unwrap_or_default();
        let by: Vec<String> = holders
            .iter()
            .map(|(at, slot)| {
                let trigger = self.catalog.trigger(*slot);
                let trigger = trigger.map_or("a trigger that is gone", |one| one.id.as_str());
                format!("`{trigger}` ({at})")
            })
            .collect();
        match by.is_empty() {
            true => format!("{of}, `{name}`, allows none"),
            false => format!("{of}, `{name}`, is held by {}", by.join(", ")),
        }
    }

    fn has_to_wait(
        &self,
        pool: &Pool,
        to: To<'_>,
        request: &PoolRequest,
        now: Timestamp,
    ) -> Answer {
        let Room { hold, why } = self.room(pool, request, now);
        let before = match pool.before(to.decision) {
            0 => String::new(),
            before => format!("; {before} of more worth before it"),
        };
        let (free, when) = match hold {
            // There is room, and too much is under way.
            Hold::Free => (Some(now + ASK_AGAIN), "too much of it is under way".to_owned()),
            Hold::Until(free) => (Some(free), format!("next free {free}")),
            Hold::Never => (None, "it is never free".to_owned()),
        };
        let why = format!("{why}; {when}{before}");
        self.word(to, PoolAnswer::Waits(free), &why)
    }

    fn word(&self, to: To<'_>, what: PoolAnswer, why: &str) -> Answer {
        let To { decision, customer, asked_at } = to;
        let pool = self.state.id.clone();
        let word = PoolWord { pool, decision, asked_at, what, why: why.into() };
        Answer { decision, errand: Errand { to: customer.clone(), what: Note::PoolWord(word) } }
    }

    fn tell_customers(&mut self, words: Vec<Answer>) {
        let errands = words.into_iter().map(|answer| Effect::Errand(answer.errand));
        self.decision.effects.extend(errands);
    }
}

/// Whether two requests want the same, so that there is room for both or for none.
fn is_alike(one: &PoolRequest, other: &PoolRequest) -> bool {
    one.trigger == other.trigger
        && one.purpose == other.purpose
        && one.channel == other.channel
        && one.micros == other.micros
}
