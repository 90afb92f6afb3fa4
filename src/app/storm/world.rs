//! The machine in the storm: a log, a shard, what is on its disk, a dispatcher, and the world outside.
//! Only log, disk and outside survive a crash.

mod end;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::oracle::{Breach, Deed, Ended, Oracle};
use super::shop::{CUSTOMERS, EVENTS, Rules, ZONES, pick};
use crate::config::OnUnknown;
use crate::decode::{Call, EventRecord, Freshness, PreferenceRecord, Record, Shape, Subject};
use crate::dispatch::attempt::{self, Doubt, Held, Next, Seen};
use crate::dispatch::outcome::CallResult;
use crate::engine::decision::{Decision, Effect};
use crate::engine::id::{CustomerId, DecisionId};
use crate::engine::input::{Answer, Delivery, Outcome};
use crate::engine::operation::{Operation, Operations, Order, Scope};
use crate::engine::slot::{ChannelSlot, PurposeSlot};
use crate::engine::testing::{EMAIL, IN_APP, MARKETING, SERVICE, SMS};
use crate::engine::time::{Span, Timestamp};
use crate::store::record::OutboxRow;
use crate::worker::CustomerNumber;
use crate::worker::gate;
use crate::worker::shard::{Shard, Stepped};
use crate::worker::testing::Dice;

/// Names of the purposes and channels of the shop, by their slots.
const PURPOSES: [&str; 3] = ["marketing", "service", "transactional"];
const CHANNELS: [&str; 3] = ["in_app", "email", "sms"];

/// A step that is not committed yet.
struct Step {
    customer: String,
    at: Timestamp,
    /// Its place in the log; none for a tick.
    entry: Option<usize>,
    decision: Decision,
}

/// What is on the disk beside the log.
#[derive(Default)]
struct Disk {
    states: BTreeMap<String, Vec<u8>>,
    applied: usize,
    outbox: BTreeMap<String, OutboxRow>,
    operations: Operations,
}

/// What the world outside has seen of one decision.
#[derive(Default)]
struct Outside {
    attempts: BTreeSet<u32>,
    payload: Option<String>,
    accepted: u32,
}

pub(super) struct World {
    pub(super) rules: Rules,
    pub(super) oracle: Oracle,
    dice: Dice,
    wall: Timestamp,
    log: Vec<(Timestamp, Bytes, &'static str, Deed)>,
    disk: Disk,
    outside: BTreeMap<String, Outside>,
    // What a crash takes away.
    shard: Shard,
    applied: usize,
    dirty: BTreeSet<CustomerNumber>,
    uncommitted: Vec<Step>,
    in_hand: BTreeMap<String, (Held, Seen)>,
    settled: BTreeSet<String>,
    next_id: u32,
    last_event: Option<(&'static str, String, &'static str)>,
    /// Whether the clock of the machine went back: what was decided by its time then is not to be
    /// had from the log alone.
    pub(super) went_back: bool,
    pub(super) crashes: u32,
    pub(super) calls: u32,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let rules = Rules::draw(&mut dice);
        let mut world = Self {
            oracle: Oracle::new(rules.clone(), &CUSTOMERS),
            shard: Shard::new(rules.catalog.clone()),
            wall: rules.start,
            rules,
            dice,
            log: Vec::new(),
            disk: Disk::default(),
            outside: BTreeMap::new(),
            applied: 0,
            dirty: BTreeSet::new(),
            uncommitted: Vec::new(),
            in_hand: BTreeMap::new(),
            settled: BTreeSet::new(),
            next_id: 0,
            last_event: None,
            went_back: false,
            crashes: 0,
            calls: 0,
        };
        for customer in CUSTOMERS {
            let zone = ZONES[pick(&mut world.dice, ZONES.len())];
            world.identify(customer, Some(Some(zone)), Some(true), Some(true));
            if world.chance(4, 5) {
                world.consent(customer, Some(MARKETING), None, Answer::Granted);
            }
        }
        world
    }

    fn chance(&mut self, of: u64, all: u64) -> bool {
        self.dice.below(all) < of
    }

