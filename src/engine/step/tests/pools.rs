//! What customers share: caps of accounts and budgets, in a world where what subjects tell each other
//! comes late, twice, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use super::fixture::say;
use crate::engine::catalog::{Catalog, Sending, When};
use crate::engine::customer::CustomerState;
use crate::engine::decision::{Applied, Decision, Effect, Errand, Note, Reason, Verdict};
use crate::engine::id::{CustomerId, DecisionId};
use crate::engine::input::{Body, Delivery, Event, Input, Outcome, Reach, View};
use crate::engine::message::Texts;
use crate::engine::planted::{self, Fault};
use crate::engine::policy::{Budget, Cap, CapScope, OnCap, Period, QuietRule, Shared};
use crate::engine::pool::{PoolAnswer, PoolNote, PoolRequest, PoolSaid};
use crate::engine::step::step;
use crate::engine::testing::{
    ACCOUNT, IN_APP, PING, RESOLVED, SERVICE, at, clause, customer, rolling, send, set, shop, span,
};
use crate::engine::time::{Span, Timestamp};

const START: &str = "2026-03-02T09:00";

/// `high` goes before `low`; an account takes two an hour, the budget pays for `paid` a day.
fn catalog(at_most: u32, paid: Option<u64>) -> Catalog {
    let mut shop = shop().purpose(SERVICE, |purpose| {
        purpose.quiet = QuietRule::Broken;
        purpose.expires_after = span("3h");
    });
    for (name, event, priority) in [("low", PING, 0), ("high", RESOLVED, 5)] {
        shop = shop.trigger(name, |trigger| {
            trigger.when = When::Event(Box::new([clause(event)]));
            trigger.priority = priority;
            trigger.action = send(SERVICE, &[IN_APP]);
        });
    }
    let cap = Cap {
        name: "all: 2 per rolling 1h".into(),
        scope: CapScope::All,
        limit: rolling(at_most, "1h"),
        on_cap: OnCap::Defer,
    };
    let budget = paid.map(|paid| Budget {
        name: "service".into(),
        purposes: 0b010,
        at_most: paid * 50_000,
        currency: "EUR".into(),
        period: Period::Day,
    });
    shop.policy.shared = Shared {
        account_caps: Box::new([cap]),
        prices: Box::new([Some(50_000); 4]),
        budgets: budget.into_iter().collect(),
    };
    let mut catalog = shop.open();
    catalog.texts = Texts::new();
    catalog.texts.add("hello", "Hello.").unwrap();
    for trigger in &mut catalog.triggers {
        say(trigger, "hello");
    }
    catalog
}

/// What went out.
#[derive(Clone, Debug)]
struct Sent {
    customer: String,
    /// As it was known then: whoever was forgotten comes back without one.
    account: Option<String>,
    decision: DecisionId,
    at: Timestamp,
    /// When it was known not to have gone out after all.
    undone: Option<Timestamp>,
}

/// Something on its way.
struct Underway {
    due: Timestamp,
    number: u64,
    errand: Errand,
}

struct World<'c> {
    catalog: &'c Catalog,
    states: BTreeMap<String, CustomerState>,
    now: Timestamp,
    number: u64,
    underway: Vec<Underway>,
    sent: Vec<Sent>,
    /// How decisions stand.
    standing: BTreeMap<DecisionId, Verdict>,
    erased: BTreeSet<String>,
    dice: u64,
    /// In a thousand, how many errands are lost, and how many come twice.
    lost: u64,
    twice: u64,
    late: u64,
}

