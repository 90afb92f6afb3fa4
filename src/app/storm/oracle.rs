//! What ought to happen, by definitions that anyone can read: nothing is indexed, pruned or computed
//! ahead. Rules about time are asked minute by minute.

use std::collections::{BTreeMap, BTreeSet};

use super::shop::{Asks, Bound, Rules, TRIGGERS};
use crate::engine::decision::{Applied, Decision, Effect, Reason, Ruling, Verdict, VerdictKind};
use crate::engine::experiment;
use crate::engine::input::Answer;
use crate::engine::policy::{CapLimit, CapScope, OnCap, Period};
use crate::engine::slot::{ChannelSlot, PurposeSlot};
use crate::engine::testing::{EMAIL, IN_APP, MARKETING, SMS, TRANSACTIONAL, span};
use crate::engine::time::{Span, Timestamp, Zone};

/// Which invariant was broken (by its name in the list of all invariants), and how.
pub(super) type Breach = (&'static str, String);

/// What was put into the log.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// Something happened to a customer.
    Event { id: String, name: &'static str },
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
    current: BTreeMap<String, VerdictKind>,
    heard: BTreeSet<String>,
    history: Vec<String>,
}

/// A proposal on trial.
struct Trial<'a> {
    asks: &'a Asks,
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
                current: BTreeMap::new(),
                heard: BTreeSet::new(),
                history: Vec::new(),
            };
            (*name, person)
        };
        Self { people: people.iter().map(person).collect(), rules }
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

    /// Takes in a committed step and says what is wrong with it.
    pub(super) fn told(
        &mut self,
        customer: &str,
        at: Timestamp,
        deed: Option<&Deed>,
        decision: &Decision,
    ) -> Result<(), Breach> {
        let rules = self.rules.clone();
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
            Some(Deed::Outcome { decision: id, result }) => person.outcome(rulings, id, *result),
            Some(Deed::Event { id, name }) => {
                let first = person.heard.insert(id.clone());
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
        let trial = Trial { asks: &TRIGGERS[made.by], by: made.by, decided_at: made.at, now };
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
            Deed::Event { .. } | Deed::Outcome { .. } => {}
        }
    }

    fn outcome(&mut self, rulings: &[Ruling], id: &str, result: Ended) -> Result<(), Breach> {
        let found = self.made.iter().position(|made| made.id == id);
        let counts = found.map(|index| self.made[index].counts);
        let wanted = match (counts, result) {
            (Some(Counts::Reserved), Ended::Delivered) => {
                self.made[found.unwrap()].counts = Counts::Sent;
                None
            }
            (Some(Counts::Unknown), Ended::Delivered) => {
                self.made[found.unwrap()].counts = Counts::Sent;
                Some((VerdictKind::Send, None))
            }
            (Some(Counts::Reserved), Ended::Unknown) => {
                self.made[found.unwrap()].counts = Counts::Unknown;
                Some((VerdictKind::Unknown, Some(Reason::OutcomeUnknown)))
            }
            (Some(Counts::Reserved), gone) => {
                let made = self.made.remove(found.unwrap());
                if self.acted.get(&made.by) == Some(&made.at) {
                    self.acted.remove(&made.by);
                }
                self.released.push(made);
                Some(match gone {
                    Ended::Expired => (VerdictKind::Expire, Some(Reason::Expired)),
                    Ended::Refused(reason) => (VerdictKind::Suppress, Some(reason)),
                    _ => (VerdictKind::Suppress, Some(Reason::Rejected)),
                })
            }
            _ => None,
        };
        let told: Vec<_> =
            rulings.iter().map(|ruling| (ruling.verdict.kind(), ruling.verdict.reason())).collect();
        if told != wanted.into_iter().collect::<Vec<_>>() {
            return Err(("I7", format!("{}: {id} came to {result:?}: {told:?}", self.name)));
        }
        if let Some((kind, _)) = wanted {
            self.current.insert(id.to_owned(), kind);
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
            let trial = Trial { asks: &TRIGGERS[by], by, decided_at: waited.unwrap_or(now), now };
            if ruling.replaces != waited.map(|_| VerdictKind::Defer) {
                return Err(("I4", format!("{id} replaces {:?}", ruling.replaces)));
            }
            if waited.is_none() && self.current.contains_key(&id) {
                return Err(("I4", format!("{id} is decided twice")));
            }
            if ruling.at != now {
                return Err(("I4", format!("{id} is ruled at {} instead of {now}", ruling.at)));
            }
            let must = self.must(rules, &trial, &mut winners);
            self.compare(rules, &trial, must, ruling)?;
            self.enter(&trial, ruling, id);
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
        let free = |at: Timestamp| {
            channel.is_some_and(|channel| self.free(rules, trial, channel, ghost, at))
        };
        match (told, must) {
            (Must::Later, Must::Later) => {
                let Verdict::Defer { until, .. } = ruling.verdict else { return Ok(()) };
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
    fn enter(&mut self, trial: &Trial<'_>, ruling: &Ruling, id: String) {
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
            let channel = self.channel(trial);
            self.made.push(Made { id: id.clone(), at: now, by, channel, counts });
            if trial.asks.rests.is_some() {
                self.acted.insert(by, now);
            }
        }
        if let (true, Some(longest)) = (acts, trial.asks.holds_marketing) {
            self.held_back.push((by, now, now + span(longest)));
        }
        if let Verdict::Defer { until, .. } = ruling.verdict {
            self.pending.insert(id, Pending { decided_at, until });
        }
    }

    fn must(&self, rules: &Rules, trial: &Trial<'_>, winners: &mut Vec<PurposeSlot>) -> Must {
        let Trial { asks, by, now, .. } = *trial;
        if !asks.is_on {
            return Must::Suppress(Reason::Disabled);
        }
        if expires_at(trial) <= now {
            return Must::Expire(Reason::Expired);
        }
        let held = |(who, since, until): &(usize, Timestamp, Timestamp)| {
            *who != by && *since <= now && now < *until
        };
        if asks.purpose == Some(MARKETING) && self.held_back.iter().any(held) {
            return Must::Suppress(Reason::Suppressed);
        }
        if let (Some(rests), Some(acted)) = (asks.rests, self.acted.get(&by))
            && now < *acted + span(rests)
        {
            return Must::Suppress(Reason::OncePer);
        }
        let ghost = self.ghost(rules, trial);
        let Some(purpose) = asks.purpose else {
            return ghost.map_or(Must::Task, Must::HoldOut);
        };
        if !asks.via.iter().any(|channel| self.lets(trial, *channel)) {
            let no = asks.via.iter().any(|channel| self.denies(purpose, *channel));
            let asked = purpose != MARKETING
                || asks.via.iter().any(|c| self.granted(purpose, *c) && self.denies(purpose, *c));
            let reason = if no && asked { Reason::OptedOut } else { Reason::NoConsent };
            return Must::Suppress(reason);
        }
        let Some(channel) = self.channel(trial) else {
            return Must::Suppress(Reason::Unreachable);
        };
        if purpose == MARKETING && ghost.is_none() {
            if winners.contains(&purpose) {
                return Must::Suppress(Reason::Outranked);
            }
            winners.push(purpose);
        }
        let lost = self.zone.is_none() && purpose == MARKETING;
        if lost && self.needs_zone(rules, trial, channel) {
            return Must::Suppress(Reason::UnknownZone);
        }
        // What is dropped at a full cap is dropped only if it need not wait for something else.
        let waits = self.is_paused(trial, now) || self.quiet(rules, trial, channel, now);
        for bound in self.concerning(rules, trial, channel) {
            if lost && matches!(bound.limit, CapLimit::Calendar { .. }) {
                return Must::Suppress(Reason::UnknownZone);
            }
            if !waits && drops(bound, asks) && !self.has_room(bound, ghost, now) {
                return Must::Suppress(Reason::Capped);
            }
        }
        if !self.free(rules, trial, channel, ghost, now) {
            return Must::Later;
        }
        ghost.map_or(Must::Send(channel), Must::HoldOut)
    }

    /// Whether all rules about time let it go at an instant.
    fn free(
        &self,
        rules: &Rules,
        trial: &Trial<'_>,
        channel: ChannelSlot,
        ghost: Option<Reason>,
        at: Timestamp,
    ) -> bool {
        !self.is_paused(trial, at)
            && !self.quiet(rules, trial, channel, at)
            && self
                .concerning(rules, trial, channel)
                .filter(|bound| !drops(bound, trial.asks))
                .all(|bound| self.has_room(bound, ghost, at))
    }

    fn is_paused(&self, trial: &Trial<'_>, at: Timestamp) -> bool {
        trial.asks.purpose != Some(TRANSACTIONAL) && self.paused_until.is_some_and(|end| at < end)
    }

    /// Whether the wall clock of the customer shows a time that is quiet or a holiday.
    fn quiet(&self, rules: &Rules, trial: &Trial<'_>, channel: ChannelSlot, at: Timestamp) -> bool {
        if trial.asks.purpose == Some(TRANSACTIONAL) {
            return false;
        }
        let local = at.in_zone(&self.clock_zone());
        let holiday = rules.blackout.is_some_and(|(from, to)| from <= local && local < to);
        let night = channel != IN_APP
            && rules.quiet.iter().any(|hours| {
                // Each day on which it begins paints an interval; one may reach into the next day.
                [0, 1].into_iter().any(|back| {
                    let Ok(date) = local.date().checked_sub(jiff::Span::new().days(back)) else {
                        return false;
                    };
                    let begins = hours.weekdays >> date.weekday().to_monday_zero_offset() & 1 == 1;
                    let ends =
                        if hours.to <= hours.from { date.tomorrow().unwrap_or(date) } else { date };
                    begins
                        && date.to_datetime(hours.from) <= local
                        && local < ends.to_datetime(hours.to)
                })
            });
        holiday || night
    }

    fn needs_zone(&self, rules: &Rules, trial: &Trial<'_>, channel: ChannelSlot) -> bool {
        let day = Span::HOUR.times(26);
        let near = rules.blackout.is_some_and(|(from, to)| {
            let utc = Zone::utc();
            Timestamp::from_local(from, &utc) <= trial.now + day
                && trial.now < Timestamp::from_local(to, &utc) + day
        });
        (channel != IN_APP && !rules.quiet.is_empty()) || near
    }

    fn clock_zone(&self) -> Zone {
        self.zone.clone().unwrap_or_else(Zone::utc)
    }

    /// The caps that have a say about a message.
    fn concerning<'r>(
        &self,
        rules: &'r Rules,
        trial: &Trial<'_>,
        channel: ChannelSlot,
    ) -> impl Iterator<Item = &'r Bound> {
        let (by, asks) = (trial.by, *trial.asks);
        rules.bounds.iter().filter(move |bound| {
            asks.purpose != Some(TRANSACTIONAL)
                && falls_under(bound.scope, by, &asks, Some(channel))
        })
    }

    /// Whether one more contact at an instant is within a cap: all are counted anew.
    fn has_room(&self, bound: &Bound, ghost: Option<Reason>, at: Timestamp) -> bool {
        let zone = self.clock_zone();
        let counted: Vec<Timestamp> = self
            .made
            .iter()
            .filter(|made| {
                let asks = &TRIGGERS[made.by];
                let real = match made.counts {
                    Counts::Reserved | Counts::Sent | Counts::Unknown => true,
                    Counts::Ghost => ghost == Some(Reason::GlobalHoldout),
                    Counts::Task => false,
                };
                real && asks.purpose.is_some_and(|purpose| purpose != TRANSACTIONAL)
                    && falls_under(bound.scope, made.by, asks, made.channel)
            })
            .map(|made| made.at)
            .collect();
        let (used, at_most) = match bound.limit {
            CapLimit::Rolling { at_most, window } => {
                (counted.iter().filter(|made| at < **made + window).count(), at_most)
            }
            CapLimit::Gap { gap } => (counted.iter().filter(|made| at < **made + gap).count(), 1),
            CapLimit::Calendar { at_most, period } => {
                let label = |at: Timestamp| {
                    let local = at.in_zone(&zone);
                    let form = match period {
                        Period::Day => "%Y-%m-%d",
                        Period::Week => "%G-W%V",
                        Period::Month => "%Y-%m",
                    };
                    local.strftime(form).to_string()
                };
                let today = label(at);
                (counted.iter().filter(|made| label(**made) == today).count(), at_most)
            }
        };
        used < usize::try_from(at_most).unwrap_or(usize::MAX)
    }

    /// The first channel of the list, the preferred one before all, that has an address and no no.
    fn channel(&self, trial: &Trial<'_>) -> Option<ChannelSlot> {
        let open = |channel: &&ChannelSlot| {
            let addressed = match **channel {
                EMAIL => self.addressed.email,
                SMS => self.addressed.phone,
                _ => true,
            };
            addressed && self.lets(trial, **channel)
        };
        let via = trial.asks.via;
        let preferred = via.iter().filter(|channel| Some(**channel) == self.prefers);
        preferred.chain(via).find(open).copied()
    }

    fn lets(&self, trial: &Trial<'_>, channel: ChannelSlot) -> bool {
        let Some(purpose) = trial.asks.purpose else { return true };
        (purpose != MARKETING || self.granted(purpose, channel)) && !self.denies(purpose, channel)
    }

    fn granted(&self, purpose: PurposeSlot, channel: ChannelSlot) -> bool {
        self.said
            .iter()
            .any(|said| said.answer == Answer::Granted && said.is_about(purpose, channel))
    }

    /// Whether some no stands: no later yes that is as narrow lifts it.
    fn denies(&self, purpose: PurposeSlot, channel: ChannelSlot) -> bool {
        let about = || self.said.iter().filter(|said| said.is_about(purpose, channel));
        about().filter(|said| said.answer == Answer::Denied).any(|no| {
            let later = about().filter(|said| said.answer == Answer::Granted && no.at < said.at);
            let mut lifts = later.filter(|yes| {
                (no.purpose.is_none() || no.purpose == yes.purpose)
                    && (no.channel.is_none() || no.channel == yes.channel)
            });
            lifts.next().is_none()
        })
    }

    fn ghost(&self, rules: &Rules, trial: &Trial<'_>) -> Option<Reason> {
        let exempt = trial.asks.purpose == Some(TRANSACTIONAL);
        if !exempt && experiment::globally_held_out(rules.holdout, self.name) {
            return Some(Reason::GlobalHoldout);
        }
        let place = experiment::bucket(trial.asks.name, self.name);
        (place < trial.asks.holdout).then_some(Reason::Holdout)
    }
}