    /// Something happens; which, the dice say.
    pub(super) fn happen(&mut self) -> Result<(), Breach> {
        let customer = CUSTOMERS[pick(&mut self.dice, CUSTOMERS.len())];
        match self.dice.below(32) {
            0..=10 => self.event(customer),
            11 => self.same_event_again(),
            12 => self.learn(customer),
            13..=14 => self.answer(customer),
            15 if self.chance(1, 2) => self.wish(customer),
            15 => self.order(),
            16..=20 => self.pass_time()?,
            21..=23 => self.apply_all(),
            24..=25 => self.commit()?,
            26..=30 => self.dispatch()?,
            _ => self.crash()?,
        }
        Ok(())
    }

    fn fresh_id(&mut self, letter: &str) -> String {
        self.next_id += 1;
        format!("{letter}{}", self.next_id)
    }

    fn event(&mut self, customer: &'static str) {
        let name = EVENTS[pick(&mut self.dice, EVENTS.len())];
        let id = self.fresh_id("e");
        self.last_event = Some((customer, id.clone(), name));
        self.append_event(customer, id, name);
    }

    fn same_event_again(&mut self) {
        if let Some((customer, id, name)) = self.last_event.clone() {
            self.append_event(customer, id, name);
        }
    }

    fn append_event(&mut self, customer: &'static str, id: String, name: &'static str) {
        let json = format!(r#"{{"customer":"{customer}","event":"{name}","id":"{id}"}}"#);
        let bytes = self.record(customer, &id, Call::Track, &json);
        let occurred_at = self.log_time();
        self.append(customer, bytes, Deed::Event { id, name, occurred_at });
    }

    fn record(&self, customer: &str, id: &str, call: Call, json: &str) -> Bytes {
        let at = self.log_time();
        Record::Event(EventRecord {
            subject: Subject::Customer(customer),
            id,
            occurred_at: at,
            received_at: at,
            shape: Shape::Own,
            call,
            freshness: Freshness::Live,
            json,
        })
        .to_bytes()
    }

    fn learn(&mut self, customer: &'static str) {
        let zone = match self.dice.below(4) {
            0 => Some(None),
            1 | 2 => Some(Some(ZONES[pick(&mut self.dice, ZONES.len())])),
            _ => None,
        };
        let email = self.chance(1, 2).then(|| self.chance(2, 3));
        let phone = self.chance(1, 2).then(|| self.chance(2, 3));
        self.identify(customer, zone, email, phone);
    }

    fn identify(
        &mut self,
        customer: &'static str,
        zone: Option<Option<&'static str>>,
        email: Option<bool>,
        phone: Option<bool>,
    ) {
        let id = self.fresh_id("t");
        let mut traits = serde_json::Map::new();
        if let Some(zone) = zone {
            traits.insert("timezone".into(), zone.into());
        }
        for (name, there) in [("email", email), ("phone", phone)] {
            if let Some(there) = there {
                traits.insert(name.into(), there.then_some("somewhere").into());
            }
        }
        let json = serde_json::json!({ "customer": customer, "id": id, "traits": traits });
        let bytes = self.record(customer, &id, Call::Identify, &json.to_string());
        self.append(customer, bytes, Deed::Identify { id, zone, email, phone });
    }

    fn answer(&mut self, customer: &'static str) {
        let purposes = [None, Some(MARKETING), Some(MARKETING), Some(SERVICE)];
        let channels = [None, None, Some(EMAIL), Some(SMS), Some(IN_APP)];
        let purpose = purposes[pick(&mut self.dice, purposes.len())];
        let channel = channels[pick(&mut self.dice, channels.len())];
        let answer = if self.chance(1, 2) { Answer::Granted } else { Answer::Denied };
        self.consent(customer, purpose, channel, answer);
    }

    fn consent(
        &mut self,
        customer: &'static str,
        purpose: Option<PurposeSlot>,
        channel: Option<ChannelSlot>,
        answer: Answer,
    ) {
        let preference = PreferenceRecord::Consent {
            purpose: purpose.map(|slot| PURPOSES[slot.index()]),
            channel: channel.map(|slot| CHANNELS[slot.index()]),
            answer,
            source: "storm",
            evidence: None,
            about: None,
        };
        self.prefer(customer, preference, Deed::Consent { purpose, channel, answer });
    }

    fn wish(&mut self, customer: &'static str) {
        if self.chance(1, 2) {
            let hours = i64::try_from(self.dice.below(60)).unwrap();
            let until = self.chance(2, 3).then(|| self.wall + Span::HOUR.times(hours));
            return self.prefer(customer, PreferenceRecord::PauseUntil(until), Deed::Pause(until));
        }
        let channels = [None, Some(SMS), Some(IN_APP)];
        let channel = channels[pick(&mut self.dice, channels.len())];
        let name = channel.map(|slot| CHANNELS[slot.index()]);
        self.prefer(customer, PreferenceRecord::PreferredChannel(name), Deed::Prefer(channel));
    }

    fn prefer(&mut self, customer: &'static str, preference: PreferenceRecord<'_>, deed: Deed) {
        let bytes = Record::Preference { customer, preference }.to_bytes();
        self.append(customer, bytes, deed);
    }

    fn order(&mut self) {
        let orders = [Order::Pause, Order::Pause, Order::Stop, Order::Resume, Order::Resume];
        let scopes = [
            Scope::Everything,
            Scope::Everything,
            Scope::Purpose("marketing".into()),
            Scope::Trigger("a".into()),
            Scope::Trigger("h".into()),
        ];
        let hours = i64::try_from(self.dice.below(48)).unwrap();
        let operation = Operation {
            id: self.fresh_id("o").into(),
            order: orders[pick(&mut self.dice, orders.len())],
            scope: scopes[pick(&mut self.dice, scopes.len())].clone(),
            until: self.log_time() + Span::HOUR.times(hours),
            by: "storm".into(),
            why: "chance".into(),
        };
        let bytes = Record::Operation(operation.clone()).to_bytes();
        self.append("", bytes, Deed::Order(operation));
    }

    /// The log's own time never goes back.
    fn log_time(&self) -> Timestamp {
        self.log.last().map_or(self.wall, |(at, ..)| self.wall.max(*at))
    }

    fn append(&mut self, customer: &'static str, bytes: Bytes, deed: Deed) {
        self.log.push((self.log_time(), bytes, customer, deed));
    }

    fn pass_time(&mut self) -> Result<(), Breach> {
        let minutes = match self.dice.below(12) {
            0..=4 => self.dice.below(90),
            5..=8 => self.dice.below(600),
            9 => 1_440 + self.dice.below(1_440),
            10 => self.dice.below(10_000),
            _ => {
                // The clock is set back.
                self.went_back = true;
                let minutes = i64::try_from(self.dice.below(180)).unwrap();
                self.wall = self.wall - Span::MINUTE.times(minutes);
                return Ok(());
            }
        };
        self.wall = self.wall + Span::MINUTE.times(i64::try_from(minutes).unwrap());
        if self.chance(1, 2) {
            self.apply_all();
            self.tick();
        }
        Ok(())
    }

    fn apply_all(&mut self) {
        while let Some((at, bytes, ..)) = self.log.get(self.applied) {
            let record = Record::parse(bytes).unwrap();
            let entry = self.applied;
            let due: Vec<_> = CUSTOMERS.into_iter().filter(|id| self.is_due(id, *at)).collect();
            let stepped = self.shard.apply(&record, *at, entry as u64 + 1).unwrap();
            let at = *at;
            self.applied += 1;
            match stepped {
                Stepped::One(number, decision) => self.keep(number, at, Some(entry), decision),
                Stepped::Many(all) => {
                    // First comes what was due before the order, then the order itself.
                    let (before, after) = all.split_at_checked(due.len()).unwrap();
                    for (number, decision) in before {
                        self.keep(*number, at, None, decision.clone());
                    }
                    let (customer, decision) = (String::new(), Decision::default());
                    self.uncommitted.push(Step { customer, at, entry: Some(entry), decision });
                    for (number, decision) in after {
                        self.keep(*number, at, Some(entry), decision.clone());
                    }
                }
                Stepped::Nothing => {}
            }
        }
    }

    fn is_due(&self, customer: &str, at: Timestamp) -> bool {
        let due = self.shard.find(customer).and_then(|state| state.next_due());
        due.is_some_and(|due| due <= at)
    }

    /// Time goes on for those who have something due: only when the whole log was applied.
    fn tick(&mut self) {
        while let Some((number, decision)) = self.shard.tick(self.wall) {
            let at = self.shard.state(number).unwrap().now;
            self.keep(number, at, None, decision);
        }
    }

    fn keep(
        &mut self,
        number: CustomerNumber,
        at: Timestamp,
        entry: Option<usize>,
        decision: Decision,
    ) {
        self.dirty.insert(number);
        let customer = self.shard.state(number).unwrap().id.as_str().to_owned();
        self.uncommitted.push(Step { customer, at, entry, decision });
    }

    /// One atomic write: states, outbox, place in the log. What it decided may leave after it.
    fn commit(&mut self) -> Result<(), Breach> {
        for number in std::mem::take(&mut self.dirty) {
            let mut bytes = Vec::new();
            self.shard.encode(number, &mut bytes).unwrap();
            let customer = self.shard.state(number).unwrap().id.as_str().to_owned();
            self.disk.states.insert(customer, bytes);
        }
        self.disk.applied = self.applied;
        self.disk.operations = self.shard.operations().clone();
        for step in std::mem::take(&mut self.uncommitted) {
            let deed = step.entry.map(|entry| &self.log[entry].3);
            if let Some(Deed::Order(operation)) = deed {
                self.oracle.ordered(operation, step.at);
            }
            self.oracle.told(&step.customer, step.at, deed, &step.decision)?;
            if let Some(Deed::Outcome { decision, .. }) = deed {
                self.disk.outbox.remove(decision);
                self.settled.remove(decision);
            }
            for effect in &step.decision.effects {
                let Effect::Deliver(outreach) = effect else { continue };
                let row = self.shard.teller().outbox(0, outreach);
                let id = row.decision.clone();
                self.in_hand.insert(
                    id.clone(),
                    (Held { row: row.clone(), doubt: Doubt::None }, Seen::Fresh),
                );
                self.disk.outbox.insert(id, row);
            }
        }
        Ok(())
    }

    /// One row takes its next step.
    fn dispatch(&mut self) -> Result<(), Breach> {
        self.commit()?;
        let now = self.wall.max(self.log_time());
        let due: Vec<String> = self
            .in_hand
            .iter()
            .filter(|(_, (held, seen))| {
                *seen != Seen::Found || held.row.next_at_ms <= now.as_millis()
            })
            .map(|(id, _)| id.clone())
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        let id = due[pick(&mut self.dice, due.len())].clone();
        let Some((held, seen)) = self.in_hand.remove(&id) else { return Ok(()) };
        self.drive(id, held, seen, now)
    }

    fn drive(&mut self, id: String, held: Held, seen: Seen, now: Timestamp) -> Result<(), Breach> {
        let on_unknown = policy_of(&held.row);
        let (before, seen_before) = (held.clone(), seen.clone());
        let (held, begun) = match attempt::next(&held, seen, on_unknown, now) {
            Next::Call => (held, true),
            Next::Begin(held) => (held, false),
            Next::Ask => {
                return Err(("I3", format!("{id}: asked about where nobody can be asked")));
            }
            Next::Wait(row) => {
                self.disk.outbox.insert(id.clone(), row.clone());
                self.in_hand.insert(id, (Held { row, doubt: held.doubt }, Seen::Found));
                return Ok(());
            }
            Next::Finish(delivery) => {
                self.finish(id, &held.row, delivery);
                return Ok(());
            }
        };
        if attempt::needs_recheck(&held.row, now) {
            let Ok(asked) = gate::ask(&self.shard, &held.row, now) else {
                // An operator holds it: it is asked about again.
                self.in_hand.insert(id, (before, seen_before));
                return Ok(());
            };
            if let Some(reason) = asked {
                let delivery = attempt::refuse(&held, reason, None);
                self.finish(id, &held.row, delivery);
                return Ok(());
            }
            let channel = slot_of(&held.row);
            let expires_at = Timestamp::from_millis(held.row.expires_at_ms);
            self.oracle.late_call(&held.row.customer, (&id, expires_at), channel, now)?;
        }
        if !begun {
            self.disk.outbox.insert(id.clone(), held.row.clone());
        }
        let Some(result) = self.call(&id, &held)? else { return self.crash() };
        self.drive_on(id, &held, result, now)
    }

    fn drive_on(
        &mut self,
        id: String,
        held: &Held,
        result: CallResult,
        now: Timestamp,
    ) -> Result<(), Breach> {
        let on_unknown = policy_of(&held.row);
        match attempt::next(held, Seen::Called(result), on_unknown, now) {
            Next::Wait(row) => {
                self.disk.outbox.insert(id.clone(), row.clone());
                self.in_hand.insert(id, (Held { row, doubt: held.doubt }, Seen::Found));
            }
            Next::Finish(delivery) => self.finish(id, &held.row, delivery),
            other => return Err(("I3", format!("{id}: {other:?} after a call"))),
        }
        Ok(())
    }

    /// The call itself; none when the program ends under it.
    fn call(&mut self, id: &str, held: &Held) -> Result<Option<CallResult>, Breach> {
        self.calls += 1;
        let row = &held.row;
        let intended = self
            .disk
            .outbox
            .get(id)
            .is_some_and(|kept| kept.in_flight && kept.attempt == row.attempt);
        if !intended {
            return Err(("I3", format!("{id}: attempt {} was never written down", row.attempt)));
        }
        let payload =
            format!("{} {:?} {:?} {:?}", row.decision, row.address, row.locale, row.content);
        let dice = self.dice.below(12);
        let accepted = match dice {
            0..=5 | 8 => true,
            11 => self.dice.below(2) == 0,
            _ => false,
        };
        let seen = self.outside.entry(id.to_owned()).or_default();
        if !seen.attempts.insert(row.attempt) {
            return Err(("I3", format!("{id}: attempt {} begins twice", row.attempt)));
        }
        if seen.payload.get_or_insert_with(|| payload.clone()) != &payload {
            return Err(("I2", format!("{id}: other bytes at attempt {}", row.attempt)));
        }
        seen.accepted += u32::from(accepted);
        if 1 < seen.accepted && policy_of(row) == OnUnknown::Hold {
            return Err(("I1", format!("{id} reached {} twice on {}", row.customer, row.channel)));
        }
        let why = "storm".to_owned();
        Ok(match dice {
            0..=5 => Some(CallResult::Delivered),
            6 => Some(CallResult::Rejected { why }),
            7 => Some(CallResult::NotSent { why, not_before: None }),
            8 | 9 => Some(CallResult::Unknown { why }),
            10 => Some(CallResult::NotSent { why, not_before: Some(self.wall + Span::HOUR) }),
            _ => None,
        })
    }

    /// The end of a row goes into the log.
    fn finish(&mut self, id: String, row: &OutboxRow, delivery: Delivery) {
        let customer = CUSTOMERS.iter().find(|name| **name == row.customer).copied().unwrap();
        let result = match &delivery {
            Delivery::Delivered => Ended::Delivered,
            Delivery::Rejected { .. } => Ended::Rejected,
            Delivery::Unknown { .. } => Ended::Unknown,
            Delivery::Expired => Ended::Expired,
            Delivery::Refused { reason, .. } => Ended::Refused(*reason),
        };
        let outcome = Outcome {
            decision: DecisionId::parse(&id).unwrap(),
            attempt: row.attempt,
            result: delivery,
        };
        let bytes = Record::Outcome { customer, outcome, known_as: None }.to_bytes();
        self.settled.insert(id.clone());
        self.append(customer, bytes, Deed::Outcome { decision: id, result });
    }

    /// The program ends at once and starts again from its disk and the log.
    fn crash(&mut self) -> Result<(), Breach> {
        self.crashes += 1;
        self.in_hand.clear();
        self.settled.clear();
        self.uncommitted.clear();
        self.dirty.clear();
        self.shard = Shard::new(self.rules.catalog.clone());
        for (customer, bytes) in &self.disk.states {
            self.shard.load(CustomerId::new(customer), bytes).unwrap();
        }
        self.shard.set_operations(self.disk.operations.clone());
        self.applied = self.disk.applied;
        self.apply_all();
        self.commit()?;
        for (id, row) in &self.disk.outbox {
            let held = Held { row: row.clone(), doubt: Doubt::None };
            self.in_hand.entry(id.clone()).or_insert((held, Seen::Found));
        }
        Ok(())
    }
}

/// Mail and messages are held when it is not known what became of them; what knows its id again is
/// called again.
fn policy_of(row: &OutboxRow) -> OnUnknown {
    if row.channel == "in_app" { OnUnknown::Retry } else { OnUnknown::Hold }
}

fn slot_of(row: &OutboxRow) -> ChannelSlot {
    let place = CHANNELS.iter().position(|name| *name == row.channel).unwrap();
    ChannelSlot(u16::try_from(place).unwrap())
}