impl<'c> World<'c> {
    fn new(catalog: &'c Catalog, seed: u64) -> Self {
        Self {
            catalog,
            states: BTreeMap::new(),
            now: at(START),
            number: 0,
            underway: Vec::new(),
            sent: Vec::new(),
            standing: BTreeMap::new(),
            erased: BTreeSet::new(),
            dice: seed,
            lost: 0,
            twice: 0,
            late: 1,
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % bound
    }

    fn enter(&mut self, name: &str, account: Option<&str>) {
        let mut state = customer(name);
        (state.now, state.first_seen, state.last_seen) = (self.now, self.now, self.now);
        if let Some(account) = account {
            set(&mut state, ACCOUNT, account);
        }
        self.states.insert(name.to_owned(), state);
    }

    fn step(&mut self, name: &str, at: Timestamp, position: u64, body: Body<'_>) -> Decision {
        let now = self.now;
        let begin = || CustomerState::new(CustomerId::new(name), now);
        let state = self.states.entry(name.to_owned()).or_insert_with(begin);
        let decision = step(self.catalog, state, &Input { at, position, body: body.clone() }, &[]);
        // Read again after a crash, it changes nothing.
        if position != 0 {
            let before = state.clone();
            let again = step(self.catalog, state, &Input { at, position, body }, &[]);
            assert_eq!((again.applied, &*state), (Applied::Replayed, &before));
        }
        self.take(name, &decision);
        decision
    }

    fn take(&mut self, name: &str, decision: &Decision) {
        for ruling in &decision.rulings {
            self.standing.insert(ruling.id, ruling.verdict.clone());
        }
        for effect in &decision.effects {
            match effect {
                Effect::Deliver(outreach) => {
                    let (customer, decision) = (name.to_owned(), outreach.decision);
                    let at = self.states[name].ledger.last().map_or(self.now, |contact| contact.at);
                    let account = self.states[name].text_trait(ACCOUNT).map(str::to_owned);
                    self.sent.push(Sent { customer, account, decision, at, undone: None });
                    self.check();
                }
                Effect::Errand(errand) => self.underway(errand),
                _ => {}
            }
        }
    }

    /// In the order in which they were said, later by chance, not at all, or twice.
    fn underway(&mut self, errand: &Errand) {
        if self.below(1_000) < self.lost {
            return;
        }
        let copies = 1 + u64::from(self.below(1_000) < self.twice);
        for _ in 0..copies {
            let late = i64::try_from(self.below(self.late)).unwrap();
            let same = |other: &&Underway| other.errand.to == errand.to;
            let last = self.underway.iter().filter(same).map(|other| other.due).max();
            let due = self.now + Span::SECOND.times(late);
            let due = last.map_or(due, |last| last.max(due));
            self.number += 1;
            self.underway.push(Underway { due, number: self.number, errand: errand.clone() });
        }
    }

    /// Lets time pass: timers and errands, each when it is due.
    fn pass(&mut self, until: Timestamp) {
        let (mut instant, mut heard) = (self.now, 0);
        loop {
            heard = if instant == self.now { heard + 1 } else { 0 };
            instant = self.now;
            assert!(heard < 10_000, "they go round at {instant}");
            let timer =
                self.states.iter().filter_map(|(name, state)| Some((state.next_due()?, name)));
            let timer = timer.min().map(|(due, name)| (due, name.clone()));
            let errand = self.underway.iter().enumerate();
            let errand = errand.min_by_key(|(_, errand)| (errand.due, errand.number));
            let errand = errand.map(|(index, errand)| (errand.due, index));
            match (timer, errand) {
                (Some((due, name)), other)
                    if due <= until && other.is_none_or(|(e, _)| due < e) =>
                {
                    self.now = self.now.max(due);
                    self.step(&name, due, 0, Body::Tick);
                }
                (_, Some((due, index))) if due <= until => {
                    self.now = self.now.max(due);
                    let Errand { to, what } = self.underway.remove(index).errand;
                    let body = match what {
                        Note::Pool(note) => Body::Pool(note),
                        Note::PoolWord(word) => Body::PoolWord(word),
                        _ => panic!("nobody has a desk here"),
                    };
                    self.number += 1;
                    let (now, number) = (self.now, self.number);
                    self.step(to.as_str(), now, number, body);
                }
                _ => break,
            }
        }
        self.now = self.now.max(until);
    }

    fn ping(&mut self, name: &str, event: crate::engine::slot::EventSlot) -> Decision {
        self.number += 1;
        let (id, now, number) = (format!("e{}", self.number), self.now, self.number);
        let body = Body::Event(Event {
            id: &id,
            name: Some(event),
            view: View::Other,
            occurred_at: now,
            properties: &[],
            traits: &[],
            reach: Reach::Live,
        });
        self.step(name, now, number, body)
    }

    fn settle(&mut self, index: usize, result: Delivery) {
        let Sent { customer, decision, undone, .. } = self.sent[index].clone();
        if undone.is_some() {
            return;
        }
        let releases = matches!(result, Delivery::Rejected { .. });
        self.number += 1;
        let (now, number) = (self.now, self.number);
        let before = self.standing.get(&decision).cloned();
        self.step(&customer, now, number, Body::Outcome(Outcome { decision, attempt: 1, result }));
        if releases && self.standing.get(&decision).cloned() != before {
            self.sent[index].undone = Some(now);
        }
    }

    /// Never over, in no window and no period.
    fn check(&self) {
        let Some(last) = self.sent.last() else { return };
        let counts = |sent: &&Sent| sent.undone.is_none();
        if let Some(account) = &last.account {
            let of = |sent: &&Sent| sent.account.as_ref() == Some(account);
            let counted = self.sent.iter().filter(counts).filter(of);
            let counted = counted.filter(|sent| last.at - span("1h") < sent.at).count();
            assert!(counted <= 2, "{counted} to {account} within an hour at {}", last.at);
        }
        if let [budget] = &*self.catalog.policy.shared.budgets {
            let (from, _) = budget.period(&self.catalog.policy.zone, last.at);
            let counted = self.sent.iter().filter(counts).filter(|sent| from <= sent.at).count();
            let spent = 50_000 * counted as u64;
            assert!(spent <= budget.at_most, "{spent} spent at {}", last.at);
        }
    }

    /// Nobody waits for ever, and the books agree.
    fn check_end(&self) {
        for (name, state) in &self.states {
            assert!(state.rare.waiting.is_empty(), "{name} waits for ever");
            let open = state
                .rare
                .asks()
                .iter()
                .filter(|ask| !matches!(ask.standing, crate::engine::pool::Standing::Taken));
            assert_eq!(open.count(), 0, "{name} still asks");
            if let Some(pool) = state.rare.pool() {
                assert!(pool.waiting.is_empty(), "{name} has somebody wait for ever");
            }
        }
        // What was granted is what went out and stands; only of somebody who was forgotten can more be.
        if self.erased.is_empty() {
            let budget = &self.catalog.policy.shared.budgets[0];
            let (from, _) = budget.period(&self.catalog.policy.zone, self.now);
            let stands = self.sent.iter().filter(|sent| sent.undone.is_none() && from <= sent.at);
            let pool = CustomerId::of_budget_pool("service");
            if let Some(pool) = self.states.get(pool.as_str()).and_then(|state| state.rare.pool())
                && pool.from == from
            {
                // Of what was granted before and never heard of again, it may be spent in this period.
                let unheard = pool.open.iter().filter(|grant| grant.at < from);
                let unheard: u64 = unheard.map(|grant| grant.micros).sum();
                let told = pool.used(Sending::On) - unheard;
                assert_eq!(told, 50_000 * stands.count() as u64, "the books agree");
            }
            for account in ["acme", "bolt"] {
                let id = CustomerId::of_account_pool(account);
                let Some(pool) = self.states.get(id.as_str()) else { continue };
                for contact in &pool.ledger {
                    let of_it = |sent: &&Sent| sent.decision.head() == contact.decision;
                    let sent = self.sent.iter().find(of_it);
                    assert!(
                        sent.is_some_and(|sent| sent.undone.is_none()),
                        "{account} counts a ghost"
                    );
                }
            }
        }
    }

    fn pool(&self, id: &CustomerId) -> &CustomerState {
        &self.states[id.as_str()]
    }
}

fn rejected() -> Delivery {
    Delivery::Rejected { why: "no such number".into() }
}

fn verdicts(decision: &Decision) -> Vec<Option<Reason>> {
    decision.rulings.iter().map(|ruling| ruling.verdict.reason()).collect()
}

#[test]
fn two_that_have_what_the_other_needs_do_not_go_round() {
    let catalog = catalog(1, Some(1));
    let mut world = World::new(&catalog, 1);
    for (name, account) in [("zed", None), ("ann", Some("acme")), ("bob", Some("acme"))] {
        world.enter(name, account);
    }
    world.ping("zed", PING);
    world.pass(at("2026-03-02T22:30"));
    // The money of the day is gone: she waits for it, and keeps nothing of her account.
    world.ping("ann", PING);
    let midnight = at("2026-03-03T00:00");
    world.pass(midnight - Span::from_millis(1));
    assert_eq!(world.sent.len(), 1);
    world.now = midnight;
    world.ping("bob", PING);
    world.pass(midnight);
    let to: Vec<&str> = world.sent.iter().map(|sent| &*sent.customer).collect();
    assert_eq!(to, ["zed", "ann"]);
    world.pass(at("2026-03-03T09:00"));
    assert_eq!(world.sent.len(), 2);
    world.check_end();
}

#[test]
fn the_second_of_an_account_waits_and_goes_when_there_is_room() {
    let catalog = catalog(1, None);
    let mut world = World::new(&catalog, 1);
    for name in ["ann", "bob"] {
        world.enter(name, Some("acme"));
    }
    world.enter("eve", None);
    assert_eq!(verdicts(&world.ping("ann", PING)), [Some(Reason::AccountCap)], "it asks first");
    world.pass(world.now + span("1m"));
    assert_eq!(world.sent.len(), 1);
    world.ping("bob", PING);
    let other = world.ping("eve", PING);
    assert_eq!(verdicts(&other), [None], "whoever has no account is under no cap of one");
    world.pass(world.now + span("5m"));
    let waiting = &world.states["bob"].rare.waiting[0];
    assert_eq!(
        (waiting.release_at, waiting.reason),
        (world.sent[0].at + span("1h"), Reason::AccountCap)
    );
    let why = world.states["bob"].rare.asks()[0].why.clone().unwrap();
    assert!(why.contains("the cap of account `acme`") && why.contains("held by `low`"), "{why}");
    assert!(!why.contains("ann"), "what one customer knows does not name another");
    world.pass(world.now + span("2h"));
    let times: Vec<_> =
        world.sent.iter().map(|sent| (&*sent.customer, sent.at - at(START))).collect();
    assert_eq!(times, [("ann", Span::ZERO), ("eve", span("1m")), ("bob", span("1h"))]);
}

#[test]
fn what_is_not_sent_after_all_makes_room_at_once() {
    let catalog = catalog(1, Some(1));
    let mut world = World::new(&catalog, 1);
    for name in ["ann", "bob"] {
        world.enter(name, Some("acme"));
        world.ping(name, PING);
        world.pass(world.now + span("1m"));
    }
    assert_eq!(world.sent.len(), 1);
    world.settle(0, rejected());
    world.pass(world.now + span("1s"));
    assert_eq!(world.sent.len(), 2, "it has the place and the money");
    // The third waits for the account and keeps no money meanwhile, nor the other way round.
    world.enter("kim", None);
    world.ping("kim", PING);
    world.pass(world.now + span("1m"));
    let budget = CustomerId::of_budget_pool("service");
    assert_eq!(world.pool(&budget).rare.pool().unwrap().used(Sending::On), 50_000);
    assert_eq!(world.states["kim"].rare.waiting[0].reason, Reason::Budget);
    world.pass(world.now + span("4h"));
    assert!(world.states["kim"].rare.waiting.is_empty(), "it was too late");
    assert!(world.pool(&budget).rare.pool().unwrap().waiting.is_empty());
    assert!(world.states["kim"].rare.asks().is_empty(), "and everybody knows");
}

#[test]
fn of_what_waits_for_money_the_best_goes_when_a_day_begins() {
    let catalog = catalog(9, Some(2));
    let budget = CustomerId::of_budget_pool("service");
    let mut pool = CustomerState::new(budget.clone(), at(START));
    let asks = |number: u8, priority: i32, worth: f64| PoolNote {
        decision: DecisionId::from_bytes([number; 16]),
        customer: CustomerId::new(format!("c{number}")),
        what: PoolSaid::Asks(PoolRequest {
            trigger: "low".into(),
            purpose: "service".into(),
            channel: "in_app".into(),
            micros: 50_000,
            priority,
            worth,
            since: at(START),
            expires_at: at("2026-03-09T09:00"),
            asked_at: at(START),
        }),
    };
    let mut tell = |when: &str, body: Body<'_>| {
        let input = Input { at: at(when), position: 0, body };
        let decision = step(&catalog, &mut pool, &input, &[]);
        let words = decision.effects.iter().filter_map(|effect| match effect {
            Effect::Errand(Errand { to, what: Note::PoolWord(word) }) => {
                let what = match word.what {
                    PoolAnswer::Granted => "granted".to_owned(),
                    PoolAnswer::Waits(until) => format!("waits until {}", until.unwrap()),
                    PoolAnswer::Freed => "freed".to_owned(),
                };
                Some(format!("{to} {what}"))
            }
            _ => None,
        });
        words.collect::<Vec<_>>().join("; ")
    };
    let morning = "2026-03-02T10:00";
    for number in [1, 2] {
        let said = tell(morning, Body::Pool(asks(number, 0, 0.0)));
        assert_eq!(said, format!("c{number} granted"));
    }
    assert_eq!(tell(morning, Body::Pool(asks(1, 0, 0.0))), "c1 granted", "and costs nothing again");
    let ranks = [(3, 0, 9.0), (4, 1, 0.0), (5, 0, 10.0), (6, 0, 9.0), (7, 1, 0.5)];
    for (number, priority, worth) in ranks {
        let said = tell(morning, Body::Pool(asks(number, priority, worth)));
        assert_eq!(said, format!("c{number} waits until 2026-03-03T00:00:00.000Z"));
    }
    let over = |number| PoolNote { what: PoolSaid::Over, ..asks(number, 0, 0.0) };
    assert_eq!(tell("2026-03-02T11:00", Body::Pool(over(2))), "c2 freed; c7 granted");
    assert_eq!(tell("2026-03-02T11:00", Body::Pool(over(2))), "c2 freed", "once");
    // The one of this day used its money in this day; c7 did not say so, and may use it tomorrow.
    let took = PoolNote { what: PoolSaid::Took(at(morning)), ..asks(1, 0, 0.0) };
    tell("2026-03-02T11:00", Body::Pool(took));
    assert_eq!(tell("2026-03-03T08:00", Body::Tick), "c4 granted");
    let took = PoolNote { what: PoolSaid::Took(at("2026-03-02T11:01")), ..asks(7, 0, 0.0) };
    assert_eq!(tell("2026-03-03T08:00", Body::Pool(took)), "c5 granted");
    for number in [4, 5] {
        let took =
            PoolNote { what: PoolSaid::Took(at("2026-03-03T09:00")), ..asks(number, 0, 0.0) };
        assert_eq!(tell("2026-03-03T09:00", Body::Pool(took)), "");
    }
    assert_eq!(tell("2026-03-04T08:00", Body::Tick), "c3 granted; c6 granted");
}

