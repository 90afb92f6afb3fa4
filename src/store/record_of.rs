//! How rulings are told: the engine's values as records, by names, each with a concrete reason.

mod task;
mod why;

#[cfg(test)]
mod tests;

use crate::engine::catalog::{Action, Catalog, Sending};
use crate::engine::customer::{Contact, ContactKind, CustomerState};
use crate::engine::decision::{
    Content, Decision, Detail, Effect, Exposure, Finding, Held, Outreach, Passed, Ruling, Truth,
    Verdict,
};
use crate::engine::id::DecisionId;
use crate::engine::input::Told;
use crate::engine::names::Names;
use crate::engine::slot::{ChannelSlot, EventSlot, PurposeSlot, TriggerSlot};
use crate::engine::task::TaskTurn;
use crate::engine::time::Timestamp;
use crate::engine::value::Value;

use super::batch::Ruled;
use super::format::Strangers;
use super::record::{
    ConditionRecord, ContactEntry, DecisionRecord, ExposureRecord, Field, OutboxRow, RuleRecord,
    Seen, TimelineEntry, Versions,
};

pub use why::WallClock;

/// Version of this program, named by every decision.
pub const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Tells what the engine says in words: knows the names behind the slots.
#[derive(Clone, Copy, Debug)]
pub struct Teller<'a> {
    /// The catalog in force.
    pub catalog: &'a Catalog,
    /// Names of events and traits.
    pub names: &'a Names,
    /// Names that the catalog no longer knows.
    pub strangers: &'a Strangers,
}

impl<'a> Teller<'a> {
    /// A ruling on record. `state` is the customer after the step, `decision` all that it gave.
    pub fn ruled(&self, state: &CustomerState, decision: &Decision, ruling: &Ruling) -> Ruled {
        Ruled {
            id: ruling.id,
            at: ruling.at,
            replaces: ruling.replaces,
            record: self.decision(state, decision, ruling),
        }
    }

    /// The record of a ruling.
    pub fn decision(
        &self,
        state: &CustomerState,
        decision: &Decision,
        ruling: &Ruling,
    ) -> DecisionRecord {
        let clock = WallClock::of(self.catalog, state);
        let rules: Vec<_> =
            ruling.findings.iter().map(|finding| self.rule(finding, &clock)).collect();
        let held = rules.iter().filter(|rule| !rule.passed).map(|rule| rule.detail.as_str());
        let why = self.why_with(ruling, &clock, held);
        let trigger = self.catalog.trigger(ruling.trigger);
        let purpose = trigger.and_then(|trigger| match &trigger.action {
            Action::Send(send) => Some(self.purpose(send.purpose)),
            Action::Task(_) => None,
        });
        let until = match ruling.verdict {
            Verdict::Defer { until, .. } => Some(until.to_string()),
            _ => None,
        };
        DecisionRecord {
            id: ruling.id.to_string(),
            customer: state.id.as_str().to_owned(),
            trigger: self.trigger(ruling.trigger).to_owned(),
            occurrence: ruling.occurrence.to_string(),
            caused_at: ruling.caused_at.to_string(),
            decided_at: ruling.at.to_string(),
            ruled_at: ruling.at.to_string(),
            verdict: ruling.verdict.kind().as_str().to_owned(),
            reason: ruling.verdict.reason().map(|reason| reason.as_str().to_owned()),
            why,
            until,
            purpose: purpose.map(str::to_owned),
            channel: self.channel_of(ruling, decision).map(str::to_owned),
            offer: ruling.offer.as_deref().map(str::to_owned),
            arm: ruling.arm.as_deref().map(str::to_owned),
            content: content_of(decision, ruling.id).map(fields).unwrap_or_default(),
            conditions: ruling.conditions.iter().map(condition).collect(),
            rules,
            history: Vec::new(),
            versions: Versions {
                trigger: trigger.map(|trigger| trigger.version.clone()).unwrap_or_default(),
                policy: self.catalog.policy.version.clone(),
                catalog: self.catalog.revision.clone(),
                engine: ENGINE_VERSION.into(),
            },
            dry_run: self.catalog.sending == Sending::DryRun,
        }
    }

    /// A rule and what it found, in a sentence.
    pub fn rule(&self, finding: &Finding, clock: &WallClock) -> RuleRecord {
        RuleRecord {
            rule: finding.rule.as_str().into(),
            passed: finding.passed == Passed::Yes,
            detail: self.detail(finding, clock),
        }
    }

    /// The row of a send whose first attempt may begin.
    pub fn outbox(&self, shard: u16, outreach: &Outreach) -> OutboxRow {
        OutboxRow {
            decision: outreach.decision.to_string(),
            shard,
            customer: outreach.customer.as_str().to_owned(),
            trigger: self.trigger(outreach.trigger).to_owned(),
            channel: self.channel(outreach.channel).to_owned(),
            address: outreach.address.as_deref().map(str::to_owned),
            purpose: self.purpose(outreach.purpose).to_owned(),
            decided_at_ms: outreach.decided_at.as_millis(),
            expires_at_ms: outreach.expires_at.as_millis(),
            offer: outreach.offer.as_deref().map(str::to_owned),
            arm: outreach.arm.as_deref().map(str::to_owned),
            locale: outreach.content.locale.to_string(),
            content: fields(&outreach.content),
            // The intent of the first attempt is committed with the decision itself.
            attempt: 1,
            in_flight: true,
            asks: 0,
            confirming: None,
            next_at_ms: outreach.decided_at.as_millis(),
            dry_run: self.catalog.sending == Sending::DryRun,
        }
    }

