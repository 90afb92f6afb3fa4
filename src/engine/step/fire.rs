//! From a match to a ruling: conditions, cause, the governor's judgement, and what follows from it.

use std::borrow::Cow;

use thin_vec::ThinVec;

use super::super::catalog::Trigger;
use super::super::customer::{Cause, CustomerState, Waiting};
use super::super::decision::{
    Detail, Effect, Exposure, Finding, Held, Passed, Reason, Rule, Ruling, Truth, Verdict,
    VerdictKind,
};
use super::super::evaluate::{self, Scope};
use super::super::govern::{self, Judgement, Proposal};
use super::super::id::{DecisionId, stable_hash};
use super::super::input::Event;
use super::super::slot::{PropertySlot, TriggerSlot};
use super::super::time::{Span, Timestamp};
use super::super::timer::TimerKind;
use super::super::value::{Property, Value};
use super::behavior::Fired;
use super::{Step, asks, content, timers};

/// Occurrences that a trigger remembers to have decided, of those that could come again.
const MARKS_MAX: usize = 32;

/// A trigger whose conditions hold, on its way to the governor.
pub(super) struct Firing<'a> {
    pub(super) slot: TriggerSlot,
    pub(super) trigger: &'a Trigger,
    pub(super) id: DecisionId,
    pub(super) cause: Box<Cause>,
    pub(super) decided_at: Timestamp,
    pub(super) stage: Stage,
    pub(super) conditions: Vec<Held>,
}

/// How a firing came about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has just matched.
    Matched,
    /// It waited and is decided again.
    Waited,
    /// It was sent already, on another channel.
    FellBack,
}

impl<'a> Step<'a> {
    /// Fires for a cause that is no event: its conditions are checked here.
    pub(super) fn reached(
        &mut self,
        slot: TriggerSlot,
        trigger: &'a Trigger,
        occurrence: &str,
        at: Timestamp,
    ) -> Fired {
        if !self.conditions_hold(trigger, &[], at) {
            return Fired::No;
        }
        let conditions = self.trace(trigger, &[], at);
        let (occurrence, properties) = (occurrence.into(), ThinVec::new());
        let cause = Cause { occurrence, at, clause: 0, object: None, properties };
        self.fire(slot, trigger, cause, conditions, at)
    }

    /// Takes a match to the governor. A decision that is under way already is not made twice.
    pub(super) fn fire(
        &mut self,
        slot: TriggerSlot,
        trigger: &'a Trigger,
        cause: Cause,
        conditions: Vec<Held>,
        at: Timestamp,
    ) -> Fired {
        let id = DecisionId::derive(&trigger.id, &self.state.id, &cause.occurrence);
        // A sender may give an id again long after it was forgotten: what went out does not again.
        if self.state.rare.waiting.iter().any(|waiting| waiting.id == id)
            || self.firings.iter().any(|firing| firing.id == id)
            || self.state.ledger.iter().any(|contact| contact.decision == id.head())
        {
            return Fired::No;
        }
        let (cause, decided_at, stage) = (Box::new(cause), at, Stage::Matched);
        self.firings.push(Firing { slot, trigger, id, cause, decided_at, stage, conditions });
        Fired::Yes
    }

    /// Judges what fired at an instant, all of it together.
    pub(super) fn conclude(&mut self, now: Timestamp) {
        // What is ruled may make something happen, and that may fire in turn. A customer is handed
        // over once, so this ends.
        while !self.firings.is_empty() {
            self.conclude_once(now);
        }
    }

    fn conclude_once(&mut self, now: Timestamp) {
        let mut firings = std::mem::take(&mut self.firings);
        // The order of matching depends on how inputs and timers fell together; decisions must not.
        firings.sort_by(|left, right| {
            let key = |firing: &Firing<'_>| (firing.slot, firing.decided_at);
            key(left)
                .cmp(&key(right))
                .then_with(|| left.cause.occurrence.cmp(&right.cause.occurrence))
        });
        let proposals: Vec<_> = firings
            .iter()
            .map(|firing| Proposal {
                id: firing.id,
                slot: firing.slot,
                trigger: firing.trigger,
                cause: &firing.cause,
                decided_at: firing.decided_at,
            })
            .collect();
        let judgements =
            govern::judge_under(self.catalog, self.operations, self.state, &proposals, now);
        drop(proposals);
        let mut handed_over = Vec::new();
        for (firing, mut judgement) in firings.into_iter().zip(judgements) {
            let taken = judgement.hands_over.take();
            handed_over.extend(taken.map(|unanswered| (firing.id, firing.trigger, unanswered)));
            self.rule(firing, judgement, now);
        }
        for (id, trigger, unanswered) in handed_over {
            self.hand_over(id, trigger, unanswered, now);
        }
    }