/// A storm: events, failures, erasures, and errands that come late, twice or not at all.
fn storm(seed: u64) -> (usize, usize) {
    let catalog = catalog(2, Some(12));
    let mut world = World::new(&catalog, seed);
    for number in 0..6 {
        let account = ["acme", "bolt"].get(number % 3).copied();
        world.enter(&format!("c{number}"), account);
    }
    (world.lost, world.twice, world.late) = (60, 60, 40);
    for _ in 0..120 {
        let name = format!("c{}", world.below(6));
        match world.below(10) {
            0..=4 => {
                let event = [PING, RESOLVED][usize::from(world.below(2) == 0)];
                world.ping(&name, event);
            }
            5 | 6 if !world.sent.is_empty() => {
                let index = usize::try_from(world.below(world.sent.len() as u64)).unwrap();
                let unknown = Delivery::Unknown { why: "it broke".into() };
                let all = [rejected(), Delivery::Delivered, unknown];
                let result = all[usize::try_from(world.below(3)).unwrap()].clone();
                world.settle(index, result);
            }
            7 if world.below(8) == 0 && world.erased.insert(name.clone()) => {
                world.number += 1;
                let (now, number) = (world.now, world.number);
                world.step(&name, now, number, Body::Erasure);
            }
            _ => {
                let minutes = i64::try_from(1 + world.below(40)).unwrap();
                world.pass(world.now + span("1m").times(minutes));
            }
        }
    }
    // Everything comes to its end: nothing is lost any more, and all that waits goes or expires.
    (world.lost, world.twice) = (0, 0);
    world.pass(world.now + span("12h"));
    world.check_end();
    (world.standing.len(), world.sent.len())
}