    /// An event of the timeline.
    pub fn timeline(&self, (event, at): (EventSlot, Timestamp)) -> TimelineEntry {
        TimelineEntry { at: at.to_string(), event: self.names.event_text(event).to_owned() }
    }

    /// A contact of the ledger.
    pub fn contact(&self, contact: &Contact) -> ContactEntry {
        ContactEntry {
            at: contact.at.to_string(),
            trigger: self.trigger(contact.trigger).to_owned(),
            channel: self.channel(contact.channel).to_owned(),
            kind: kind_word(contact.kind).to_owned(),
            told: told_word(contact),
        }
    }

    /// The name of a trigger.
    pub fn trigger(&self, slot: TriggerSlot) -> &'a str {
        match self.catalog.trigger(slot) {
            Some(trigger) => trigger.id.as_str(),
            None => self.stranger(slot.0),
        }
    }

    /// The name of the trigger that asked for a task.
    pub fn trigger_of(&self, turn: &TaskTurn) -> &'a str {
        turn.after.as_ref().map_or("(forgotten)", |after| self.trigger(after.trigger))
    }

    /// The name of a purpose.
    pub fn purpose(&self, slot: PurposeSlot) -> &'a str {
        let known = self.catalog.policy.purposes.get(slot.index());
        known.map_or_else(|| self.stranger(slot.0), |purpose| &purpose.name)
    }

    /// The name of a channel.
    pub fn channel(&self, slot: ChannelSlot) -> &'a str {
        let known = self.catalog.policy.channels.get(slot.index());
        known.map_or_else(|| self.stranger(slot.0), |channel| &channel.name)
    }

    fn stranger(&self, slot: u16) -> &'a str {
        self.strangers.text(slot).map_or("(removed)", |text| text)
    }

    fn channel_of(&self, ruling: &Ruling, decision: &Decision) -> Option<&'a str> {
        if let Verdict::Send { channel } = ruling.verdict {
            return Some(self.channel(channel));
        }
        let task = decision.effects.iter().find_map(|effect| match effect {
            Effect::Assign(task) if task.decision == ruling.id => Some(task.channel),
            _ => None,
        });
        let chosen = ruling.findings.iter().find_map(|finding| match finding.detail {
            Detail::Channel(channel) => channel,
            _ => None,
        });
        task.or(chosen).map(|channel| self.channel(channel))
    }
}

/// An exposure on record.
pub fn exposure(exposure: &Exposure) -> ExposureRecord {
    ExposureRecord {
        experiment: exposure.experiment.to_string(),
        unit: exposure.unit.to_string(),
        arm: exposure.arm.to_string(),
        at: exposure.at.to_string(),
    }
}

/// A condition with what it saw.
pub fn condition(held: &Held) -> ConditionRecord {
    let place = &held.place;
    ConditionRecord {
        text: held.text.to_string(),
        place: format!("{}:{}:{}", place.file, place.line, place.column),
        outcome: match held.outcome {
            Truth::True => "true",
            Truth::False => "false",
            Truth::Missing => "missing",
        }
        .to_owned(),
        seen: held
            .seen
            .iter()
            .map(|(name, value)| Seen { name: name.to_string(), value: json(value.as_ref()) })
            .collect(),
    }
}

/// A value as JSON; `null` when it is missing.
pub fn json(value: Option<&Value>) -> serde_json::Value {
    match value {
        None => serde_json::Value::Null,
        Some(Value::Bool(flag)) => (*flag).into(),
        Some(Value::Num(number)) => json_number(*number),
        Some(Value::Str(text)) => (&**text).into(),
        Some(Value::List(items)) => items.iter().map(|item| json(Some(item))).collect(),
        Some(Value::Map(fields)) => {
            let fields = fields.iter().map(|(key, value)| (key.to_string(), json(Some(value))));
            serde_json::Value::Object(fields.collect())
        }
    }
}

/// Whole numbers without a fraction, as they were most likely sent.
fn json_number(number: f64) -> serde_json::Value {
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if number.trunc().to_bits() == number.to_bits() && number.abs() < WHOLE_MAX {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
        return (number as i64).into();
    }
    number.into()
}

/// Under what a send is found by its name at its provider.
pub fn known_by_id(id: &str) -> String {
    format!("id:{id}")
}

/// Under what the last send to an address is found.
pub fn known_by_address(address: &str) -> String {
    format!("to:{}", address.trim().to_lowercase())
}

fn told_word(contact: &Contact) -> Option<String> {
    (contact.told != Told::Nothing).then(|| contact.told.as_str().to_owned())
}

/// How a contact counts, in the word of the API.
pub const fn kind_word(kind: ContactKind) -> &'static str {
    match kind {
        ContactKind::Reserved => "reserved",
        ContactKind::Sent => "sent",
        ContactKind::Unknown => "unknown",
        ContactKind::Ghost => "ghost",
        ContactKind::DryRun => "dry_run",
    }
}

fn content_of(decision: &Decision, id: DecisionId) -> Option<&Content> {
    decision.effects.iter().find_map(|effect| match effect {
        Effect::Deliver(outreach) if outreach.decision == id => Some(&outreach.content),
        _ => None,
    })
}

fn fields(content: &Content) -> Vec<Field> {
    let fields = content.fields.iter();
    fields.map(|(name, text)| Field { name: name.to_string(), text: text.to_string() }).collect()
}