impl Said {
    fn is_about(&self, purpose: PurposeSlot, channel: ChannelSlot) -> bool {
        self.purpose.is_none_or(|only| only == purpose)
            && self.channel.is_none_or(|only| only == channel)
    }
}

fn drops(bound: &Bound, asks: &Asks) -> bool {
    asks.drops || bound.on_cap == OnCap::Drop
}

fn falls_under(scope: CapScope, by: usize, asks: &Asks, channel: Option<ChannelSlot>) -> bool {
    match scope {
        CapScope::All => true,
        CapScope::Purpose(purpose) => asks.purpose == Some(purpose),
        CapScope::Channel(only) => channel == Some(only),
        CapScope::Trigger(trigger) => trigger.index() == by,
        CapScope::Tag(_) => asks.weekly,
    }
}

fn expires_at(trial: &Trial<'_>) -> Timestamp {
    match trial.asks.purpose {
        Some(_) => trial.decided_at + span(trial.asks.lives),
        None => Timestamp::MAX,
    }
}

/// What is sent or handed to a person leaves once, and nothing else does.
fn one_effect_each(customer: &str, decision: &Decision) -> Result<(), Breach> {
    let leaving = decision.effects.iter().filter_map(|effect| match effect {
        Effect::Deliver(outreach) => Some(outreach.decision),
        Effect::Assign(task) => Some(task.decision),
        Effect::Expose(_) | Effect::Erase => None,
    });
    let mut leaving: Vec<_> = leaving.collect();
    let acting = decision.rulings.iter().filter(|ruling| {
        matches!(ruling.verdict, Verdict::Send { .. } | Verdict::Task)
            && ruling.replaces != Some(VerdictKind::Unknown)
    });
    let mut acting: Vec<_> = acting.map(|ruling| ruling.id).collect();
    leaving.sort_unstable();
    acting.sort_unstable();
    if leaving == acting {
        return Ok(());
    }
    Err(("I4", format!("{customer}: {leaving:?} leave, and {acting:?} were decided")))
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