#[test]
fn no_storm_goes_over_and_nothing_is_lost() {
    let (mut asked, mut sent) = (0, 0);
    for seed in 0..150 {
        let (one, other) = storm(seed);
        (asked, sent) = (asked + one, sent + other);
    }
    assert!(2_000 < sent && sent < asked, "{sent} of {asked} went out");
}

#[test]
fn a_storm_finds_whoever_does_not_ask_and_whoever_keeps_what_is_not_used() {
    for fault in [Fault::PoolNotAsked, Fault::GrantKept] {
        let found = planted::with(Some(fault), || {
            (0..60).any(|seed| std::panic::catch_unwind(|| storm(seed)).is_err())
        });
        assert!(found, "{fault:?} was not found");
    }
}

#[test]
fn a_rehearsal_spends_nothing() {
    let mut catalog = catalog(1, Some(1));
    catalog.sending = Sending::DryRun;
    let mut world = World::new(&catalog, 1);
    for name in ["ann", "bob"] {
        world.enter(name, Some("acme"));
        world.ping(name, PING);
        world.pass(world.now + span("1m"));
    }
    assert_eq!(world.sent.len(), 1, "rehearsed sends count among themselves");
    let budget = CustomerId::of_budget_pool("service");
    let pool = world.pool(&budget).rare.pool().unwrap();
    assert_eq!((pool.used(Sending::On), pool.used(Sending::DryRun)), (0, 50_000));
    assert!(world.states["ann"].rare.asks().is_empty());
}