    /// Does what the judgement says and puts it on record.
    fn rule(&mut self, firing: Firing<'a>, judgement: Judgement, now: Timestamp) {
        let Judgement { mut verdict, mut findings, arm, expires_at, replaces, claim, .. } =
            judgement;
        self.give_way(&replaces, now);
        self.tell_where_it_was(firing.id, &mut findings);
        let mut offer = None;
        let first = firing.stage != Stage::FellBack;
        if first
            && matches!(verdict, Verdict::Send { .. } | Verdict::Task | Verdict::HoldOut { .. })
        {
            self.expose(&firing, &verdict, arm.as_ref(), now);
        }
        match verdict {
            Verdict::Send { channel } => {
                match content::outreach(self, &firing, channel, arm.clone(), expires_at, now) {
                    Ok(outreach) => {
                        offer.clone_from(&outreach.offer);
                        self.decision.effects.push(Effect::Deliver(outreach));
                        self.set_rung(&firing, channel, expires_at, now);
                    }
                    Err(why) => {
                        verdict = self.unrenderable(firing.id, why, &mut findings);
                    }
                }
            }
            Verdict::Task => match content::task(self, &firing, now) {
                Ok(task) => {
                    self.open_task(&task, now);
                    self.decision.effects.push(Effect::Assign(task));
                }
                Err(why) => verdict = self.unrenderable(firing.id, why, &mut findings),
            },
            Verdict::Defer { until, reason } => {
                // A wait that does not end later would be decided again for ever.
                let release_at = until.max(now + Span::from_millis(1));
                verdict = Verdict::Defer { until: release_at, reason };
                let due = asks::wakes_at(release_at, expires_at, &claim, now);
                self.wait(&firing, (release_at, due), expires_at, reason);
            }
            Verdict::HoldOut { .. }
            | Verdict::Suppress { .. }
            | Verdict::Expire { .. }
            | Verdict::Cancel { .. }
            | Verdict::Unknown { .. } => {}
        }
        if !matches!(verdict, Verdict::Send { .. } | Verdict::Defer { .. }) {
            self.climb_no_more(firing.id);
        }
        self.claim(&firing, &claim, (&verdict, expires_at), now);
        self.decision.rulings.push(Ruling {
            id: firing.id,
            trigger: firing.slot,
            occurrence: firing.cause.occurrence,
            at: now,
            caused_at: firing.cause.at,
            verdict,
            replaces: (firing.stage == Stage::Waited).then_some(VerdictKind::Defer),
            arm,
            offer,
            conditions: firing.conditions,
            findings,
        });
    }

    /// What waited for the place that another takes waits no more.
    fn give_way(&mut self, replaced: &[DecisionId], now: Timestamp) {
        for id in replaced {
            let all = &mut self.state.rare.waiting;
            let Some(index) = all.iter().position(|waiting| waiting.id == *id) else { continue };
            let waiting = all.remove(index);
            let verdict = Verdict::Suppress { reason: Reason::Outranked };
            self.cancel(waiting, verdict, Vec::new(), now);
        }
    }

    /// Keeps a decided outreach until its time; at `due` it is decided again.
    fn wait(
        &mut self,
        firing: &Firing<'_>,
        (release_at, due): (Timestamp, Timestamp),
        expires_at: Timestamp,
        reason: Reason,
    ) {
        self.state.rare.waiting.push(Waiting {
            id: firing.id,
            trigger: firing.slot,
            cause: firing.cause.clone(),
            decided_at: firing.decided_at,
            release_at,
            expires_at,
            reason,
        });
        timers::arm(self.state, due, TimerKind::Release { decision: firing.id });
    }

    /// A message that cannot be rendered is not sent: its place in the ledger is given back.
    fn unrenderable(
        &mut self,
        id: DecisionId,
        why: String,
        findings: &mut Vec<Finding>,
    ) -> Verdict {
        govern::withdraw(self.state, id);
        let detail = Detail::Text(why.into());
        findings.push(Finding { rule: Rule::Channel, passed: Passed::No, detail });
        Verdict::Suppress { reason: Reason::TemplateFailed }
    }

