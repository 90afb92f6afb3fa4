//! What ought to happen, by definitions that anyone can read: nothing is indexed, pruned or computed
//! ahead. Rules about time are asked minute by minute.

mod ladder;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use ladder::Way;
use rules::{IsOf, expires_at, is_held, one_effect_each};

use super::shop::{ANSWER, Asks, Rules, TRIGGERS};
use crate::engine::decision::{Applied, Decision, Reason, Ruling, Verdict, VerdictKind};
use crate::engine::input::Answer;
use crate::engine::operation::{Operation, Order};
use crate::engine::slot::{ChannelSlot, PurposeSlot};
use crate::engine::testing::span;
use crate::engine::time::{Span, Timestamp, Zone};

/// Which invariant was broken (by its name in the list of all invariants), and how.
pub(super) type Breach = (&'static str, String);

/// What was put into the log.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// Something happened to a customer.
    Event { id: String, name: &'static str, occurred_at: Timestamp },
    /// Traits: `None` stays as it is.
    Identify {
        id: String,
        zone: Option<Option<&'static str>>,
        email: Option<bool>,
        phone: Option<bool>,
    },
    /// An answer.
    Consent { purpose: Option<PurposeSlot>, channel: Option<ChannelSlot>, answer: Answer },
    /// A pause.
    Pause(Option<Timestamp>),
    /// A wish.
    Prefer(Option<ChannelSlot>),
    /// An order of an operator, to everyone.
    Order(Operation),
    /// What became of a send.
    Outcome { decision: String, result: Ended },
}

/// The end of a send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Delivered,
    Rejected,
    Unknown,
    Expired,
    Refused(Reason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    Reserved,
    Sent,
    Unknown,
    Ghost,
    /// A task: no cap counts it.
    Task,
}

#[derive(Clone, Debug)]
struct Made {
    id: String,
    at: Timestamp,
    by: usize,
    channel: Option<ChannelSlot>,
    counts: Counts,
}

#[derive(Clone, Debug)]
struct Pending {
    by: usize,
    held: bool,
    decided_at: Timestamp,
    until: Timestamp,
}

#[derive(Debug)]
struct Said {
    purpose: Option<PurposeSlot>,
    channel: Option<ChannelSlot>,
    answer: Answer,
    at: Timestamp,
}

/// On which channels somebody has an address.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "two facts of their own")]
struct Addressed {
    email: bool,
    phone: bool,
}

#[derive(Debug)]
struct Person {
    name: &'static str,
    clock: Timestamp,
    zone: Option<Zone>,
    addressed: Addressed,
    said: Vec<Said>,
    paused_until: Option<Timestamp>,
    prefers: Option<ChannelSlot>,
    made: Vec<Made>,
    released: Vec<Made>,
    acted: BTreeMap<usize, Timestamp>,
    held_back: Vec<(usize, Timestamp, Timestamp)>,
    pending: BTreeMap<String, Pending>,
    ways: BTreeMap<String, Way>,
    current: BTreeMap<String, VerdictKind>,
    heard: BTreeSet<String>,
    history: Vec<String>,
    answered_at: Timestamp,
}

/// A proposal on trial.
struct Trial<'a> {
    asks: &'a Asks,
    via: &'a [ChannelSlot],
    by: usize,
    decided_at: Timestamp,
    now: Timestamp,
}

/// What must be, but for the instant until which it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Must {
    Send(ChannelSlot),
    Task,
    HoldOut(Reason),
    Suppress(Reason),
    Expire(Reason),
    /// Not now: later, or never in time.
    Later,
}

#[derive(Debug)]
pub(super) struct Oracle {
    rules: Rules,
    orders: Vec<(Operation, Timestamp)>,
    people: BTreeMap<&'static str, Person>,
}