    /// Records that an arm could make a difference from here on. Whether the text can be rendered
    /// is not asked first, or the arms would lose different customers than the holdout.
    fn expose(
        &mut self,
        firing: &Firing<'_>,
        verdict: &Verdict,
        arm: Option<&std::sync::Arc<str>>,
        now: Timestamp,
    ) {
        let global = matches!(verdict, Verdict::HoldOut { reason: Reason::GlobalHoldout });
        let (Some(experiment), Some(arm), false) = (&firing.trigger.experiment, arm, global) else {
            return;
        };
        let unit = self.state.unit(experiment.unit, self.catalog.known.account);
        self.decision.effects.push(Effect::Expose(Exposure {
            experiment: experiment.key.clone(),
            arm: arm.clone(),
            unit: (*unit).into(),
            at: now,
        }));
    }

    /// Whether all conditions of a trigger hold.
    pub(super) fn conditions_hold(
        &self,
        trigger: &Trigger,
        properties: &[Property<'_>],
        now: Timestamp,
    ) -> bool {
        let scope = Scope { catalog: self.catalog, state: self.state, properties, now };
        trigger.conditions.iter().all(|c| evaluate::holds(c, &scope) == Truth::True)
    }

    /// The conditions with what they saw, for the record.
    pub(super) fn trace(
        &self,
        trigger: &Trigger,
        properties: &[Property<'_>],
        now: Timestamp,
    ) -> Vec<Held> {
        let scope = Scope { catalog: self.catalog, state: self.state, properties, now };
        trace_all(trigger, &scope)
    }
}

/// Every condition of a trigger with what it saw.
pub(in super::super) fn trace_all(trigger: &Trigger, scope: &Scope<'_>) -> Vec<Held> {
    trigger.conditions.iter().map(|condition| evaluate::trace(condition, scope)).collect()
}

/// The properties kept with a cause, where conditions and templates look for them.
pub(in super::super) fn properties_of(cause: &Cause) -> Vec<Property<'_>> {
    let last = cause.properties.iter().map(|(slot, _)| slot.index() + 1).max();
    let mut properties = vec![Property::Missing; last.unwrap_or(0)];
    for (slot, value) in &cause.properties {
        let kept = match value {
            Value::Bool(flag) => Property::Bool(*flag),
            Value::Num(number) => Property::Num(*number),
            Value::Str(text) => Property::Str(text),
            Value::List(_) | Value::Map(_) => Property::Owned(value.clone()),
        };
        if let Some(place) = properties.get_mut(slot.index()) {
            *place = kept;
        }
    }
    properties
}

/// What a trigger keeps of the event that caused it.
pub(super) fn captured(trigger: &Trigger, event: &Event<'_>) -> ThinVec<(PropertySlot, Value)> {
    let kept = |slot: &PropertySlot| Some((*slot, event.property(*slot).to_value()?));
    trigger.captures.iter().filter_map(kept).collect()
}

/// The object that an event is about, as far as a trigger tells objects apart.
pub(super) fn object_of(trigger: &Trigger, event: &Event<'_>) -> Option<Box<str>> {
    event.property(trigger.per?).to_name().map(Cow::into_owned).map(Into::into)
}

/// The hash of that object, without a copy of its name.
pub(super) fn object_hash_of(trigger: &Trigger, event: &Event<'_>) -> Option<u64> {
    event.property(trigger.per?).to_name().map(|name| stable_hash(&name))
}

/// Whether a trigger has decided an occurrence that could come again.
pub(super) fn was_decided(state: &CustomerState, slot: TriggerSlot, occurrence: &str) -> bool {
    let mark = mark_of(occurrence);
    state.progress(slot, 0).is_some_and(|progress| progress.hits.contains(&mark))
}

/// Remembers that it has.
pub(super) fn mark_decided(state: &mut CustomerState, slot: TriggerSlot, occurrence: &str) {
    let hits = &mut state.progress_mut(slot, 0).hits;
    if MARKS_MAX <= hits.len() {
        hits.remove(0);
    }
    hits.push(mark_of(occurrence));
}

/// Marks stand where other triggers keep instants, so they are cut to the range of one.
fn mark_of(occurrence: &str) -> Timestamp {
    let mark = stable_hash(occurrence) >> (u64::BITS - 47);
    Timestamp::from_millis(i64::try_from(mark).unwrap_or_default())
}