impl Oracle {
    pub(super) fn new(rules: Rules, people: &[&'static str]) -> Self {
        let person = |name: &&'static str| {
            let person = Person {
                name,
                clock: Timestamp::MIN,
                zone: None,
                addressed: Addressed::default(),
                said: Vec::new(),
                paused_until: None,
                prefers: None,
                made: Vec::new(),
                released: Vec::new(),
                acted: BTreeMap::new(),
                held_back: Vec::new(),
                pending: BTreeMap::new(),
                ways: BTreeMap::new(),
                current: BTreeMap::new(),
                heard: BTreeSet::new(),
                history: Vec::new(),
                answered_at: Timestamp::MIN,
            };
            (*name, person)
        };
        Self { people: people.iter().map(person).collect(), rules, orders: Vec::new() }
    }

    /// Rulings so far, in words, by customer.
    pub(super) fn histories(&self) -> BTreeMap<&'static str, Vec<String>> {
        self.people.iter().map(|(name, person)| (*name, person.history.clone())).collect()
    }

    /// How many decisions there were, how many of them wait, and how many kinds of end they came to.
    pub(super) fn sums(&self) -> (usize, usize, usize) {
        let all = self.people.values().flat_map(|person| person.current.values());
        let kinds: BTreeSet<_> = all.clone().collect();
        let waiting = all.clone().filter(|kind| **kind == VerdictKind::Defer).count();
        (all.count(), waiting, kinds.len())
    }

    /// An order is taken in: it holds from here on.
    pub(super) fn ordered(&mut self, operation: &Operation, at: Timestamp) {
        if self.orders.iter().any(|(known, _)| known.id == operation.id) {
            return;
        }
        if operation.order == Order::Resume {
            let of_another = |(known, _): &(Operation, Timestamp)| known.scope != operation.scope;
            self.orders.retain(of_another);
        }
        self.orders.push((operation.clone(), at));
    }

    /// Takes in a committed step and says what is wrong with it.
    pub(super) fn told(
        &mut self,
        customer: &str,
        at: Timestamp,
        deed: Option<&Deed>,
        decision: &Decision,
    ) -> Result<(), Breach> {
        let rules = Rules { orders: self.orders.clone(), ..self.rules.clone() };
        let Some(person) = self.people.get_mut(customer) else { return Ok(()) };
        if decision.applied != Applied::Applied {
            return person.repeated(deed, decision);
        }
        one_effect_each(customer, decision)?;
        let at = at.max(person.clock);
        person.history.extend(decision.rulings.iter().map(words));
        // What waited until an instant before this one is decided at its own instant, first.
        let mut rulings = decision.rulings.as_slice();
        while let Some(due) = person.pending.values().map(|p| p.until).min().filter(|d| *d <= at) {
            let due_ids: Vec<_> = person
                .pending
                .iter()
                .filter(|(_, pending)| pending.until == due)
                .map(|(id, _)| id.clone())
                .collect();
            let (these, rest) = rulings.split_at(due_ids.len().min(rulings.len()));
            rulings = rest;
            let instant = due.max(person.clock);
            person.clock = instant;
            let told: BTreeSet<_> = these.iter().map(|ruling| ruling.id.to_string()).collect();
            if told != due_ids.iter().cloned().collect() {
                return Err((
                    "I4",
                    format!("{customer}: {due_ids:?} were due at {due}, not {told:?}"),
                ));
            }
            let decided: BTreeMap<_, _> = due_ids
                .iter()
                .map(|id| (id.clone(), person.pending.remove(id).map_or(due, |p| p.decided_at)))
                .collect();
            person.judge(&rules, these, |id| decided.get(id).copied(), instant)?;
        }
        person.clock = at;
        match deed {
            Some(Deed::Outcome { decision: id, result }) => {
                person.outcome(&rules, rulings, (id, *result), at)
            }
            Some(Deed::Order(operation)) => person.obey(&rules, rulings, operation, at),
            Some(Deed::Event { id, name, occurred_at }) => {
                let first = person.heard.insert(id.clone());
                if first && *name == ANSWER {
                    person.answer(&rules, *occurred_at);
                }
                let wanted: BTreeSet<&str> = TRIGGERS
                    .iter()
                    .filter(|asks| first && asks.on == *name)
                    .map(|asks| asks.name)
                    .collect();
                let told: BTreeSet<&str> =
                    rulings.iter().map(|ruling| TRIGGERS[ruling.trigger.index()].name).collect();
                if wanted != told || wanted.len() != rulings.len() {
                    return Err(("I4", format!("{customer} {id}: {told:?} instead of {wanted:?}")));
                }
                person.judge(&rules, rulings, |_| None, at)
            }
            _ if !rulings.is_empty() => {
                Err(("I4", format!("{customer}: nothing asked for {:?}", words(&rulings[0]))))
            }
            Some(other) => {
                person.learn(other, at);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// What is wrong with a call that begins now, later than its decision.
    pub(super) fn late_call(
        &self,
        customer: &str,
        (id, expires_at): (&str, Timestamp),
        channel: ChannelSlot,
        now: Timestamp,
    ) -> Result<(), Breach> {
        let Some(person) = self.people.get(customer) else { return Ok(()) };
        let Some(made) = person.made.iter().find(|made| made.id == id) else {
            return Err(("I4", format!("{id} is called and was never decided")));
        };
        let (asks, by) = (&TRIGGERS[made.by], made.by);
        let trial = Trial { asks, via: asks.via, by, decided_at: made.at, now };
        if expires_at <= now {
            return Err(("I5", format!("{id} is called at {now}, after its expiry")));
        }
        if !person.lets(&trial, channel) {
            return Err(("I8", format!("{id} is called at {now} against a no")));
        }
        if person.quiet(&self.rules, &trial, channel, now) {
            return Err(("I5", format!("{id} is called at {now}, in quiet time")));
        }
        if person.is_paused(&trial, now) {
            return Err(("I8", format!("{id} is called at {now}, in a pause")));
        }
        Ok(())
    }
}

impl Person {
    /// What was heard before changes nothing, not even the time.
    fn repeated(&self, deed: Option<&Deed>, decision: &Decision) -> Result<(), Breach> {
        let known = match deed {
            Some(Deed::Event { id, .. } | Deed::Identify { id, .. }) => self.heard.contains(id),
            _ => false,
        };
        if known && decision.rulings.is_empty() && decision.effects.is_empty() {
            return Ok(());
        }
        Err(("I12", format!("{}: {deed:?} is taken as heard before", self.name)))
    }

    fn learn(&mut self, deed: &Deed, at: Timestamp) {
        match deed {
            Deed::Identify { id, zone, email, phone } => {
                if self.heard.insert(id.clone()) {
                    if let Some(zone) = zone {
                        self.zone = zone.and_then(Zone::parse);
                    }
                    self.addressed.email = email.unwrap_or(self.addressed.email);
                    self.addressed.phone = phone.unwrap_or(self.addressed.phone);
                }
            }
            Deed::Consent { purpose, channel, answer } => {
                self.said.push(Said { purpose: *purpose, channel: *channel, answer: *answer, at });
            }
            Deed::Pause(until) => self.paused_until = *until,
            Deed::Prefer(channel) => self.prefers = *channel,
            Deed::Event { .. } | Deed::Outcome { .. } | Deed::Order(_) => {}
        }
    }

    /// A stop cancels what waits, a resume lets it be decided again.
    fn obey(
        &mut self,
        rules: &Rules,
        rulings: &[Ruling],
        operation: &Operation,
        at: Timestamp,
    ) -> Result<(), Breach> {
        let moved: BTreeMap<String, Timestamp> = self
            .pending
            .iter()
            .filter(|(_, pending)| operation.scope.is_of(&TRIGGERS[pending.by]))
            .filter(|(_, pending)| match operation.order {
                Order::Pause => false,
                Order::Stop => true,
                Order::Resume => pending.held,
            })
            .map(|(id, pending)| (id.clone(), pending.decided_at))
            .collect();
        let told: BTreeSet<_> = rulings.iter().map(|ruling| ruling.id.to_string()).collect();
        if told != moved.keys().cloned().collect() {
            return Err(("I4", format!("{}: {operation:?} moved {told:?}", self.name)));
        }
        self.pending.retain(|id, _| !moved.contains_key(id));
        if operation.order == Order::Resume {
            return self.judge(rules, rulings, |id| moved.get(id).copied(), at);
        }
        let stopped = Verdict::Cancel { reason: Reason::Stopped };
        for ruling in rulings {
            if ruling.verdict != stopped || ruling.replaces != Some(VerdictKind::Defer) {
                return Err(("I4", format!("{}: {:?} by a stop", self.name, ruling.verdict)));
            }
            self.current.insert(ruling.id.to_string(), VerdictKind::Cancel);
        }
        Ok(())
    }

    /// Judges what is decided at one instant, in the order of priority.
    fn judge(
        &mut self,
        rules: &Rules,
        rulings: &[Ruling],
        decided: impl Fn(&str) -> Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), Breach> {
        let mut order: Vec<usize> = (0..rulings.len()).collect();
        order.sort_by_key(|index| {
            let by = rulings[*index].trigger.index();
            (-TRIGGERS[by].priority, by, *index)
        });
        let mut winners: Vec<PurposeSlot> = Vec::new();
        for index in order {
            let ruling = &rulings[index];
            let id = ruling.id.to_string();
            let by = ruling.trigger.index();
            let waited = decided(&id);
            let asks = &TRIGGERS[by];
            let way = self.ways.get(&id).cloned();
            let decided_at = waited.or(way.as_ref().map(|way| way.decided_at)).unwrap_or(now);
            let via = way.as_ref().map_or(asks.via, |way| &way.left);
            let trial = Trial { asks, via, by, decided_at, now };
            if ruling.replaces != waited.map(|_| VerdictKind::Defer) {
                return Err(("I4", format!("{id} replaces {:?}", ruling.replaces)));
            }
            if waited.is_none() && self.current.contains_key(&id) {
                return Err(("I4", format!("{id} is decided twice")));
            }
            if ruling.at != now {
                return Err(("I4", format!("{id} is ruled at {} instead of {now}", ruling.at)));
            }
            let channel = self.chosen(rules, &trial, self.ghost(rules, &trial));
            let must = self.must(rules, &trial, &mut winners);
            self.compare(rules, &trial, must, ruling)?;
            self.enter(&trial, ruling, id, channel);
        }
        Ok(())
    }

    fn compare(
        &self,
        rules: &Rules,
        trial: &Trial<'_>,
        must: Must,
        ruling: &Ruling,
    ) -> Result<(), Breach> {
        let now = trial.now;
        let told = match ruling.verdict {
            Verdict::Send { channel } => Must::Send(channel),
            Verdict::Task => Must::Task,
            Verdict::HoldOut { reason } => Must::HoldOut(reason),
            Verdict::Suppress { reason } => Must::Suppress(reason),
            Verdict::Expire { reason } => Must::Expire(reason),
            Verdict::Defer { .. } => Must::Later,
            Verdict::Cancel { reason } | Verdict::Unknown { reason } => Must::Suppress(reason),
        };
        let said = format!("{} at {now}: {told:?}, and must be {must:?}", self.name);
        let channel = self.channel(trial);
        let ghost = self.ghost(rules, trial);
        let free = |at: Timestamp| match (channel, trial.asks.purpose) {
            (_, None) => !is_held(rules, trial, at),
            (Some(channel), _) => self.free(rules, trial, channel, ghost, at),
            (None, _) => false,
        };
        match (told, must) {
            (Must::Later, Must::Later) => {
                let Verdict::Defer { until, .. } = ruling.verdict else { return Ok(()) };
                // What is held waits to its end, if it must: the order may be taken back.
                if until == expires_at(trial) && is_held(rules, trial, now) {
                    return self.none_free(now, until, free).map_err(|at| {
                        ("I4", format!("{said}: {at} is free, and it is held to its end"))
                    });
                }
                if expires_at(trial) <= until {
                    return Err(("I5", format!("{said}, and waits past its expiry")));
                }
                if !free(until) {
                    return Err(("I6", format!("{said}: {until} is not free")));
                }
                self.none_free(now, until, free)
                    .map_err(|at| ("I4", format!("{said}: {at} is free before {until}")))
            }
            // No instant in time is free.
            (Must::Expire(Reason::Expired), Must::Later) => self
                .none_free(now, expires_at(trial), free)
                .map_err(|at| ("I4", format!("{said}: {at} was free"))),
            _ if told == must => Ok(()),
            (Must::Send(_) | Must::Task, Must::HoldOut(_)) => Err(("I5", said)),
            (
                Must::Send(_),
                Must::Suppress(Reason::OptedOut | Reason::NoConsent | Reason::Unreachable),
            ) => Err(("I8", said)),
            (Must::Send(_), Must::Suppress(Reason::Disabled) | Must::Expire(_)) => {
                Err(("I5", said))
            }
            (Must::Send(_), _) if is_held(rules, trial, now) => Err(("I5", said)),
            (Must::Send(_) | Must::Task, Must::Suppress(Reason::Stopped)) => Err(("I5", said)),
            (Must::Send(channel), Must::Later | Must::Suppress(Reason::Capped)) => {
                let of_quiet = self.quiet(rules, trial, channel, now);
                let unknown = self.made.iter().any(|made| made.counts == Counts::Unknown);
                Err((
                    if of_quiet {
                        "I5"
                    } else if unknown {
                        "I7"
                    } else {
                        "I6"
                    },
                    said,
                ))
            }
            // It waits though it may go.
            (Must::Later | Must::Suppress(Reason::Capped), Must::Send(_))
                if !self.released.is_empty() =>
            {
                Err(("I7", said))
            }
            _ => Err(("I4", said)),
        }
    }

    /// Asks whether no minute between two instants is free, of which it tries many.
    fn none_free(
        &self,
        from: Timestamp,
        until: Timestamp,
        free: impl Fn(Timestamp) -> bool,
    ) -> Result<(), Timestamp> {
        let minutes = (until - from).as_millis() / 60_000;
        let stride = (minutes / 24).max(1);
        let some = (0..minutes).step_by(usize::try_from(stride).unwrap_or(1));
        let tried = some.chain([minutes - 1]).filter(|minute| 0 <= *minute);
        let mut tried = tried.map(|minute| from + Span::MINUTE.times(minute));
        match tried.find(|at| free(*at)) {
            Some(at) => Err(at),
            None => Ok(()),
        }
    }

    /// Enters what follows from a verdict.
    fn enter(
        &mut self,
        trial: &Trial<'_>,
        ruling: &Ruling,
        id: String,
        channel: Option<ChannelSlot>,
    ) {
        let Trial { by, decided_at, now, .. } = *trial;
        let acts = matches!(ruling.verdict, Verdict::Send { .. } | Verdict::Task);
        self.current.insert(id.clone(), ruling.verdict.kind());
        let counts = match ruling.verdict {
            Verdict::Send { .. } => Some(Counts::Reserved),
            Verdict::Task => Some(Counts::Task),
            Verdict::HoldOut { .. } => Some(Counts::Ghost),
            _ => None,
        };
        if let Some(counts) = counts {
            self.made.push(Made { id: id.clone(), at: now, by, channel, counts });
            if trial.asks.rests.is_some() {
                self.acted.insert(by, now);
            }
        }
        if let (Verdict::Send { channel }, true) = (&ruling.verdict, trial.asks.goes_on) {
            let mut left = trial.via.to_vec();
            left.retain(|other| other != channel);
            self.ways.insert(id.clone(), Way { decided_at, left });
        }
        if let (true, Some(longest)) = (acts, trial.asks.holds_marketing) {
            self.held_back.push((by, now, now + span(longest)));
        }
        if let Verdict::Defer { until, reason } = ruling.verdict {
            let held = reason == Reason::Held || expires_at(trial) <= until;
            self.pending.insert(id, Pending { by, held, decided_at, until });
        }
    }
}

/// A ruling in words.
pub(super) fn words(ruling: &Ruling) -> String {
    format!(
        "{} {} {:?} was {:?} at {}",
        ruling.id,
        TRIGGERS[ruling.trigger.index()].name,
        ruling.verdict,
        ruling.replaces,
        ruling.at
    )
}
